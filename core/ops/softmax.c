/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax and log_softmax along one dimension. With sums over it,
 *     y = e^x / sum(e^x)          dx = y (dy - sum(dy y))
 *     y = x - ln sum(e^x)         dx = dy - e^y sum(dy)
 * The largest x is subtracted first, so that nothing overflows. The gradients are ops with gradients of their own.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

static tl_status infer(const char *op, const struct tl_meta *in, struct tl_along_attrs *a, struct tl_meta *out)
{
    tl_status s = demand_floating(op, "the input", &in[0]);
    if (s == TL_OK)
        s = resolve_dim(op, &a->dim, in[0].ndim);
    if (s == TL_OK && in[0].ndim == 0)
        s = tl_fail(TL_ERR_SHAPE, "%s: a tensor of at least one dimension is expected", op);
    out[0] = in[0];
    return s;
}

static tl_status infer_grad(const char *op, const struct tl_meta *in, struct tl_along_attrs *a, struct tl_meta *out)
{
    tl_status s = demand_same_shape(op, "dy", &in[0], "y", &in[1]);
    if (s == TL_OK)
        s = demand_same_dtype(op, "dy", &in[0], "y", &in[1]);
    return s == TL_OK ? infer(op, in, a, out) : s;
}

static tl_tensor *sum_along(tl_tensor *t, const struct tl_along_attrs *a)
{
    return tl_sum(t, .dims = TL_DIMS(a->dim), .keepdim = true);
}

/* x less its largest: the same result, without overflow. */
static tl_tensor *shifted(tl_tensor *x, const struct tl_along_attrs *a)
{
    return tl_sub(x, tl_amax(x, .dims = TL_DIMS(a->dim), .keepdim = true));
}

#define SOFTMAX_INFER(op, which)                                                                      \
    static tl_status infer_##op(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out) \
    {                                                                                                 \
        (void)n_in;                                                                                   \
        return which(#op, in, attrs, out);                                                            \
    }
SOFTMAX_INFER(softmax, infer)
SOFTMAX_INFER(log_softmax, infer)
SOFTMAX_INFER(softmax_grad, infer_grad)
SOFTMAX_INFER(log_softmax_grad, infer_grad)

/* ---- softmax --------------------------------------------------------------------------------------------------------------- */

static tl_status decompose_softmax(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    if (in[0]->numel == 0)
        return made(out[0] = tl_clone(in[0]));
    tl_tensor *e = tl_exp(shifted(in[0], attrs));
    out[0] = tl_div(e, sum_along(e, attrs));
    return made(out[0]);
}

static tl_status decompose_softmax_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    tl_tensor *dy = in[0], *y = in[1];
    out[0] = tl_mul(y, tl_sub(dy, sum_along(tl_mul(dy, y), attrs)));
    return made(out[0]);
}

static tl_tensor *softmax_grad(tl_tensor *dy, tl_tensor *y, const struct tl_along_attrs *a);

static tl_status grad_softmax(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, softmax_grad(tl_grad_arriving(g, 0), tl_grad_output(g, 0), tl_grad_attrs(g)));
}

/* Of sum(v y (dy - s)) with s = sum(dy y): y (v - sum(v y)) for dy, v (dy - s) - dy sum(v y) for y. */
static tl_status grad_softmax_grad(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *v = tl_grad_arriving(g, 0), *dy = tl_grad_input(g, 0), *y = tl_grad_input(g, 1);
    if (!v || !dy || !y)
        return tl_error_code();
    if (tl_grad_wants(g, 0) && tl_grad_set(g, 0, softmax_grad(v, y, a)) != TL_OK)
        return tl_error_code();
    if (!tl_grad_wants(g, 1))
        return TL_OK;
    tl_tensor *s = sum_along(tl_mul(dy, y), a), *r = sum_along(tl_mul(v, y), a);
    return tl_grad_set(g, 1, tl_sub(tl_mul(v, tl_sub(dy, s)), tl_mul(dy, r)));
}

/* ---- log_softmax ----------------------------------------------------------------------------------------------------------- */

static tl_status decompose_log_softmax(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    if (in[0]->numel == 0)
        return made(out[0] = tl_clone(in[0]));
    tl_tensor *d = shifted(in[0], attrs);
    out[0] = tl_sub(d, tl_log(sum_along(tl_exp(d), attrs)));
    return made(out[0]);
}

static tl_status decompose_log_softmax_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    tl_tensor *dy = in[0], *y = in[1];
    out[0] = tl_sub(dy, tl_mul(tl_exp(y), sum_along(dy, attrs)));
    return made(out[0]);
}

static tl_tensor *log_softmax_grad(tl_tensor *dy, tl_tensor *y, const struct tl_along_attrs *a);

static tl_status grad_log_softmax(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, log_softmax_grad(tl_grad_arriving(g, 0), tl_grad_output(g, 0), tl_grad_attrs(g)));
}

/* Of sum(v (dy - e^y sum(dy))): v - sum(v e^y) for dy, -v e^y sum(dy) for y. */
static tl_status grad_log_softmax_grad(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *v = tl_grad_arriving(g, 0), *dy = tl_grad_input(g, 0), *y = tl_grad_input(g, 1);
    if (!v || !dy || !y)
        return tl_error_code();
    tl_tensor *ve = tl_mul(v, tl_exp(y));
    if (tl_grad_wants(g, 0) && tl_grad_set(g, 0, tl_sub(v, sum_along(ve, a))) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, 1) ? tl_grad_set(g, 1, tl_neg(tl_mul(ve, sum_along(dy, a)))) : TL_OK;
}

/* ---- Descriptors ------------------------------------------------------------------------------------------------------------ */

#define SOFTMAX(op, text)                                   \
    const tl_op tl_op_##op = {                              \
        .struct_size = sizeof(tl_op),                       \
        .name = #op,                                        \
        .formula = text,                                    \
        .n_in = 1,                                          \
        .n_out = 1,                                         \
        .attrs = fields,                                    \
        .attrs_size = sizeof(struct tl_along_attrs),        \
        .infer = infer_##op,                                \
        .grad = grad_##op,                                  \
        .saves_outputs = 1u << 0,                           \
        .decompose = decompose_##op,                        \
    };
#define SOFTMAX_GRAD(op, text, graph_name)                  \
    const tl_op tl_op_##op = {                              \
        .struct_size = sizeof(tl_op),                       \
        .name = #op,                                        \
        .formula = text,                                    \
        .flags = TL_OP_INTERNAL,                            \
        .n_in = 2,                                          \
        .n_out = 1,                                         \
        .attrs = fields,                                    \
        .attrs_size = sizeof(struct tl_along_attrs),        \
        .grad_name = graph_name,                            \
        .infer = infer_##op,                                \
        .grad = grad_##op,                                  \
        .saves_inputs = 1u << 0 | 1u << 1,                  \
        .decompose = decompose_##op,                        \
    };

SOFTMAX(softmax, "y = e^x / sum(e^x) along dim")
SOFTMAX(log_softmax, "y = x - ln(sum(e^x)) along dim")
SOFTMAX_GRAD(softmax_grad, "dx = y * (dy - sum(dy * y))", "SoftmaxBackwardDataBackward0")
SOFTMAX_GRAD(log_softmax_grad, "dx = dy - e^y * sum(dy)", "LogSoftmaxBackwardDataBackward0")

static tl_tensor *softmax_grad(tl_tensor *dy, tl_tensor *y, const struct tl_along_attrs *a)
{
    return tl_op_call1(&tl_op_softmax_grad, a, (tl_tensor *[]){dy, y}, 2);
}

static tl_tensor *log_softmax_grad(tl_tensor *dy, tl_tensor *y, const struct tl_along_attrs *a)
{
    return tl_op_call1(&tl_op_log_softmax_grad, a, (tl_tensor *[]){dy, y}, 2);
}

static tl_tensor *along(const tl_op *op, tl_tensor *t, int dim)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    if (operand_missing(op->name, t))
        return NULL;
    if (t->ndim > 0)
        return tl_op_call1(op, &a, &t, 1);
    /* A single number is a vector of one. */
    tl_tensor *vector = tl_unsqueeze(t, 0), *y = vector ? tl_op_call1(op, &a, &vector, 1) : NULL;
    return y ? tl_squeeze_dim(y, 0) : NULL;
}

tl_tensor *tl_softmax(tl_tensor *t, int dim)
{
    return along(&tl_op_softmax, t, dim);
}

tl_tensor *tl_log_softmax(tl_tensor *t, int dim)
{
    return along(&tl_op_log_softmax, t, dim);
}
