# libtelar-nn: layers, losses, optimizers, loaders, training. Each subfolder lists its own sources.
lib_LTLIBRARIES += %D%/libtelar-nn.la
nn_libtelar_nn_la_SOURCES =
nn_libtelar_nn_la_LDFLAGS = $(LIBRARY_LDFLAGS) -version-info 1:0:0 -Wl,--version-script=$(top_srcdir)/%D%/telar-nn.map
nn_libtelar_nn_la_LIBADD = core/libtelar.la $(LIBM)
EXTRA_nn_libtelar_nn_la_DEPENDENCIES = %D%/telar-nn.map
EXTRA_DIST += %D%/telar-nn.map

# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/numbers.h \
	%D%/options.h
# end (kept by build-aux/update-sources)

include %D%/layers/local.mk
include %D%/optim/local.mk
include %D%/data/local.mk
include %D%/train/local.mk
