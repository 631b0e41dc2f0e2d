# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/checkpoint.c \
	%D%/checkpoint.h \
	%D%/checkpoint_load.c \
	%D%/compiled.c \
	%D%/evaluate.c \
	%D%/features.c \
	%D%/fit.c \
	%D%/fit.h \
	%D%/fit_batch.c \
	%D%/fit_lines.c \
	%D%/functions.c \
	%D%/history.c \
	%D%/late.c \
	%D%/model.c \
	%D%/model_list.c \
	%D%/plot.c \
	%D%/progress.c \
	%D%/regression.c \
	%D%/report.c \
	%D%/sample.c \
	%D%/sha256.c \
	%D%/sha256.h \
	%D%/stand_in.c \
	%D%/summary.c \
	%D%/summary.h \
	%D%/summary_table.c \
	%D%/summary_training.c \
	%D%/summary_watch.c \
	%D%/task.c \
	%D%/text.c \
	%D%/train.h \
	%D%/update.c \
	%D%/weights.c
# end (kept by build-aux/update-sources)
