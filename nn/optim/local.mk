# Optimizers and schedules. The update loops in steps/ are a part of their own, compiled for speed: vectorised, and on
# several threads for large parameters.
noinst_LTLIBRARIES += %D%/libsteps.la
nn_optim_libsteps_la_SOURCES =
nn_optim_libsteps_la_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS) -ftree-vectorize -fvect-cost-model=dynamic -fno-trapping-math
nn_libtelar_nn_la_LIBADD += %D%/libsteps.la
nn_libtelar_nn_la_LDFLAGS += $(OPENMP_CFLAGS)

# sources nn_optim_libsteps_la_SOURCES: steps/*.c steps/*.h
nn_optim_libsteps_la_SOURCES += \
	%D%/steps/adadelta_loop.h \
	%D%/steps/adam_loop.h \
	%D%/steps/rmsprop_loop.h \
	%D%/steps/sgd_loop.h \
	%D%/steps/split.c \
	%D%/steps/steps.c \
	%D%/steps/steps.h
# end (kept by build-aux/update-sources)

# sources nn_libtelar_nn_la_SOURCES: *.c *.h
nn_libtelar_nn_la_SOURCES += \
	%D%/adadelta.c \
	%D%/adam.c \
	%D%/clip.c \
	%D%/decay.c \
	%D%/device.c \
	%D%/early_stopping.c \
	%D%/early_stopping.h \
	%D%/named.c \
	%D%/one_cycle.c \
	%D%/optimizer.c \
	%D%/optimizer.h \
	%D%/plateau.c \
	%D%/record.c \
	%D%/rmsprop.c \
	%D%/schedule.c \
	%D%/schedule.h \
	%D%/sgd.c \
	%D%/state.c
# end (kept by build-aux/update-sources)
