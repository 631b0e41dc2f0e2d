# What the backends for GPUs share: kernels in the common part of OpenCL C and CUDA C++, and their host code. No plugin by itself.
GPU_KERNELS =
if BACKEND_GPU
noinst_LTLIBRARIES += %D%/libgpu.la
endif
backends_gpu_libgpu_la_SOURCES =
nodist_backends_gpu_libgpu_la_SOURCES = %D%/kernels/sources.c
EXTRA_DIST += %D%/configure.m4 build-aux/embed $(GPU_KERNELS)
CLEANFILES += %D%/kernels/sources.c

%D%/kernels/sources.c: $(GPU_KERNELS) $(top_srcdir)/build-aux/embed
	$(AM_V_GEN)$(MKDIR_P) %D%/kernels && cd $(top_srcdir) && sources=; for f in $(GPU_KERNELS); do sources="$$sources $$f"; done; \
	    $(SHELL) build-aux/embed backends/gpu/gpu.h 'struct gpu_source' gpu_sources $$sources > $(abs_top_builddir)/$@.new && \
	    mv $(abs_top_builddir)/$@.new $(abs_top_builddir)/$@

# sources GPU_KERNELS: kernels/*.cl
GPU_KERNELS += \
	%D%/kernels/batch_norm.cl \
	%D%/kernels/cat.cl \
	%D%/kernels/common.cl \
	%D%/kernels/conv.cl \
	%D%/kernels/conv_weight.cl \
	%D%/kernels/copy.cl \
	%D%/kernels/cuda.cl \
	%D%/kernels/cumsum.cl \
	%D%/kernels/fill.cl \
	%D%/kernels/gather.cl \
	%D%/kernels/layer_norm.cl \
	%D%/kernels/matmul.cl \
	%D%/kernels/mse_loss.cl \
	%D%/kernels/nll_loss.cl \
	%D%/kernels/opencl.cl \
	%D%/kernels/optimizer.cl \
	%D%/kernels/pad.cl \
	%D%/kernels/pointwise.cl \
	%D%/kernels/pool.cl \
	%D%/kernels/reduce.cl \
	%D%/kernels/scatter.cl \
	%D%/kernels/softmax.cl \
	%D%/kernels/sort.cl \
	%D%/kernels/unfold.cl
# end (kept by build-aux/update-sources)

# sources backends_gpu_libgpu_la_SOURCES: *.c *.h ops/*.c ops/*.h
backends_gpu_libgpu_la_SOURCES += \
	%D%/gpu.h \
	%D%/helpers.c \
	%D%/ops/batch_norm.c \
	%D%/ops/cat.c \
	%D%/ops/conv2d.c \
	%D%/ops/conv2d_grad_weight.c \
	%D%/ops/copy.c \
	%D%/ops/cumsum.c \
	%D%/ops/gather.c \
	%D%/ops/layer_norm.c \
	%D%/ops/matmul.c \
	%D%/ops/mse_loss.c \
	%D%/ops/nll_loss.c \
	%D%/ops/ops.h \
	%D%/ops/optimizer_step.c \
	%D%/ops/pad.c \
	%D%/ops/pool.c \
	%D%/ops/reduce.c \
	%D%/ops/reduce.h \
	%D%/ops/scatter_add.c \
	%D%/ops/softmax.c \
	%D%/ops/sort.c \
	%D%/ops/team.c \
	%D%/ops/team.h \
	%D%/ops/unfold.c \
	%D%/pointwise.c \
	%D%/sorting.c \
	%D%/sorting.h \
	%D%/source.c \
	%D%/table.c
# end (kept by build-aux/update-sources)
