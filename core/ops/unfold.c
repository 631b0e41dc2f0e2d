/* SPDX-License-Identifier: Apache-2.0
 *
 * unfold (im2col) and fold (col2im). unfold lays the windows of a picture side by side, one a column; fold adds columns up
 * again where they came from:
 *     unfold: y[n, (c r s), (i j)] = x[n, c, i stride + r dilation - padding, j stride + s dilation - padding], 0 outside
 *     fold:   the sum of all such y that came from a place of x
 * Both are linear and each is the other's transpose, hence its gradient.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(unfold)};

static tl_status resolve(const char *op, struct tl_unfold_attrs *a)
{
    static const int64_t zero[2] = {0, 0}, one[2] = {1, 1};
    resolve_pair(a->kernel, zero);
    resolve_pair(a->stride, one);
    resolve_pair(a->padding, zero);
    resolve_pair(a->dilation, one);
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1 || a->stride[i] < 1 || a->dilation[i] < 1 || a->kernel[i] > 1 << 24 || a->stride[i] > 1 << 24 ||
            a->dilation[i] > 1 << 24)
            return tl_fail(TL_ERR_ARGUMENT, "%s: kernel %lld, stride %lld and dilation %lld must be from 1 to %d", op,
                           (long long)a->kernel[i], (long long)a->stride[i], (long long)a->dilation[i], 1 << 24);
        if (a->padding[i] < 0 || a->padding[i] > 1 << 24)
            return tl_fail(TL_ERR_ARGUMENT, "%s: padding %lld must be from 0 to %d", op, (long long)a->padding[i], 1 << 24);
    }
    return TL_OK;
}

/* Number of windows in a picture of rows x columns. */
static tl_status windows(const char *op, const struct tl_unfold_attrs *a, const int64_t size[2], int64_t *n)
{
    int64_t count[2];
    for (int i = 0; i < 2; i++) {
        int64_t window = a->dilation[i] * (a->kernel[i] - 1) + 1;
        if (size[i] < 0 || size[i] > INT64_MAX / 4 || window > size[i] + 2 * a->padding[i])
            return tl_fail(TL_ERR_SHAPE, "%s: a window of %lld x %lld (dilation %lld, %lld) is larger than the padded picture of %lld x %lld",
                           op, (long long)a->kernel[0], (long long)a->kernel[1], (long long)a->dilation[0], (long long)a->dilation[1],
                           (long long)(size[0] + 2 * a->padding[0]), (long long)(size[1] + 2 * a->padding[1]));
        count[i] = (size[i] + 2 * a->padding[i] - window) / a->stride[i] + 1;
    }
    if (__builtin_mul_overflow(count[0], count[1], n))
        return tl_fail(TL_ERR_LIMIT, "%s: %lld x %lld windows are too many", op, (long long)count[0], (long long)count[1]);
    return TL_OK;
}

static tl_status infer_unfold(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_unfold_attrs *a = attrs;
    const struct tl_meta *x = &in[0];
    if (x->ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "unfold: the input must have 4 dimensions (batch, channels, rows, columns), or 3 without the batch, not %s", META_TEXT(x));
    tl_status s = demand_floating("unfold", "the input", x);
    if (s == TL_OK)
        s = resolve("unfold", a);
    if (s != TL_OK)
        return s;
    out[0] = (struct tl_meta){.dtype = x->dtype, .ndim = 3, .shape = {x->shape[0]}};
    if (__builtin_mul_overflow(x->shape[1], a->kernel[0] * a->kernel[1], &out[0].shape[1]))
        return tl_fail(TL_ERR_LIMIT, "unfold: %lld channels by a kernel of %lld x %lld are too many", (long long)x->shape[1],
                       (long long)a->kernel[0], (long long)a->kernel[1]);
    return windows("unfold", a, x->shape + 2, &out[0].shape[2]);
}

static tl_status infer_fold(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_unfold_attrs *a = attrs;
    const struct tl_meta *x = &in[0];
    int64_t n;
    if (x->ndim != 3)
        return tl_fail(TL_ERR_SHAPE, "fold: the input must have 3 dimensions (batch, channels times kernel, windows), or 2 without the batch, not %s", META_TEXT(x));
    tl_status s = demand_floating("fold", "the input", x);
    if (s == TL_OK)
        s = resolve("fold", a);
    if (s == TL_OK)
        s = windows("fold", a, a->size, &n);
    if (s != TL_OK)
        return s;
    int64_t kernel = a->kernel[0] * a->kernel[1];
    if (x->shape[1] % kernel != 0 || x->shape[2] != n)
        return tl_fail(TL_ERR_SHAPE, "fold: %s is not [batch, a multiple of %lld, %lld], as a kernel of %lld x %lld gives for pictures of %lld x %lld",
                       META_TEXT(x), (long long)kernel, (long long)n, (long long)a->kernel[0], (long long)a->kernel[1],
                       (long long)a->size[0], (long long)a->size[1]);
    out[0] = (struct tl_meta){.dtype = x->dtype, .ndim = 4, .shape = {x->shape[0], x->shape[1] / kernel, a->size[0], a->size[1]}};
    return TL_OK;
}

/* The forward's attributes, to be resolved a second time. */
static struct tl_unfold_attrs again(struct tl_grad_ctx *g)
{
    struct tl_unfold_attrs a = *(const struct tl_unfold_attrs *)tl_grad_attrs(g);
    unresolve_pair(a.padding);
    return a;
}

static tl_status grad_unfold(struct tl_grad_ctx *g)
{
    struct tl_unfold_attrs a = again(g);
    const struct tl_meta *x = tl_grad_input_meta(g, 0);
    a.size[0] = x->shape[2];
    a.size[1] = x->shape[3];
    return tl_grad_set(g, 0, tl_fold_with(tl_grad_arriving(g, 0), &a));
}

static tl_status grad_fold(struct tl_grad_ctx *g)
{
    struct tl_unfold_attrs a = again(g);
    return tl_grad_set(g, 0, tl_unfold_with(tl_grad_arriving(g, 0), &a));
}

const tl_op tl_op_unfold = {
    .struct_size = sizeof(tl_op),
    .name = "unfold",
    .formula = "y[n,(c,r,s),(i,j)] = x[n,c,i*stride+r*dilation-padding,j*stride+s*dilation-padding]",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_unfold_attrs),
    .grad_name = "Im2ColBackward0",
    .infer = infer_unfold,
    .batched_rank = 4,
    .grad = grad_unfold,
};

const tl_op tl_op_fold = {
    .struct_size = sizeof(tl_op),
    .name = "fold",
    .formula = "y[n,c,i*stride+r*dilation-padding,j*stride+s*dilation-padding] += x[n,(c,r,s),(i,j)]",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_unfold_attrs),
    .grad_name = "Col2ImBackward0",
    .infer = infer_fold,
    .batched_rank = 3,
    .grad = grad_fold,
};

tl_tensor *tl_unfold_with(tl_tensor *x, const struct tl_unfold_attrs *o)
{
    return tl_op_call1(&tl_op_unfold, o, &x, 1);
}

tl_tensor *tl_fold_with(tl_tensor *x, const struct tl_unfold_attrs *o)
{
    return tl_op_call1(&tl_op_fold, o, &x, 1);
}
