# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/backend.c \
	%D%/device.c \
	%D%/elf.c \
	%D%/host.c \
	%D%/loader.c \
	%D%/loader.h \
	%D%/memory.c \
	%D%/places.c
# end (kept by build-aux/update-sources)
