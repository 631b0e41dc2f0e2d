# A folder of JPEG and PNG pictures, one subfolder a class.
if DATA_FOLDER
datasets_LTLIBRARIES += %D%/folder.la
endif
plugins_data_folder_folder_la_SOURCES = $(data_common_SOURCES)
plugins_data_folder_folder_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CPPFLAGS)
plugins_data_folder_folder_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS) $(PNG_CFLAGS) $(JPEG_CFLAGS)
plugins_data_folder_folder_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_folder_folder_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(PNG_LIBS) $(JPEG_LIBS) $(ZLIB_LIBS) $(LIBM)
EXTRA_DIST += %D%/configure.m4

# sources plugins_data_folder_folder_la_SOURCES: *.c *.h
plugins_data_folder_folder_la_SOURCES += \
	%D%/exif.c \
	%D%/folder.c \
	%D%/jpeg.c \
	%D%/picture.c \
	%D%/picture.h \
	%D%/png.c
# end (kept by build-aux/update-sources)
