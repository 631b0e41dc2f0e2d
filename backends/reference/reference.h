/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the reference backend share. The backend is written to be read and to be trusted: plain
 * C, one file an op, every sum in double (or modulo 2^64 for integers), no threads, no tricks. An op file includes itself once
 * for each element type (each_type.h, each_float.h); inside, T is the type and NAME(f) is f_float, f_double, …
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <telar/attrs.h>
#include <telar/backend.h>

/** The host's services, set when the plugin is opened. */
extern const struct tl_host *reference_host;

/** The work of a kernel for one element type. */
typedef tl_status body(const struct tl_call *call);

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(f) JOIN(f, T)

/** Entries of a table of bodies, by element type. */
#define FLOATING(f) [TL_F32] = f##_float, [TL_F64] = f##_double
#define INTEGERS(f) \
    [TL_I8] = f##_int8_t, [TL_U8] = f##_uint8_t, [TL_I32] = f##_int32_t, [TL_I64] = f##_int64_t, [TL_BOOL] = f##__Bool

/** Define the kernel of op `name`: the body is the entry of `table` at the element type of `operand` (an expression
 *  of `call`); a type without a body is refused. PREPARED_KERNEL adds a prepare(). */
#define KERNEL(name, kernel_flags, operand, table) PREPARED_KERNEL(name, kernel_flags, operand, table, NULL)
#define PREPARED_KERNEL(name, kernel_flags, operand, table, prepare_function)                                    \
    static const char *name##_refuses(const struct tl_device *device, const struct tl_call *call)                \
    {                                                                                                             \
        (void)device;                                                                                             \
        return table[operand.dtype] ? NULL : unknown_type;                                                        \
    }                                                                                                             \
    static tl_status name##_run(struct tl_stream *stream, const void *plan, const struct tl_call *call,          \
                                struct tl_mem workspace)                                                          \
    {                                                                                                             \
        (void)stream, (void)plan, (void)workspace;                                                                \
        return table[operand.dtype](call);                                                                        \
    }                                                                                                             \
    SIMPLE_KERNEL(name, kernel_flags, name##_refuses, prepare_function, name##_run)
#define SIMPLE_KERNEL(name, kernel_flags, refuses_function, prepare_function, run_function)                       \
    const struct tl_kernel reference_##name = {.struct_size = sizeof(struct tl_kernel),                           \
                                               .flags = kernel_flags,                                             \
                                               .op = #name,                                                       \
                                               .maker = "reference",                                              \
                                               .refuses = refuses_function,                                       \
                                               .prepare = prepare_function,                                       \
                                               .run = run_function}

/** The one reason to refuse. */
extern const char unknown_type[];

/** Every kernel but the pointwise ones, which make their own list from pointwise.def. */
#define REFERENCE_KERNELS(X)                                                                            \
    X(copy) X(fill)                                                                                     \
    X(sum) X(mean) X(prod) X(amax) X(amin) X(var) X(argmax) X(argmin) X(cumsum)                         \
    X(matmul) X(addmm)                                                                                  \
    X(softmax) X(log_softmax) X(softmax_grad) X(log_softmax_grad)                                       \
    X(gather) X(scatter_add) X(index_select) X(index_add) X(sort) X(topk) X(cat) X(flip) X(pad)         \
    X(embedding) X(embedding_grad)                                                                      \
    X(conv2d) X(conv2d_grad_input) X(conv2d_grad_weight)                                                \
    X(max_pool2d) X(max_pool2d_grad) X(max_pool2d_pick) X(avg_pool2d) X(avg_pool2d_grad)                \
    X(adaptive_avg_pool2d) X(adaptive_avg_pool2d_grad)                                                  \
    X(unfold) X(fold)                                                                                   \
    X(batch_norm) X(batch_norm_grad) X(layer_norm) X(layer_norm_grad)                                   \
    X(rnn) X(rnn_grad)                                                                                  \
    X(nll_loss) X(nll_loss_grad) X(mse_loss) X(mse_loss_grad)
#define DECLARE(name) extern const struct tl_kernel reference_##name;
REFERENCE_KERNELS(DECLARE)
#undef DECLARE

/** Store up to `room` pointwise kernels in `list` and return how many there are; list may be NULL to count. */
size_t reference_pointwise(const struct tl_kernel **list, size_t room);

/** First element of input or output i; NULL if the operand is absent. */
static inline void *input(const struct tl_call *call, int i)
{
    return i < call->n_in && tl_view_present(&call->in[i]) ? tl_mem_ptr(call->in[i].mem) : NULL;
}
static inline void *output(const struct tl_call *call, int i)
{
    return i < call->n_out && tl_view_present(&call->out[i]) ? tl_mem_ptr(call->out[i].mem) : NULL;
}

/** Forward: where to write the residual of `size` bytes; NULL if none is wanted. */
void *wanted_residual(const struct tl_call *call, size_t size);
/** Gradient: the residual of `size` bytes that a kernel of this backend left; NULL if there is none. */
const void *own_residual(const struct tl_call *call, size_t size);

/** Report the index `value`, found at `position` of an index tensor, that should be in [0, size). */
tl_status bad_index(const struct tl_call *call, const char *what, int64_t value, int64_t position, int64_t size);

/** A contiguous view seen as [outer, n, inner] around dimension dim. A single number is [1, 1, 1]. */
struct axes {
    int64_t outer, n, inner;
};
struct axes axes_around(const struct tl_view *view, int64_t dim);

#endif
