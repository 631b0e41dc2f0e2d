# Weights in safetensors files, read and written.
formats_LTLIBRARIES += %D%/safetensors.la
plugins_formats_safetensors_safetensors_la_SOURCES =
plugins_formats_safetensors_safetensors_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_safetensors_safetensors_la_LIBADD = core/libtelar.la $(LIBM)

# sources plugins_formats_safetensors_safetensors_la_SOURCES: *.c *.h
plugins_formats_safetensors_safetensors_la_SOURCES += \
	%D%/header.c \
	%D%/header.h \
	%D%/safetensors.c
# end (kept by build-aux/update-sources)
