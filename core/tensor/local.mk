# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/create.c \
	%D%/storage.c \
	%D%/tensor.c
core_libtelar_la_SOURCES += \
	%D%/%D%/create.c \
	%D%/%D%/storage.c \
	%D%/%D%/tensor.c \
	%D%/+= \
	%D%/\ \
	%D%/core_libtelar_la_SOURCES \
	%D%/create.c \
	%D%/storage.c \
	%D%/tensor.c
# end
