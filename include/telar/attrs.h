/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/attrs.h>: the attributes of every op, one struct per op (or family).
 *
 * Each struct is declared by a list of fields, from which both the C struct and its field table come, so that
 * attributes can be printed, hashed and saved without knowing them. A struct's zero value means PyTorch's
 * defaults; the op's infer() resolves them, so kernels see normalised values. New fields are appended.
 *
 * Where the default is not 0, a 0 that is meant is written TL_ZERO (of an F64: .eps = TL_ZERO) or TL_NONE_SIZE (of a PAIR:
 * .padding = {1, TL_NONE_SIZE}). What has no sensible default is no attribute but a positional argument, whose 0 is a 0.
 *
 * Kinds of fields: I64 int64_t; PAIR int64_t[2], rows then columns, where {n} means {n, n} (write {n, TL_NONE_SIZE} for n rows
 * and no columns of padding); F64 double; BOOL bool; DIMS struct tl_dims; DTYPE tl_dtype.
 */
#ifndef TELAR_ATTRS_H
#define TELAR_ATTRS_H

#include <telar/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An explicit zero in a PAIR whose other half is not zero: .padding = {1, TL_NONE_SIZE}. */
#define TL_NONE_SIZE (-1)
/** An explicit 0 for a number whose default is not 0: .beta = TL_ZERO. (Negative zero: equal to 0, yet not the same.) */
#define TL_ZERO (-0.0)
/** `value`, or `fallback` if it is left out (0, but not TL_ZERO). What an infer() resolves numbers with: a TL_ZERO stays one, so
 *  that resolved attributes can be resolved again. */
static inline double tl_attr_or(double value, double fallback)
{
    return value == 0 && !__builtin_signbit(value) ? fallback : value;
}

/** What kind of field. */
typedef enum tl_attr_kind { TL_ATTR_I64, TL_ATTR_PAIR, TL_ATTR_F64, TL_ATTR_BOOL, TL_ATTR_DIMS, TL_ATTR_DTYPE } tl_attr_kind;

/** One field of an attribute struct. A table ends with name == NULL. */
struct tl_attr_field {
    const char *name;
    uint32_t kind;
    uint32_t offset;
};

/** First member of every attribute struct: its size in the caller's build, set by the calling macros. */
#define TL_ATTR_C_I64(f) int64_t f;
#define TL_ATTR_C_PAIR(f) int64_t f[2];
#define TL_ATTR_C_F64(f) double f;
#define TL_ATTR_C_BOOL(f) bool f;
#define TL_ATTR_C_DIMS(f) struct tl_dims f;
#define TL_ATTR_C_DTYPE(f) tl_dtype f;
#define TL_ATTR_DECLARE_FIELD(op, kind, f) TL_ATTR_C_##kind(f)
#define TL_ATTRS(op)                         \
    struct tl_##op##_attrs {                 \
        size_t struct_size;                  \
        TL_ATTRS_##op(TL_ATTR_DECLARE_FIELD) \
    };

/** The field table of an attribute struct: static const struct tl_attr_field t[] = { TL_ATTR_TABLE(conv2d) }; */
#define TL_ATTR_ENTRY(op, kind, f) {#f, TL_ATTR_##kind, (uint32_t)offsetof(struct tl_##op##_attrs, f)},
#define TL_ATTR_TABLE(op) TL_ATTRS_##op(TL_ATTR_ENTRY) {NULL, 0, 0}

/** Pointwise ops: their two numbers (slope, bounds, …); see pointwise.def. */
#define TL_ATTRS_pointwise(F) F(pointwise, F64, p) F(pointwise, F64, q)
TL_ATTRS(pointwise)

/** cast: the dtype to convert to. */
#define TL_ATTRS_cast(F) F(cast, DTYPE, dtype)
TL_ATTRS(cast)

/** fill: every element becomes value. */
#define TL_ATTRS_fill(F) F(fill, F64, value)
TL_ATTRS(fill)

/** sum, prod, mean, var, amax, amin, argmax, argmin. dims: which (empty: all; normalised: sorted, not negative).
 * keepdim: leave them with size 1 (kernels always see outputs with keepdim). biased: var divides by n, not n - 1. */
#define TL_ATTRS_reduce(F) F(reduce, DIMS, dims) F(reduce, BOOL, keepdim) F(reduce, DTYPE, dtype) F(reduce, BOOL, biased)
TL_ATTRS(reduce)

/** Ops along one dimension: softmax, log_softmax, their gradients, cumsum, gather, scatter_add, index_select, index_add, cat.
 * size: extent along dim of the output of gradients that cannot know it from their inputs. */
#define TL_ATTRS_along(F) F(along, I64, dim) F(along, I64, size)
TL_ATTRS(along)

/** addmm: beta (1) * input + alpha (1) * (a @ b). */
#define TL_ATTRS_addmm(F) F(addmm, F64, alpha) F(addmm, F64, beta)
TL_ATTRS(addmm)

/** conv2d, conv2d_grad_input, conv2d_grad_weight, conv_transpose2d.
 * stride (1), padding (0) on both sides, dilation (1), groups (1); output_padding: of the transposed one.
 * size: gradients only; rows and columns of the input (grad_input) or of the kernel (grad_weight).
 * with_bias: grad_weight also gives the gradient of the bias, as its second output. */
#define TL_ATTRS_conv2d(F)                                                                           \
    F(conv2d, PAIR, stride) F(conv2d, PAIR, padding) F(conv2d, PAIR, dilation) F(conv2d, I64, groups) \
    F(conv2d, PAIR, output_padding) F(conv2d, PAIR, size) F(conv2d, BOOL, with_bias)
TL_ATTRS(conv2d)

/** max_pool2d, avg_pool2d and their gradients. stride: default kernel. exclude_pad: average over real elements only
 * (PyTorch's count_include_pad = False). divisor: divide by this instead (0: the window's size).
 * size: gradients only; rows and columns of the input. */
#define TL_ATTRS_pool2d(F)                                                                            \
    F(pool2d, PAIR, kernel) F(pool2d, PAIR, stride) F(pool2d, PAIR, padding) F(pool2d, PAIR, dilation) \
    F(pool2d, BOOL, ceil_mode) F(pool2d, BOOL, exclude_pad) F(pool2d, I64, divisor) F(pool2d, PAIR, size)
TL_ATTRS(pool2d)

/** adaptive_avg_pool2d and its gradient: rows and columns of the output (gradient: of the input). */
#define TL_ATTRS_adaptive_pool2d(F) F(adaptive_pool2d, PAIR, size)
TL_ATTRS(adaptive_pool2d)

/** unfold, fold. kernel: rows and columns of a window. stride (1), padding (0) on both sides, dilation (1).
 * size: fold only; rows and columns of the picture. */
#define TL_ATTRS_unfold(F)                                                                                   \
    F(unfold, PAIR, kernel) F(unfold, PAIR, stride) F(unfold, PAIR, padding) F(unfold, PAIR, dilation) \
    F(unfold, PAIR, size)
TL_ATTRS(unfold)

/** batch_norm. training: normalise by the batch's statistics. momentum (0.1): share of the batch in the running ones.
 * eps (1e-5). update: the running statistics are outputs too. */
#define TL_ATTRS_batch_norm(F) \
    F(batch_norm, BOOL, training) F(batch_norm, F64, momentum) F(batch_norm, F64, eps) F(batch_norm, BOOL, update)
TL_ATTRS(batch_norm)

/** optimizer_step, the update of one parameter. algorithm: TL_STEP_…. decay: rates[TL_RATE_WEIGHT_DECAY] counts (and is added to the gradient, or,
 * decoupled, taken off the weights). momentum: sgd, rmsprop. first: of sgd, the momentum is new. The rest: of the optimizer (<telar/optim.h>). */
#define TL_ATTRS_optimizer(F)                                                                                                     \
    F(optimizer, I64, algorithm) F(optimizer, BOOL, decay) F(optimizer, BOOL, momentum) F(optimizer, BOOL, nesterov)             \
    F(optimizer, BOOL, first) F(optimizer, BOOL, maximize) F(optimizer, BOOL, amsgrad) F(optimizer, BOOL, decoupled)             \
    F(optimizer, BOOL, centered)
TL_ATTRS(optimizer)
enum { TL_STEP_SGD, TL_STEP_ADAM, TL_STEP_ADADELTA, TL_STEP_RMSPROP };
/** Its numbers are a tensor, so that a recorded step is not bound to the rate that it was recorded with. */
enum {
    TL_RATE_STEP,         /**< what the weights are moved by: -lr; adam: -lr / (1 - beta1^t) */
    TL_RATE_WEIGHT_DECAY, /**< share of the weights that is added to the gradient */
    TL_RATE_KEEP,         /**< decoupled decay: what is left of the weights, 1 - lr weight_decay */
    TL_RATE_MOMENTUM,     /**< sgd, rmsprop */
    TL_RATE_SHARE,        /**< of the gradient in moment 0: sgd 1 - dampening, adam 1 - beta1 */
    TL_RATE_DECAY,        /**< of the moment of squares: adam beta2, adadelta rho, rmsprop alpha */
    TL_RATE_DECAY_SHARE,  /**< 1 - that */
    TL_RATE_EPS,
    TL_RATE_CORRECTION,   /**< adam: sqrt(1 - beta2^t) */
    TL_RATES
};

/** layer_norm over the last `ndim` dimensions. eps (1e-5). */
#define TL_ATTRS_layer_norm(F) F(layer_norm, I64, ndim) F(layer_norm, F64, eps)
TL_ATTRS(layer_norm)

/** rnn and its gradient. mode: TL_RNN_TANH (0), TL_RNN_RELU, TL_RNN_LSTM or TL_RNN_GRU. reverse: the last step comes first. */
#define TL_ATTRS_rnn(F) F(rnn, I64, mode) F(rnn, BOOL, reverse)
TL_ATTRS(rnn)
enum { TL_RNN_TANH = 0, TL_RNN_RELU = 1, TL_RNN_LSTM = 2, TL_RNN_GRU = 3 };

/** dropout. eval: do nothing (zero value: training, as torch.nn.functional has it). */
#define TL_ATTRS_dropout(F) F(dropout, BOOL, eval)
TL_ATTRS(dropout)

/** Losses. reduction: TL_MEAN (0), TL_SUM or TL_NO_REDUCTION. beta (1): of smooth_l1; with TL_ZERO that is l1. */
#define TL_ATTRS_loss(F) F(loss, I64, reduction) F(loss, F64, beta) F(loss, BOOL, log_target)
TL_ATTRS(loss)
enum { TL_MEAN = 0, TL_SUM = 1, TL_NO_REDUCTION = 2, TL_BATCH_MEAN = 3 /* kl_div: sum / first size */ };

/** nll_loss, cross_entropy. Labels equal to ignore_index count for nothing; default -100, or what ignore_index says
 * when ignore is set. label_smoothing: cross_entropy only. classes: gradient only. */
#define TL_ATTRS_nll(F) F(nll, I64, reduction) F(nll, BOOL, ignore) F(nll, I64, ignore_index) F(nll, F64, label_smoothing) F(nll, I64, classes)
TL_ATTRS(nll)

/** view, expand: the new shape. permute, flip: dims. transpose: dim and other. slice: elements start, start + step, … of
 * dim, before stop (a stop of TL_END: to the end). squeeze, unsqueeze, select: dim. */
#define TL_ATTRS_shape(F)                                                                          \
    F(shape, DIMS, shape) F(shape, DIMS, dims) F(shape, I64, dim) F(shape, I64, other) F(shape, I64, start) \
    F(shape, I64, stop) F(shape, I64, step)
TL_ATTRS(shape)
/** A stop that means: to the end of the dimension. */
#define TL_END INT64_MAX

/** as_strided: the result's shape, strides and offset over the storage, and those of the input, which the op fills in.
 * as_strided_scatter: over its contiguous input. */
#define TL_ATTRS_strided(F)                                                                                   \
    F(strided, DIMS, shape) F(strided, DIMS, strides) F(strided, I64, offset) F(strided, DIMS, from_shape) \
    F(strided, DIMS, from_strides) F(strided, I64, from_offset)
TL_ATTRS(strided)

/** pad: amounts in PyTorch's order (last dimension first: left, right, top, bottom, …), value. Negative amounts crop. */
#define TL_ATTRS_pad(F) F(pad, DIMS, pad) F(pad, F64, value)
TL_ATTRS(pad)

/** sort, topk (k only there). Values and indices come out; equal elements keep their order. */
#define TL_ATTRS_order(F) F(order, I64, dim) F(order, I64, k) F(order, BOOL, descending)
TL_ATTRS(order)

/** embedding and its gradient. rows: of the table (gradient). padding: rows equal to padding_idx get no gradient. */
#define TL_ATTRS_embedding(F) F(embedding, I64, rows) F(embedding, BOOL, padding) F(embedding, I64, padding_idx)
TL_ATTRS(embedding)

#ifdef __cplusplus
}
#endif
#endif
