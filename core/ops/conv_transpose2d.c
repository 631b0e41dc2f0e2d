/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_transpose2d: the gradient of conv2d with respect to its input, used as a layer: every input element adds the kernel,
 * scaled, to a window of the output. So its own gradient with respect to the input is conv2d, and the weight's is conv2d's
 * with input and dy exchanged.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(conv2d)};

static tl_status resolve(struct tl_conv2d_attrs *a)
{
    static const int64_t zero[2] = {0, 0}, one[2] = {1, 1};
    const int64_t most = 1 << 24;
    resolve_pair(a->stride, one);
    resolve_pair(a->padding, zero);
    resolve_pair(a->dilation, one);
    resolve_pair(a->output_padding, zero);
    a->groups = a->groups ? a->groups : 1;
    for (int i = 0; i < 2; i++) {
        if (a->stride[i] < 1 || a->padding[i] < 0 || a->dilation[i] < 1 || a->stride[i] > most || a->padding[i] > most || a->dilation[i] > most)
            return tl_fail(TL_ERR_ARGUMENT,
                           "conv_transpose2d: stride %lld, padding %lld, dilation %lld: stride and dilation must be at least 1, padding at least 0",
                           (long long)a->stride[i], (long long)a->padding[i], (long long)a->dilation[i]);
        if (a->output_padding[i] < 0 || a->output_padding[i] >= a->stride[i])
            return tl_fail(TL_ERR_ARGUMENT, "conv_transpose2d: output_padding %lld must be from 0 to less than the stride of %lld",
                           (long long)a->output_padding[i], (long long)a->stride[i]);
    }
    if (a->groups < 1 || a->groups > most)
        return tl_fail(TL_ERR_ARGUMENT, "conv_transpose2d: groups is %lld; it must be at least 1, and no more than there are channels",
                       (long long)a->groups);
    return TL_OK;
}

static tl_status demand_operands(const struct tl_meta *x, const struct tl_meta *w, const struct tl_meta *b, int64_t groups)
{
    tl_status s = demand_floating("conv_transpose2d", "the input", x);
    if (s == TL_OK)
        s = demand_same_dtype("conv_transpose2d", "the input", x, "the weight", w);
    if (s == TL_OK && b->ndim >= 0)
        s = demand_same_dtype("conv_transpose2d", "the input", x, "the bias", b);
    if (s != TL_OK)
        return s;
    if (x->ndim != 4 || w->ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "conv_transpose2d: input %s and weight %s must have 4 dimensions (the input may lack the batch)", META_TEXT(x), META_TEXT(w));
    if (x->shape[1] != w->shape[0] || x->shape[1] % groups != 0)
        return tl_fail(TL_ERR_SHAPE, "conv_transpose2d: input %s has %lld channels, but weight %s expects %lld, which %lld group(s) must divide",
                       META_TEXT(x), (long long)x->shape[1], META_TEXT(w), (long long)w->shape[0], (long long)groups);
    if (b->ndim >= 0 && (b->ndim != 1 || b->shape[0] != w->shape[1] * groups))
        return tl_fail(TL_ERR_SHAPE, "conv_transpose2d: the bias must be [%lld], not %s", (long long)(w->shape[1] * groups), META_TEXT(b));
    return TL_OK;
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_conv2d_attrs *a = attrs;
    const struct tl_meta *x = &in[0], *w = &in[1];
    tl_status s = resolve(a);
    if (s == TL_OK)
        s = demand_operands(x, w, &in[2], a->groups);
    if (s != TL_OK)
        return s;
    out[0] = (struct tl_meta){.dtype = x->dtype, .ndim = 4, .shape = {x->shape[0], w->shape[1] * a->groups}};
    for (int i = 0; i < 2; i++) {
        int64_t reach, window;
        if (w->shape[2 + i] < 1 || x->shape[2 + i] < 1 || __builtin_mul_overflow(x->shape[2 + i] - 1, a->stride[i], &reach) ||
            __builtin_mul_overflow(w->shape[2 + i] - 1, a->dilation[i], &window) || reach > INT64_MAX / 4 || window > INT64_MAX / 4)
            return tl_fail(TL_ERR_SHAPE, "conv_transpose2d: input %s and weight %s give an output that is empty or too large", META_TEXT(x),
                           META_TEXT(w));
        out[0].shape[2 + i] = a->size[i] = reach - 2 * a->padding[i] + window + a->output_padding[i] + 1;
        if (a->size[i] < 1)
            return tl_fail(TL_ERR_SHAPE, "conv_transpose2d: padding %lld leaves nothing of the output of input %s", (long long)a->padding[i],
                           META_TEXT(x));
    }
    return TL_OK;
}

static int64_t multiply_adds(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs, (void)out;
    return sums_of(&in[0], count(&in[1], 1, 4));
}

/* For conv2d and its gradients: padding that resolved to zero must stay so. */
static struct tl_conv2d_attrs as_conv2d(const void *attrs, const int64_t size[2])
{
    struct tl_conv2d_attrs a = *(const struct tl_conv2d_attrs *)attrs;
    unresolve_pair(a.padding);
    a.output_padding[0] = a.output_padding[1] = 0;
    a.size[0] = size[0];
    a.size[1] = size[1];
    return a;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    struct tl_conv2d_attrs a = as_conv2d(attrs, ((const struct tl_conv2d_attrs *)attrs)->size);
    tl_tensor *y = tl_op_call1(tl_op_find("conv2d_grad_input"), &a, in, 2);
    if (y && !is_none(in[2]))
        y = tl_add(y, tl_view(in[2], TL_SHAPE(1, in[2]->shape[0], 1, 1)));
    out[0] = y;
    return made(y);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0);
    if (tl_grad_wants(g, 0)) {
        struct tl_conv2d_attrs a = as_conv2d(tl_grad_attrs(g), (int64_t[]){0, 0});
        if (tl_grad_set(g, 0, tl_conv2d_with(dy, tl_grad_input(g, 1), TL_NONE, &a)) != TL_OK)
            return tl_error_code();
    }
    if (tl_grad_wants(g, 1)) {
        struct tl_conv2d_attrs a = as_conv2d(tl_grad_attrs(g), tl_grad_input_meta(g, 1)->shape + 2);
        tl_tensor *out[2] = {NULL, NULL}, *x = tl_grad_input(g, 0);
        if (x && dy)
            tl_grad_call(g, "conv2d_grad_weight", &a, (tl_tensor *[]){dy, x}, 2, out);
        if (tl_grad_set(g, 1, out[0]) != TL_OK)
            return tl_error_code();
    }
    return tl_grad_wants(g, 2) ? tl_grad_set(g, 2, tl_sum(dy, .dims = TL_DIMS(0, 2, 3))) : TL_OK;
}

const tl_op tl_op_conv_transpose2d = {
    .struct_size = sizeof(tl_op),
    .name = "conv_transpose2d",
    .formula = "y[n,k,i s + r,j s + q] += x[n,c,i,j] * w[c,k,r,q], + b[k]",
    .flags = TL_OP_COMPOSITE,
    .n_in = 3,
    .n_out = 1,
    .optional_in = 1u << 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_conv2d_attrs),
    .grad_name = "ConvolutionBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0 | 1u << 1,
    .decompose = decompose,
    .batched_rank = 4,
    .multiply_adds = multiply_adds,
};

tl_tensor *tl_conv_transpose2d_with(tl_tensor *x, tl_tensor *weight, tl_tensor *bias, const struct tl_conv2d_attrs *o)
{
    return tl_op_call1(&tl_op_conv_transpose2d, o, (tl_tensor *[]){x, weight, bias}, 3);
}
