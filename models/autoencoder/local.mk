# Autoencoders: autoencoder, vae.
models_LTLIBRARIES += %D%/autoencoder.la
models_autoencoder_autoencoder_la_SOURCES =
models_autoencoder_autoencoder_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_autoencoder_autoencoder_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_autoencoder_autoencoder_la_SOURCES: *.c *.h
models_autoencoder_autoencoder_la_SOURCES += \
	%D%/autoencoder.c \
	%D%/autoencoder.h \
	%D%/vae.c
# end (kept by build-aux/update-sources)
