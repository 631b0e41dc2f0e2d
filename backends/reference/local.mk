# The reference backend: plain C, every op, written to be read.
backends_LTLIBRARIES += %D%/reference.la
backends_reference_reference_la_SOURCES =
backends_reference_reference_la_LDFLAGS = $(PLUGIN_LDFLAGS)
backends_reference_reference_la_LIBADD = $(LIBM)

# sources backends_reference_reference_la_SOURCES: *.c *.h ops/*.c ops/*.h
backends_reference_reference_la_SOURCES += \
	%D%/dot.h \
	%D%/each_float.h \
	%D%/each_type.h \
	%D%/elements.c \
	%D%/elements.h \
	%D%/extreme.h \
	%D%/ops/adaptive_avg_pool2d.c \
	%D%/ops/adaptive_avg_pool2d_grad.c \
	%D%/ops/adaptive_pool2d.h \
	%D%/ops/addmm.c \
	%D%/ops/amax.c \
	%D%/ops/amin.c \
	%D%/ops/argmax.c \
	%D%/ops/argmin.c \
	%D%/ops/avg_pool2d.c \
	%D%/ops/avg_pool2d_grad.c \
	%D%/ops/batch_norm.c \
	%D%/ops/batch_norm.h \
	%D%/ops/batch_norm_grad.c \
	%D%/ops/cat.c \
	%D%/ops/conv2d.c \
	%D%/ops/conv2d.h \
	%D%/ops/conv2d_grad_input.c \
	%D%/ops/conv2d_grad_weight.c \
	%D%/ops/copy.c \
	%D%/ops/cumsum.c \
	%D%/ops/embedding.c \
	%D%/ops/embedding_grad.c \
	%D%/ops/fill.c \
	%D%/ops/flip.c \
	%D%/ops/fold.c \
	%D%/ops/gather.c \
	%D%/ops/index_add.c \
	%D%/ops/index_select.c \
	%D%/ops/layer_norm.c \
	%D%/ops/layer_norm.h \
	%D%/ops/layer_norm_grad.c \
	%D%/ops/log_softmax.c \
	%D%/ops/log_softmax_grad.c \
	%D%/ops/matmul.c \
	%D%/ops/matmul.h \
	%D%/ops/max_pool2d.c \
	%D%/ops/max_pool2d.h \
	%D%/ops/max_pool2d_grad.c \
	%D%/ops/max_pool2d_pick.c \
	%D%/ops/mean.c \
	%D%/ops/mse_loss.c \
	%D%/ops/mse_loss_grad.c \
	%D%/ops/nll_loss.c \
	%D%/ops/nll_loss.h \
	%D%/ops/nll_loss_grad.c \
	%D%/ops/pad.c \
	%D%/ops/pointwise.c \
	%D%/ops/pool2d.h \
	%D%/ops/prod.c \
	%D%/ops/rnn.c \
	%D%/ops/rnn.h \
	%D%/ops/rnn_grad.c \
	%D%/ops/scatter_add.c \
	%D%/ops/softmax.c \
	%D%/ops/softmax_grad.c \
	%D%/ops/sort.c \
	%D%/ops/sort.h \
	%D%/ops/sum.c \
	%D%/ops/topk.c \
	%D%/ops/unfold.c \
	%D%/ops/unfold.h \
	%D%/ops/var.c \
	%D%/reduce.c \
	%D%/reduce.h \
	%D%/reference.c \
	%D%/reference.h \
	%D%/softmax.h \
	%D%/walk.c \
	%D%/walk.h
# end (kept by build-aux/update-sources)
