# Weights in safetensors files, read and written.
formats_LTLIBRARIES += %D%/safetensors.la
plugins_formats_safetensors_safetensors_la_SOURCES = $(formats_text_SOURCES)
plugins_formats_safetensors_safetensors_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_safetensors_safetensors_la_LIBADD = core/libtelar.la $(LIBM)

# What the formats share: text and numbers, arrays of NumPy, archives.
formats_text_SOURCES = plugins/formats/common/bytes.h plugins/formats/common/text.c plugins/formats/common/text.h
formats_npy_SOURCES = plugins/formats/common/npy.c plugins/formats/common/npy.h
formats_zip_SOURCES = \
	plugins/formats/common/notes.c \
	plugins/formats/common/notes.h \
	plugins/formats/common/zip.c \
	plugins/formats/common/zip.h \
	plugins/formats/common/zip_write.c

# sources plugins_formats_safetensors_safetensors_la_SOURCES: *.c *.h
plugins_formats_safetensors_safetensors_la_SOURCES += \
	%D%/header.c \
	%D%/header.h \
	%D%/safetensors.c
# end (kept by build-aux/update-sources)
