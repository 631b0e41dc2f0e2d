# The CUDA backend: cuDNN and cuBLASLt in front of the kernels of backends/gpu. No library is linked: all are opened at run time.
if BACKEND_CUDA
backends_LTLIBRARIES += %D%/cuda.la
endif
backends_cuda_cuda_la_SOURCES =
backends_cuda_cuda_la_CPPFLAGS = $(AM_CPPFLAGS) $(CUDA_CPPFLAGS)
backends_cuda_cuda_la_LDFLAGS = $(PLUGIN_LDFLAGS)
backends_cuda_cuda_la_LIBADD = backends/gpu/libgpu.la
EXTRA_DIST += %D%/configure.m4

# sources backends_cuda_cuda_la_SOURCES: *.c *.h ops/*.c ops/*.h
backends_cuda_cuda_la_SOURCES += \
	%D%/backend.h \
	%D%/cuda.c \
	%D%/graph.c \
	%D%/graph.h \
	%D%/kernel.c \
	%D%/kernels.c \
	%D%/library.c \
	%D%/library.h \
	%D%/ops/conv2d.c \
	%D%/ops/matmul.c \
	%D%/ops/ops.h \
	%D%/queue.c \
	%D%/tune.c
# end (kept by build-aux/update-sources)
