# Any table of comma-separated values; digits and wine are tables installed with Telar.
datasets_LTLIBRARIES += %D%/csv.la
plugins_data_csv_csv_la_SOURCES =
plugins_data_csv_csv_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_data_csv_csv_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources plugins_data_csv_csv_la_SOURCES: *.c *.h
plugins_data_csv_csv_la_SOURCES +=
# end (kept by build-aux/update-sources)
