# Text as windows of characters, and sequences to count.
datasets_LTLIBRARIES += %D%/text.la
plugins_data_text_text_la_SOURCES = $(data_common_SOURCES)
plugins_data_text_text_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CPPFLAGS)
plugins_data_text_text_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_data_text_text_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_text_text_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(ZLIB_LIBS) $(LIBM)

# sources plugins_data_text_text_la_SOURCES: *.c *.h
plugins_data_text_text_la_SOURCES += \
	%D%/characters.c \
	%D%/characters.h \
	%D%/counting.c \
	%D%/text.c \
	%D%/text.h
# end (kept by build-aux/update-sources)
