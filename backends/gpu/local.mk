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
	%D%/kernels/common.cl \
	%D%/kernels/copy.cl \
	%D%/kernels/cuda.cl \
	%D%/kernels/fill.cl \
	%D%/kernels/opencl.cl \
	%D%/kernels/pointwise.cl \
	%D%/kernels/reduce.cl \
	%D%/kernels/softmax.cl
# end (kept by build-aux/update-sources)

# sources backends_gpu_libgpu_la_SOURCES: *.c *.h ops/*.c ops/*.h
backends_gpu_libgpu_la_SOURCES += \
	%D%/gpu.h \
	%D%/helpers.c \
	%D%/ops/batch_norm.c \
	%D%/ops/copy.c \
	%D%/ops/ops.h \
	%D%/ops/reduce.c \
	%D%/ops/reduce.h \
	%D%/ops/softmax.c \
	%D%/ops/team.c \
	%D%/ops/team.h \
	%D%/pointwise.c \
	%D%/source.c \
	%D%/table.c
# end (kept by build-aux/update-sources)
