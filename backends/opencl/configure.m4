# The OpenCL backend needs the headers of OpenCL 1.2 and the ICD loader.
telar_opencl_missing=
AC_CACHE_CHECK([for OpenCL 1.2], [telar_cv_opencl],
  [telar_save_LIBS=$LIBS
   LIBS="-lOpenCL $LIBS"
   AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
]], [[return clGetPlatformIDs(0, NULL, NULL) != CL_SUCCESS;]])], [telar_cv_opencl=yes], [telar_cv_opencl=no])
   LIBS=$telar_save_LIBS])
AS_IF([test "x$telar_cv_opencl" = xyes], [OPENCL_LIBS=-lOpenCL],
  [OPENCL_LIBS= telar_opencl_missing="the OpenCL headers and ICD loader were not found (Debian: ocl-icd-opencl-dev)"])
AC_SUBST([OPENCL_LIBS])
TELAR_PART([backends/opencl], [BACKEND_OPENCL], [$telar_opencl_missing])
