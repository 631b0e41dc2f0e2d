# MobileNets: mobilenet_v1, mobilenet_v2.
models_LTLIBRARIES += %D%/mobilenet.la
models_mobilenet_mobilenet_la_SOURCES =
models_mobilenet_mobilenet_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_mobilenet_mobilenet_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_mobilenet_mobilenet_la_SOURCES: *.c *.h
models_mobilenet_mobilenet_la_SOURCES += \
	%D%/mobilenet.c \
	%D%/mobilenet.h \
	%D%/mobilenet_v1.c \
	%D%/mobilenet_v2.c
# end (kept by build-aux/update-sources)
