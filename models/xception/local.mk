# Xception.
models_LTLIBRARIES += %D%/xception.la
models_xception_xception_la_SOURCES =
models_xception_xception_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_xception_xception_la_LIBADD = models/common/libconvnet.la nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_xception_xception_la_SOURCES: *.c *.h
models_xception_xception_la_SOURCES += \
	%D%/xception.c
# end (kept by build-aux/update-sources)
