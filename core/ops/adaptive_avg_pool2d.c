/* SPDX-License-Identifier: Apache-2.0
 *
 * adaptive_avg_pool2d: averages over windows chosen so that a given size comes out: of n rows, output row i of N averages
 * rows floor(i n / N) to ceil((i + 1) n / N). Rows and columns separate, so with averaging matrices R and C
 *     Y = R X C^T        dX = R^T dY C
 * which is how it decomposes, and why the gradient of the gradient is the op itself.
 */
#include <stdlib.h>

#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(adaptive_pool2d)};

static tl_status infer_to(const char *op, const struct tl_meta *in, const struct tl_adaptive_pool2d_attrs *a, struct tl_meta *out)
{
    if (in[0].ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "%s: 4 dimensions (batch, channels, rows, columns), or 3 without the batch, are expected, not %s", op,
                       META_TEXT(&in[0]));
    if (a->size[0] < 0 || a->size[1] < 0)
        return tl_fail(TL_ERR_ARGUMENT, "%s: size %lld x %lld is negative", op, (long long)a->size[0], (long long)a->size[1]);
    out[0] = in[0];
    out[0].shape[2] = a->size[0];
    out[0].shape[3] = a->size[1];
    return demand_floating(op, "the input", &in[0]);
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_adaptive_pool2d_attrs *a = attrs;
    if (a->size[0] == 0 && a->size[1] == 0)
        return tl_fail(TL_ERR_ARGUMENT, "adaptive_avg_pool2d: an output of 0 x 0; give at least one row and one column");
    tl_status s = infer_to("adaptive_avg_pool2d", in, a, out);
    if (s == TL_OK && (in[0].shape[1] == 0 || in[0].shape[2] == 0 || in[0].shape[3] == 0))
        s = tl_fail(TL_ERR_SHAPE, "adaptive_avg_pool2d: the input %s has nothing to average", META_TEXT(&in[0]));
    return s;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    return infer_to("adaptive_avg_pool2d_grad", in, attrs, out);
}

static tl_tensor *call(const tl_op *op, tl_tensor *x, const int64_t size[2])
{
    struct tl_adaptive_pool2d_attrs a = {.struct_size = sizeof a, .size = {size[0], size[1]}};
    return tl_op_call1(op, &a, &x, 1);
}

/* [to, from]: what averages `from` elements to `to`. */
static tl_tensor *averages(int64_t from, int64_t to, const tl_tensor *like)
{
    int64_t cells;
    if (__builtin_mul_overflow(from, to, &cells) || cells > INT64_MAX / 16) {
        tl_fail(TL_ERR_LIMIT, "adaptive_avg_pool2d: from %lld to %lld is too large", (long long)from, (long long)to);
        return NULL;
    }
    double *w = calloc(cells ? (size_t)cells : 1, sizeof *w);
    if (!w) {
        tl_fail(TL_ERR_NOMEM, "adaptive_avg_pool2d: out of memory for %lld weights", (long long)cells);
        return NULL;
    }
    for (int64_t i = 0; i < to; i++) {
        int64_t first = i * from / to, last = ((i + 1) * from + to - 1) / to;
        for (int64_t k = first; k < last; k++)
            w[i * from + k] = 1 / (double)(last - first);
    }
    struct tl_meta m = {.dtype = (tl_dtype)like->dtype, .ndim = 2, .shape = {to, from}};
    tl_tensor *t = zeros_for(&m, like);
    if (t && tl_copy_in(t, TL_F64, w, (size_t)cells * sizeof *w) != TL_OK)
        t = NULL;
    free(w);
    return t;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const int64_t *size = ((const struct tl_adaptive_pool2d_attrs *)attrs)->size;
    tl_tensor *x = in[0], *rows = averages(x->shape[2], size[0], x), *columns = averages(x->shape[3], size[1], x);
    out[0] = rows && columns ? tl_matmul(tl_matmul(rows, x), tl_t(columns)) : NULL;
    return made(out[0]);
}

static tl_status decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const int64_t *size = ((const struct tl_adaptive_pool2d_attrs *)attrs)->size;
    tl_tensor *dy = in[0], *rows = averages(size[0], dy->shape[2], dy), *columns = averages(size[1], dy->shape[3], dy);
    out[0] = rows && columns ? tl_matmul(tl_matmul(tl_t(rows), dy), columns) : NULL;
    return made(out[0]);
}

static tl_status grad(struct tl_grad_ctx *g);

static tl_status grad_grad(struct tl_grad_ctx *g);

const tl_op tl_op_adaptive_avg_pool2d = {
    .struct_size = sizeof(tl_op),
    .name = "adaptive_avg_pool2d",
    .formula = "y[n,c,i,j] = mean of x from row floor(i h / H) to ceil((i+1) h / H), columns alike",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_adaptive_pool2d_attrs),
    .grad_name = "AdaptiveAvgPool2DBackward0",
    .infer = infer,
    .grad = grad,
    .decompose = decompose,
    .batched_rank = 4,
};

const tl_op tl_op_adaptive_avg_pool2d_grad = {
    .struct_size = sizeof(tl_op),
    .name = "adaptive_avg_pool2d_grad",
    .formula = "dx = sum over the windows that hold it of dy / size of the window",
    .flags = TL_OP_INTERNAL,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_adaptive_pool2d_attrs),
    .grad_name = "AdaptiveAvgPool2DBackwardBackward0",
    .infer = infer_grad,
    .grad = grad_grad,
    .decompose = decompose_grad,
};

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *x = tl_grad_input_meta(g, 0);
    return tl_grad_set(g, 0, call(&tl_op_adaptive_avg_pool2d_grad, tl_grad_arriving(g, 0), x->shape + 2));
}

static tl_status grad_grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *dy = tl_grad_input_meta(g, 0);
    return tl_grad_set(g, 0, call(&tl_op_adaptive_avg_pool2d, tl_grad_arriving(g, 0), dy->shape + 2));
}

tl_tensor *tl_adaptive_avg_pool2d(tl_tensor *x, int64_t h, int64_t w)
{
    return call(&tl_op_adaptive_avg_pool2d, x, (int64_t[]){h, w});
}
