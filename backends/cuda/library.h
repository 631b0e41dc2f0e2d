/* SPDX-License-Identifier: Apache-2.0
 *
 * NVIDIA's libraries, opened at run time: the driver, the run-time compiler, cuBLASLt and cuDNN. Their functions are called through the tables
 * below, CU(cuMemAlloc)(…), whose types come from the headers that the backend was compiled with.
 */
#ifndef TELAR_BACKENDS_CUDA_LIBRARY_H
#define TELAR_BACKENDS_CUDA_LIBRARY_H

#include <cublasLt.h>
#include <cuda.h>
#include <cudnn.h>
#include <nvrtc.h>

#include "../gpu/gpu.h"

/* Names are the driver's own: <cuda.h> maps cuMemAlloc to cuMemAlloc_v2, and so does this table. */
#define CUDA_DRIVER(F)                                                                                                              \
    F(cuInit) F(cuDriverGetVersion) F(cuDeviceGetCount) F(cuDeviceGet) F(cuDeviceGetName) F(cuDeviceGetAttribute) F(cuDeviceTotalMem) \
    F(cuDevicePrimaryCtxRetain) F(cuDevicePrimaryCtxRelease) F(cuCtxSetCurrent) F(cuMemAlloc) F(cuMemFree) F(cuMemGetInfo)            \
    F(cuMemHostAlloc) F(cuMemFreeHost) F(cuMemHostGetDevicePointer) F(cuMemcpyHtoDAsync) F(cuMemcpyDtoHAsync) F(cuMemcpyDtoDAsync)    \
    F(cuMemsetD8Async) F(cuMemAllocAsync) F(cuMemFreeAsync) F(cuStreamCreate) F(cuStreamDestroy) F(cuStreamSynchronize) F(cuEventCreate) F(cuEventDestroy)                \
    F(cuEventRecord) F(cuEventSynchronize) F(cuEventElapsedTime) F(cuModuleLoadDataEx) F(cuModuleUnload) F(cuModuleGetFunction)       \
    F(cuLaunchKernel) F(cuGetErrorName) F(cuGetErrorString)
#define CUDA_NVRTC(F)                                                                                                                \
    F(nvrtcVersion) F(nvrtcGetErrorString) F(nvrtcCreateProgram) F(nvrtcDestroyProgram) F(nvrtcCompileProgram) F(nvrtcGetCUBINSize)    \
    F(nvrtcGetCUBIN) F(nvrtcGetPTXSize) F(nvrtcGetPTX) F(nvrtcGetProgramLogSize) F(nvrtcGetProgramLog) F(nvrtcGetNumSupportedArchs)   \
    F(nvrtcGetSupportedArchs)
#define CUDA_CUBLASLT(F)                                                                                                             \
    F(cublasLtGetVersion) F(cublasLtCreate) F(cublasLtDestroy) F(cublasLtGetStatusString) F(cublasLtMatmul) F(cublasLtMatmulDescCreate) \
    F(cublasLtMatmulDescDestroy) F(cublasLtMatmulDescSetAttribute) F(cublasLtMatrixLayoutCreate) F(cublasLtMatrixLayoutDestroy)        \
    F(cublasLtMatrixLayoutSetAttribute) F(cublasLtMatmulPreferenceCreate) F(cublasLtMatmulPreferenceDestroy)                          \
    F(cublasLtMatmulPreferenceSetAttribute) F(cublasLtMatmulAlgoGetHeuristic) F(cublasLtMatmulAlgoConfigGetAttribute)      \
    F(cublasLtMatmulAlgoCheck)
#define CUDA_CUDNN(F)                                                                                                                \
    F(cudnnGetVersion) F(cudnnCreate) F(cudnnDestroy) F(cudnnSetStream) F(cudnnGetErrorString) F(cudnnGetLastErrorString)             \
    F(cudnnBackendCreateDescriptor) F(cudnnBackendDestroyDescriptor) F(cudnnBackendSetAttribute) F(cudnnBackendGetAttribute)          \
    F(cudnnBackendFinalize) F(cudnnBackendExecute)

#define CUDA_POINTER_(name) __typeof__(name) *name##_;
struct cuda_functions {
    CUDA_DRIVER(CUDA_POINTER_)
    CUDA_NVRTC(CUDA_POINTER_)
    CUDA_CUBLASLT(CUDA_POINTER_)
    CUDA_CUDNN(CUDA_POINTER_)
};
#undef CUDA_POINTER_
extern struct cuda_functions cuda_functions;
#define CU(name) (cuda_functions.name##_)

/** The libraries. The driver is needed to count devices, the others to open one. */
enum cuda_library { CUDA_LIBRARY_DRIVER, CUDA_LIBRARY_NVRTC, CUDA_LIBRARY_CUBLASLT, CUDA_LIBRARY_CUDNN, CUDA_LIBRARY_COUNT };

/** Open a library and fill its part of the table, once. Fails with what is missing, where it was looked for, and what to do. */
tl_status cuda_library_open(const struct tl_host *host, enum cuda_library library);

#endif
