/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops at their odd points against PyTorch, on every host backend: at bounds and knees, with ties, NaN, infinities and zeros, on nothing,
 * on single numbers, on samples without a batch. Values, dtypes, shapes and gradients; operands and numbers are those of
 * golden/make_special.py.
 */
#include <math.h>

#include "golden.h"

enum { MOST_OPERANDS = 3 };

typedef tl_tensor *function(tl_tensor *const *x);

static tl_tensor *numbers(tl_tensor *like, int64_t n, const double *v)
{
    tl_tensor *t = tl_empty(1, &n, (struct tl_options){.dtype = tl_dtype_of(like)});
    return t && tl_copy_in(t, TL_F64, v, (size_t)n * sizeof *v) == TL_OK ? t : NULL;
}
#define NUMBERS(like, ...) numbers(like, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (const double[]){__VA_ARGS__})

static tl_tensor *all_ignored(void)
{
    return tl_full(TL_SHAPE(4), -100, (struct tl_options){.dtype = TL_I64});
}

static tl_tensor *thirds(void)
{
    return tl_full(TL_SHAPE(4, 3), 1.0 / 3, (struct tl_options){.dtype = TL_F64});
}

static tl_tensor *places(tl_tensor *x)
{
    tl_tensor *where = NULL;
    return tl_sort(x, 1, true, &where) ? where : NULL;
}

/* The running statistics after a step that must not move them. */
static tl_tensor *still(tl_tensor *x)
{
    tl_tensor *mean = NUMBERS(x, 1, 2), *var = NUMBERS(x, 3, 4);
    if (!tl_batch_norm(tl_detach(x), mean, var, TL_NONE, TL_NONE, .training = true, .momentum = TL_ZERO))
        return NULL;
    return tl_add(tl_cat(2, (tl_tensor *[]){mean, var}, 0), tl_mul_s(tl_sum(x), 0));
}

#define NONE_OF(f) (&(struct tl_loss_attrs){.struct_size = sizeof(struct tl_loss_attrs), .reduction = TL_NO_REDUCTION, f})

/* X(name, expression of x[0], x[1], …) */
#define CASES(X)                                                                                                  \
    X(clamp, tl_clamp(x[0], -1, 1))                                                                               \
    X(clamp_low, tl_clamp(x[0], -1, INFINITY))                                                                    \
    X(clamp_high, tl_clamp(x[0], -INFINITY, 0))                                                                   \
    X(clamp_crossed, tl_clamp(x[0], 1, -1))                                                                       \
    X(clamp_nan, tl_clamp(x[0], NAN, 1))                                                                          \
    X(relu, tl_relu(x[0]))                                                                                        \
    X(relu6, tl_relu6(x[0]))                                                                                      \
    X(leaky_relu_zero, tl_leaky_relu(x[0], 0))                                                                    \
    X(elu, tl_elu(x[0], 0.5))                                                                                     \
    X(hard_sigmoid, tl_hard_sigmoid(x[0]))                                                                        \
    X(softplus, tl_softplus(x[0], 1, 20))                                                                         \
    X(abs, tl_abs(x[0]))                                                                                          \
    X(sign, tl_sign(x[0]))                                                                                        \
    X(sqrt, tl_sqrt(x[0]))                                                                                        \
    X(rsqrt, tl_rsqrt(x[0]))                                                                                      \
    X(pow, tl_pow(x[0], x[1]))                                                                                    \
    X(maximum, tl_maximum(x[0], x[1]))                                                                            \
    X(minimum, tl_minimum(x[0], x[1]))                                                                            \
    X(where_nan, tl_where(tl_gt(x[0], tl_scalar(0)), tl_sqrt(x[0]), x[0]))                                        \
    X(sign_bool, tl_sign(x[0]))                                                                                   \
    X(clamp_whole, tl_clamp(x[0], 0, 5))                                                                          \
    X(clamp_half, tl_clamp(x[0], 0.5, 5))                                                                         \
    X(number_whole, tl_mul_s(x[0], 2))                                                                            \
    X(number_real, tl_mul_s(x[0], 2.0))                                                                           \
    X(pow_whole, tl_pow_s(x[0], 3))                                                                               \
    X(fill_wraps, tl_masked_fill(x[0], tl_gt(x[0], tl_scalar_i64(1)), -1))                                        \
    X(amax, tl_amax(x[0], .dims = TL_DIMS(1)))                                                                    \
    X(amin, tl_amin(x[0], .dims = TL_DIMS(1)))                                                                    \
    X(max_nan, tl_max(x[0]))                                                                                      \
    X(min_ties, tl_min(x[0]))                                                                                     \
    X(max_dim, tl_max_dim(x[0], 1, false, NULL))                                                                  \
    X(argmax, tl_argmax(x[0], .dims = TL_DIMS(1)))                                                                \
    X(prod, tl_prod(x[0], .dims = TL_DIMS(1)))                                                                    \
    X(softmax, tl_softmax(x[0], 1))                                                                               \
    X(log_softmax, tl_log_softmax(x[0], 1))                                                                       \
    X(var_of_one, tl_var(x[0], .dims = TL_DIMS(1)))                                                               \
    X(std_flat, tl_std(x[0]))                                                                                     \
    X(sort, tl_sort(x[0], 1, false, NULL))                                                                        \
    X(sort_places, places(x[0]))                                                                                  \
    X(norm_0, tl_norm(x[0], 0))                                                                                   \
    X(norm_half, tl_norm(x[0], 0.5))                                                                              \
    X(norm_minus_1, tl_norm(x[0], -1))                                                                            \
    X(norm_minus_inf, tl_norm(x[0], -INFINITY))                                                                   \
    X(norm_inf_nan, tl_norm(x[0], INFINITY))                                                                      \
    X(norm_3_nan, tl_norm(x[0], 3))                                                                               \
    X(addmm_no_beta, tl_addmm(x[0], x[1], x[2], .beta = TL_ZERO))                                                 \
    X(addmm_no_alpha, tl_addmm(x[0], x[1], x[2], .alpha = TL_ZERO))                                               \
    X(smooth_l1_no_beta, tl_smooth_l1_loss_with(x[0], x[1], NONE_OF(.beta = TL_ZERO)))                            \
    X(layer_norm_no_eps, tl_layer_norm(x[0], 1, TL_NONE, TL_NONE, 0))                                             \
    X(batch_norm_no_eps, tl_batch_norm(x[0], NUMBERS(x[0], 0, 0, 0, 0, 0), NUMBERS(x[0], 1, 1, 1, 1, 1), TL_NONE, \
                                       TL_NONE, .eps = TL_ZERO))                                                  \
    X(batch_norm_no_momentum, still(x[0]))                                                                        \
    X(dropout_none, tl_dropout(x[0], 0))                                                                          \
    X(smooth_l1, tl_smooth_l1_loss_with(x[0], x[1], NONE_OF(.beta = 1)))                                          \
    X(bce_logits, tl_bce_with_logits_loss_with(x[0], x[1], NONE_OF(.beta = 0)))                                   \
    X(kl_div, tl_kl_div_with(x[0], x[1], NONE_OF(.beta = 0)))                                                     \
    X(kl_div_broadcast, tl_kl_div(x[0], x[1], .reduction = TL_BATCH_MEAN))                                        \
    X(nll_all_ignored, tl_nll_loss(x[0], all_ignored(), TL_NONE))                                                 \
    X(cross_entropy_probabilities_f64, tl_cross_entropy(x[0], thirds()))                                          \
    X(conv2d_sample, tl_conv2d(x[0], x[1], x[2], .padding = {1, TL_NONE_SIZE}))                                   \
    X(conv1d_sample, tl_conv1d(x[0], x[1], TL_NONE, .stride = {2}))                                               \
    X(conv_transpose2d_sample, tl_conv_transpose2d(x[0], x[1], TL_NONE, .stride = {2}))                           \
    X(max_pool2d_sample, tl_max_pool2d(x[0], .kernel = {3, 2}, .padding = {1}))                                   \
    X(avg_pool2d_sample, tl_avg_pool2d(x[0], .kernel = {1, 3}, .stride = {2, 1}))                                 \
    X(adaptive_avg_pool2d_sample, tl_adaptive_avg_pool2d(x[0], 3, 4))                                             \
    X(max_pool2d_nan, tl_max_pool2d(x[0], .kernel = {2}, .stride = {1}))                                          \
    X(max_pool2d_beyond, tl_max_pool2d(x[0], .kernel = {7, 4}, .stride = {3}, .ceil_mode = true))                 \
    X(avg_pool2d_beyond, tl_avg_pool2d(x[0], .kernel = {7, 4}, .stride = {3}, .padding = {1}, .ceil_mode = true)) \
    X(gather_number, tl_gather(x[0], 0, tl_tensor_i64(TL_SHAPE(2), 0, 0)))                                        \
    X(gather_by_number, tl_gather(x[0], 0, tl_tensor_i64(TL_SHAPE0, 1)))                                          \
    X(cat_nothing, tl_cat(2, x, 1))                                                                               \
    X(cat_with_nothing, tl_cat(2, x, 1))                                                                          \
    X(promote_number, tl_mul(tl_cast(x[0], TL_F64), x[1]))

#define FUNCTION(name, ...)                            \
    static tl_tensor *case_##name(tl_tensor *const *x) \
    {                                                  \
        return __VA_ARGS__;                            \
    }
CASES(FUNCTION)

#define ENTRY(name, ...) {#name, case_##name},
static const struct special {
    const char *name;
    function *run;
} cases[] = {CASES(ENTRY)};

static tl_dtype read_dtype(FILE *f)
{
    char word[16];
    golden_word(f, word, sizeof word);
    for (tl_dtype t = TL_F32; t < TL_DTYPE_COUNT; t++)
        if (strcmp(word, tl_dtype_name(t)) == 0)
            return t;
    bail_out("the golden file has \"%s\" where an element type is expected", word);
    return TL_DEFAULT;
}

static tl_tensor *read_tensor(FILE *f)
{
    tl_dtype dtype = read_dtype(f);
    int64_t shape[TL_MAX_DIMS];
    int ndim = (int)golden_integer(f);
    for (int i = 0; i < ndim; i++)
        shape[i] = golden_integer(f);
    tl_tensor *t = tl_empty(ndim, shape, (struct tl_options){.dtype = dtype});
    int64_t n = t ? tl_numel(t) : 0;
    double *v = calloc((size_t)n + 1, sizeof *v);
    for (int64_t i = 0; i < n && v; i++)
        v[i] = golden_number(f);
    if (!t || !v || (n && tl_copy_in(t, TL_F64, v, (size_t)n * sizeof *v) != TL_OK))
        bail_out("cannot make a tensor: %s", tl_error_message());
    free(v);
    return t;
}

/* Equal dtype, shape and values, NaN equal to NaN; reals to within rounding, each element by itself. */
static void compare(tl_tensor *got, tl_tensor *want, double bound, const char *what)
{
    bool same = got && tl_dtype_of(got) == tl_dtype_of(want) && tl_ndim(got) == tl_ndim(want);
    for (int i = 0; i < tl_ndim(want) && same; i++)
        same = tl_size(got, i) == tl_size(want, i);
    if (!ok(same, "%s: type and shape", what)) {
        diag("%s", got ? tl_dtype_name(tl_dtype_of(got)) : tl_error_message());
        return;
    }
    double *a = golden_values(got), *b = golden_values(want);
    int64_t wrong = -1;
    for (int64_t i = 0; i < tl_numel(want) && wrong < 0; i++)
        if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])) || fabs(a[i] - b[i]) <= bound * fmax(fabs(b[i]), 0.1)))
            wrong = i;
    if (!ok(wrong < 0, "%s", what))
        diag("element %lld is %.9g, %.9g expected", (long long)wrong, a[wrong], b[wrong]);
    free(a);
    free(b);
}

static void check(FILE *f, const struct special *c, const char *backend, const char *dtype)
{
    tl_tensor *x[MOST_OPERANDS], *leaves[MOST_OPERANDS], *gradients[MOST_OPERANDS] = {NULL};
    int n = (int)golden_integer(f), n_leaves = 0;
    char what[120];
    double bound = strcmp(dtype, "f32") == 0 ? 2e-6 : 1e-12;
    for (int i = 0; i < n; i++) {
        x[i] = read_tensor(f);
        if (tl_dtype_is_float(tl_dtype_of(x[i])))
            leaves[n_leaves++] = tl_set_requires_grad(x[i], true);
    }
    tl_tensor *want = read_tensor(f), *y = c->run(x);
    snprintf(what, sizeof what, "%s, %s, %s", c->name, dtype, backend);
    compare(y, want, bound, what);
    if (!tl_dtype_is_float(tl_dtype_of(want)))
        return;
    if (y && n_leaves) {
        tl_tensor *ones = tl_ones_like(y);
        tl_grad(&y, 1, &ones, leaves, n_leaves, gradients, (struct tl_backward_options){.allow_unused = true});
    }
    for (int i = 0; i < n_leaves; i++) {
        want = read_tensor(f);
        snprintf(what, sizeof what, "%s, %s, %s: gradient %d", c->name, dtype, backend, i);
        compare(gradients[i] && tl_is_none(gradients[i]) ? tl_zeros_like(x[i]) : gradients[i], want, bound, what);
    }
}

static void check_backend(const char *backend)
{
    FILE *f = golden_open("special.txt");
    if (tl_set_backend(backend) != TL_OK)
        bail_out("%s", tl_error_message());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 2; k++)
            TL_SCOPE
            {
                char word[80], dtype[16];
                if (!golden_word(f, word, sizeof word) || strcmp(word, cases[i].name) != 0)
                    bail_out("the golden file has \"%s\" where %s is expected", word, cases[i].name);
                golden_word(f, dtype, sizeof dtype);
                check(f, &cases[i], backend, dtype);
                tl_error_clear();
            }
    fclose(f);
}

int main(void)
{
    check_backend("cpu");
    check_backend("reference");
    return done_testing();
}
