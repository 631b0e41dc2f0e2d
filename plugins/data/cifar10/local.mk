# CIFAR-10, binary version.
datasets_LTLIBRARIES += %D%/cifar10.la
plugins_data_cifar10_cifar10_la_SOURCES = $(data_common_SOURCES)
plugins_data_cifar10_cifar10_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CPPFLAGS)
plugins_data_cifar10_cifar10_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_data_cifar10_cifar10_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_cifar10_cifar10_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(ZLIB_LIBS) $(LIBM)

# sources plugins_data_cifar10_cifar10_la_SOURCES: *.c *.h
plugins_data_cifar10_cifar10_la_SOURCES += \
	%D%/cifar10.c
# end (kept by build-aux/update-sources)
