# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/catalogue.c \
	%D%/catalogue.h \
	%D%/config.c \
	%D%/dataset.c \
	%D%/internal.h \
	%D%/loader.c \
	%D%/nearest.c \
	%D%/open.c \
	%D%/resize.c \
	%D%/scaler.c \
	%D%/split.c \
	%D%/tensor_dataset.c
# end (kept by build-aux/update-sources)
