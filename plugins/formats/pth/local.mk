# What torch.save() writes, read and written.
if FORMATS_ZIP
formats_LTLIBRARIES += %D%/pth.la
endif
plugins_formats_pth_pth_la_SOURCES = $(formats_zip_SOURCES) $(formats_text_SOURCES)
plugins_formats_pth_pth_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_formats_pth_pth_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_pth_pth_la_LIBADD = core/libtelar.la $(ZLIB_LIBS) $(LIBM)
EXTRA_DIST += %D%/configure.m4

# sources plugins_formats_pth_pth_la_SOURCES: *.c *.h
plugins_formats_pth_pth_la_SOURCES += \
	%D%/archive.c \
	%D%/forms.h \
	%D%/globals.c \
	%D%/legacy.c \
	%D%/pickle.c \
	%D%/pickle.h \
	%D%/pth.c \
	%D%/tree.c \
	%D%/tree.h \
	%D%/write.c \
	%D%/write.h
# end (kept by build-aux/update-sources)
