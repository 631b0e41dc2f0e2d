# What the networks for pictures share: each of their plugins compiles these files.
convnet_SOURCES =

# sources convnet_SOURCES: *.c *.h
convnet_SOURCES += \
	%D%/convnet.c \
	%D%/convnet.h
# end (kept by build-aux/update-sources)
