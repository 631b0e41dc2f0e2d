# The files of MNIST are usually kept compressed.
PKG_CHECK_MODULES([ZLIB], [zlib], [telar_missing=], [telar_missing="zlib was not found (Debian: zlib1g-dev)"])
TELAR_PART([plugins/data/idx], [DATA_IDX], [$telar_missing])
