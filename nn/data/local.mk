# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/dataset.c \
	%D%/loader.c \
	%D%/scaler.c \
	%D%/split.c \
	%D%/tensor_dataset.c
nn_libtelar_nn_la_SOURCES += \
	%D%/%D%/dataset.c \
	%D%/%D%/loader.c \
	%D%/%D%/scaler.c \
	%D%/%D%/split.c \
	%D%/%D%/tensor_dataset.c \
	%D%/+= \
	%D%/\ \
	%D%/dataset.c \
	%D%/loader.c \
	%D%/nn_libtelar_nn_la_SOURCES \
	%D%/open.c \
	%D%/scaler.c \
	%D%/split.c \
	%D%/tensor_dataset.c
# end
