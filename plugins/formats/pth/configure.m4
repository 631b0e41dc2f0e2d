# Archives, which .pth and .npz are, are unpacked and summed up by zlib.
telar_missing=
PKG_CHECK_MODULES([ZLIB], [zlib], [], [telar_missing="zlib was not found (Debian: zlib1g-dev)"])
TELAR_PART([plugins/formats/pth and npz], [FORMATS_ZIP], [$telar_missing])
