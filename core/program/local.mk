# sources core_libtelar_la_SOURCES: *.c *.h
core_libtelar_la_SOURCES += \
	%D%/dead.c \
	%D%/fold.c \
	%D%/forms.c \
	%D%/fuse.c \
	%D%/lower.c \
	%D%/lower_call.c \
	%D%/lower_pointwise.c \
	%D%/lowering.h \
	%D%/memory_plan.c \
	%D%/passes.c \
	%D%/print.c \
	%D%/print.h \
	%D%/print_dot.c \
	%D%/print_json.c \
	%D%/print_text.c \
	%D%/program.c \
	%D%/program.h \
	%D%/record.c \
	%D%/replay.c
# end (kept by build-aux/update-sources)
