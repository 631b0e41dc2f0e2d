# VGG: vgg11, vgg13, vgg16, vgg19, each also with batch norm.
models_LTLIBRARIES += %D%/vgg.la
models_vgg_vgg_la_SOURCES =
models_vgg_vgg_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_vgg_vgg_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_vgg_vgg_la_SOURCES: *.c *.h
models_vgg_vgg_la_SOURCES += \
	%D%/vgg.c
# end (kept by build-aux/update-sources)
