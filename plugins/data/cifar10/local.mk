# CIFAR-10, binary version.
datasets_LTLIBRARIES += %D%/cifar10.la
plugins_data_cifar10_cifar10_la_SOURCES =
plugins_data_cifar10_cifar10_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_cifar10_cifar10_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources plugins_data_cifar10_cifar10_la_SOURCES: *.c *.h
plugins_data_cifar10_cifar10_la_SOURCES +=
# end (kept by build-aux/update-sources)
