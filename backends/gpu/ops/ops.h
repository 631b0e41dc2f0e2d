/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of the shared kernels, gpu_NAME_kernel each, one op's in the order best first; and what their files share.
 */
#ifndef TELAR_BACKENDS_GPU_OPS_H
#define TELAR_BACKENDS_GPU_OPS_H

#include "../gpu.h"

#define GPU_KERNELS(F) \
    F(copy)            \
    F(fill)            \
    F(sum)             \
    F(mean)            \
    F(prod)            \
    F(amax)            \
    F(amin)            \
    F(var)             \
    F(argmax)          \
    F(argmin)          \
    F(softmax)         \
    F(log_softmax)     \
    F(softmax_grad)    \
    F(log_softmax_grad) \
    F(batch_norm)      \
    F(batch_norm_grad)

#define GPU_DECLARE_(name) extern const struct tl_kernel gpu_##name##_kernel;
GPU_KERNELS(GPU_DECLARE_)

/** The struct walk of the kernels' texts, with 32 or 64 bits. Dimensions are those of `out`. Returns its size. */
union gpu_walk {
    struct {
        int32_t shape[8], out[8], in[5][8];
    } small;
    struct {
        int64_t shape[8], out[8], in[5][8];
    } large;
};
size_t gpu_walk_fill(union gpu_walk *w, bool small, const struct tl_view *out, const struct tl_view *in, int n_in);

#endif
