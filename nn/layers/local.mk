# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/activations.c \
	%D%/conv.c \
	%D%/dropout.c \
	%D%/embedding.c \
	%D%/freeze.c \
	%D%/function.c \
	%D%/init.c \
	%D%/layer.c \
	%D%/linear.c \
	%D%/module.c \
	%D%/module.h \
	%D%/norm.c \
	%D%/pooling.c \
	%D%/print.c \
	%D%/recurrent.c \
	%D%/sequential.c \
	%D%/shape.c \
	%D%/state.c \
	%D%/string.c \
	%D%/unfold.c \
	%D%/walk.c
# end (kept by build-aux/update-sources)
