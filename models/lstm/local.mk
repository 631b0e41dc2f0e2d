# Recurrent networks: rnn, lstm, gru, sequence-classifier, counting.
models_LTLIBRARIES += %D%/lstm.la
models_lstm_lstm_la_SOURCES =
models_lstm_lstm_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_lstm_lstm_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_lstm_lstm_la_SOURCES: *.c *.h
models_lstm_lstm_la_SOURCES += \
	%D%/classifier.c \
	%D%/counting.c \
	%D%/language.c \
	%D%/lstm.c \
	%D%/lstm.h
# end (kept by build-aux/update-sources)
