# Weights in safetensors files, read and written.
if FORMAT_SAFETENSORS
formats_LTLIBRARIES += %D%/safetensors.la
endif
plugins_formats_safetensors_safetensors_la_SOURCES =
plugins_formats_safetensors_safetensors_la_CFLAGS = $(AM_CFLAGS) $(JSON_C_CFLAGS)
plugins_formats_safetensors_safetensors_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_safetensors_safetensors_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(JSON_C_LIBS) $(LIBM)
EXTRA_DIST += %D%/configure.m4

# sources plugins_formats_safetensors_safetensors_la_SOURCES: *.c *.h
plugins_formats_safetensors_safetensors_la_SOURCES +=
# end (kept by build-aux/update-sources)
