# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/box_muller.h \
	%D%/distributions.c \
	%D%/distributions.h \
	%D%/generator.c \
	%D%/generator.h \
	%D%/mt19937.c \
	%D%/normal.c \
	%D%/random.c
# end (kept by build-aux/update-sources)
