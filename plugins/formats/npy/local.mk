# Single arrays of NumPy, read and written.
formats_LTLIBRARIES += %D%/npy.la
plugins_formats_npy_npy_la_SOURCES = $(formats_npy_SOURCES) $(formats_text_SOURCES)
plugins_formats_npy_npy_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_npy_npy_la_LIBADD = core/libtelar.la $(LIBM)

# sources plugins_formats_npy_npy_la_SOURCES: *.c *.h
plugins_formats_npy_npy_la_SOURCES += \
	%D%/npy.c
# end (kept by build-aux/update-sources)
