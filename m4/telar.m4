# What the folders' configure.m4 share.

# TELAR_PART(FOLDER, CONDITIONAL, MISSING)
# Decide whether a folder is built: it is, unless the shell word MISSING says (in a few words) what it lacks.
# Sets the Automake conditional, and a line for the summary that configure ends with.
AC_DEFUN([TELAR_PART],
[AM_CONDITIONAL([$2], [test -z "$3"])
AS_IF([test -z "$3"],
  [AS_VAR_APPEND([telar_parts], ["
  $1: yes"])],
  [AS_VAR_APPEND([telar_parts], ["
  $1: LEFT OUT: $3"])])])

# TELAR_COMPILER_FLAGS(VARIABLE, FLAG…): those of the flags that the compiler takes.
AC_DEFUN([TELAR_COMPILER_FLAGS],
[AC_SUBST([$1])
m4_foreach_w([telar_flag], [$2],
  [AS_VAR_PUSHDEF([telar_cache], [telar_cv_flag_]telar_flag)
   AC_CACHE_CHECK([whether $CC takes ]telar_flag, [telar_cache],
     [telar_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror telar_flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([telar_cache], [yes])], [AS_VAR_SET([telar_cache], [no])])
      CFLAGS=$telar_save_CFLAGS])
   AS_VAR_IF([telar_cache], [yes], [AS_VAR_APPEND([$1], [" telar_flag"])])
   AS_VAR_POPDEF([telar_cache])])])

# TELAR_SPARE_CORE
# Autoconf's tests tidy up with `rm -f core`, meant for core dumps. Here core is a folder, which rm refuses with a complaint each
# time; this rm leaves the name out.
AC_DEFUN([TELAR_SPARE_CORE],
[rm ()
{
  case "$[1] $[2]" in
  "-f core")
    shift 2
    command rm -f "$[@]" ;;
  *) command rm "$[@]" ;;
  esac
}])
