# Compressed data files are read if zlib is there; plain ones always.
PKG_CHECK_MODULES([ZLIB], [zlib], [ZLIB_CPPFLAGS=-DTL_HAVE_ZLIB],
  [ZLIB_CPPFLAGS=
   AS_VAR_APPEND([telar_parts], ["
  compressed data files: LEFT OUT: zlib was not found (Debian: zlib1g-dev)"])])
AC_SUBST([ZLIB_CPPFLAGS])
