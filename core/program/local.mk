# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES +=
core_libtelar_la_SOURCES += \
	%D%/+= \
	%D%/core_libtelar_la_SOURCES
# end
