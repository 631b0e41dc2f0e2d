/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: each sample is shifted and scaled to mean 0 and deviation 1 over its last dimensions, then by weight and bias:
 *     xhat = (x - m) / sqrt(v + eps)        y = xhat w + b
 * With u = dy w and means over the normalised dimensions
 *     dx = (u - mean(u) - xhat mean(u xhat)) / sqrt(v + eps)        dw = sum(dy xhat)        db = sum(dy)
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(layer_norm)};

enum { X, WEIGHT, BIAS };

static tl_status demand_affine(const char *op, const char *what, const struct tl_meta *x, const struct tl_meta *w, int ndim)
{
    if (w->ndim < 0)
        return TL_OK;
    const int64_t *shape = x->shape + x->ndim - ndim;
    if (w->ndim != ndim || memcmp(w->shape, shape, (size_t)ndim * sizeof *shape) != 0)
        return tl_fail(TL_ERR_SHAPE, "%s: the %s must be %s, the last %d dimension(s) of the input %s, not %s", op, what,
                       SHAPE_TEXT(ndim, shape), ndim, META_TEXT(x), META_TEXT(w));
    return demand_same_dtype(op, "the input", x, what, w);
}

static tl_status resolve(const char *op, const struct tl_meta *x, struct tl_layer_norm_attrs *a)
{
    if (a->ndim == 0)
        a->ndim = 1;
    a->eps = tl_attr_or(a->eps, 1e-5);
    if (a->ndim < 1 || a->ndim > x->ndim)
        return tl_fail(TL_ERR_SHAPE, "%s: cannot normalise over the last %lld dimension(s) of %s", op, (long long)a->ndim, META_TEXT(x));
    if (!(a->eps >= 0))
        return tl_fail(TL_ERR_ARGUMENT, "%s: eps is %g; it must not be negative", op, a->eps);
    return demand_floating(op, "the input", x);
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_layer_norm_attrs *a = attrs;
    tl_status s = resolve("layer_norm", &in[X], a);
    if (s == TL_OK)
        s = demand_affine("layer_norm", "weight", &in[X], &in[WEIGHT], (int)a->ndim);
    if (s == TL_OK)
        s = demand_affine("layer_norm", "bias", &in[X], &in[BIAS], (int)a->ndim);
    out[0] = in[X];
    return s;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_layer_norm_attrs *a = attrs;
    tl_status s = resolve("layer_norm_grad", &in[0], a);
    if (s == TL_OK)
        s = demand_same_shape("layer_norm_grad", "the input", &in[0], "dy", &in[1]);
    if (s == TL_OK)
        s = demand_same_dtype("layer_norm_grad", "the input", &in[0], "dy", &in[1]);
    if (s == TL_OK)
        s = demand_affine("layer_norm_grad", "weight", &in[0], &in[2], (int)a->ndim);
    out[0] = in[0];
    if (in[2].ndim >= 0)
        out[1] = out[2] = in[2];
    return s;
}

/* The dimensions that are normalised, or the ones before. */
static struct tl_reduce_attrs dims_of(const tl_tensor *x, int64_t ndim, bool normalised)
{
    struct tl_reduce_attrs r = {.struct_size = sizeof r, .keepdim = normalised, .biased = true};
    for (int i = 0; i < x->ndim; i++)
        if ((i >= x->ndim - ndim) == normalised)
            r.dims.v[r.dims.n++] = i;
    return r;
}

static tl_tensor *sum_over_samples(tl_tensor *t, int64_t ndim)
{
    struct tl_reduce_attrs r = t ? dims_of(t, ndim, false) : (struct tl_reduce_attrs){0};
    return t && r.dims.n ? tl_sum_with(t, &r) : t;
}

static tl_tensor *normalised(const struct tl_layer_norm_attrs *a, tl_tensor *x, tl_tensor **scale)
{
    struct tl_reduce_attrs r = dims_of(x, a->ndim, true);
    *scale = tl_rsqrt(tl_add_s(tl_var_with(x, &r), a->eps));
    return tl_mul(tl_sub(x, tl_mean_with(x, &r)), *scale);
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    tl_tensor *scale, *y = normalised(attrs, in[X], &scale);
    if (!is_none(in[WEIGHT]))
        y = tl_mul(y, in[WEIGHT]);
    if (!is_none(in[BIAS]))
        y = tl_add(y, in[BIAS]);
    out[0] = y;
    return made(y);
}

static tl_status decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_layer_norm_attrs *a = attrs;
    tl_tensor *x = in[0], *dy = in[1], *weight = in[2], *scale, *xhat = normalised(a, x, &scale);
    struct tl_reduce_attrs r = dims_of(x, a->ndim, true);
    tl_tensor *u = is_none(weight) ? dy : tl_mul(dy, weight);
    tl_tensor *along = tl_mul(xhat, tl_mean_with(tl_mul(u, xhat), &r));
    out[0] = tl_mul(tl_sub(tl_sub(u, tl_mean_with(u, &r)), along), scale);
    if (!is_none(weight)) {
        out[1] = sum_over_samples(tl_mul(dy, xhat), a->ndim);
        out[2] = sum_over_samples(dy, a->ndim);
    }
    return made(out[0]);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_layer_norm_attrs *a = tl_grad_attrs(g);
    bool weighted = tl_grad_input_meta(g, WEIGHT)->ndim >= 0;
    tl_tensor *in[3] = {tl_grad_input(g, X), tl_grad_arriving(g, 0), weighted ? tl_grad_input(g, WEIGHT) : TL_NONE}, *out[3] = {NULL};
    for (int i = 0; i < 3; i++)
        if (!in[i])
            return tl_error_code();
    /* Under create_graph the simpler ops are recorded, so that the gradient has a gradient. */
    tl_status s = tl_grad_enabled() ? decompose_grad(a, in, 3, out) : tl_grad_call(g, "layer_norm_grad", a, in, 3, out);
    if (s == TL_OK && tl_grad_wants(g, X))
        s = tl_grad_set(g, X, out[0]);
    if (s == TL_OK && tl_grad_wants(g, WEIGHT))
        s = tl_grad_set(g, WEIGHT, out[1]);
    if (s == TL_OK && tl_grad_wants(g, BIAS))
        s = tl_grad_set(g, BIAS, weighted ? out[2] : sum_over_samples(in[1], a->ndim));
    return s;
}

const tl_op tl_op_layer_norm = {
    .struct_size = sizeof(tl_op),
    .name = "layer_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) * weight + bias, by sample over the last dimensions",
    .n_in = 3,
    .n_out = 1,
    .optional_in = 1u << WEIGHT | 1u << BIAS,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_layer_norm_attrs),
    .grad_name = "NativeLayerNormBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << X | 1u << WEIGHT,
    .decompose = decompose,
};

const tl_op tl_op_layer_norm_grad = {
    .struct_size = sizeof(tl_op),
    .name = "layer_norm_grad",
    .formula = "dx = (u - mean(u) - xhat * mean(u * xhat)) / sqrt(var + eps), u = dy * w; dw = sum(dy * xhat); db = sum(dy)",
    .flags = TL_OP_INTERNAL,
    .n_in = 3,
    .n_out = 3,
    .optional_in = 1u << 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_layer_norm_attrs),
    .infer = infer_grad,
    .decompose = decompose_grad,
};

tl_tensor *tl_layer_norm(tl_tensor *x, int ndim, tl_tensor *weight, tl_tensor *bias, double eps)
{
    struct tl_layer_norm_attrs a = {.struct_size = sizeof a, .ndim = ndim, .eps = eps == 0 ? TL_ZERO : eps};
    if (ndim < 1) {
        tl_fail(TL_ERR_ARGUMENT, "layer_norm: over %d dimensions; at least 1 is expected", ndim);
        return NULL;
    }
    return tl_op_call1(&tl_op_layer_norm, &a, (tl_tensor *[]){x, weight, bias}, 3);
}
