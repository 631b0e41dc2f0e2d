# MNIST's file format, plain or compressed.
datasets_LTLIBRARIES += %D%/idx.la
plugins_data_idx_idx_la_SOURCES = $(data_common_SOURCES)
plugins_data_idx_idx_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CPPFLAGS)
plugins_data_idx_idx_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_data_idx_idx_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_idx_idx_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(ZLIB_LIBS) $(LIBM)

# sources plugins_data_idx_idx_la_SOURCES: *.c *.h
plugins_data_idx_idx_la_SOURCES += \
	%D%/idx.c
# end (kept by build-aux/update-sources)
