# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/backward.c \
	%D%/commit.c \
	%D%/engine.c \
	%D%/engine.h \
	%D%/gradcheck.c \
	%D%/gradient.c \
	%D%/graph.c \
	%D%/history.c \
	%D%/region.c
# end (kept by build-aux/update-sources)
