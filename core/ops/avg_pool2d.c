/* SPDX-License-Identifier: Apache-2.0
 *
 * avg_pool2d: the mean of each window. Every element of a window has the same share in it, so the gradient spreads dy evenly
 * over the window; being linear, it has avg_pool2d itself as its gradient.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(pool2d)};

static tl_status resolve(const char *op, struct tl_pool2d_attrs *a)
{
    static const int64_t zero[2] = {0, 0}, one[2] = {1, 1};
    resolve_pair(a->kernel, zero);
    resolve_pair(a->stride, a->kernel);
    resolve_pair(a->padding, zero);
    resolve_pair(a->dilation, one);
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1 || a->stride[i] < 1 || a->kernel[i] > 1 << 24 || a->stride[i] > 1 << 24)
            return tl_fail(TL_ERR_ARGUMENT, "%s: kernel %lld and stride %lld must be at least 1", op, (long long)a->kernel[i],
                           (long long)a->stride[i]);
        if (a->padding[i] < 0 || a->padding[i] > a->kernel[i] / 2)
            return tl_fail(TL_ERR_ARGUMENT, "%s: padding %lld must be from 0 to half the kernel of %lld", op, (long long)a->padding[i],
                           (long long)a->kernel[i]);
        if (a->dilation[i] != 1)
            return tl_fail(TL_ERR_ARGUMENT, "%s: windows of an average have no gaps; dilation is %lld", op, (long long)a->dilation[i]);
    }
    if (a->divisor < 0)
        return tl_fail(TL_ERR_ARGUMENT, "%s: divisor %lld is negative", op, (long long)a->divisor);
    return TL_OK;
}

static tl_status windows(const char *op, const struct tl_pool2d_attrs *a, const int64_t size[2], int64_t n[2])
{
    for (int i = 0; i < 2; i++) {
        int64_t room = size[i] + 2 * a->padding[i] - a->kernel[i];
        if (size[i] < 0 || size[i] > INT64_MAX / 4 || room < 0)
            return tl_fail(TL_ERR_SHAPE, "%s: a window of %lld x %lld is larger than the padded input of %lld x %lld", op,
                           (long long)a->kernel[0], (long long)a->kernel[1], (long long)(size[0] + 2 * a->padding[0]),
                           (long long)(size[1] + 2 * a->padding[1]));
        n[i] = (a->ceil_mode ? (room + a->stride[i] - 1) / a->stride[i] : room / a->stride[i]) + 1;
        /* A last window that would start in the right padding is dropped. */
        if (a->ceil_mode && (n[i] - 1) * a->stride[i] >= size[i] + a->padding[i])
            n[i]--;
    }
    return TL_OK;
}

static tl_status demand_pictures(const char *op, const char *what, const struct tl_meta *m)
{
    if (m->ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "%s: %s must have 4 dimensions (batch, channels, rows, columns), not %s", op, what, META_TEXT(m));
    return demand_floating(op, what, m);
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    tl_status s = demand_pictures("avg_pool2d", "the input", &in[0]);
    if (s == TL_OK)
        s = resolve("avg_pool2d", attrs);
    out[0] = in[0];
    return s == TL_OK ? windows("avg_pool2d", attrs, in[0].shape + 2, out[0].shape + 2) : s;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    const struct tl_pool2d_attrs *a = attrs;
    int64_t n[2];
    tl_status s = demand_pictures("avg_pool2d_grad", "dy", &in[0]);
    if (s == TL_OK)
        s = resolve("avg_pool2d_grad", attrs);
    if (s == TL_OK)
        s = windows("avg_pool2d_grad", a, a->size, n);
    if (s == TL_OK && (n[0] != in[0].shape[2] || n[1] != in[0].shape[3]))
        s = tl_fail(TL_ERR_SHAPE, "avg_pool2d_grad: dy %s does not belong to an input of %lld x %lld", META_TEXT(&in[0]),
                    (long long)a->size[0], (long long)a->size[1]);
    out[0] = in[0];
    out[0].shape[2] = a->size[0];
    out[0].shape[3] = a->size[1];
    return s;
}

static struct tl_pool2d_attrs again(struct tl_grad_ctx *g)
{
    struct tl_pool2d_attrs a = *(const struct tl_pool2d_attrs *)tl_grad_attrs(g);
    unresolve_pair(a.padding);
    return a;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    struct tl_pool2d_attrs a = again(g);
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
    struct tl_pool2d_attrs a = again(g);
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
