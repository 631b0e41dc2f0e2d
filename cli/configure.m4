# Pictures of samples are written as PNG with libpng; without it, as PNM only.
telar_missing=
PKG_CHECK_MODULES([PNG], [libpng],
  [AC_DEFINE([HAVE_PNG], [1], [Define if libpng is there to write pictures with.])],
  [telar_missing="PNG pictures, since libpng was not found (Debian: libpng-dev)"])
AS_IF([test -n "$telar_missing"], [AS_VAR_APPEND([telar_parts], ["
  cli: without $telar_missing"])])
