# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/error.c \
	%D%/pool.c \
	%D%/process.c \
	%D%/scope.c \
	%D%/version.c
core_libtelar_la_SOURCES += \
	%D%/%D%/error.c \
	%D%/%D%/pool.c \
	%D%/%D%/process.c \
	%D%/%D%/scope.c \
	%D%/%D%/version.c \
	%D%/+= \
	%D%/\ \
	%D%/core_libtelar_la_SOURCES \
	%D%/error.c \
	%D%/pool.c \
	%D%/process.c \
	%D%/scope.c \
	%D%/version.c
# end
