/* SPDX-License-Identifier: Apache-2.0
 *
 * Misuse of ops: each gives NULL, the right status, and a message that names the op and what was wrong; nothing is written and
 * nothing crashes. And tensors without elements, which are no misuse.
 */
#include <telar/telar.h>

#include "tap.h"

static tl_tensor *f(int ndim, const int64_t *shape)
{
    return tl_ones(ndim, shape, (struct tl_options){0});
}

static tl_tensor *d(int ndim, const int64_t *shape)
{
    return tl_ones(ndim, shape, (struct tl_options){.dtype = TL_F64});
}

static tl_tensor *i(int ndim, const int64_t *shape)
{
    return tl_ones(ndim, shape, (struct tl_options){.dtype = TL_I64});
}

#define TWO(a, b) 2, (tl_tensor *[]){a, b}
#define HUGE_SIZE ((int64_t)1 << 40)

/* X(expression, status, part of the message) */
#define MISUSE(X)                                                                                                              \
    X(tl_conv2d(f(TL_SHAPE(1, 3, 4, 4)), f(TL_SHAPE(3, 3, 2, 2)), TL_NONE, .groups = INT64_MAX), TL_ERR_ARGUMENT,              \
      "groups is 9223372036854775807")                                                                                         \
    X(tl_conv_transpose2d(f(TL_SHAPE(1, 3, 4, 4)), f(TL_SHAPE(3, 3, 2, 2)), TL_NONE, .groups = INT64_MAX), TL_ERR_ARGUMENT,    \
      "groups is 9223372036854775807")                                                                                         \
    X(tl_sum(f(TL_SHAPE(2, 3)), .dims = TL_DIMS(3)), TL_ERR_SHAPE,                                                             \
      "sum: dimension 3 is out of range for a tensor of rank 2 (expected -2 to 1)")                                            \
    X(tl_sum(f(TL_SHAPE(2, 3)), .dims = TL_DIMS(1, -1)), TL_ERR_ARGUMENT, "sum: dimension -1 is given twice")                  \
    X(tl_sum(TL_NONE), TL_ERR_ARGUMENT, "sum: an operand is TL_NONE")                                                          \
    X(tl_sum(NULL), TL_ERR_ARGUMENT, "sum: an operand is NULL")                                                                \
    X(tl_mean(i(TL_SHAPE(3))), TL_ERR_DTYPE, "mean: the input is i64; floating numbers are expected")                          \
    X(tl_amax(f(TL_SHAPE(0, 3))), TL_ERR_SHAPE, "amax: dimension 0 of [0 x 3] has no elements to choose from")                 \
    X(tl_argmax(f(TL_SHAPE(2, 3, 4)), .dims = TL_DIMS(0, 1)), TL_ERR_ARGUMENT, "argmax: over one dimension or over all")       \
    X(tl_norm(f(TL_SHAPE(3)), NAN), TL_ERR_ARGUMENT, "norm: p is not a number")                                                \
    X(tl_norm(f(TL_SHAPE(0)), INFINITY), TL_ERR_SHAPE, "norm: with p = inf there must be at least one element")                \
    X(tl_softmax(i(TL_SHAPE(2, 3)), 1), TL_ERR_DTYPE, "softmax: the input is i64")                                             \
    X(tl_log_softmax(f(TL_SHAPE(2, 3)), 2), TL_ERR_SHAPE, "log_softmax: dimension 2 is out of range")                          \
    X(tl_mm(f(TL_SHAPE(1, 5)), f(TL_SHAPE(1, 5))), TL_ERR_SHAPE,                                                               \
      "mm: cannot multiply [1 x 5] by [1 x 5]: inner sizes 5 and 1 differ; did you mean tl_mm(a, tl_t(b))?")                   \
    X(tl_mm(f(TL_SHAPE(2, 3)), d(TL_SHAPE(3, 2))), TL_ERR_DTYPE, "mm: the first operand is f32 and the second is f64")         \
    X(tl_mm(f(TL_SHAPE(3)), f(TL_SHAPE(3, 2))), TL_ERR_SHAPE, "two matrices are expected")                                     \
    X(tl_bmm(f(TL_SHAPE(2, 3, 4)), f(TL_SHAPE(5, 4, 3))), TL_ERR_SHAPE, "are batches of 2 and 5 matrices")                     \
    X(tl_matmul(f(TL_SHAPE0), f(TL_SHAPE(3))), TL_ERR_SHAPE, "matmul: cannot multiply [] by [3]")                              \
    X(tl_matmul(f(TL_SHAPE(2, 3, 4)), f(TL_SHAPE(5, 2))), TL_ERR_SHAPE, "matmul: cannot multiply [2 x 3 x 4] by [5 x 2]")      \
    X(tl_matmul(f(TL_SHAPE(2, 3, 4)), f(TL_SHAPE(5, 4, 2))), TL_ERR_SHAPE, "their batches do not broadcast")                   \
    X(tl_addmm(f(TL_SHAPE(3)), f(TL_SHAPE(2, 3)), f(TL_SHAPE(3, 4))), TL_ERR_SHAPE, "addmm: [3] does not broadcast")           \
    X(tl_linear(f(TL_SHAPE(2, 3)), f(TL_SHAPE(4, 5)), TL_NONE), TL_ERR_SHAPE, "linear: the weight [4 x 5] expects 5 features") \
    X(tl_linear(d(TL_SHAPE(2, 3)), f(TL_SHAPE(4, 3)), TL_NONE), TL_ERR_DTYPE,                                                  \
      "linear: input f64, weight f32 and bias none must have one element type (convert with tl_cast())")                       \
    X(tl_conv2d(d(TL_SHAPE(1, 1, 2, 2)), f(TL_SHAPE(1, 1, 1, 1)), TL_NONE), TL_ERR_DTYPE,                                      \
      "conv2d: input f64, weight f32 and bias none must have one element type (convert with tl_cast())")                       \
    X(tl_dot(f(TL_SHAPE(2)), f(TL_SHAPE(3))), TL_ERR_SHAPE, "dot: cannot multiply [2] by [3]: sizes 2 and 3 differ")           \
    X(tl_einsum("ij,jk", TWO(f(TL_SHAPE(2, 3)), f(TL_SHAPE(4, 2)))), TL_ERR_SHAPE, "'j' is 4 in operand 1 of shape [4 x 2]")   \
    X(tl_einsum("ij", TWO(f(TL_SHAPE(2, 3)), f(TL_SHAPE(2)))), TL_ERR_ARGUMENT, "fewer operands than the 2 given")             \
    X(tl_einsum("i1,j", TWO(f(TL_SHAPE(2)), f(TL_SHAPE(2)))), TL_ERR_ARGUMENT, "neither a letter nor")                         \
    X(tl_einsum("i,j->k", TWO(f(TL_SHAPE(2)), f(TL_SHAPE(2)))), TL_ERR_ARGUMENT, "in the result, but in no operand")           \
    X(tl_einsum(NULL, 0, NULL), TL_ERR_ARGUMENT, "no equation")                                                                \
    X(tl_view(f(TL_SHAPE(2, 3)), TL_SHAPE(4, -1)), TL_ERR_SHAPE, "[2 x 3] has 6 elements and cannot become [4 x -1]")          \
    X(tl_view(f(TL_SHAPE(2, 3)), TL_SHAPE(-1, -1)), TL_ERR_SHAPE, "one size may be -1")                                        \
    X(tl_view(tl_t(f(TL_SHAPE(2, 3))), TL_SHAPE(6)), TL_ERR_SHAPE, "without a copy; use tl_reshape()")                         \
    X(tl_view(f(TL_SHAPE(6)), TL_SHAPE(HUGE_SIZE, HUGE_SIZE)), TL_ERR_LIMIT, "is too large")                                   \
    X(tl_permute(f(TL_SHAPE(2, 3)), TL_SHAPE(0, 0)), TL_ERR_ARGUMENT, "permute: dimension 0 is given twice")                   \
    X(tl_t(f(TL_SHAPE(2, 3, 4))), TL_ERR_SHAPE, "t: [2 x 3 x 4] has more than two dimensions")                                 \
    X(tl_expand(f(TL_SHAPE(2, 3)), TL_SHAPE(4, 3)), TL_ERR_SHAPE, "only size 1 expands")                                       \
    X(tl_expand(f(TL_SHAPE(1)), TL_SHAPE(HUGE_SIZE, HUGE_SIZE)), TL_ERR_LIMIT, "expand: [1099511627776 x 1099511627776] is")   \
    X(tl_unsqueeze(f(TL_SHAPE(1, 1, 1, 1, 1, 1, 1, 1)), 0), TL_ERR_LIMIT, "has 8 dimensions already")                          \
    X(tl_slice(f(TL_SHAPE(2)), 0, 0, 2, -1), TL_ERR_ARGUMENT, "slice: step -1 must be positive")                               \
    X(tl_narrow(f(TL_SHAPE(2, 3)), 1, 2, 2), TL_ERR_INDEX, "2 elements from 2 do not lie in dimension 1 of [2 x 3]")           \
    X(tl_select(f(TL_SHAPE(2, 3)), 0, 2), TL_ERR_INDEX, "select: index 2 is out of range for dimension 0 of [2 x 3]")          \
    X(tl_cat(TWO(f(TL_SHAPE(2, 3)), f(TL_SHAPE(2, 4))), 0), TL_ERR_SHAPE, "tensor 1 is [2 x 4], tensor 0 [2 x 3]")             \
    X(tl_cat(0, NULL, 0), TL_ERR_ARGUMENT, "cat: 0 tensors are given")                                                         \
    X(tl_stack(TWO(f(TL_SHAPE(2)), f(TL_SHAPE(3))), 0), TL_ERR_SHAPE, "stack: tensor 1 is [3], tensor 0 [2]")                  \
    X(tl_pad(f(TL_SHAPE(2, 3)), TL_SHAPE(1, 1, 1), 0), TL_ERR_ARGUMENT, "pad: 3 amounts for a tensor of rank 2")               \
    X(tl_pad(f(TL_SHAPE(2, 3)), TL_SHAPE(-2, -2), 0), TL_ERR_SHAPE, "leaves less than nothing")                                \
    X(tl_pad(f(TL_SHAPE(2, 3)), TL_SHAPE(INT64_MAX, 1), 0), TL_ERR_LIMIT, "makes it too large")                                \
    X(tl_gather(f(TL_SHAPE(1)), 0, i(TL_SHAPE(2))), TL_ERR_INDEX, "gather: index 1 at position 0")                             \
    X(tl_gather(f(TL_SHAPE(2)), 0, f(TL_SHAPE(2))), TL_ERR_DTYPE, "gather: the indices are f32; expected i64 or i32")          \
    X(tl_scatter_add(f(TL_SHAPE(3)), 0, i(TL_SHAPE(2)), f(TL_SHAPE(1))), TL_ERR_SHAPE, "the index has shape [2], the source")  \
    X(tl_index_select(f(TL_SHAPE(1, 2)), 0, i(TL_SHAPE(2))), TL_ERR_INDEX, "index_select: index 1 at position 0")              \
    X(tl_index_add(f(TL_SHAPE(3, 2)), 0, i(TL_SHAPE(2)), f(TL_SHAPE(3, 2))), TL_ERR_SHAPE, "takes a source of [2 x 2]")        \
    X(tl_embedding(f(TL_SHAPE(1, 2)), i(TL_SHAPE(2))), TL_ERR_INDEX, "embedding: index 1 at position 0")                       \
    X(tl_embedding(f(TL_SHAPE(3, 2)), i(TL_SHAPE(2)), .padding = true, .padding_idx = 3), TL_ERR_ARGUMENT, "padding_idx 3")    \
    X(tl_topk(f(TL_SHAPE(2, 3)), 4, 1, true, NULL), TL_ERR_ARGUMENT, "k is 4, but dimension 1 of [2 x 3] has 3 elements")      \
    X(tl_masked_fill(f(TL_SHAPE(2)), f(TL_SHAPE(2)), 1), TL_ERR_DTYPE, "masked_fill: the mask is f32; bool is expected")       \
    X(tl_one_hot(i(TL_SHAPE(2)), 1), TL_ERR_INDEX, "index 1 at position 0")                                                    \
    X(tl_avg_pool2d(f(TL_SHAPE(1, 1, 2, 2)), .kernel = {3}), TL_ERR_SHAPE, "a window of 3 x 3 is larger than")                 \
    X(tl_avg_pool2d(f(TL_SHAPE(1, 1, 2, 2))), TL_ERR_ARGUMENT, "kernel 0, stride 0 and dilation 1 must be from 1 to")          \
    X(tl_unfold(f(TL_SHAPE(1, 1, 2, 2))), TL_ERR_ARGUMENT, "unfold: kernel 0, stride 1 and dilation 1 must be from 1")         \
    X(tl_unfold(f(TL_SHAPE(1, 1, 2, 2)), .kernel = {2}, .dilation = {2}), TL_ERR_SHAPE,                                        \
      "unfold: a window of 2 x 2 (dilation 2, 2) is larger than the padded picture of 2 x 2")                                  \
    X(tl_unfold(f(TL_SHAPE(2, 2)), .kernel = {1}), TL_ERR_SHAPE, "unfold: the input must have 4 dimensions")                   \
    X(tl_unfold(i(TL_SHAPE(1, 1, 2, 2)), .kernel = {1}), TL_ERR_DTYPE, "unfold: the input is i64")                             \
    X(tl_unfold(f(TL_SHAPE(1, 1, 2, 2)), .kernel = {1 << 24}, .padding = {1 << 24}), TL_ERR_LIMIT, "unfold")                   \
    X(tl_fold(f(TL_SHAPE(1, 8, 3)), .kernel = {2}, .size = {3, 3}), TL_ERR_SHAPE,                                              \
      "fold: [1 x 8 x 3] is not [batch, a multiple of 4, 4], as a kernel of 2 x 2 gives for pictures of 3 x 3")                \
    X(tl_fold(f(TL_SHAPE(1, 8, 4)), .kernel = {2}, .size = {1, 3}), TL_ERR_SHAPE, "fold: a window of 2 x 2")                   \
    X(tl_adaptive_avg_pool2d(f(TL_SHAPE(1, 1, 0, 2)), 1, 1), TL_ERR_SHAPE, "has nothing to average")                           \
    X(tl_layer_norm(f(TL_SHAPE(2, 3)), 1, f(TL_SHAPE(2)), TL_NONE, 1e-5), TL_ERR_SHAPE, "the weight must be [3]")              \
    X(tl_rnn(f(TL_SHAPE(2, 3)), f(TL_SHAPE(3, 4)), TL_NONE, f(TL_SHAPE(4, 2)), f(TL_SHAPE(4, 4)), TL_NONE, TL_NONE, TL_NONE, NULL, NULL),  \
      TL_ERR_SHAPE, "rnn: the input must be [steps, samples, features]")                                                          \
    X(tl_rnn(f(TL_SHAPE(2, 3, 2)), f(TL_SHAPE(3, 4)), TL_NONE, f(TL_SHAPE(4, 2)), f(TL_SHAPE(4, 5)), TL_NONE, TL_NONE, TL_NONE, NULL, NULL),  \
      TL_ERR_SHAPE, "rnn: w_hh must be [4 x 4], not [4 x 5]")                                                                     \
    X(tl_rnn(f(TL_SHAPE(2, 3, 2)), f(TL_SHAPE(3, 4)), TL_NONE, f(TL_SHAPE(16, 2)), f(TL_SHAPE(16, 4)), TL_NONE, TL_NONE, TL_NONE, NULL, NULL, \
             .mode = TL_RNN_LSTM), TL_ERR_ARGUMENT, "rnn: an LSTM needs c0")                                                      \
    X(tl_rnn(f(TL_SHAPE(2, 3, 2)), f(TL_SHAPE(3, 4)), TL_NONE, f(TL_SHAPE(4, 2)), f(TL_SHAPE(4, 4)), TL_NONE, TL_NONE, TL_NONE, NULL, NULL,   \
             .mode = 4), TL_ERR_ARGUMENT, "rnn: there is no mode 4")                                                              \
    X(tl_rnn(i(TL_SHAPE(2, 3, 2)), f(TL_SHAPE(3, 4)), TL_NONE, f(TL_SHAPE(4, 2)), f(TL_SHAPE(4, 4)), TL_NONE, TL_NONE, TL_NONE, NULL, NULL),  \
      TL_ERR_DTYPE, "rnn: the input is i64")                                                                                      \
    X(tl_rnn(f(TL_SHAPE(2, 3, 2)), f(TL_SHAPE(3, 4)), TL_NONE, f(TL_SHAPE(4, 2)), f(TL_SHAPE(4, 4)), TL_NONE, TL_NONE, f(TL_SHAPE(3)), NULL,  \
             NULL), TL_ERR_DTYPE, "the indices are f32; expected i64 or i32")                                                     \
    X(tl_conv_transpose2d(f(TL_SHAPE(1, 3, 2, 2)), f(TL_SHAPE(2, 3, 1, 1)), TL_NONE), TL_ERR_SHAPE, "has 3 channels")          \
    X(tl_max_pool2d(f(TL_SHAPE(2, 0, 3)), .kernel = {2}, .padding = {1}), TL_ERR_SHAPE, "[1 x 2 x 0 x 3] has no elements")     \
    X(tl_max_pool2d(f(TL_SHAPE(2, 3)), .kernel = {2}), TL_ERR_SHAPE, "max_pool2d: the input must have 4 dimensions")           \
    X(tl_conv2d(f(TL_SHAPE(1, 1, 0, 2)), f(TL_SHAPE(1, 1, 1, 1)), TL_NONE, .padding = {1}), TL_ERR_SHAPE, "has no rows")       \
    X(tl_conv1d(f(TL_SHAPE(2)), f(TL_SHAPE(1, 1, 1)), TL_NONE), TL_ERR_SHAPE, "3 dimensions, or 2 without the batch, not [2]") \
    X(tl_batch_norm(f(TL_SHAPE(2, 3)), TL_NONE, TL_NONE, TL_NONE, TL_NONE, .training = true, .eps = TL_ZERO), TL_ERR_ARGUMENT, \
      "batch_norm: eps is 0; it must be positive, or 0 in evaluation mode")                                                    \
    X(tl_bce_loss(f(TL_SHAPE(2, 3)), f(TL_SHAPE(3))), TL_ERR_SHAPE, "target [3] must have the same shape")                     \
    X(tl_smooth_l1_loss(f(TL_SHAPE(3)), f(TL_SHAPE(3)), .beta = -1), TL_ERR_ARGUMENT, "beta is -1; it must be positive")       \
    X(tl_pow_s(i(TL_SHAPE(2)), -1), TL_ERR_ARGUMENT, "pow: integers have no power -1")                                         \
    X(tl_add_(i(TL_SHAPE(2)), tl_scalar(0.5)), TL_ERR_DTYPE, "a result of f32 does not fit a tensor of i64")                   \
    X(tl_fill_(tl_empty(TL_SHAPE(2), (struct tl_options){.dtype = TL_I8}), 300), TL_ERR_ARGUMENT,                              \
      "fill_: 300 is not a number that i8 holds")                                                                              \
    X(tl_full(TL_SHAPE(2), -256, (struct tl_options){.dtype = TL_U8}), TL_ERR_ARGUMENT, "-256 is not a number that u8 holds")  \
    X(tl_full(TL_SHAPE(2), 0x1p63, (struct tl_options){.dtype = TL_I64}), TL_ERR_ARGUMENT, "is not a number that i64 holds")   \
    X(tl_masked_fill(i(TL_SHAPE(2)), tl_isnan(f(TL_SHAPE(2))), NAN), TL_ERR_ARGUMENT, "nan is not a number that i64 holds")    \
    X(tl_masked_fill(f(TL_SHAPE(2)), tl_isnan(f(TL_SHAPE(2))), 1e300), TL_ERR_ARGUMENT, "1e+300 is not a number that f32 hold") \
    X(tl_pad(i(TL_SHAPE(2)), TL_SHAPE(1, 1), INFINITY), TL_ERR_ARGUMENT, "pad: inf is not a number that i64 holds")            \
    X(tl_dropout(f(TL_SHAPE(2)), 1.5), TL_ERR_ARGUMENT, "dropout: p is a chance between 0 and 1, not 1.5")                \
    X(tl_mse_loss(f(TL_SHAPE(3, 2)), f(TL_SHAPE(3))), TL_ERR_SHAPE, "the input [3 x 2] and the target [3] do not broadcast")   \
    X(tl_mse_loss(f(TL_SHAPE(3)), f(TL_SHAPE(3)), .reduction = 9), TL_ERR_ARGUMENT, "mse_loss: reduction 9")                   \
    X(tl_cross_entropy(f(TL_SHAPE(2, 1)), i(TL_SHAPE(2))), TL_ERR_INDEX, "label 1 at position 0")                              \
    X(tl_cross_entropy(f(TL_SHAPE(2, 3)), i(TL_SHAPE(3))), TL_ERR_SHAPE, "labels [3] do not go with an input of [2 x 3]")      \
    X(tl_cross_entropy(f(TL_SHAPE(2, 3)), f(TL_SHAPE(2))), TL_ERR_SHAPE, "labels are i64")

static void misuse(const char *text, tl_tensor *result, tl_status status, const char *message)
{
    ok(result == NULL && tl_error_code() == status, "%.120s: %s", text, tl_status_name(status));
    contains(tl_error_message(), message, "%.120s: message", text);
    tl_error_clear();
}

static void empty(const char *text, tl_tensor *result, int64_t elements)
{
    ok(result && tl_numel(result) == elements, "%s: %lld elements", text, (long long)elements);
    if (!result)
        diag("%s", tl_error_message());
    tl_error_clear();
}

int main(void)
{
    tl_tensor *ten[8];
    int n = 2;
#define TRY(expression, status, message) \
    TL_SCOPE \
    { \
        misuse(#expression, expression, status, message); \
    }
    MISUSE(TRY)
    TL_SCOPE
    {
        is_int(tl_split(f(TL_SHAPE(5)), 2, 0, ten, &n), TL_ERR_ARGUMENT, "more pieces than there is room for");
        tl_error_clear();
        empty("sum", tl_sum(f(TL_SHAPE(0, 3))), 1);
        empty("sum over rows", tl_sum(f(TL_SHAPE(0, 3)), .dims = TL_DIMS(0)), 3);
        empty("mean", tl_mean(f(TL_SHAPE(0))), 1);
        empty("softmax", tl_softmax(f(TL_SHAPE(0, 3)), 1), 0);
        empty("mm", tl_mm(f(TL_SHAPE(2, 0)), f(TL_SHAPE(0, 3))), 6);
        is_float(tl_item(tl_sum(tl_mm(f(TL_SHAPE(2, 0)), f(TL_SHAPE(0, 3))))), 0, 0, "a product over nothing is 0");
        empty("slice", tl_slice(f(TL_SHAPE(3)), 0, 5, 2, 1), 0);
        empty("cat", tl_cat(TWO(f(TL_SHAPE(0)), f(TL_SHAPE(2, 3))), 0), 6);
        empty("nonzero", tl_nonzero(f(TL_SHAPE(0, 3))), 0);
        empty("mse_loss", tl_mse_loss(f(TL_SHAPE(0)), f(TL_SHAPE(0))), 1);
        empty("cross_entropy", tl_cross_entropy(f(TL_SHAPE(0, 3)), i(TL_SHAPE(0))), 1);
        int pieces = 10;
        ok(tl_chunk(f(TL_SHAPE(0, 2)), 3, 0, ten, &pieces) == TL_OK && pieces == 3, "nothing in three pieces is three nothings");
        tl_tensor *count = tl_arange(0, 4, 1, (struct tl_options){0}), *between = tl_clamp(count, 0.5, 2.5);
        ok(tl_dtype_of(between) == TL_F32 && tl_item(tl_sum(between)) == 6, "integers between fractions are f32");
        is_int(tl_dtype_of(tl_clamp(count, 1, INFINITY)), TL_I64, "between whole numbers they stay what they are");
        tl_tensor *whole = tl_ones(TL_SHAPE(2, 2), (struct tl_options){.dtype = TL_I32}), *product = tl_einsum("ij,kl->kl", TWO(whole, whole));
        ok(product && tl_dtype_of(product) == TL_I32 && tl_item(tl_max(product)) == 4, "einsum of integers keeps their type");
        ok(tl_equal(f(TL_SHAPE(0)), f(TL_SHAPE(0))), "tensors without elements are equal");
    }
    return done_testing();
}
