# The OpenCL backend: any device of the ICD loader; the kernels are those of backends/gpu.
if BACKEND_OPENCL
backends_LTLIBRARIES += %D%/opencl.la
endif
backends_opencl_opencl_la_SOURCES =
backends_opencl_opencl_la_LDFLAGS = $(PLUGIN_LDFLAGS)
backends_opencl_opencl_la_LIBADD = backends/gpu/libgpu.la $(OPENCL_LIBS)
EXTRA_DIST += %D%/configure.m4

# sources backends_opencl_opencl_la_SOURCES: *.c *.h ops/*.c ops/*.h
backends_opencl_opencl_la_SOURCES += \
	%D%/kernel.c \
	%D%/opencl.c \
	%D%/opencl.h \
	%D%/probe.c \
	%D%/queue.c
# end (kept by build-aux/update-sources)
