# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/device.c \
	%D%/host.c \
	%D%/loader.c \
	%D%/loader.h \
	%D%/memory.c
core_libtelar_la_SOURCES += \
	%D%/%D%/device.c \
	%D%/%D%/host.c \
	%D%/%D%/loader.c \
	%D%/%D%/loader.h \
	%D%/%D%/memory.c \
	%D%/+= \
	%D%/\ \
	%D%/core_libtelar_la_SOURCES \
	%D%/device.c \
	%D%/host.c \
	%D%/loader.c \
	%D%/loader.h \
	%D%/memory.c
# end
