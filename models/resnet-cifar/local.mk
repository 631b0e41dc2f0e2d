# Residual networks for 32 x 32 pictures: resnet20, resnet32, resnet44, resnet56.
models_LTLIBRARIES += %D%/resnet-cifar.la
models_resnet_cifar_resnet_cifar_la_SOURCES =
models_resnet_cifar_resnet_cifar_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_resnet_cifar_resnet_cifar_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_resnet_cifar_resnet_cifar_la_SOURCES: *.c *.h
models_resnet_cifar_resnet_cifar_la_SOURCES += \
	%D%/resnet-cifar.c
# end (kept by build-aux/update-sources)
