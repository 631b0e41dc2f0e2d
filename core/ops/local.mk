# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/check.c \
	%D%/copy.c \
	%D%/dispatch.c \
	%D%/pointwise.c \
	%D%/registry.c \
	%D%/run.c
# end (kept by build-aux/update-sources)
