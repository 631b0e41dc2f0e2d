# SqueezeNet: squeezenet1_0, squeezenet1_1.
models_LTLIBRARIES += %D%/squeezenet.la
models_squeezenet_squeezenet_la_SOURCES =
models_squeezenet_squeezenet_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_squeezenet_squeezenet_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_squeezenet_squeezenet_la_SOURCES: *.c *.h
models_squeezenet_squeezenet_la_SOURCES += \
	%D%/squeezenet.c
# end (kept by build-aux/update-sources)
