/* SPDX-License-Identifier: Apache-2.0
 *
 * norm: (sum |x|^p)^(1/p) over everything; the largest (smallest) magnitude for p = infinity (-infinity), the number of elements
 * that are not 0 for p = 0. With y the norm,
 *     dx = dy sign(x) (|x| / y)^(p-1)
 * and 0 where y is 0. Also all and any, which only count.
 */
#include <math.h>

#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(pointwise)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_pointwise_attrs *a = attrs;
    a->p = tl_attr_or(a->p, 2);
    if (isnan(a->p))
        return tl_fail(TL_ERR_ARGUMENT, "norm: p is not a number");
    out[0] = (struct tl_meta){.dtype = in[0].dtype};
    tl_status s = demand_floating("norm", "the input", &in[0]);
    if (s == TL_OK && (a->p < 0 || isinf(a->p)) && count(&in[0], 0, in[0].ndim) == 0)
        s = tl_fail(TL_ERR_SHAPE, "norm: with p = %g there must be at least one element, but the input is %s", a->p, META_TEXT(&in[0]));
    return s;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    double p = ((const struct tl_pointwise_attrs *)attrs)->p;
    tl_tensor *x = in[0];
    if (p == 2)
        out[0] = tl_sqrt(tl_sum(tl_mul(x, x)));
    else if (p == 1)
        out[0] = tl_sum(tl_abs(x));
    else if (p == 0)
        out[0] = tl_cast(tl_sum(tl_ne(x, tl_scalar(0))), (tl_dtype)x->dtype);
    else if (isinf(p))
        out[0] = p > 0 ? tl_amax(tl_abs(x)) : tl_amin(tl_abs(x));
    else
        out[0] = tl_pow_s(tl_sum(tl_pow_s(tl_abs(x), p)), 1 / p);
    return made(out[0]);
}

static tl_tensor *zero_where(tl_tensor *condition, tl_tensor *t)
{
    return tl_where(condition, tl_scalar(0), t);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    double p = ((const struct tl_pointwise_attrs *)tl_grad_attrs(g))->p;
    tl_tensor *x = tl_grad_input(g, 0), *y = tl_grad_output(g, 0), *dy = tl_grad_arriving(g, 0);
    if (!x || !y || !dy)
        return tl_error_code();
    if (p == 0)
        return tl_grad_set(g, 0, TL_NONE);
    if (p == 1)
        return tl_grad_set(g, 0, tl_mul(dy, tl_sign(x)));
    if (isinf(p)) {
        tl_tensor *winner = tl_logical_or(tl_eq(tl_abs(x), y), tl_isnan(x));
        return tl_grad_set(g, 0, tl_mul(zero_where(tl_logical_not(winner), tl_sign(x)), tl_div(dy, tl_sum(winner))));
    }
    tl_tensor *zero = tl_eq(y, tl_scalar(0)), *safe = tl_where(zero, tl_scalar(1), y);
    if (p == 2)
        return tl_grad_set(g, 0, tl_mul(x, zero_where(zero, tl_div(dy, safe))));
    /* A norm that is NaN makes every slope NaN, that of zeros too. */
    tl_tensor *at_zero = tl_logical_and(tl_eq(x, tl_scalar(0)), tl_eq(y, y)), *share = tl_div(tl_abs(tl_where(at_zero, tl_scalar(1), x)), safe);
    tl_tensor *slope = tl_mul(tl_sign(x), tl_pow_s(share, p - 1));
    return tl_grad_set(g, 0, tl_mul(zero_where(zero, dy), zero_where(at_zero, slope)));
}

const tl_op tl_op_norm = {
    .struct_size = sizeof(tl_op),
    .name = "norm",
    .formula = "y = (sum of |x|^p)^(1/p)",
    .flags = TL_OP_COMPOSITE,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pointwise_attrs),
    .grad_name = "LinalgVectorNormBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0,
    .saves_outputs = 1u << 0,
    .decompose = decompose,
};

tl_tensor *tl_norm(tl_tensor *t, double p)
{
    struct tl_pointwise_attrs a = {.struct_size = sizeof a, .p = p == 0 ? TL_ZERO : p};
    return tl_op_call1(&tl_op_norm, &a, &t, 1);
}

tl_tensor *tl_all(tl_tensor *t)
{
    return tl_eq(tl_sum(tl_eq(t, tl_scalar_i64(0))), tl_scalar_i64(0));
}

tl_tensor *tl_any(tl_tensor *t)
{
    return tl_ne(tl_sum(tl_ne(t, tl_scalar_i64(0))), tl_scalar_i64(0));
}
