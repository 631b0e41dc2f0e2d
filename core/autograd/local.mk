# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/engine.c \
	%D%/gradcheck.c \
	%D%/graph.c \
	%D%/history.c \
	%D%/region.c
# end (kept by build-aux/update-sources)
