# The public headers.
# sources telarinclude_HEADERS: telar/*.h telar/*.def
telarinclude_HEADERS += \
	%D%/telar/attrs.h \
	%D%/telar/autograd.h \
	%D%/telar/backend.h \
	%D%/telar/config.h \
	%D%/telar/data.h \
	%D%/telar/dataset.h \
	%D%/telar/format.h \
	%D%/telar/function.h \
	%D%/telar/model.h \
	%D%/telar/nn.h \
	%D%/telar/op.h \
	%D%/telar/ops.h \
	%D%/telar/optim.h \
	%D%/telar/plugin.h \
	%D%/telar/pointwise.def \
	%D%/telar/pointwise.h \
	%D%/telar/pointwise_c.h \
	%D%/telar/program.h \
	%D%/telar/random.h \
	%D%/telar/registry.h \
	%D%/telar/state.h \
	%D%/telar/telar.h \
	%D%/telar/tensor.h \
	%D%/telar/train.h \
	%D%/telar/types.h
# end (kept by build-aux/update-sources)
