# GoogLeNet and Inception: googlenet, inception_v3.
models_LTLIBRARIES += %D%/inception.la
models_inception_inception_la_SOURCES =
models_inception_inception_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_inception_inception_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_inception_inception_la_SOURCES: *.c *.h
models_inception_inception_la_SOURCES += \
	%D%/googlenet.c \
	%D%/inception.c \
	%D%/inception.h \
	%D%/inception_v3.c
# end (kept by build-aux/update-sources)
