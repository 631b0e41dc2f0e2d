# Small networks for pictures and tables: digits-cnn, mlp, lenet, mnist-cnn.
models_LTLIBRARIES += %D%/vision.la
models_vision_vision_la_SOURCES =
models_vision_vision_la_LDFLAGS = $(PLUGIN_LDFLAGS)
models_vision_vision_la_LIBADD = nn/libtelar-nn.la core/libtelar.la $(LIBM)

# sources models_vision_vision_la_SOURCES: *.c *.h
models_vision_vision_la_SOURCES +=
# end
