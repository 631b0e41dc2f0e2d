# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/error.c \
	%D%/file.c \
	%D%/pool.c \
	%D%/process.c \
	%D%/scope.c \
	%D%/stale.c \
	%D%/version.c
# end (kept by build-aux/update-sources)
