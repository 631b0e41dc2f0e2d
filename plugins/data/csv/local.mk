# Any table of comma-separated values; digits and wine are tables installed with Telar.
datasets_LTLIBRARIES += %D%/csv.la
plugins_data_csv_csv_la_SOURCES = $(data_common_SOURCES)
plugins_data_csv_csv_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CPPFLAGS)
plugins_data_csv_csv_la_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
plugins_data_csv_csv_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_csv_csv_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(ZLIB_LIBS) $(LIBM)
EXTRA_DIST += %D%/configure.m4

# What the readers of whole files share.
data_common_SOURCES = \
	plugins/data/common/files.c \
	plugins/data/common/files.h \
	plugins/data/common/rows.c \
	plugins/data/common/rows.h

dist_pkgdata_DATA += \
	plugins/data/tables/digits.csv \
	plugins/data/tables/tables.md \
	plugins/data/tables/wine.csv

# sources plugins_data_csv_csv_la_SOURCES: *.c *.h
plugins_data_csv_csv_la_SOURCES += \
	%D%/csv.c \
	%D%/table.c \
	%D%/table.h
# end (kept by build-aux/update-sources)
