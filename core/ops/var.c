/* SPDX-License-Identifier: Apache-2.0
 *
 * var and std over dimensions: v = sum((x - mean)^2) / (n - 1), or / n if biased; std is its square root. The mean's own
 * gradient cancels, so with c = 1 (0 if biased)
 *     dx = dv * 2 (x - mean) / (n - c)          dv = dstd / (2 std)
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(reduce)};

static tl_status infer(const char *op, const struct tl_meta *in, struct tl_reduce_attrs *a, struct tl_meta *out)
{
    tl_status s = demand_floating(op, "the input", &in[0]);
    a->dtype = in[0].dtype;
    return s == TL_OK ? reduce_infer(op, &in[0], a, out) : s;
}

static tl_status infer_var(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    return infer("var", in, attrs, out);
}

static tl_status infer_std(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    return infer("std", in, attrs, out);
}

static double divisor(int64_t n, const struct tl_reduce_attrs *a)
{
    double d = (double)n - (a->biased ? 0 : 1);
    return d > 0 ? d : 0;
}

/* x - mean(x) */
static tl_tensor *centred(tl_tensor *x, const struct tl_reduce_attrs *a)
{
    struct tl_reduce_attrs keep = reduce_keeping(a);
    return x ? tl_sub(x, tl_mean_with(x, &keep)) : NULL;
}

static tl_tensor *grad_of_var(struct tl_grad_ctx *g, tl_tensor *dv)
{
    const struct tl_reduce_attrs *a = tl_grad_attrs(g);
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    tl_tensor *scaled = tl_mul_s(reduce_keep(dv, m, a), 2 / divisor(reduce_count(m, a), a));
    return tl_mul(scaled, centred(tl_grad_input(g, 0), a));
}

static tl_status grad_var(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, grad_of_var(g, tl_grad_arriving(g, 0)));
}

static tl_status grad_std(struct tl_grad_ctx *g)
{
    tl_tensor *y = tl_grad_output(g, 0), *dy = tl_grad_arriving(g, 0);
    if (!y || !dy)
        return tl_error_code();
    /* Where all values are equal the deviation has a kink, not a slope: PyTorch says 0. */
    tl_tensor *flat = tl_eq(y, tl_scalar(0));
    tl_tensor *dv = tl_where(flat, tl_scalar(0), tl_div(dy, tl_mul_s(tl_where(flat, tl_scalar(1), y), 2)));
    return tl_grad_set(g, 0, grad_of_var(g, dv));
}

static tl_status decompose_var(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    struct tl_reduce_attrs a = *(const struct tl_reduce_attrs *)attrs;
    int64_t n = 1;
    for (int64_t i = 0; i < a.dims.n; i++)
        n *= in[0]->shape[a.dims.v[i]];
    tl_tensor *d = centred(in[0], &a);
    a.dtype = TL_DEFAULT;
    out[0] = d ? tl_div_s(tl_sum_with(tl_mul(d, d), &a), divisor(n, &a)) : NULL;
    return made(out[0]);
}

static tl_status decompose_std(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    out[0] = tl_sqrt(tl_var_with(in[0], attrs));
    return made(out[0]);
}

const tl_op tl_op_var = {
    .struct_size = sizeof(tl_op),
    .name = "var",
    .formula = "y = sum((x - mean)^2) / (n - 1) over dims; / n if biased",
    .flags = TL_OP_REDUCTION,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .infer = infer_var,
    .grad = grad_var,
    .saves_inputs = 1u << 0,
    .decompose = decompose_var,
};

const tl_op tl_op_std = {
    .struct_size = sizeof(tl_op),
    .name = "std",
    .formula = "y = sqrt(var(x))",
    .flags = TL_OP_REDUCTION | TL_OP_COMPOSITE,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .infer = infer_std,
    .grad = grad_std,
    .saves_inputs = 1u << 0,
    .saves_outputs = 1u << 0,
    .decompose = decompose_std,
};

tl_tensor *tl_var_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    return tl_op_call1(&tl_op_var, o, &t, 1);
}

tl_tensor *tl_std_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    return tl_op_call1(&tl_op_std, o, &t, 1);
}
