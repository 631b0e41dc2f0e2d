/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d and its two gradients. With y = conv(x, w), which is linear in both:
 *     dx = conv2d_grad_input(dy, w)       each dy[i,j] goes back through the window that made it
 *     dw = conv2d_grad_weight(x, dy)      each weight sums x times dy over all places where it was used
 *     db = sum of dy over batch and space
 * The gradients are linear too, so their own gradients are these three again.
 */
#include <stdio.h>

#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(conv2d)};

static tl_status resolve(const char *op, struct tl_conv2d_attrs *a)
{
    static const int64_t none[2] = {0, 0}, one[2] = {1, 1};
    resolve_pair(a->stride, one);
    resolve_pair(a->padding, none);
    resolve_pair(a->dilation, one);
    resolve_pair(a->output_padding, none);
    if (a->groups == 0)
        a->groups = 1;
    for (int i = 0; i < 2; i++)
        if (a->stride[i] < 1 || a->padding[i] < 0 || a->dilation[i] < 1 || a->stride[i] > 1 << 24 || a->padding[i] > 1 << 24 ||
            a->dilation[i] > 1 << 24)
            return tl_fail(TL_ERR_ARGUMENT, "%s: stride %lld, padding %lld, dilation %lld: stride and dilation must be at least 1, padding at least 0",
                           op, (long long)a->stride[i], (long long)a->padding[i], (long long)a->dilation[i]);
    if (a->groups < 1 || a->groups > 1 << 24)
        return tl_fail(TL_ERR_ARGUMENT, "%s: groups is %lld; it must be at least 1, and no more than there are channels", op, (long long)a->groups);
    return TL_OK;
}

static tl_status check_rank(const char *op, const char *what, const struct tl_meta *m)
{
    char text[160];
    if (m->ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "%s: %s must have 4 dimensions (batch, channels, rows, columns; an input may lack the batch), not %s",
                       op, what, shape_text(text, sizeof text, m->ndim, m->shape));
    if (!tl_dtype_is_float(m->dtype))
        return tl_fail(TL_ERR_DTYPE, "%s: %s is %s; floating numbers are expected (use tl_cast())", op, what, tl_dtype_name(m->dtype));
    return TL_OK;
}

static tl_status output_size(const char *op, const struct tl_conv2d_attrs *a, const int64_t in[2], const int64_t kernel[2], int64_t out[2])
{
    for (int i = 0; i < 2; i++) {
        if (in[i] < 0 || in[i] > INT64_MAX / 16 || kernel[i] > INT64_MAX >> 28)
            return tl_fail(TL_ERR_LIMIT, "%s: an input of %lld x %lld, or a kernel of %lld x %lld, is too large", op, (long long)in[0],
                           (long long)in[1], (long long)kernel[0], (long long)kernel[1]);
        int64_t window = a->dilation[i] * (kernel[i] - 1) + 1, padded = in[i] + 2 * a->padding[i];
        if (kernel[i] < 1 || window > padded)
            return tl_fail(TL_ERR_SHAPE, "%s: the kernel of %lld x %lld (dilation %lld) is larger than the padded input of %lld x %lld", op,
                           (long long)kernel[0], (long long)kernel[1], (long long)a->dilation[i],
                           (long long)(in[0] + 2 * a->padding[0]), (long long)(in[1] + 2 * a->padding[1]));
        out[i] = (padded - window) / a->stride[i] + 1;
    }
    return TL_OK;
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_conv2d_attrs *a = attrs;
    const struct tl_meta *x = &in[0], *w = &in[1], *b = &in[2];
    char text[2][160];
    tl_status s = resolve("conv2d", a);
    if (s == TL_OK)
        s = check_rank("conv2d", "the input", x);
    if (s == TL_OK)
        s = check_rank("conv2d", "the weight", w);
    if (s != TL_OK)
        return s;
    if (x->shape[2] == 0 || x->shape[3] == 0)
        return tl_fail(TL_ERR_SHAPE, "conv2d: the input %s has no rows or no columns; only batch and channels may be empty",
                       shape_text(text[0], sizeof text[0], 4, x->shape));
    if (x->dtype != w->dtype || (b->ndim >= 0 && b->dtype != x->dtype))
        return tl_fail(TL_ERR_DTYPE, "conv2d: input %s, weight %s and bias %s must have one element type (convert with tl_cast())", tl_dtype_name(x->dtype),
                       tl_dtype_name(w->dtype), b->ndim < 0 ? "none" : tl_dtype_name(b->dtype));
    if (x->shape[1] != w->shape[1] * a->groups || w->shape[0] % a->groups != 0)
        return tl_fail(TL_ERR_SHAPE, "conv2d: input %s has %lld channels, but weight %s with %lld group(s) expects %lld, and its outputs must divide by the groups",
                       shape_text(text[0], sizeof text[0], 4, x->shape), (long long)x->shape[1],
                       shape_text(text[1], sizeof text[1], 4, w->shape), (long long)a->groups, (long long)(w->shape[1] * a->groups));
    if (b->ndim >= 0 && (b->ndim != 1 || b->shape[0] != w->shape[0]))
        return tl_fail(TL_ERR_SHAPE, "conv2d: the bias must be [%lld], not %s", (long long)w->shape[0],
                       shape_text(text[0], sizeof text[0], b->ndim, b->shape));
    out[0] = (struct tl_meta){.dtype = x->dtype, .ndim = 4, .shape = {x->shape[0], w->shape[0]}};
    return output_size("conv2d", a, x->shape + 2, w->shape + 2, out[0].shape + 2);
}

static tl_status infer_grad_input(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_conv2d_attrs *a = attrs;
    const struct tl_meta *dy = &in[0], *w = &in[1];
    int64_t expected[2];
    tl_status s = resolve("conv2d_grad_input", a);
    if (s == TL_OK)
        s = check_rank("conv2d_grad_input", "dy", dy);
    if (s == TL_OK)
        s = check_rank("conv2d_grad_input", "the weight", w);
    if (s == TL_OK)
        s = output_size("conv2d_grad_input", a, a->size, w->shape + 2, expected);
    if (s != TL_OK)
        return s;
    if (dy->shape[1] != w->shape[0] || dy->shape[2] != expected[0] || dy->shape[3] != expected[1] || dy->dtype != w->dtype) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "conv2d_grad_input: dy %s does not belong to weight %s and an input of %lld x %lld",
                       shape_text(text[0], sizeof text[0], 4, dy->shape), shape_text(text[1], sizeof text[1], 4, w->shape),
                       (long long)a->size[0], (long long)a->size[1]);
    }
    out[0] = (struct tl_meta){.dtype = dy->dtype, .ndim = 4, .shape = {dy->shape[0], w->shape[1] * a->groups, a->size[0], a->size[1]}};
    return TL_OK;
}

static tl_status infer_grad_weight(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_conv2d_attrs *a = attrs;
    const struct tl_meta *x = &in[0], *dy = &in[1];
    int64_t expected[2];
    tl_status s = resolve("conv2d_grad_weight", a);
    if (s == TL_OK)
        s = check_rank("conv2d_grad_weight", "the input", x);
    if (s == TL_OK)
        s = check_rank("conv2d_grad_weight", "dy", dy);
    if (s == TL_OK)
        s = output_size("conv2d_grad_weight", a, x->shape + 2, a->size, expected);
    if (s != TL_OK)
        return s;
    if (x->shape[0] != dy->shape[0] || dy->shape[2] != expected[0] || dy->shape[3] != expected[1] || x->shape[1] % a->groups != 0 ||
        dy->shape[1] % a->groups != 0 || x->dtype != dy->dtype) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "conv2d_grad_weight: input %s and dy %s do not belong to a kernel of %lld x %lld",
                       shape_text(text[0], sizeof text[0], 4, x->shape), shape_text(text[1], sizeof text[1], 4, dy->shape),
                       (long long)a->size[0], (long long)a->size[1]);
    }
    out[0] = (struct tl_meta){.dtype = x->dtype, .ndim = 4, .shape = {dy->shape[1], x->shape[1] / a->groups, a->size[0], a->size[1]}};
    out[1] = (struct tl_meta){.dtype = x->dtype, .ndim = a->with_bias ? 1 : -1, .shape = {dy->shape[1]}};
    return TL_OK;
}

/* ---- Work ---------------------------------------------------------------------------------------------------------------------- */

/* Each element of y sums up one window of one group; the gradients do the same products in another order. */
static int64_t work(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return sums_of(&out[0], count(&in[1], 1, 4));
}

static int64_t work_of_grad_input(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs, (void)out;
    return sums_of(&in[0], count(&in[1], 1, 4));
}

static int64_t work_of_grad_weight(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return sums_of(&in[1], count(&out[0], 1, 4));
}

/* ---- Gradients -------------------------------------------------------------------------------------------------------------- */

/* Padding that resolved to zero must not be resolved again. */
static struct tl_conv2d_attrs again(const struct tl_conv2d_attrs *attrs)
{
    struct tl_conv2d_attrs a = *attrs;
    for (int i = 0; i < 2; i++)
        if (a.padding[i] == 0)
            a.padding[i] = TL_NONE_SIZE;
    return a;
}

static tl_tensor *grad_input(struct tl_grad_ctx *g, tl_tensor *dy, tl_tensor *w, const int64_t *size)
{
    struct tl_conv2d_attrs a = again(tl_grad_attrs(g));
    a.size[0] = size[0];
    a.size[1] = size[1];
    tl_tensor *out[1];
    return dy && w && tl_grad_call(g, "conv2d_grad_input", &a, (tl_tensor *[]){dy, w}, 2, out) == TL_OK ? out[0] : NULL;
}

static tl_tensor *grad_weight(struct tl_grad_ctx *g, tl_tensor *x, tl_tensor *dy, const int64_t *size, tl_tensor **db)
{
    struct tl_conv2d_attrs a = again(tl_grad_attrs(g));
    a.size[0] = size[0];
    a.size[1] = size[1];
    a.with_bias = db != NULL;
    tl_tensor *out[2];
    if (!x || !dy || tl_grad_call(g, "conv2d_grad_weight", &a, (tl_tensor *[]){x, dy}, 2, out) != TL_OK)
        return NULL;
    if (db)
        *db = out[1];
    return out[0];
}

static tl_tensor *forward(const struct tl_conv2d_attrs *attrs, tl_tensor *x, tl_tensor *w)
{
    struct tl_conv2d_attrs a = again(attrs);
    return tl_conv2d_with(x, w, TL_NONE, &a);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0), *db = NULL;
    bool bias = tl_grad_wants(g, 2);
    if (tl_grad_wants(g, 0) &&
        tl_grad_set(g, 0, grad_input(g, dy, tl_grad_input(g, 1), tl_grad_input_meta(g, 0)->shape + 2)) != TL_OK)
        return tl_error_code();
    if (tl_grad_wants(g, 1)) {
        tl_tensor *dw = grad_weight(g, tl_grad_input(g, 0), dy, tl_grad_input_meta(g, 1)->shape + 2, bias ? &db : NULL);
        if (tl_grad_set(g, 1, dw) != TL_OK)
            return tl_error_code();
    }
    if (bias && !db)
        db = tl_sum(dy, .dims = TL_DIMS(0, 2, 3));
    return bias ? tl_grad_set(g, 2, db) : TL_OK;
}

static tl_status grad_of_grad_input(struct tl_grad_ctx *g)
{
    tl_tensor *v = tl_grad_arriving(g, 0); /* of the shape of the convolution's input */
    if (tl_grad_wants(g, 0) && tl_grad_set(g, 0, forward(tl_grad_attrs(g), v, tl_grad_input(g, 1))) != TL_OK)
        return tl_error_code();
    if (tl_grad_wants(g, 1))
        return tl_grad_set(g, 1, grad_weight(g, v, tl_grad_input(g, 0), tl_grad_input_meta(g, 1)->shape + 2, NULL));
    return TL_OK;
}

static tl_status grad_of_grad_weight(struct tl_grad_ctx *g)
{
    const struct tl_conv2d_attrs *a = tl_grad_attrs(g);
    tl_tensor *v = tl_grad_arriving(g, 0); /* of the shape of the weight */
    if (tl_grad_wants(g, 0) &&
        tl_grad_set(g, 0, grad_input(g, tl_grad_input(g, 1), v, tl_grad_input_meta(g, 0)->shape + 2)) != TL_OK)
        return tl_error_code();
    if (!tl_grad_wants(g, 1))
        return TL_OK;
    tl_tensor *d = forward(a, tl_grad_input(g, 0), v);
    if (a->with_bias) {
        tl_tensor *vb = tl_grad_arriving(g, 1);
        d = tl_add(d, tl_view(vb, TL_SHAPE(1, tl_size(vb, 0), 1, 1)));
    }
    return tl_grad_set(g, 1, d);
}

const tl_op tl_op_conv2d = {
    .struct_size = sizeof(tl_op),
    .name = "conv2d",
    .formula = "y[n,k,i,j] = b[k] + sum over c,r,s of w[k,c,r,s] x[n,c,i*stride+r*dilation-padding,j*stride+s*dilation-padding]",
    .n_in = 3,
    .n_out = 1,
    .optional_in = 1u << 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_conv2d_attrs),
    .grad_name = "ConvolutionBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0 | 1u << 1,
    .batched_rank = 4,
    .multiply_adds = work,
};

const tl_op tl_op_conv2d_grad_input = {
    .struct_size = sizeof(tl_op),
    .name = "conv2d_grad_input",
    .formula = "dx[n,c,a,b] = sum over k and the windows that contain (a,b) of dy w",
    .flags = TL_OP_INTERNAL,
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_conv2d_attrs),
    .grad_name = "ConvolutionBackwardBackward0",
    .infer = infer_grad_input,
    .grad = grad_of_grad_input,
    .saves_inputs = 1u << 0 | 1u << 1,
    .multiply_adds = work_of_grad_input,
};

const tl_op tl_op_conv2d_grad_weight = {
    .struct_size = sizeof(tl_op),
    .name = "conv2d_grad_weight",
    .formula = "dw[k,c,r,s] = sum over n,i,j of dy[n,k,i,j] x at (r,s) of that window; db[k] = sum of dy",
    .flags = TL_OP_INTERNAL,
    .n_in = 2,
    .n_out = 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_conv2d_attrs),
    .grad_name = "ConvolutionBackwardBackward0",
    .infer = infer_grad_weight,
    .grad = grad_of_grad_weight,
    .saves_inputs = 1u << 0 | 1u << 1,
    .multiply_adds = work_of_grad_weight,
};

tl_tensor *tl_conv2d_with(tl_tensor *x, tl_tensor *weight, tl_tensor *bias, const struct tl_conv2d_attrs *o)
{
    return tl_op_call1(&tl_op_conv2d, o, (tl_tensor *[]){x, weight, bias}, 3);
}
