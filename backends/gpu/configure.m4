# Built for the backends that need it.
AM_CONDITIONAL([BACKEND_GPU], [test -z "$telar_opencl_missing" || test -z "$telar_cuda_missing"])
