# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/create.c \
	%D%/storage.c \
	%D%/tensor.c
# end (kept by build-aux/update-sources)
