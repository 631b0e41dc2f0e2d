# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/history.c \
	%D%/model.c \
	%D%/nearest.c \
	%D%/plot.c \
	%D%/progress.c \
	%D%/report.c \
	%D%/text.c \
	%D%/train.h
nn_libtelar_nn_la_SOURCES += \
	%D%/%D%/history.c \
	%D%/%D%/model.c \
	%D%/%D%/nearest.c \
	%D%/%D%/plot.c \
	%D%/%D%/progress.c \
	%D%/%D%/report.c \
	%D%/%D%/text.c \
	%D%/%D%/train.h \
	%D%/+= \
	%D%/\ \
	%D%/history.c \
	%D%/model.c \
	%D%/nearest.c \
	%D%/nn_libtelar_nn_la_SOURCES \
	%D%/plot.c \
	%D%/progress.c \
	%D%/report.c \
	%D%/summary.c \
	%D%/text.c \
	%D%/train.h
# end
