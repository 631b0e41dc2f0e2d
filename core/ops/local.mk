# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/registry.c \
	%D%/run.c
core_libtelar_la_SOURCES += \
	%D%/%D%/registry.c \
	%D%/%D%/run.c \
	%D%/+= \
	%D%/\ \
	%D%/core_libtelar_la_SOURCES \
	%D%/registry.c \
	%D%/run.c
# end
