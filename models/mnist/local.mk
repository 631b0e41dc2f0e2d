# Convolutional networks for handwritten digits: digits-cnn, lenet, lenet5, mnist-cnn.
models_LTLIBRARIES += %D%/mnist.la
models_mnist_mnist_la_SOURCES =
models_mnist_mnist_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_mnist_mnist_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_mnist_mnist_la_SOURCES: *.c *.h
models_mnist_mnist_la_SOURCES += \
	%D%/digits_cnn.c \
	%D%/lenet.c \
	%D%/mnist.c \
	%D%/mnist.h \
	%D%/mnist_cnn.c
# end (kept by build-aux/update-sources)
