# The command `telar`. Its manual pages and completions are written by itself, from the table that it parses by.
bin_PROGRAMS += %D%/telar
cli_telar_SOURCES =
cli_telar_CFLAGS = $(AM_CFLAGS) $(PNG_CFLAGS)
cli_telar_LDADD = $(LDADD) $(PNG_LIBS)

# sources cli_telar_SOURCES: *.c *.h
cli_telar_SOURCES += \
	%D%/bench.c \
	%D%/cli.h \
	%D%/commands.c \
	%D%/completion.c \
	%D%/convert.c \
	%D%/cost.c \
	%D%/device.c \
	%D%/doctor.c \
	%D%/download.c \
	%D%/download.h \
	%D%/eval.c \
	%D%/example.c \
	%D%/fetch.c \
	%D%/generate.c \
	%D%/generate_pictures.c \
	%D%/generate_text.c \
	%D%/graph.c \
	%D%/grid.c \
	%D%/grid.h \
	%D%/help.c \
	%D%/interrupt.c \
	%D%/job.c \
	%D%/job_data.c \
	%D%/json.c \
	%D%/learnt.c \
	%D%/lists.c \
	%D%/main.c \
	%D%/measure.c \
	%D%/models.c \
	%D%/outcome.c \
	%D%/pages.c \
	%D%/parse.c \
	%D%/paths.c \
	%D%/picture.c \
	%D%/predict.c \
	%D%/summary.c \
	%D%/train.c \
	%D%/train.h \
	%D%/train_settings.c \
	%D%/transfer.c
# end (kept by build-aux/update-sources)

man_MANS = %D%/telar.1 %D%/telar.7
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
bashcompletion_DATA = %D%/completions/telar
zshcompletion_DATA = %D%/completions/_telar
fishcompletion_DATA = %D%/completions/telar.fish

%D%/telar.1: %D%/telar$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D% && ./%D%/telar help --man telar.1 >$@.new && mv -f $@.new $@
%D%/telar.7: %D%/telar$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D% && ./%D%/telar help --man telar.7 >$@.new && mv -f $@.new $@
%D%/completions/telar: %D%/telar$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D%/completions && ./%D%/telar completion bash >$@.new && mv -f $@.new $@
%D%/completions/_telar: %D%/telar$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D%/completions && ./%D%/telar completion zsh >$@.new && mv -f $@.new $@
%D%/completions/telar.fish: %D%/telar$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D%/completions && ./%D%/telar completion fish >$@.new && mv -f $@.new $@

CLEANFILES += $(man_MANS) $(bashcompletion_DATA) $(zshcompletion_DATA) $(fishcompletion_DATA) digits.svg digits.safetensors
EXTRA_DIST += %D%/demo.sh %D%/configure.m4
