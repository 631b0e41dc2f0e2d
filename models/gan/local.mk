# Generative adversarial networks: gan, dcgan.
models_LTLIBRARIES += %D%/gan.la
models_gan_gan_la_SOURCES =
models_gan_gan_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_gan_gan_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_gan_gan_la_SOURCES: *.c *.h
models_gan_gan_la_SOURCES += \
	%D%/dcgan.c \
	%D%/dense.c \
	%D%/gan.c \
	%D%/gan.h
# end (kept by build-aux/update-sources)
