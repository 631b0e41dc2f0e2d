# The CUDA backend needs the headers of the CUDA toolkit (12 or newer) and of cuDNN 9. Nothing is linked: the driver and the libraries are
# opened at run time, so that the plugin loads, and says what is missing, on a machine without them.
AC_ARG_WITH([cuda], [AS_HELP_STRING([--with-cuda=DIR], [the CUDA toolkit (else: CUDA_HOME, CUDA_PATH, /usr/local/cuda); --without-cuda leaves the backend out])],
  [], [with_cuda=auto])
telar_cuda_missing= telar_cuda=
AS_CASE([$with_cuda],
  [no], [telar_cuda_missing="--without-cuda was given"],
  [yes | auto], [for telar_dir in "$CUDA_HOME" "$CUDA_PATH" /usr/local/cuda; do
      AS_IF([test -n "$telar_dir" && test -f "$telar_dir/include/cuda.h"], [telar_cuda=$telar_dir; break])
    done
    AS_IF([test -z "$telar_cuda"], [telar_cuda_missing="no CUDA toolkit in CUDA_HOME, CUDA_PATH or /usr/local/cuda (see --with-cuda)"])],
  [telar_cuda=$with_cuda
   AS_IF([test -f "$telar_cuda/include/cuda.h"], [], [AC_MSG_ERROR([--with-cuda=$with_cuda: there is no include/cuda.h in it])])])
CUDA_CPPFLAGS=
AS_IF([test -z "$telar_cuda_missing"],
  [# -isystem: the toolkit's headers are not held to this project's warnings.
   CUDA_CPPFLAGS="-isystem $telar_cuda/include -DTELAR_CUDA_DIR='\"$telar_cuda\"'"
   telar_save_CPPFLAGS=$CPPFLAGS
   CPPFLAGS="-isystem $telar_cuda/include $CPPFLAGS"
   AC_MSG_CHECKING([for CUDA 12 or newer with cuDNN 9 in $telar_cuda])
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <cuda.h>
#include <nvrtc.h>
#include <cublasLt.h>
#include <cudnn.h>
#if CUDA_VERSION < 12000
#error the CUDA toolkit is older than 12.0
#endif
#if CUDNN_MAJOR != 9
#error cuDNN is not version 9
#endif
]])], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      telar_cuda_missing="$telar_cuda lacks CUDA 12 or newer with NVRTC, cuBLASLt and cuDNN 9 (config.log has the compiler's words)"])
   CPPFLAGS=$telar_save_CPPFLAGS])
AC_SUBST([CUDA_CPPFLAGS])
TELAR_PART([backends/cuda], [BACKEND_CUDA], [$telar_cuda_missing])
