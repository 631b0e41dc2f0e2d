/* SPDX-License-Identifier: Apache-2.0
 *
 * The CUDA backend: what its files share. Kernels are those of backends/gpu, with cuDNN's and cuBLASLt's in front.
 */
#ifndef TELAR_BACKENDS_CUDA_BACKEND_H
#define TELAR_BACKENDS_CUDA_BACKEND_H

#include "library.h"

#include <pthread.h>

struct cuda_device {
    struct gpu gpu;
    CUdevice id;
    CUcontext context;
    int major, minor; /**< compute capability */
    char description[400], identity[512];
    char libraries[300]; /**< what a measured choice depends on: the device, cuBLASLt, cuDNN */
    bool tf32;           /**< f32 may be multiplied as TF32 (TELAR_ALLOW_TF32), but for strict arithmetic */
    struct gpu_report *report; /**< the host's view of gpu.report */
    cublasLtHandle_t cublaslt;
    cudnnHandle_t cudnn;
    pthread_mutex_t lock; /**< around cudnn, which prepare() and run() may use at once, and around measuring */
    CUstream queue;       /**< of the stream that the core has opened */
};

/** Host memory that is pinned, so that the device copies from and to it by itself; used in turn. */
enum { CUDA_STAGES = 4, CUDA_STAGE_BYTES = 4 << 20, CUDA_LAST = 8 };
struct cuda_stage {
    void *bytes;
    CUevent done; /**< the copy that used it last */
    bool used;
};

struct cuda_stream {
    struct tl_stream base;
    CUstream handle;
    struct cuda_stage stage[CUDA_STAGES];
    int next_stage;
    bool reports; /**< a kernel that may report a bad value was enqueued since the last sync */
    char last[CUDA_LAST][32]; /**< names of the ops enqueued last, for words about a failure; copied: a call's do not outlive it */
    uint64_t n_launched;
};

extern const struct tl_host *cuda_host;

static inline struct cuda_device *cuda_of(const struct gpu *gpu)
{
    return (struct cuda_device *)(uintptr_t)gpu;
}
static inline struct cuda_device *cuda_device_of(const struct tl_device *device)
{
    return cuda_of(gpu_of(device));
}
static inline struct cuda_stream *cuda_stream_of(struct tl_stream *stream)
{
    return (struct cuda_stream *)stream;
}
static inline CUdeviceptr cuda_pointer(struct tl_mem m)
{
    return (CUdeviceptr)(uintptr_t)m.handle + m.offset;
}

/** Make the device's context the calling thread's. Every slot of the table begins with it. */
tl_status cuda_enter(const struct cuda_device *device);

/** A failure of the driver in words. `what` was being done. Returns TL_ERR_NOMEM or TL_ERR_DEVICE. */
tl_status cuda_fail(const char *what, CUresult code);
tl_status cuda_fail_cublas(const char *op, const char *what, cublasStatus_t code);
tl_status cuda_fail_cudnn(const char *op, const char *what, cudnnStatus_t code);

/** Does the run-time compiler make code for the device? (kernel.c) */
tl_status cuda_check_capability(const struct cuda_device *device);

/** Note that an op was enqueued, for words about a later failure. */
void cuda_launched(struct cuda_stream *stream, const char *op);

/* queue.c: the slots of the table for memory and the queue. */
tl_status cuda_alloc(const struct tl_device *device, size_t bytes, struct tl_mem *mem);
void cuda_free(const struct tl_device *device, struct tl_mem mem);
tl_status cuda_stream_open(const struct tl_device *device, struct tl_stream **stream);
void cuda_stream_close(struct tl_stream *stream);
tl_status cuda_sync(struct tl_stream *stream);
tl_status cuda_copy_in(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes);
tl_status cuda_copy_out(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes);
tl_status cuda_copy(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes);

/** Kernels of NVIDIA's libraries, best first; n of them. */
extern const struct tl_kernel *const cuda_kernels[];
extern const size_t cuda_n_kernels;

/** All kernels, with the shared ones after those, NULL-terminated: the table that the core sees. */
extern const struct tl_kernel *const *cuda_all_kernels;

#endif
