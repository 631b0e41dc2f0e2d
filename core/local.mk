# libtelar: tensors, ops, autograd, random numbers, the plugin loader. Each subfolder lists its own sources.
lib_LTLIBRARIES += %D%/libtelar.la
core_libtelar_la_SOURCES =
core_libtelar_la_LDFLAGS = $(LIBRARY_LDFLAGS) -version-info 1:0:0 -Wl,--version-script=$(top_srcdir)/%D%/telar.map
core_libtelar_la_LIBADD = $(LIBM)
EXTRA_core_libtelar_la_DEPENDENCIES = %D%/telar.map
EXTRA_DIST += %D%/telar.map

# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/internal.h
# end (kept by build-aux/update-sources)

include %D%/base/local.mk
include %D%/tensor/local.mk
include %D%/ops/local.mk
include %D%/run/local.mk
include %D%/autograd/local.mk
include %D%/program/local.mk
include %D%/rng/local.mk
include %D%/plugin/local.mk
