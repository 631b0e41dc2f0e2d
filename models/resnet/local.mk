# Residual networks: resnet18, resnet34, resnet50.
models_LTLIBRARIES += %D%/resnet.la
models_resnet_resnet_la_SOURCES =
models_resnet_resnet_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_resnet_resnet_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_resnet_resnet_la_SOURCES: *.c *.h
models_resnet_resnet_la_SOURCES += \
	%D%/resnet.c
# end (kept by build-aux/update-sources)
