/* SPDX-License-Identifier: Apache-2.0
 *
 * avg_pool2d: the mean of each window. Every element of a window has the same share in it, so the gradient spreads dy evenly
 * over the window; being linear, it has avg_pool2d itself as its gradient.
 */
#include "core/ops/pool2d.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(pool2d)};

static tl_status resolve(const char *op, const struct tl_meta *m, const char *what, struct tl_pool2d_attrs *a)
{
    tl_status s = pool2d_demand_pictures(op, what, m);
    if (s == TL_OK)
        s = pool2d_resolve(op, a);
    if (s == TL_OK && (a->dilation[0] != 1 || a->dilation[1] != 1))
        s = tl_fail(TL_ERR_ARGUMENT, "%s: windows of an average have no gaps; dilation is %lld x %lld", op, (long long)a->dilation[0],
                    (long long)a->dilation[1]);
    if (s == TL_OK && a->divisor < 0)
        s = tl_fail(TL_ERR_ARGUMENT, "%s: divisor %lld is negative", op, (long long)a->divisor);
    return s;
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    tl_status s = resolve("avg_pool2d", &in[0], "the input", attrs);
    out[0] = in[0];
    return s == TL_OK ? pool2d_windows("avg_pool2d", attrs, in[0].shape + 2, out[0].shape + 2) : s;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    const struct tl_pool2d_attrs *a = attrs;
    int64_t n[2];
    tl_status s = resolve("avg_pool2d_grad", &in[0], "dy", attrs);
    if (s == TL_OK)
        s = pool2d_windows("avg_pool2d_grad", a, a->size, n);
    if (s == TL_OK && (n[0] != in[0].shape[2] || n[1] != in[0].shape[3]))
        s = tl_fail(TL_ERR_SHAPE, "avg_pool2d_grad: dy %s does not belong to an input of %lld x %lld", META_TEXT(&in[0]),
                    (long long)a->size[0], (long long)a->size[1]);
    out[0] = in[0];
    out[0].shape[2] = a->size[0];
    out[0].shape[3] = a->size[1];
    return s;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    struct tl_pool2d_attrs a = pool2d_again(tl_grad_attrs(g));
    const struct tl_meta *x = tl_grad_input_meta(g, 0);
    tl_tensor *dy = tl_grad_arriving(g, 0), *out[1] = {NULL};
    a.size[0] = x->shape[2];
    a.size[1] = x->shape[3];
    if (dy)
        tl_grad_call(g, "avg_pool2d_grad", &a, &dy, 1, out);
    return tl_grad_set(g, 0, out[0]);
}

static tl_status grad_grad(struct tl_grad_ctx *g)
{
    struct tl_pool2d_attrs a = pool2d_again(tl_grad_attrs(g));
    return tl_grad_set(g, 0, tl_avg_pool2d_with(tl_grad_arriving(g, 0), &a));
}

const tl_op tl_op_avg_pool2d = {
    .struct_size = sizeof(tl_op),
    .name = "avg_pool2d",
    .formula = "y[n,c,i,j] = mean over the window of x",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .grad_name = "AvgPool2DBackward0",
    .infer = infer,
    .grad = grad,
    .batched_rank = 4,
};

const tl_op tl_op_avg_pool2d_grad = {
    .struct_size = sizeof(tl_op),
    .name = "avg_pool2d_grad",
    .formula = "dx = sum over the windows that hold it of dy / size of the window",
    .flags = TL_OP_INTERNAL,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .grad_name = "AvgPool2DBackwardBackward0",
    .infer = infer_grad,
    .grad = grad_grad,
};

tl_tensor *tl_avg_pool2d_with(tl_tensor *x, const struct tl_pool2d_attrs *o)
{
    return tl_op_call1(&tl_op_avg_pool2d, o, &x, 1);
}
