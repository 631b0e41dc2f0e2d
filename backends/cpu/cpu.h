/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this backend share: the host's services, the chosen vector code, how work is divided among
 * threads, and the kernels that ops/ offers to the table in cpu.c.
 */
#ifndef CPU_H
#define CPU_H

#include <omp.h>
#include <telar/attrs.h>
#include <telar/backend.h>

#include "vector/vector.h"

extern const struct tl_host *cpu_host;
extern const struct cpu_vector *cpu_vector;

/** Threads for a loop of `work` elements (or as many elementary steps): 1 until it pays to wake others. */
static inline int cpu_threads(int64_t work, int64_t at_least_each)
{
    if (work < 2 * at_least_each)
        return 1;
    int64_t most = work / at_least_each;
    int threads = cpu_host->num_threads();
    return most < threads ? (int)most : threads;
}

/** Thread `t` of `threads` does [*begin, *end) of n, cut at multiples of `grain`. */
static inline void cpu_share(int64_t n, int64_t grain, int t, int threads, int64_t *begin, int64_t *end)
{
    int64_t units = (n + grain - 1) / grain;
    int64_t b = units * t / threads * grain, e = units * (t + 1) / threads * grain;
    *begin = b < n ? b : n;
    *end = e < n ? e : n;
}

/** Elements of a type at the address of a view. */
static inline void *cpu_data(const struct tl_view *v)
{
    return tl_mem_ptr(v->mem);
}

/** Dense in row-major order? Dimensions of size 1 may have any stride. */
static inline bool cpu_contiguous(const struct tl_view *v)
{
    int64_t expected = 1;
    for (int d = v->ndim - 1; d >= 0; d--) {
        if (v->shape[d] != 1 && v->stride[d] != expected)
            return false;
        expected *= v->shape[d];
    }
    return true;
}

/** Is a convolution with weights w one of those that Winograd's filtering does: one group, 3 x 3, stride 1? */
static inline bool cpu_winograd_kind(const struct tl_conv2d_attrs *a, const struct tl_view *w)
{
    return a->groups == 1 && w->shape[2] == 3 && w->shape[3] == 3 && a->stride[0] == 1 && a->stride[1] == 1 && a->dilation[0] == 1 &&
           a->dilation[1] == 1;
}

/** kernel_<op>, of a file that has refuses(call, variant), prepare(call, prep, variant) and run(call, workspace, variant). */
#define CPU_KERNEL(op_, variant, how, maker_)                                                                         \
    static const char *refuses_##op_(const struct tl_device *device, const struct tl_call *call)                      \
    {                                                                                                                 \
        (void)device;                                                                                                 \
        return refuses(call, variant);                                                                                \
    }                                                                                                                 \
    static tl_status prepare_##op_(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)  \
    {                                                                                                                 \
        (void)device;                                                                                                 \
        return prepare(call, prep, variant);                                                                          \
    }                                                                                                                 \
    static tl_status run_##op_(struct tl_stream *stream, const void *plan, const struct tl_call *call,                \
                               struct tl_mem workspace)                                                               \
    {                                                                                                                 \
        (void)stream, (void)plan;                                                                                     \
        return run(call, workspace, variant);                                                                         \
    }                                                                                                                 \
    static const struct tl_kernel kernel_##op_ = {                                                                    \
        .struct_size = sizeof(struct tl_kernel), .flags = how, .op = #op_, .maker = maker_, .refuses = refuses_##op_, \
        .prepare = prepare_##op_, .run = run_##op_,                                                                   \
    };

/** A kernel table under construction. */
struct cpu_table {
    const struct tl_kernel **kernels;
    size_t count, capacity;
};

/** Fills the table; false if memory ran out. Called once, at open. */
bool cpu_table_add(struct cpu_table *table, const struct tl_kernel *kernel);

/** The files of ops/, each of which adds its kernels with cpu_add_<file>(). Of two kernels for one op the first is better, so
 *  conv2d_direct and conv2d_grad_weight come before conv2d, and dense before matmul. */
#define CPU_OP_FILES(X)     \
    X(pointwise)            \
    X(conv2d_winograd)      \
    X(conv2d_winograd_grad) \
    X(conv2d_direct)        \
    X(conv2d_grad_weight)   \
    X(conv2d)               \
    X(max_pool2d)           \
    X(batch_norm)           \
    X(dense)                \
    X(matmul)               \
    X(reduce)               \
    X(copy)                 \
    X(softmax)              \
    X(index)                \
    X(avg_pool2d)           \
    X(unfold)               \
    X(rnn)                  \
    X(rnn_grad)
#define DECLARE(file) bool cpu_add_##file(struct cpu_table *table);
CPU_OP_FILES(DECLARE)
#undef DECLARE

#endif
