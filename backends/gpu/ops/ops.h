/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of the shared kernels, gpu_NAME_kernel each, one op's in the order best first; and what their files share.
 */
#ifndef TELAR_BACKENDS_GPU_OPS_H
#define TELAR_BACKENDS_GPU_OPS_H

#include "../gpu.h"

#define GPU_KERNELS(F)          \
    F(copy)                     \
    F(fill)                     \
    F(optimizer_step)           \
    F(max_pool2d_channels_last) \
    F(max_pool2d)               \
    F(max_pool2d_grad)          \
    F(max_pool2d_pick)          \
    F(avg_pool2d)               \
    F(avg_pool2d_grad)          \
    F(adaptive_avg_pool2d)      \
    F(adaptive_avg_pool2d_grad) \
    F(cat)                      \
    F(flip)                     \
    F(pad)                      \
    F(matmul)                   \
    F(addmm)                    \
    F(conv2d)                   \
    F(conv2d_grad_input)        \
    F(conv2d_grad_weight)       \
    F(unfold)                   \
    F(fold)                     \
    F(gather)                   \
    F(index_select)             \
    F(embedding)                \
    F(sort)                     \
    F(topk)                     \
    F(scatter_add)              \
    F(index_add)                \
    F(embedding_grad)           \
    F(sum)                      \
    F(mean)                     \
    F(prod)                     \
    F(amax)                     \
    F(amin)                     \
    F(var)                      \
    F(argmax)                   \
    F(argmin)                   \
    F(softmax)                  \
    F(log_softmax)              \
    F(softmax_grad)             \
    F(log_softmax_grad)         \
    F(batch_norm)               \
    F(batch_norm_grad)          \
    F(layer_norm)               \
    F(layer_norm_grad)          \
    F(nll_loss)                 \
    F(nll_loss_grad)            \
    F(mse_loss)                 \
    F(mse_loss_grad)            \
    F(cumsum)

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

/** A struct of a kernel's text that has nothing but INDEX fields: these numbers in the same order, of 4 bytes where `small`, else of 8. */
struct gpu_numbers {
    union {
        int32_t small[24];
        int64_t large[24];
    } value;
    size_t size;
};
static inline struct gpu_numbers gpu_numbers(bool small, int n, const int64_t *values)
{
    struct gpu_numbers numbers = {.size = (size_t)n * (small ? 4 : 8)};
    for (int i = 0; i < n; i++)
        if (small)
            numbers.value.small[i] = (int32_t)values[i];
        else
            numbers.value.large[i] = values[i];
    return numbers;
}
#define GPU_NUMBERS(numbers) ((struct gpu_arg){.value = &(numbers).value, .size = (numbers).size})

/** The grid of `groups` groups of `size` items, if there may be so many; else an error. */
tl_status gpu_grid_of(const struct gpu *gpu, const char *op, int64_t groups, uint32_t size, struct gpu_grid *grid);

#endif
