# Multilayer perceptrons of any depth: mlp.
models_LTLIBRARIES += %D%/mlp.la
models_mlp_mlp_la_SOURCES =
models_mlp_mlp_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_mlp_mlp_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_mlp_mlp_la_SOURCES: *.c *.h
models_mlp_mlp_la_SOURCES += \
	%D%/mlp.c
# end (kept by build-aux/update-sources)
