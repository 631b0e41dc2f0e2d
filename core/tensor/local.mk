# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/create.c \
	%D%/data.c \
	%D%/print.c \
	%D%/state.c \
	%D%/storage.c \
	%D%/tensor.c \
	%D%/text.c \
	%D%/text.h
# end (kept by build-aux/update-sources)
