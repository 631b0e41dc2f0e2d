# Pictures are read with libpng and libjpeg.
telar_missing=
PKG_CHECK_MODULES([PNG], [libpng], [], [telar_missing="libpng was not found (Debian: libpng-dev)"])
PKG_CHECK_MODULES([JPEG], [libjpeg], [], [telar_missing="${telar_missing:+$telar_missing; }libjpeg was not found (Debian: libjpeg-dev)"])
TELAR_PART([plugins/data/folder], [DATA_FOLDER], [$telar_missing])
