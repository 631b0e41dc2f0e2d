# The CPU backend: oneDNN for convolution and matmul; own vector loops; OpenMP.
# What is under vector/ is compiled once for each instruction set; the backend chooses at run time.
if BACKEND_CPU
backends_LTLIBRARIES += %D%/cpu.la
noinst_LTLIBRARIES += %D%/vector/libbase.la
if CPU_X86
noinst_LTLIBRARIES += %D%/vector/libavx2.la %D%/vector/libavx512.la
endif
endif
backends_cpu_cpu_la_SOURCES =
backends_cpu_cpu_la_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)
backends_cpu_cpu_la_LDFLAGS = $(PLUGIN_LDFLAGS) $(OPENMP_CFLAGS)
backends_cpu_cpu_la_LIBADD = %D%/vector/libbase.la $(DNNL_LIBS) $(LIBM)
if CPU_X86
backends_cpu_cpu_la_LIBADD += %D%/vector/libavx2.la %D%/vector/libavx512.la
endif
EXTRA_DIST += %D%/configure.m4

# What -O3 adds for these loops is named piece by piece: the user's CFLAGS come later, and an -O2 there (the default) would undo
# a plain -O3, after which nothing is vectorised.
CPU_VECTOR_CFLAGS = $(AM_CFLAGS) -ftree-vectorize -fvect-cost-model=dynamic -funswitch-loops -fpredictive-commoning -fsplit-loops \
	-fpeel-loops --param=max-inline-insns-single=200 --param=max-inline-insns-auto=30 -fno-math-errno -fno-trapping-math \
	-ffp-contract=fast
backends_cpu_vector_libbase_la_SOURCES =
backends_cpu_vector_libbase_la_CPPFLAGS = $(AM_CPPFLAGS) -DCPU_LEVEL=base
backends_cpu_vector_libbase_la_CFLAGS = $(CPU_VECTOR_CFLAGS)
backends_cpu_vector_libavx2_la_SOURCES = $(backends_cpu_vector_libbase_la_SOURCES)
backends_cpu_vector_libavx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DCPU_LEVEL=avx2
backends_cpu_vector_libavx2_la_CFLAGS = $(CPU_VECTOR_CFLAGS) -mavx2 -mfma -mf16c
backends_cpu_vector_libavx512_la_SOURCES = $(backends_cpu_vector_libbase_la_SOURCES)
backends_cpu_vector_libavx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DCPU_LEVEL=avx512
backends_cpu_vector_libavx512_la_CFLAGS = $(CPU_VECTOR_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c \
	-mprefer-vector-width=512

# sources backends_cpu_cpu_la_SOURCES: *.c *.h ops/*.c ops/*.h
backends_cpu_cpu_la_SOURCES += \
	%D%/cpu.c \
	%D%/cpu.h \
	%D%/epilogue.c \
	%D%/layouts.c \
	%D%/layouts.h \
	%D%/onednn.h \
	%D%/ops/avg_pool2d.c \
	%D%/ops/batch_norm.c \
	%D%/ops/conv2d.c \
	%D%/ops/conv2d_direct.c \
	%D%/ops/conv2d_grad_weight.c \
	%D%/ops/conv2d_winograd.c \
	%D%/ops/conv2d_winograd_grad.c \
	%D%/ops/copy.c \
	%D%/ops/dense.c \
	%D%/ops/index.c \
	%D%/ops/matmul.c \
	%D%/ops/matmul.h \
	%D%/ops/max_pool2d.c \
	%D%/ops/pointwise.c \
	%D%/ops/reduce.c \
	%D%/ops/rnn.c \
	%D%/ops/rnn.h \
	%D%/ops/rnn_grad.c \
	%D%/ops/softmax.c \
	%D%/ops/unfold.c \
	%D%/pi.c \
	%D%/walk.c \
	%D%/walk.h
# end (kept by build-aux/update-sources)

# sources backends_cpu_vector_libbase_la_SOURCES: vector/*.c vector/*.h
backends_cpu_vector_libbase_la_SOURCES += \
	%D%/vector/conv.c \
	%D%/vector/convert.c \
	%D%/vector/level.h \
	%D%/vector/math.h \
	%D%/vector/matmul.c \
	%D%/vector/norm.c \
	%D%/vector/pi.h \
	%D%/vector/pointwise.c \
	%D%/vector/pointwise_type.h \
	%D%/vector/pool.c \
	%D%/vector/reduce.c \
	%D%/vector/rnn.c \
	%D%/vector/simd.h \
	%D%/vector/softmax.c \
	%D%/vector/stream.h \
	%D%/vector/vector.c \
	%D%/vector/vector.h \
	%D%/vector/winograd.c
# end (kept by build-aux/update-sources)
