# What the networks for pictures share, in each of their plugins. No plugin by itself.
noinst_LTLIBRARIES += %D%/libconvnet.la
models_common_libconvnet_la_SOURCES =
nodist_models_common_libconvnet_la_SOURCES = %D%/imagenet.c
EXTRA_DIST += %D%/imagenet.txt
CLEANFILES += %D%/imagenet.c

%D%/imagenet.c: %D%/imagenet.txt
	$(AM_V_GEN)$(MKDIR_P) %D% && { echo '#include "models/common/convnet.h"'; echo 'const char *const imagenet_labels[] = {'; \
	    sed -e 's/["\\]/\\&/g' -e 's/.*/    "&",/' $(srcdir)/%D%/imagenet.txt; echo '    NULL};'; } >$@.new && mv -f $@.new $@

# sources models_common_libconvnet_la_SOURCES: *.h convnet.c
models_common_libconvnet_la_SOURCES += \
	%D%/convnet.c \
	%D%/convnet.h
# end (kept by build-aux/update-sources)
