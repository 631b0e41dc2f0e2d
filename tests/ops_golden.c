/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that are made of others, or have more than one form, against PyTorch: values, gradients of every operand (with the result
 * itself as the gradient that arrives) and names in the graph. The numbers are those of golden/make_ops.py.
 */
#include "golden.h"

enum { MOST_OPERANDS = 3 };

typedef tl_tensor *function(tl_tensor *const *x);

struct shape {
    int ndim;
    int64_t size[4];
};

static tl_tensor *labels(void)
{
    return tl_tensor_i64(TL_SHAPE(4), 2, 0, -100, 1);
}

static tl_tensor *columns(void)
{
    return tl_tensor_i64(TL_SHAPE(3, 2), 0, 3, 2, 2, 1, 0);
}

static tl_tensor *rows(void)
{
    return tl_tensor_i64(TL_SHAPE(4), 2, 0, 2, 1);
}

#define S(...) {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}}
#define SHAPES(...) {__VA_ARGS__}

/* X(name, number of operands, their shapes, expression of x[0], x[1], …) in the order of the golden file. */
#define CASES(X)                                                                                                    \
    X(sum, 1, SHAPES(S(3, 4)), tl_sum(x[0]))                                                                        \
    X(sum_dims, 1, SHAPES(S(3, 4, 2)), tl_sum(x[0], .dims = TL_DIMS(2, 0)))                                         \
    X(mean_keepdim, 1, SHAPES(S(3, 4, 2)), tl_mean(x[0], .dims = TL_DIMS(-2), .keepdim = true))                     \
    X(prod, 1, SHAPES(S(3, 4)), tl_prod(x[0], .dims = TL_DIMS(1)))                                                  \
    X(prod_zeros, 1, SHAPES(S(3, 4)),                                                                               \
      tl_prod(tl_mul(x[0], tl_tensor_f32(TL_SHAPE(4), 1, 0, 1, 1)), .dims = TL_DIMS(1)))                            \
    X(var_biased, 1, SHAPES(S(3, 4)), tl_var(x[0], .dims = TL_DIMS(0), .biased = true))                             \
    X(std, 1, SHAPES(S(3, 4)), tl_std(x[0]))                                                                        \
    X(amax_ties, 1, SHAPES(S(3, 4)), tl_amax(tl_sign(x[0]), .dims = TL_DIMS(1)))                                    \
    X(max, 1, SHAPES(S(3, 4)), tl_max(x[0]))                                                                        \
    X(max_dim, 1, SHAPES(S(3, 4)), tl_max_dim(x[0], 1, false, NULL))                                                \
    X(min_dim, 1, SHAPES(S(3, 4)), tl_min_dim(x[0], 0, true, NULL))                                                 \
    X(norm_2, 1, SHAPES(S(3, 4)), tl_norm(x[0], 2))                                                                 \
    X(norm_3, 1, SHAPES(S(3, 4)), tl_norm(x[0], 3))                                                                 \
    X(norm_inf, 1, SHAPES(S(3, 4)), tl_norm(x[0], INFINITY))                                                        \
    X(cumsum, 1, SHAPES(S(3, 4)), tl_cumsum(x[0], 0))                                                               \
    X(matmul_vector_vector, 2, SHAPES(S(5), S(5)), tl_matmul(x[0], x[1]))                                           \
    X(matmul_matrix_vector, 2, SHAPES(S(3, 5), S(5)), tl_matmul(x[0], x[1]))                                        \
    X(matmul_vector_matrix, 2, SHAPES(S(5), S(5, 2)), tl_matmul(x[0], x[1]))                                        \
    X(matmul_fold, 2, SHAPES(S(2, 3, 5), S(5, 2)), tl_matmul(x[0], x[1]))                                           \
    X(matmul_broadcast, 2, SHAPES(S(2, 1, 3, 5), S(4, 5, 2)), tl_matmul(x[0], x[1]))                                \
    X(matmul_vector_batch, 2, SHAPES(S(5), S(4, 5, 2)), tl_matmul(x[0], x[1]))                                      \
    X(addmm, 3, SHAPES(S(4), S(3, 5), S(5, 4)), tl_addmm(x[0], x[1], x[2], .beta = 0.5, .alpha = 2))                \
    X(linear, 3, SHAPES(S(3, 5), S(4, 5), S(4)), tl_linear(x[0], x[1], x[2]))                                       \
    X(linear_3d, 3, SHAPES(S(2, 3, 5), S(4, 5), S(4)), tl_linear(x[0], x[1], x[2]))                                 \
    X(einsum_implicit, 2, SHAPES(S(3, 4), S(4, 2)), tl_einsum("ij,jk", 2, x))                                       \
    X(einsum_batch, 2, SHAPES(S(2, 3, 4), S(2, 5, 4)), tl_einsum("bqd,bkd->bqk", 2, x))                             \
    X(einsum_dots, 2, SHAPES(S(2, 1, 3, 4), S(5, 4, 2)), tl_einsum("...ij,...jk->...ik", 2, x))                     \
    X(einsum_diagonal, 2, SHAPES(S(3, 3, 2), S(2, 4)), tl_einsum("iij,jk->ki", 2, x))                               \
    X(einsum_outer, 2, SHAPES(S(3), S(4)), tl_einsum("i,j->ji", 2, x))                                              \
    X(einsum_three, 3, SHAPES(S(2, 3), S(4, 3, 5), S(2, 5)), tl_einsum("bn,anm,bm->ba", 3, x))                      \
    X(view, 1, SHAPES(S(3, 4)), tl_view(x[0], TL_SHAPE(2, -1)))                                                     \
    X(reshape_copy, 1, SHAPES(S(3, 4)), tl_reshape(tl_t(x[0]), TL_SHAPE(2, 6)))                                     \
    X(flatten, 1, SHAPES(S(2, 3, 2)), tl_flatten(x[0], 1, -1))                                                      \
    X(permute, 1, SHAPES(S(2, 3, 4)), tl_permute(x[0], TL_SHAPE(2, 0, -2)))                                         \
    X(transpose, 1, SHAPES(S(2, 3, 4)), tl_transpose(x[0], 0, -1))                                                  \
    X(expand, 1, SHAPES(S(3, 1)), tl_expand(x[0], TL_SHAPE(2, -1, 4)))                                              \
    X(squeeze_dim, 1, SHAPES(S(1, 3, 1)), tl_squeeze_dim(x[0], -1))                                                 \
    X(slice_step, 1, SHAPES(S(7, 2)), tl_slice(x[0], 0, 1, TL_END, 2))                                              \
    X(slice_negative, 1, SHAPES(S(2, 5)), tl_slice(x[0], 1, -3, -1, 1))                                             \
    X(select, 1, SHAPES(S(2, 5)), tl_select(x[0], 1, -2))                                                           \
    X(cat, 2, SHAPES(S(2, 3), S(2, 1)), tl_cat(2, x, 1))                                                            \
    X(stack, 2, SHAPES(S(2, 3), S(2, 3)), tl_stack(2, x, -1))                                                       \
    X(flip, 1, SHAPES(S(2, 3)), tl_flip(x[0], TL_SHAPE(0, 1)))                                                      \
    X(pad, 1, SHAPES(S(2, 3)), tl_pad(x[0], TL_SHAPE(1, 2, 0, 1), 1.5))                                             \
    X(pad_crop, 1, SHAPES(S(3, 4)), tl_pad(x[0], TL_SHAPE(-1, 1), 0))                                               \
    X(gather, 1, SHAPES(S(3, 4)), tl_gather(x[0], 1, columns()))                                                    \
    X(scatter_add, 2, SHAPES(S(3, 4), S(3, 2)), tl_scatter_add(x[0], 1, columns(), x[1]))                           \
    X(index_select, 1, SHAPES(S(3, 4)), tl_index_select(x[0], 0, rows()))                                           \
    X(index_add, 2, SHAPES(S(3, 2), S(4, 2)), tl_index_add(x[0], 0, rows(), x[1]))                                  \
    X(embedding_padding, 1, SHAPES(S(3, 4)), tl_embedding(x[0], rows(), .padding = true, .padding_idx = -1))        \
    X(masked_fill, 1, SHAPES(S(3, 4)), tl_masked_fill(x[0], tl_gt(x[0], tl_scalar(0.5)), 2))                        \
    X(masked_select, 1, SHAPES(S(3, 4)), tl_masked_select(x[0], tl_gt(x[0], tl_scalar(0))))                         \
    X(topk, 1, SHAPES(S(3, 5)), tl_topk(x[0], 2, 1, true, NULL))                                                    \
    X(sort, 1, SHAPES(S(3, 4)), tl_sort(x[0], 0, true, NULL))                                                       \
    X(softmax, 1, SHAPES(S(3, 4)), tl_softmax(x[0], 0))                                                             \
    X(log_softmax, 1, SHAPES(S(3, 4)), tl_log_softmax(x[0], 1))                                                     \
    X(avg_pool2d, 1, SHAPES(S(1, 2, 5, 6)),                                                                         \
      tl_avg_pool2d(x[0], .kernel = {3}, .stride = {2}, .padding = {1}, .ceil_mode = true, .exclude_pad = true))    \
    X(adaptive_avg_pool2d, 1, SHAPES(S(1, 2, 5, 4)), tl_adaptive_avg_pool2d(x[0], 3, 2))                            \
    X(unfold, 1, SHAPES(S(2, 3, 5, 6)),                                                                             \
      tl_unfold(x[0], .kernel = {3, 2}, .dilation = {1, 2}, .padding = {1}, .stride = {2, 1}))                      \
    X(fold, 1, SHAPES(S(2, 12, 12)), tl_fold(x[0], .size = {3, 4}, .kernel = {2}, .padding = {1, TL_NONE_SIZE}))    \
    X(conv1d, 3, SHAPES(S(2, 4, 9), S(4, 2, 3), S(4)),                                                              \
      tl_conv1d(x[0], x[1], x[2], .stride = {2}, .padding = {1}, .dilation = {2}, .groups = 2))                     \
    X(conv_transpose2d, 3, SHAPES(S(1, 2, 3, 2), S(2, 3, 3, 3), S(3)),                                              \
      tl_conv_transpose2d(x[0], x[1], x[2], .stride = {2, 3}, .padding = {1, TL_NONE_SIZE},                         \
                          .output_padding = {1, TL_NONE_SIZE}))                                                     \
    X(layer_norm, 3, SHAPES(S(2, 3, 4), S(3, 4), S(3, 4)), tl_layer_norm(x[0], 2, x[1], x[2], 1e-3))                \
    X(mse_loss, 2, SHAPES(S(3, 4), S(3, 4)), tl_mse_loss(x[0], x[1]))                                               \
    X(l1_loss, 2, SHAPES(S(3, 4), S(3, 4)), tl_l1_loss(x[0], x[1], .reduction = TL_SUM))                            \
    X(smooth_l1_loss, 2, SHAPES(S(3, 4), S(3, 4)), tl_smooth_l1_loss(x[0], x[1], .beta = 0.5))                      \
    X(bce_loss, 1, SHAPES(S(3, 4)), tl_bce_loss(tl_sigmoid(x[0]), tl_full_like(x[0], 0.25)))                        \
    X(bce_with_logits_loss, 2, SHAPES(S(3, 4), S(3, 4)),                                                            \
      tl_bce_with_logits_loss(x[0], x[1], .reduction = TL_NO_REDUCTION))                                            \
    X(kl_div, 2, SHAPES(S(3, 4), S(3, 4)), tl_kl_div(x[0], tl_softmax(x[1], 1), .reduction = TL_BATCH_MEAN))        \
    X(kl_div_log, 2, SHAPES(S(3, 4), S(3, 4)), tl_kl_div(x[0], x[1], .reduction = TL_SUM, .log_target = true))      \
    X(nll_loss, 1, SHAPES(S(4, 3)),                                                                                 \
      tl_nll_loss_with(x[0], labels(), tl_tensor_f32(TL_SHAPE(3), 0.5f, 2, 1.25f), NULL))                           \
    X(nll_loss_ignore, 1, SHAPES(S(4, 3)),                                                                          \
      tl_nll_loss_with(x[0], tl_clamp(labels(), 0, 9), TL_NONE,                                                     \
                       &(struct tl_nll_attrs){.reduction = TL_NO_REDUCTION, .ignore = true, .ignore_index = 0}))    \
    X(nll_loss_pictures, 1, SHAPES(S(1, 3, 2, 2)),                                                                  \
      tl_nll_loss_with(x[0], tl_reshape(labels(), TL_SHAPE(1, 2, 2)), TL_NONE, NULL))                               \
    X(cross_entropy, 1, SHAPES(S(4, 3)), tl_cross_entropy(x[0], labels()))                                          \
    X(cross_entropy_smooth, 1, SHAPES(S(4, 3)), tl_cross_entropy(x[0], labels(), .label_smoothing = 0.1))           \
    X(cross_entropy_probabilities, 2, SHAPES(S(4, 3), S(4, 3)), tl_cross_entropy(x[0], tl_softmax(x[1], 1)))

#define FUNCTION(name, n, shapes, ...)                     \
    static tl_tensor *case_##name(tl_tensor *const *x)     \
    {                                                      \
        return __VA_ARGS__;                                \
    }
CASES(FUNCTION)

#define ENTRY(name, n, shapes, ...) {#name, n, shapes, case_##name},
static const struct golden_case {
    const char *name;
    int n;
    struct shape shapes[MOST_OPERANDS];
    function *run;
} cases[] = {CASES(ENTRY)};

/* "rank sizes…", then what golden_tensor() reads. */
static void compare(FILE *f, tl_tensor *t, const char *name, const char *what)
{
    char text[160];
    bool same = t != NULL;
    int ndim = (int)golden_integer(f);
    same = same && tl_ndim(t) == ndim;
    for (int i = 0; i < ndim; i++) {
        int64_t size = golden_integer(f);
        same = same && tl_size(t, i) == size;
    }
    snprintf(text, sizeof text, "%s: shape of %s", name, what);
    ok(same, "%s", text);
    snprintf(text, sizeof text, "%s: %s", name, what);
    golden_tensor(f, t ? tl_contiguous(t) : NULL, 1e-5, text);
}

static void check(const struct golden_case *c, FILE *f)
{
    char word[80];
    tl_tensor *x[MOST_OPERANDS] = {NULL}, *gradients[MOST_OPERANDS] = {NULL};
    if (!golden_word(f, word, sizeof word) || strcmp(word, c->name) != 0)
        bail_out("the golden file has \"%s\" where %s is expected", word, c->name);
    tl_manual_seed(7);
    for (int i = 0; i < c->n; i++)
        x[i] = tl_randn(c->shapes[i].ndim, c->shapes[i].size, (struct tl_options){.requires_grad = true});
    tl_tensor *y = c->run(x), *arriving = y ? tl_detach(y) : NULL;
    if (y)
        tl_grad(&y, 1, &arriving, x, c->n, gradients, (struct tl_backward_options){0});
    golden_word(f, word, sizeof word);
    if (strcmp(word, "-") != 0)
        is_string(y ? tl_node_name(tl_grad_fn(y)) : tl_error_message(), word, "%s: name in the graph", c->name);
    compare(f, y, c->name, "value");
    for (int i = 0; i < c->n; i++) {
        char what[40];
        snprintf(what, sizeof what, "gradient %d", i);
        compare(f, gradients[i] && tl_is_none(gradients[i]) ? tl_zeros_like(x[i]) : gradients[i], c->name, what);
    }
    tl_error_clear();
}

int main(void)
{
    FILE *f = golden_open("ops.txt");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        TL_SCOPE
        {
            check(&cases[i], f);
        }
    fclose(f);
    return done_testing();
}
