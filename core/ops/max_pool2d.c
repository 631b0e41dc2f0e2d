/* SPDX-License-Identifier: Apache-2.0
 *
 * max_pool2d: the largest element of each window. Its gradient goes to the element that won, the first of equals. The forward's
 * kernel leaves a residual that says which; a gradient kernel that does not know it looks again.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(pool2d)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_pool2d_attrs *a = attrs;
    const struct tl_meta *x = &in[0];
    static const int64_t zero[2] = {0, 0}, one[2] = {1, 1};
    char text[160];
    if (x->ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "max_pool2d: the input must have 4 dimensions (batch, channels, rows, columns), not %s",
                       shape_text(text, sizeof text, x->ndim, x->shape));
    if (!tl_dtype_is_float(x->dtype))
        return tl_fail(TL_ERR_DTYPE, "max_pool2d: the input is %s; floating numbers are expected", tl_dtype_name(x->dtype));
    resolve_pair(a->kernel, zero);
    resolve_pair(a->stride, a->kernel);
    resolve_pair(a->padding, zero);
    resolve_pair(a->dilation, one);
    out[0] = *x;
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1 || a->stride[i] < 1 || a->dilation[i] < 1 || a->kernel[i] > 1 << 24 || a->stride[i] > 1 << 24 ||
            a->dilation[i] > 1 << 24)
            return tl_fail(TL_ERR_ARGUMENT, "max_pool2d: kernel %lld, stride %lld, dilation %lld must be at least 1", (long long)a->kernel[i],
                           (long long)a->stride[i], (long long)a->dilation[i]);
        if (a->padding[i] < 0 || a->padding[i] > a->kernel[i] / 2)
            return tl_fail(TL_ERR_ARGUMENT, "max_pool2d: padding %lld must be from 0 to half the kernel of %lld", (long long)a->padding[i],
                           (long long)a->kernel[i]);
        int64_t window = a->dilation[i] * (a->kernel[i] - 1) + 1, room = x->shape[2 + i] + 2 * a->padding[i] - window;
        if (room < 0)
            return tl_fail(TL_ERR_SHAPE, "max_pool2d: a window of %lld is larger than the padded input %s", (long long)window,
                           shape_text(text, sizeof text, x->ndim, x->shape));
        int64_t n = (a->ceil_mode ? (room + a->stride[i] - 1) / a->stride[i] : room / a->stride[i]) + 1;
        /* A last window that would start in the right padding is dropped. */
        if (a->ceil_mode && (n - 1) * a->stride[i] >= x->shape[2 + i] + a->padding[i])
            n--;
        out[0].shape[2 + i] = n;
    }
    return TL_OK;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    struct tl_meta y;
    tl_status s = infer(in, n_in, attrs, &y);
    for (int i = 1; i < 3 && s == TL_OK; i++)
        if (in[i].ndim != 4 || in[i].dtype != y.dtype || memcmp(in[i].shape, y.shape, 4 * sizeof *y.shape) != 0)
            s = tl_fail(TL_ERR_SHAPE, "max_pool2d_grad: y and dy must have the shape that max_pool2d gives");
    out[0] = in[0];
    return s;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    struct tl_pool2d_attrs a = *(const struct tl_pool2d_attrs *)tl_grad_attrs(g);
    for (int i = 0; i < 2; i++)
        if (a.padding[i] == 0)
            a.padding[i] = TL_NONE_SIZE;
    tl_tensor *x = tl_grad_input(g, 0), *y = tl_grad_output(g, 0), *dy = tl_grad_arriving(g, 0), *out[1] = {NULL};
    if (x && y && dy)
        tl_grad_call(g, "max_pool2d_grad", &a, (tl_tensor *[]){x, y, dy}, 3, out);
    return tl_grad_set(g, 0, out[0]);
}

const tl_op tl_op_max_pool2d = {
    .struct_size = sizeof(tl_op),
    .name = "max_pool2d",
    .formula = "y[n,c,i,j] = max over the window of x",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .grad_name = "MaxPool2DWithIndicesBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0,
    .saves_outputs = 1u << 0,
};

const tl_op tl_op_max_pool2d_grad = {
    .struct_size = sizeof(tl_op),
    .name = "max_pool2d_grad",
    .formula = "dx = dy at the place of each window's maximum",
    .flags = TL_OP_INTERNAL,
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .infer = infer_grad,
};

tl_tensor *tl_max_pool2d_with(tl_tensor *x, const struct tl_pool2d_attrs *o)
{
    return tl_op_call1(&tl_op_max_pool2d, o, &x, 1);
}
