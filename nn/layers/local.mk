# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES +=
nn_libtelar_nn_la_SOURCES += \
	%D%/+= \
	%D%/nn_libtelar_nn_la_SOURCES
# end
