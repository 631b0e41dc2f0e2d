# The CPU backend: oneDNN for convolution, matmul and pooling; own vector loops; OpenMP.
if BACKEND_CPU
backends_LTLIBRARIES += %D%/cpu.la
endif
backends_cpu_cpu_la_SOURCES =
backends_cpu_cpu_la_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)
backends_cpu_cpu_la_LDFLAGS = $(PLUGIN_LDFLAGS) $(OPENMP_CFLAGS)
backends_cpu_cpu_la_LIBADD = $(DNNL_LIBS) $(LIBM)
EXTRA_DIST += %D%/configure.m4

# sources backends_cpu_cpu_la_SOURCES: *.c *.h ops/*.c ops/*.h vector/*.c vector/*.h
backends_cpu_cpu_la_SOURCES += \
	%D%/cpu.c \
	%D%/cpu.h \
	%D%/layouts.c \
	%D%/layouts.h \
	%D%/onednn.h \
	%D%/ops/conv2d.c \
	%D%/ops/pointwise.c \
	%D%/pi.c \
	%D%/vector/level.h \
	%D%/vector/math.h \
	%D%/vector/pi.h \
	%D%/vector/pointwise.c \
	%D%/vector/pointwise_type.h \
	%D%/vector/stream.h \
	%D%/vector/vector.c \
	%D%/vector/vector.h
# end (kept by build-aux/update-sources)
