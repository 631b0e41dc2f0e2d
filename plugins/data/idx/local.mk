# MNIST's file format, plain or compressed.
if DATA_IDX
datasets_LTLIBRARIES += %D%/idx.la
endif
plugins_data_idx_idx_la_SOURCES =
plugins_data_idx_idx_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_data_idx_idx_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_idx_idx_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(ZLIB_LIBS) $(LIBM)
EXTRA_DIST += %D%/configure.m4

# sources plugins_data_idx_idx_la_SOURCES: *.c *.h
plugins_data_idx_idx_la_SOURCES +=
# end (kept by build-aux/update-sources)
