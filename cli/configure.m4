# telar fetch downloads by libcurl, which it opens when it is needed: its two dozen libraries would slow down every other command.
telar_missing=
PKG_CHECK_MODULES([CURL], [libcurl >= 7.85],
  [AC_DEFINE([HAVE_LIBCURL], [1], [Define to 1 if libcurl's headers are there.])],
  [telar_missing="libcurl was not found (Debian: libcurl4-openssl-dev)"])
TELAR_PART([cli: telar fetch], [CLI_FETCH], [$telar_missing])
