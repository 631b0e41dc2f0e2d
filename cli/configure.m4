# telar fetch downloads by libcurl, which it opens when it is needed: its two dozen libraries would slow down every other command.
telar_no_curl=
PKG_CHECK_MODULES([CURL], [libcurl >= 7.85],
  [AC_DEFINE([HAVE_LIBCURL], [1], [Define to 1 if libcurl's headers are there.])],
  [telar_no_curl="libcurl was not found (Debian: libcurl4-openssl-dev)"])
TELAR_PART([cli: telar fetch], [CLI_FETCH], [$telar_no_curl])

# Pictures of samples are written as PNG with libpng; without it, as PNM only.
telar_no_png=
PKG_CHECK_MODULES([PNG], [libpng],
  [AC_DEFINE([HAVE_PNG], [1], [Define if libpng is there to write pictures with.])],
  [telar_no_png="PNG pictures, since libpng was not found (Debian: libpng-dev)"])
AS_IF([test -n "$telar_no_png"], [AS_VAR_APPEND([telar_parts], ["
  cli: without $telar_no_png"])])
