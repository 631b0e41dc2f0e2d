# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/box_muller.h \
	%D%/distributions.c \
	%D%/distributions.h \
	%D%/generator.c \
	%D%/generator.h \
	%D%/mt19937.c \
	%D%/normal.c
core_libtelar_la_SOURCES += \
	%D%/%D%/box_muller.h \
	%D%/%D%/distributions.c \
	%D%/%D%/distributions.h \
	%D%/%D%/generator.c \
	%D%/%D%/generator.h \
	%D%/%D%/mt19937.c \
	%D%/%D%/normal.c \
	%D%/+= \
	%D%/\ \
	%D%/box_muller.h \
	%D%/core_libtelar_la_SOURCES \
	%D%/distributions.c \
	%D%/distributions.h \
	%D%/generator.c \
	%D%/generator.h \
	%D%/mt19937.c \
	%D%/normal.c
# end
