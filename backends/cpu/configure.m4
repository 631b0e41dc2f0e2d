# The CPU backend needs oneDNN 2.6 or newer (2.x or 3.x) and OpenMP.
telar_cpu_missing=
AS_IF([test "x$ac_cv_prog_c_openmp" = xunsupported], [telar_cpu_missing="the compiler has no OpenMP"])
AC_CACHE_CHECK([for oneDNN 2.6 or newer], [telar_cv_dnnl],
  [telar_save_LIBS=$LIBS
   LIBS="-ldnnl $LIBS"
   AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <dnnl.h>
#if !(DNNL_VERSION_MAJOR > 2 || (DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR >= 6))
#error oneDNN is older than 2.6
#endif
]], [[return dnnl_version()->major == 0;]])], [telar_cv_dnnl=yes], [telar_cv_dnnl=no])
   LIBS=$telar_save_LIBS])
AS_IF([test "x$telar_cv_dnnl" = xyes], [DNNL_LIBS=-ldnnl],
  [DNNL_LIBS= telar_cpu_missing="oneDNN 2.6 or newer was not found (Debian: libdnnl-dev)"])
AC_SUBST([DNNL_LIBS])
TELAR_PART([backends/cpu], [BACKEND_CPU], [$telar_cpu_missing])
# The vector loops are compiled for AVX2 and AVX-512 as well where the processor may have them.
AM_CONDITIONAL([CPU_X86], [test "x$host_cpu" = xx86_64])
