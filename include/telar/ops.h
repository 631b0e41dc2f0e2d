/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/ops.h>: the operations, under PyTorch's names. All are differentiable unless the comment says otherwise,
 * follow PyTorch's broadcasting and type promotion, and return scope-owned tensors (see <telar/tensor.h>).
 *
 * Optional attributes are written by name after the tensors: tl_conv2d(x, w, b, .stride = {2}, .padding = {1}).
 * An attribute that is left out has PyTorch's default; to say 0 where that is not 0, write TL_ZERO (<telar/attrs.h>).
 *
 * Dimensions may be negative: -1 is the last.
 */
#ifndef TELAR_OPS_H
#define TELAR_OPS_H

#include <telar/attrs.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* See TL_FIRST_() in <telar/types.h>. */
#define TL_OPT_(op, ...)                   \
    TL_FIRST_(__VA_ARGS__, 0), &(struct tl_##op##_attrs) \
    {                                      \
        TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_##op##_attrs)) \
    }

/* ---- Pointwise: one function for each line of <telar/pointwise.def>, which has the formulas ----------------------
 *
 * tl_add tl_sub tl_mul tl_div tl_fmod tl_pow tl_minimum tl_maximum take two tensors; tl_neg tl_abs tl_sign tl_square
 * tl_sqrt tl_rsqrt tl_reciprocal tl_exp tl_expm1 tl_log tl_log1p tl_log2 tl_sin tl_cos tl_erf tl_floor tl_ceil tl_trunc
 * tl_round tl_relu tl_relu6 tl_sigmoid tl_hard_sigmoid tl_hardswish tl_tanh tl_gelu tl_silu tl_selu tl_mish tl_log_sigmoid
 * take one; so do
 * tl_leaky_relu(x, slope), tl_elu(x, alpha), tl_softplus(x, beta, threshold) and tl_clamp(x, low, high), where an infinite
 * bound leaves that end open. tl_where(condition, b, c) chooses. tl_eq tl_ne tl_lt tl_le tl_gt tl_ge tl_logical_and
 * tl_logical_or tl_logical_not tl_isnan tl_isfinite give bool and have no gradient.
 *
 * Dtypes promote as in PyTorch, where it has them: i8 with u8 gives i32, as there is no i16. On purpose otherwise: bool operands may be
 * subtracted from numbers (true is 1); the bounds of tl_clamp() leave integers what they are if both are whole or infinite, and
 * make them f32 if not. The number -1 is no exponent for integers.
 *
 * The element-wise losses tl_squared_error tl_absolute_error tl_smooth_l1_error tl_bce_error tl_bce_logits_error
 * tl_kl_error have reduced forms below. */

#define TL_UNARY(name, rule, e, da, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a);
#define TL_UNARY_P(name, rule, e, da, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a, double p);
#define TL_UNARY_PQ(name, rule, e, da, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a, double p, double q);
#define TL_BINARY(name, rule, e, da, db, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a, tl_tensor *b);
#define TL_BINARY_P(name, rule, e, da, db, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a, tl_tensor *b, double p);
#define TL_TERNARY(name, rule, e, da, db, dc, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a, tl_tensor *b, tl_tensor *c);
#define TL_TEST1(name, e, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a);
#define TL_TEST2(name, e, formula) TL_PUBLIC tl_tensor *tl_##name(tl_tensor *a, tl_tensor *b);
#include <telar/pointwise.def>

/** The same with a number as the second operand, as PyTorch's x + 2 and x + 2.0: the tensor's dtype wins, unless the number is floating
 *  and the tensor is not. */
#define tl_add_s(a, x) tl_add(a, tl_number(x))
#define tl_sub_s(a, x) tl_sub(a, tl_number(x))
#define tl_mul_s(a, x) tl_mul(a, tl_number(x))
#define tl_div_s(a, x) tl_div(a, tl_number(x))
#define tl_pow_s(a, x) tl_pow(a, tl_number(x))

/** Convert to another dtype; the same tensor if it has it already. Floats to integers truncate, as C does; what is out of range, where
 *  C and PyTorch leave the result open, becomes the nearest integer that there is, and NaN 0. Integers to integers wrap around. */
TL_PUBLIC tl_tensor *tl_cast(tl_tensor *t, tl_dtype dtype);
/** A copy in memory of its own. */
TL_PUBLIC tl_tensor *tl_clone(tl_tensor *t);
/** t itself if it is contiguous, else a contiguous copy. */
TL_PUBLIC tl_tensor *tl_contiguous(tl_tensor *t);

/* ---- In place. All return their first argument, bump its version, and fail on a leaf that needs a gradient, or a view of one.
 * Writes are recorded, also through views: after tl_copy_(tl_select(y, 0, 1), x), PyTorch's y[1] = x, gradients of y flow to x
 * from row 1 and to y's own history from the others, and views of y that exist already show that too. What a gradient needs
 * and a write replaces makes the backward pass fail with an error that names it, but for the operands of that write itself, which are copied. ---- */

/** t += other, and so on: other is broadcast to t's shape, the result converted to t's dtype (never from float to integer). */
TL_PUBLIC tl_tensor *tl_add_(tl_tensor *t, tl_tensor *other);
TL_PUBLIC tl_tensor *tl_sub_(tl_tensor *t, tl_tensor *other);
TL_PUBLIC tl_tensor *tl_mul_(tl_tensor *t, tl_tensor *other);
TL_PUBLIC tl_tensor *tl_div_(tl_tensor *t, tl_tensor *other);
/** Negative elements become 0. */
TL_PUBLIC tl_tensor *tl_relu_(tl_tensor *t);
/** Elements outside [low, high] become the nearer bound. */
TL_PUBLIC tl_tensor *tl_clamp_(tl_tensor *t, double low, double high);
/** Every element becomes 0, or `value`. */
TL_PUBLIC tl_tensor *tl_zero_(tl_tensor *t);
/** A value that the dtype cannot hold (300 of i8, NaN of integers) is an error, as it is of tl_full(), tl_masked_fill() and tl_pad(). */
TL_PUBLIC tl_tensor *tl_fill_(tl_tensor *t, double value);
/** t = source, broadcast and converted. Works between devices. */
TL_PUBLIC tl_tensor *tl_copy_(tl_tensor *t, tl_tensor *source);
/** t += alpha * other: the update of gradient descent. */
TL_PUBLIC tl_tensor *tl_axpy_(tl_tensor *t, double alpha, tl_tensor *other);
/** Change the shape in place, PyTorch's resize_: keeps the leading elements, new ones are undefined. */
TL_PUBLIC tl_tensor *tl_resize_(tl_tensor *t, int ndim, const int64_t *shape);
/** t becomes `value` where mask (bool, broadcast) is true. */
TL_PUBLIC tl_tensor *tl_masked_fill_(tl_tensor *t, tl_tensor *mask, double value);

/* ---- Products ------------------------------------------------------------------------------------------------ */

/** Matrix product as torch.matmul: vectors, matrices, batches with broadcasting. */
TL_PUBLIC tl_tensor *tl_matmul(tl_tensor *a, tl_tensor *b);
/** [n,k] x [k,m] -> [n,m], strictly. */
TL_PUBLIC tl_tensor *tl_mm(tl_tensor *a, tl_tensor *b);
/** [b,n,k] x [b,k,m] -> [b,n,m], strictly. */
TL_PUBLIC tl_tensor *tl_bmm(tl_tensor *a, tl_tensor *b);
/** beta * input + alpha * (a @ b): tl_addmm(input, a, b, .beta = …, .alpha = …). With .beta = TL_ZERO input is not looked at. */
#define tl_addmm(input, a, ...) tl_addmm_with(input, a, TL_OPT_(addmm, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_addmm_with(tl_tensor *input, tl_tensor *a, tl_tensor *b, const struct tl_addmm_attrs *o);
/** Inner product of two vectors. */
TL_PUBLIC tl_tensor *tl_dot(tl_tensor *a, tl_tensor *b);
/** x @ weight^T + bias; weight is [out, in]; bias may be TL_NONE. */
TL_PUBLIC tl_tensor *tl_linear(tl_tensor *x, tl_tensor *weight, tl_tensor *bias);
/** Einstein summation: tl_einsum("bij,bjk->bik", 2, (tl_tensor *[]){a, b}). Letters, "->", commas and "...". */
TL_PUBLIC tl_tensor *tl_einsum(const char *equation, int n, tl_tensor *const *operands);

/* ---- Reductions: over .dims = TL_DIMS(…), all if left out; .keepdim = true leaves size-1 dimensions ------------ */

/** Sum, mean and product: tl_sum(t, .dims = TL_DIMS(0, 2)). Integers and bool sum and multiply to i64; a mean needs floating
 *  numbers, or .dtype = TL_F32. Over nothing: 0, NaN and 1. */
#define tl_sum(...) tl_sum_with(TL_OPT_(reduce, __VA_ARGS__))
#define tl_mean(...) tl_mean_with(TL_OPT_(reduce, __VA_ARGS__))
#define tl_prod(...) tl_prod_with(TL_OPT_(reduce, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_sum_with(tl_tensor *t, const struct tl_reduce_attrs *o);
TL_PUBLIC tl_tensor *tl_mean_with(tl_tensor *t, const struct tl_reduce_attrs *o);
TL_PUBLIC tl_tensor *tl_prod_with(tl_tensor *t, const struct tl_reduce_attrs *o);
/** Largest and smallest over the dimensions; ties share the gradient evenly. NaN wins. Over nothing: an error. */
#define tl_amax(...) tl_amax_with(TL_OPT_(reduce, __VA_ARGS__))
#define tl_amin(...) tl_amin_with(TL_OPT_(reduce, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_amax_with(tl_tensor *t, const struct tl_reduce_attrs *o);
TL_PUBLIC tl_tensor *tl_amin_with(tl_tensor *t, const struct tl_reduce_attrs *o);
/** Variance and standard deviation, dividing by n - 1, or by n with .biased = true (PyTorch's correction = 0). */
#define tl_var(...) tl_var_with(TL_OPT_(reduce, __VA_ARGS__))
#define tl_std(...) tl_std_with(TL_OPT_(reduce, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_var_with(tl_tensor *t, const struct tl_reduce_attrs *o);
TL_PUBLIC tl_tensor *tl_std_with(tl_tensor *t, const struct tl_reduce_attrs *o);
/** Index of the largest (smallest) element, i64; over one dimension or, if none is given, over the flattened tensor. The
 *  first of equals. NaN counts as largest (smallest). Not differentiable. */
#define tl_argmax(...) tl_argmax_with(TL_OPT_(reduce, __VA_ARGS__))
#define tl_argmin(...) tl_argmin_with(TL_OPT_(reduce, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_argmax_with(tl_tensor *t, const struct tl_reduce_attrs *o);
TL_PUBLIC tl_tensor *tl_argmin_with(tl_tensor *t, const struct tl_reduce_attrs *o);
/** Largest (smallest) element of all, a 0-d tensor; ties share the gradient evenly. */
TL_PUBLIC tl_tensor *tl_max(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_min(tl_tensor *t);
/** Largest along one dimension, with its index (indices may be NULL); the gradient goes to that element. */
TL_PUBLIC tl_tensor *tl_max_dim(tl_tensor *t, int dim, bool keepdim, tl_tensor **indices);
TL_PUBLIC tl_tensor *tl_min_dim(tl_tensor *t, int dim, bool keepdim, tl_tensor **indices);
/** Are all (any) elements nonzero? bool (PyTorch: u8 of u8). */
TL_PUBLIC tl_tensor *tl_all(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_any(tl_tensor *t);
/** p-norm of all elements; INFINITY (-INFINITY): the largest (smallest) magnitude; 0: how many are not 0. */
TL_PUBLIC tl_tensor *tl_norm(tl_tensor *t, double p);
/** y[i] = t[0] + … + t[i] along dim; integers and bool give i64. */
TL_PUBLIC tl_tensor *tl_cumsum(tl_tensor *t, int dim);
/** e^t / sum(e^t) along dim, and its logarithm, both computed so that large values do not overflow; floating dtypes. */
TL_PUBLIC tl_tensor *tl_softmax(tl_tensor *t, int dim);
TL_PUBLIC tl_tensor *tl_log_softmax(tl_tensor *t, int dim);
/** Every element close: |a - b| <= atol + rtol * |b|? NaNs are unequal. false also on an error (see tl_error_code()). */
TL_PUBLIC bool tl_allclose(tl_tensor *a, tl_tensor *b, double rtol, double atol);
/** Same shape, same values? false also on an error. */
TL_PUBLIC bool tl_equal(tl_tensor *a, tl_tensor *b);

/* ---- Shape. Views share storage with t ------------------------------------------------------------------------ */

/** One size may be -1. Fails if the strides do not allow a view: use tl_reshape(). */
TL_PUBLIC tl_tensor *tl_view(tl_tensor *t, int ndim, const int64_t *shape);
/** A view where possible, else a copy. */
TL_PUBLIC tl_tensor *tl_reshape(tl_tensor *t, int ndim, const int64_t *shape);
/** Merge dimensions start … end (inclusive) into one: tl_flatten(x, 1, -1). */
TL_PUBLIC tl_tensor *tl_flatten(tl_tensor *t, int start, int end);
/** Dimension i of the result is dimension dims[i] of t; n is t's number of dimensions. */
TL_PUBLIC tl_tensor *tl_permute(tl_tensor *t, int n, const int64_t *dims);
/** Dimensions a and b change places. */
TL_PUBLIC tl_tensor *tl_transpose(tl_tensor *t, int a, int b);
/** Transpose of a matrix; vectors and numbers as they are. */
TL_PUBLIC tl_tensor *tl_t(tl_tensor *t);
/** Broadcast to a shape without copying; -1 keeps a size. */
TL_PUBLIC tl_tensor *tl_expand(tl_tensor *t, int ndim, const int64_t *shape);
/** Without its dimensions of size 1: all of them, or dim if its size is 1. */
TL_PUBLIC tl_tensor *tl_squeeze(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_squeeze_dim(tl_tensor *t, int dim);
/** With a new dimension of size 1 before dim (-1: at the end). */
TL_PUBLIC tl_tensor *tl_unsqueeze(tl_tensor *t, int dim);
/** Elements start, start + step, … before stop of a dimension (TL_END: to the end; negatives count from the end). */
TL_PUBLIC tl_tensor *tl_slice(tl_tensor *t, int dim, int64_t start, int64_t stop, int64_t step);
/** length elements of a dimension, from start. */
TL_PUBLIC tl_tensor *tl_narrow(tl_tensor *t, int dim, int64_t start, int64_t length);
/** One element of a dimension, which disappears. */
TL_PUBLIC tl_tensor *tl_select(tl_tensor *t, int dim, int64_t index);
/** Pieces of `size` along dim (the last may be smaller). *n is the capacity of out, then the number of pieces. */
TL_PUBLIC tl_status tl_split(tl_tensor *t, int64_t size, int dim, tl_tensor **out, int *n);
/** At most `chunks` pieces of one size (the last may be smaller), as torch.chunk: there may be fewer. */
TL_PUBLIC tl_status tl_chunk(tl_tensor *t, int chunks, int dim, tl_tensor **out, int *n);
/** A view with any strides, and an offset, over t's storage (in elements; what PyTorch's storage_offset is), checked against its size. */
TL_PUBLIC tl_tensor *tl_as_strided(tl_tensor *t, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset);
/** n tensors one after the other along dim, which alone may differ in size; a copy, in the dtype that all promote to. */
TL_PUBLIC tl_tensor *tl_cat(int n, tl_tensor *const *t, int dim);
/** n tensors of one shape side by side along a new dimension dim; a copy. */
TL_PUBLIC tl_tensor *tl_stack(int n, tl_tensor *const *t, int dim);
/** In reverse along each of n dimensions; a copy. */
TL_PUBLIC tl_tensor *tl_flip(tl_tensor *t, int n, const int64_t *dims);
/** Constant padding; amounts as in PyTorch: last dimension first, before and after. tl_pad(x, 4, (int64_t[]){1, 1, 2, 2}, 0). */
TL_PUBLIC tl_tensor *tl_pad(tl_tensor *t, int n, const int64_t *amounts, double value);

/* ---- Picking and placing. Indices are i64 (i32 is converted); out of range is TL_ERR_INDEX, never undefined ----- */

/** The slices of t at index [n] along dim, in that order: size n there. A copy. */
TL_PUBLIC tl_tensor *tl_index_select(tl_tensor *t, int dim, tl_tensor *index);
/** One element of t for each of index, whose shape it gets: y[i,j] = t[index[i,j],j] for dim 0, as torch.gather. */
TL_PUBLIC tl_tensor *tl_gather(tl_tensor *t, int dim, tl_tensor *index);
/** t with source added at index along dim, as torch.scatter_add. */
TL_PUBLIC tl_tensor *tl_scatter_add(tl_tensor *t, int dim, tl_tensor *index, tl_tensor *source);
/** t with slices of source added at index along dim, as torch.index_add. */
TL_PUBLIC tl_tensor *tl_index_add(tl_tensor *t, int dim, tl_tensor *index, tl_tensor *source);
/** t with `value` where mask (bool, broadcast) is true. */
TL_PUBLIC tl_tensor *tl_masked_fill(tl_tensor *t, tl_tensor *mask, double value);
/** The elements where mask (bool, broadcast) is true, row by row: a copy with one dimension. */
TL_PUBLIC tl_tensor *tl_masked_select(tl_tensor *t, tl_tensor *mask);
/** Indices of nonzero elements: [number, ndim], i64. Not differentiable. */
TL_PUBLIC tl_tensor *tl_nonzero(tl_tensor *t);
/** The k largest (smallest) along dim, ordered, with their indices (may be NULL). */
TL_PUBLIC tl_tensor *tl_topk(tl_tensor *t, int64_t k, int dim, bool largest, tl_tensor **indices);
/** Ordered along dim, with the indices that the elements had (may be NULL). Stable; NaN sorts as largest. */
TL_PUBLIC tl_tensor *tl_sort(tl_tensor *t, int dim, bool descending, tl_tensor **indices);
/** Rows of a table: indices of any shape -> that shape + [columns]. .padding true: the row .padding_idx gets no gradient. */
#define tl_embedding(table, ...) tl_embedding_with(table, TL_OPT_(embedding, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_embedding_with(tl_tensor *table, tl_tensor *indices, const struct tl_embedding_attrs *o);
/** i64 labels -> i64 with a last dimension of `classes` (-1: the largest label + 1), one 1 each. Not differentiable. */
TL_PUBLIC tl_tensor *tl_one_hot(tl_tensor *labels, int64_t classes);

/* ---- Convolution, pooling, normalisation -------------------------------------------------------------------------- */

/* Convolutions and poolings also take a single sample without its batch: [c,h,w], and [c,l] for conv1d. What comes out has none either.
 * Batches may be empty; rows, columns and, in poolings, channels may not. */

/** x [n,c,h,w], weight [k,c/groups,r,s], bias [k] or TL_NONE.
 *  .stride {1} .padding {0} .dilation {1} .groups 1. y = b + sum over the window (cross-correlation). */
#define tl_conv2d(x, weight, ...) tl_conv2d_with(x, weight, TL_OPT_(conv2d, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_conv2d_with(tl_tensor *x, tl_tensor *weight, tl_tensor *bias, const struct tl_conv2d_attrs *o);
/** x [n,c,l], weight [k,c/groups,r]; attributes as tl_conv2d, first half of each pair. */
#define tl_conv1d(x, weight, ...) tl_conv1d_with(x, weight, TL_OPT_(conv2d, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_conv1d_with(tl_tensor *x, tl_tensor *weight, tl_tensor *bias, const struct tl_conv2d_attrs *o);
/** The gradient of conv2d with respect to its input, as a layer: weight [c,k/groups,r,s]. .output_padding {0} is less
 *  than the stride (PyTorch: or than the dilation). */
#define tl_conv_transpose2d(x, weight, ...) tl_conv_transpose2d_with(x, weight, TL_OPT_(conv2d, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_conv_transpose2d_with(tl_tensor *x, tl_tensor *weight, tl_tensor *bias, const struct tl_conv2d_attrs *o);
/** The largest of each window of x [n,c,h,w]: tl_max_pool2d(x, .kernel = {2}), tl_max_pool2d(x, .kernel = {3, 2}). .stride {kernel} .padding {0}
 *  .dilation {1} .ceil_mode false. The gradient goes to the first of equal maxima (the last of NaNs). */
#define tl_max_pool2d(...) tl_max_pool2d_with(TL_OPT_(pool2d, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_max_pool2d_with(tl_tensor *x, const struct tl_pool2d_attrs *o);
/** The mean of each window. .kernel .stride {kernel} .padding {0} .ceil_mode false .exclude_pad false: padding counts as zeros;
 *  .divisor: what the sum is divided by (the size of the window). */
#define tl_avg_pool2d(...) tl_avg_pool2d_with(TL_OPT_(pool2d, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_avg_pool2d_with(tl_tensor *x, const struct tl_pool2d_attrs *o);
/** Average over windows chosen so that h x w come out; not 0 x 0. */
TL_PUBLIC tl_tensor *tl_adaptive_avg_pool2d(tl_tensor *x, int64_t h, int64_t w);
/** Windows as columns (im2col): tl_unfold(x, .kernel = {3}), x [n,c,h,w] -> [n, c * kernel's size, windows]. .stride {1}
 *  .padding {0} .dilation {1}. */
#define tl_unfold(...) tl_unfold_with(TL_OPT_(unfold, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_unfold_with(tl_tensor *x, const struct tl_unfold_attrs *o);
/** Columns back into pictures of .size = {h, w}, adding where windows overlap. */
#define tl_fold(...) tl_fold_with(TL_OPT_(unfold, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_fold_with(tl_tensor *x, const struct tl_unfold_attrs *o);
/** x [n,c,…]. running_mean, running_var [c] or TL_NONE; with .training they are updated in place. weight, bias [c] or
 *  TL_NONE. .training false .momentum 0.1 .eps 1e-5. One value per channel cannot be normalised in training, nor can there be an
 *  eps of TL_ZERO: errors. */
#define tl_batch_norm(x, running_mean, running_var, weight, ...) \
    tl_batch_norm_with(x, running_mean, running_var, weight, TL_OPT_(batch_norm, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_batch_norm_with(tl_tensor *x, tl_tensor *running_mean, tl_tensor *running_var, tl_tensor *weight,
                                        tl_tensor *bias, const struct tl_batch_norm_attrs *o);
/** y = (x - mean) / sqrt(var + eps) * weight + bias over the last `ndim` dimensions; weight and bias of their shape or TL_NONE. */
TL_PUBLIC tl_tensor *tl_layer_norm(tl_tensor *x, int ndim, tl_tensor *weight, tl_tensor *bias, double eps);
/** Zero with chance p, scale the rest by 1 / (1 - p): tl_dropout(x, 0.5). Draws from the default generator. .eval true: identity. */
#define tl_dropout(x, ...) tl_dropout_with(x, TL_OPT_(dropout, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_dropout_with(tl_tensor *x, double p, const struct tl_dropout_attrs *o);

/* ---- Recurrence ----------------------------------------------------------------------------------------------------- */

/** One recurrent layer, in one direction, over whole sequences x [t,n,i] of n samples: tl_rnn(x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths,
 *  &h_n, &c_n, .mode = TL_RNN_LSTM). Gives the state after every step, y [t,n,h], and after the last one, h_n and (LSTM) c_n [n,h], where
 *  a place for it is given. h0, c0: the states to begin with [n,h], c0 of an LSTM only. Weights [gates h, i] and [gates h, h], biases
 *  [gates h] or TL_NONE, their gates in PyTorch's order. .mode: one gate for TL_RNN_TANH (the default) and TL_RNN_RELU,
 *      h' = tanh(w_ih x + b_ih + w_hh h + b_hh);
 *  four, i f g o, for TL_RNN_LSTM, each a = w_ih x + b_ih + w_hh h + b_hh of its own rows,
 *      c' = sigmoid(f) c + sigmoid(i) tanh(g)          h' = sigmoid(o) tanh(c');
 *  three, r z n, for TL_RNN_GRU, where r and z are sigmoids of the same sum and
 *      n = tanh(w_ih x + b_ih + r (w_hh h + b_hh))          h' = (1 - z) n + z h.
 *  .reverse = true goes from the last step to the first. lengths [n], 0 to t each, or TL_NONE: sample j has lengths[j] steps, from the
 *  first on, as in a packed sequence: beyond them y is 0, x is not looked at, and the state stays. */
#define tl_rnn(x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, h_n, ...) \
    tl_rnn_with(x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, h_n, TL_OPT_(rnn, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_rnn_with(tl_tensor *x, tl_tensor *h0, tl_tensor *c0, tl_tensor *w_ih, tl_tensor *w_hh, tl_tensor *b_ih,
                                 tl_tensor *b_hh, tl_tensor *lengths, tl_tensor **h_n, tl_tensor **c_n,
                                 const struct tl_rnn_attrs *o);

/* ---- Losses. .reduction = TL_MEAN (default), TL_SUM, TL_NO_REDUCTION ------------------------------------------------
 *
 * Input and target are promoted to one floating dtype (PyTorch's losses refuse some pairs). mse, l1, smooth_l1 and kl_div broadcast,
 * with a warning; bce takes equal shapes only. Values are not looked at: where PyTorch refuses a bce input or target outside
 * [0, 1], the formula decides here. */

/** Mean of (x - target)^2, and of |x - target|; the shapes broadcast. */
#define tl_mse_loss(x, ...) tl_mse_loss_with(x, TL_OPT_(loss, __VA_ARGS__))
#define tl_l1_loss(x, ...) tl_l1_loss_with(x, TL_OPT_(loss, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_mse_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o);
TL_PUBLIC tl_tensor *tl_l1_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o);
/** Squared where the difference d is below .beta (1), else absolute: d^2 / (2 beta), or |d| - beta / 2. */
#define tl_smooth_l1_loss(x, ...) tl_smooth_l1_loss_with(x, TL_OPT_(loss, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_smooth_l1_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o);
/** Binary cross entropy -(t ln x + (1 - t) ln(1 - x)), t the target, of probabilities x in [0, 1] (logarithms not below -100), and
 *  of logits, of which the sigmoid is taken in the same step. */
#define tl_bce_loss(x, ...) tl_bce_loss_with(x, TL_OPT_(loss, __VA_ARGS__))
#define tl_bce_with_logits_loss(x, ...) tl_bce_with_logits_loss_with(x, TL_OPT_(loss, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_bce_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o);
TL_PUBLIC tl_tensor *tl_bce_with_logits_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o);
/** Kullback-Leibler divergence t (ln t - x) of log-probabilities x and probabilities t; with .log_target t is a logarithm too.
 *  .reduction = TL_BATCH_MEAN divides the sum by the first size, as the mathematics has it; the default divides by all elements. */
#define tl_kl_div(x, ...) tl_kl_div_with(x, TL_OPT_(loss, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_kl_div_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o);
/** Negative log-likelihood: log-probabilities [n,classes,…], labels [n,…] i64; weight [classes] or TL_NONE. */
#define tl_nll_loss(x, labels, ...) tl_nll_loss_with(x, labels, TL_OPT_(nll, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_nll_loss_with(tl_tensor *x, tl_tensor *labels, tl_tensor *weight, const struct tl_nll_attrs *o);
/** nll_loss(log_softmax(x, 1)): logits [n,classes,…]; labels i64, or probabilities of x's shape. */
#define tl_cross_entropy(x, ...) tl_cross_entropy_with(x, TL_OPT_(nll, __VA_ARGS__))
TL_PUBLIC tl_tensor *tl_cross_entropy_with(tl_tensor *x, tl_tensor *target, const struct tl_nll_attrs *o);

#ifdef __cplusplus
}
#endif
#endif
