/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of NVIDIA's libraries, and what their files share.
 */
#ifndef TELAR_BACKENDS_CUDA_OPS_H
#define TELAR_BACKENDS_CUDA_OPS_H

#include "../backend.h"

extern const struct tl_kernel cuda_matmul_kernel, cuda_addmm_kernel, cuda_conv2d_kernel, cuda_conv2d_grad_input_kernel,
    cuda_conv2d_grad_weight_kernel;

/** The first of the shared kernels for an op, for a part of another op's work; NULL: there is none. */
const struct tl_kernel *cuda_shared_kernel(const char *op);

/* ---- Measuring (tune.c) --------------------------------------------------------------------------------------------------------------- */

/** Work below this many multiplications is not worth measuring: launching it takes longer. */
enum { CUDA_TUNE_FROM = 1 << 26 };

/** Are the candidates for a call measured? Not in strict arithmetic, whose choices are static, and not where it does not pay. */
bool cuda_tunes(const struct tl_call *call, double multiplications);

/** A queue and memory to measure on. Between open and close the caller holds the device's lock. */
struct cuda_tuner {
    struct cuda_device *device;
    CUstream stream;
    CUevent begin, end;
    CUdeviceptr memory; /**< `bytes` of it, filled with zeros */
};

/** False (which is logged, and no error): there is no room, so that nothing is measured. Waits for what the device is doing. */
bool cuda_tuner_open(struct cuda_tuner *t, struct cuda_device *device, size_t bytes);

/** Microseconds of work(context, stream), which says whether it could be enqueued; negative if it could not. */
float cuda_tuner_time(const struct cuda_tuner *t, bool (*work)(void *context, CUstream stream), void *context);
void cuda_tuner_close(struct cuda_tuner *t);

/** What was found, kept on disk. `key` names the call; the device and the libraries' versions are added to it. The bytes that were kept are
 *  taken only if there are `size` of them. */
bool cuda_tuned_get(const struct cuda_device *device, const char *key, void *found, size_t size);
void cuda_tuned_put(const struct cuda_device *device, const char *key, const void *found, size_t size);

/* ---- Words for the log ------------------------------------------------------------------------------------------------------------------- */

/** "f16 [2 x 3 x 8 x 8]". Returns text. */
const char *cuda_view_text(char *text, size_t size, const struct tl_view *view);

#endif
