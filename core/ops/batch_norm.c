/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm: every channel is shifted and scaled to mean 0 and deviation 1, then by its weight and bias:
 *     y = (x - m) / sqrt(v + eps) * w + b
 * m and v are the batch's own while training (the gradient flows through them), the running ones otherwise. With xhat the
 * normalised input, n the values a channel has, and sums over a channel:
 *     db = sum(dy)   dw = sum(dy * xhat)   dx = w / sqrt(v + eps) * (dy - db / n - xhat * dw / n)
 * The running statistics are outputs 1 and 2, written over inputs 1 and 2: the op's only effect.
 */
#include <stdio.h>

#include "core/internal.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(batch_norm)};

enum { X, MEAN, VAR, WEIGHT, BIAS };

static tl_status check(const struct tl_meta *x, const struct tl_meta *per_channel, const char *what)
{
    char text[160];
    if (per_channel->ndim < 0)
        return TL_OK;
    if (per_channel->ndim != 1 || per_channel->shape[0] != x->shape[1])
        return tl_fail(TL_ERR_SHAPE, "batch_norm: %s must be [%lld], one for each channel, not %s", what, (long long)x->shape[1],
                       shape_text(text, sizeof text, per_channel->ndim, per_channel->shape));
    if (per_channel->dtype != x->dtype)
        return tl_fail(TL_ERR_DTYPE, "batch_norm: %s is %s, the input %s", what, tl_dtype_name(per_channel->dtype), tl_dtype_name(x->dtype));
    return TL_OK;
}

static tl_status resolve(const struct tl_meta *x, struct tl_batch_norm_attrs *a, bool running)
{
    char text[160];
    if (x->ndim < 2 || x->ndim > 5)
        return tl_fail(TL_ERR_SHAPE, "batch_norm: the input must have 2 to 5 dimensions, not %s", shape_text(text, sizeof text, x->ndim, x->shape));
    if (!tl_dtype_is_float(x->dtype))
        return tl_fail(TL_ERR_DTYPE, "batch_norm: the input is %s; floating numbers are expected", tl_dtype_name(x->dtype));
    a->momentum = tl_attr_or(a->momentum, 0.1);
    a->eps = tl_attr_or(a->eps, 1e-5);
    if (!(a->training ? a->eps > 0 : a->eps >= 0))
        return tl_fail(TL_ERR_ARGUMENT, "batch_norm: eps is %g; it must be positive, or 0 in evaluation mode", a->eps + 0.0);
    if (!a->training && !running)
        return tl_fail(TL_ERR_ARGUMENT, "batch_norm: without running statistics there is only training mode");
    int64_t values = 1;
    for (int i = 0; i < x->ndim; i++)
        values *= i == 1 ? 1 : x->shape[i];
    if (a->training && values == 1)
        return tl_fail(TL_ERR_SHAPE, "batch_norm: training needs more than one value per channel, but the input is %s; use a larger batch, or evaluation mode",
                       shape_text(text, sizeof text, x->ndim, x->shape));
    return TL_OK;
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    static const char *const names[] = {NULL, "running_mean", "running_var", "weight", "bias"};
    struct tl_batch_norm_attrs *a = attrs;
    tl_status s = resolve(&in[X], a, in[MEAN].ndim >= 0 && in[VAR].ndim >= 0);
    for (int i = MEAN; i <= BIAS && s == TL_OK; i++)
        s = check(&in[X], &in[i], names[i]);
    if (s != TL_OK)
        return s;
    if ((in[MEAN].ndim < 0) != (in[VAR].ndim < 0))
        return tl_fail(TL_ERR_ARGUMENT, "batch_norm: running_mean and running_var go together");
    a->update = a->update && a->training && in[MEAN].ndim >= 0;
    out[0] = in[X];
    if (a->update) {
        out[1] = in[MEAN];
        out[2] = in[VAR];
    }
    return TL_OK;
}

static tl_tensor *along_channel(tl_tensor *v, tl_tensor *x)
{
    int64_t shape[TL_MAX_DIMS] = {1, 1, 1, 1, 1};
    if (!v || !x)
        return NULL;
    shape[1] = x->shape[1];
    return tl_view(v, x->ndim, shape);
}

static struct tl_reduce_attrs all_but_channel(const tl_tensor *x)
{
    struct tl_reduce_attrs r = {.struct_size = sizeof r, .biased = true};
    for (int i = 0; x && i < x->ndim; i++)
        if (i != 1)
            r.dims.v[r.dims.n++] = i;
    return r;
}

/* Mean and 1 / sqrt(variance + eps), [c], of the batch or of the past. */
static void statistics(const struct tl_batch_norm_attrs *a, tl_tensor *x, tl_tensor *mean, tl_tensor *var, tl_tensor **m, tl_tensor **v)
{
    struct tl_reduce_attrs r = all_but_channel(x);
    *m = a->training ? tl_mean_with(x, &r) : mean;
    *v = a->training ? tl_var_with(x, &r) : var;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_batch_norm_attrs *a = attrs;
    tl_tensor *x = in[X], *m, *v;
    statistics(a, x, in[MEAN], in[VAR], &m, &v);
    tl_tensor *scale = tl_rsqrt(tl_add_s(v, a->eps));
    tl_tensor *y = tl_mul(tl_sub(x, along_channel(m, x)), along_channel(scale, x));
    if (!is_none(in[WEIGHT]))
        y = tl_mul(y, along_channel(in[WEIGHT], x));
    if (!is_none(in[BIAS]))
        y = tl_add(y, along_channel(in[BIAS], x));
    out[0] = y;
    if (a->update) {
        double n = (double)(x->numel / (x->shape[1] ? x->shape[1] : 1));
        out[1] = tl_add(tl_mul_s(in[MEAN], 1 - a->momentum), tl_mul_s(m, a->momentum));
        out[2] = tl_add(tl_mul_s(in[VAR], 1 - a->momentum), tl_mul_s(v, a->momentum * n / (n - 1)));
    }
    return y ? TL_OK : tl_error_code();
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    tl_status s = resolve(&in[0], attrs, in[3].ndim >= 0 && in[4].ndim >= 0);
    static const char *const names[] = {NULL, NULL, "weight", "running_mean", "running_var"};
    for (int i = 2; i < 5 && s == TL_OK; i++)
        s = check(&in[0], &in[i], names[i]);
    if (s == TL_OK && (in[1].ndim != in[0].ndim || memcmp(in[1].shape, in[0].shape, (size_t)in[0].ndim * sizeof *in[0].shape) != 0))
        s = tl_fail(TL_ERR_SHAPE, "batch_norm_grad: dy must have the input's shape");
    out[0] = in[0];
    if (in[2].ndim >= 0)
        out[1] = out[2] = in[2];
    return s;
}

static tl_status decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_batch_norm_attrs *a = attrs;
    tl_tensor *x = in[0], *dy = in[1], *m, *v;
    struct tl_reduce_attrs r = all_but_channel(x);
    statistics(a, x, in[3], in[4], &m, &v);
    tl_tensor *scale = tl_rsqrt(tl_add_s(v, a->eps));
    tl_tensor *xhat = tl_mul(tl_sub(x, along_channel(m, x)), along_channel(scale, x));
    tl_tensor *db = tl_sum_with(dy, &r), *dw = tl_sum_with(tl_mul(dy, xhat), &r), *d = dy;
    if (a->training && x) {
        double n = (double)(x->numel / (x->shape[1] ? x->shape[1] : 1));
        d = tl_sub(dy, tl_mul_s(tl_add(along_channel(db, x), tl_mul(xhat, along_channel(dw, x))), 1 / n));
    }
    tl_tensor *w = is_none(in[2]) ? scale : tl_mul(scale, in[2]);
    out[0] = tl_mul(d, along_channel(w, x));
    if (!is_none(in[2])) {
        out[1] = dw;
        out[2] = db;
    }
    return out[0] ? TL_OK : tl_error_code();
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_batch_norm_attrs *a = tl_grad_attrs(g);
    bool weighted = tl_grad_input_meta(g, WEIGHT)->ndim >= 0;
    tl_tensor *in[5] = {tl_grad_input(g, X), tl_grad_arriving(g, 0), weighted ? tl_grad_input(g, WEIGHT) : TL_NONE,
                        a->training ? TL_NONE : tl_grad_input(g, MEAN), a->training ? TL_NONE : tl_grad_input(g, VAR)};
    tl_tensor *out[3] = {NULL};
    for (int i = 0; i < 5; i++)
        if (!in[i])
            return tl_error_code();
    /* Under create_graph the simpler ops are recorded, so that the gradient has a gradient. */
    tl_status s = tl_grad_enabled() ? decompose_grad(a, in, 5, out) : tl_grad_call(g, "batch_norm_grad", a, in, 5, out);
    if (s != TL_OK)
        return s;
    if (tl_grad_wants(g, X) && (s = tl_grad_set(g, X, out[0])) != TL_OK)
        return s;
    if (tl_grad_wants(g, WEIGHT) && (s = tl_grad_set(g, WEIGHT, out[1])) != TL_OK)
        return s;
    if (!tl_grad_wants(g, BIAS))
        return TL_OK;
    struct tl_reduce_attrs r = all_but_channel(in[0]);
    return tl_grad_set(g, BIAS, weighted ? out[2] : tl_sum_with(in[1], &r));
}

const tl_op tl_op_batch_norm = {
    .struct_size = sizeof(tl_op),
    .name = "batch_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) * weight + bias, by channel",
    .n_in = 5,
    .n_out = 3,
    .optional_in = 1u << MEAN | 1u << VAR | 1u << WEIGHT | 1u << BIAS,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_batch_norm_attrs),
    .grad_name = "NativeBatchNormBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << X | 1u << MEAN | 1u << VAR | 1u << WEIGHT,
    .nondifferentiable_out = 1u << 1 | 1u << 2,
    .decompose = decompose,
    .reuses = {0, MEAN + 1, VAR + 1},
};

const tl_op tl_op_batch_norm_grad = {
    .struct_size = sizeof(tl_op),
    .name = "batch_norm_grad",
    .formula = "dx = w / sqrt(var + eps) * (dy - mean(dy) - xhat * mean(dy * xhat)); dw = sum(dy * xhat); db = sum(dy)",
    .flags = TL_OP_INTERNAL,
    .n_in = 5,
    .n_out = 3,
    .optional_in = 1u << 2 | 1u << 3 | 1u << 4,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_batch_norm_attrs),
    .infer = infer_grad,
    .decompose = decompose_grad,
};

tl_tensor *tl_batch_norm_with(tl_tensor *x, tl_tensor *running_mean, tl_tensor *running_var, tl_tensor *weight, tl_tensor *bias,
                              const struct tl_batch_norm_attrs *o)
{
    struct tl_batch_norm_attrs a = o ? *o : (struct tl_batch_norm_attrs){0};
    tl_tensor *in[5] = {x, running_mean, running_var, weight, bias}, *out[3];
    a.struct_size = sizeof a;
    a.update = a.training && running_mean && running_var && !is_none(running_mean) && !is_none(running_var);
    tl_tensor *into[3] = {NULL, a.update ? running_mean : NULL, a.update ? running_var : NULL};
    return tl_op_call_into(&tl_op_batch_norm, &a, in, 5, into, out) == TL_OK ? out[0] : NULL;
}
