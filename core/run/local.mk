# How ops run: plans, operands, and the choice of a way.
# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/guard.c \
	%D%/guard.h \
	%D%/launch.c \
	%D%/launch.h \
	%D%/ledger.c \
	%D%/operands.c \
	%D%/plan.c \
	%D%/plan.h \
	%D%/pointwise.c \
	%D%/run.c \
	%D%/run.h \
	%D%/valueless.c \
	%D%/ways.c
# end (kept by build-aux/update-sources)
