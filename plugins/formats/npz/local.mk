# Archives of arrays of NumPy, read and written.
if FORMATS_ZIP
formats_LTLIBRARIES += %D%/npz.la
endif
plugins_formats_npz_npz_la_SOURCES = $(formats_zip_SOURCES) $(formats_npy_SOURCES) $(formats_text_SOURCES)
plugins_formats_npz_npz_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_formats_npz_npz_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_npz_npz_la_LIBADD = core/libtelar.la $(ZLIB_LIBS) $(LIBM)

# sources plugins_formats_npz_npz_la_SOURCES: *.c *.h
plugins_formats_npz_npz_la_SOURCES += \
	%D%/npz.c
# end (kept by build-aux/update-sources)
