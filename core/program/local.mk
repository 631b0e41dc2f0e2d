# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES +=
# end (kept by build-aux/update-sources)
