# AlexNet.
models_LTLIBRARIES += %D%/alexnet.la
models_alexnet_alexnet_la_SOURCES =
models_alexnet_alexnet_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_alexnet_alexnet_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_alexnet_alexnet_la_SOURCES: *.c *.h
models_alexnet_alexnet_la_SOURCES += \
	%D%/alexnet.c
# end (kept by build-aux/update-sources)
