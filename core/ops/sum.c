/* SPDX-License-Identifier: Apache-2.0
 *
 * sum and mean over dimensions. Every element has the same share in the result, so the gradient is dy itself (sum) or dy / n
 * (mean), stretched over what was reduced. Integers and bool sum to i64. The graph tells sums over everything from sums over
 * given dimensions by their names, as PyTorch does; the kernels are the same.
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(reduce)};

/* ---- sum ------------------------------------------------------------------------------------------------------------------- */

static tl_status infer_sum(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_reduce_attrs *a = attrs;
    tl_status s = reduce_infer("sum", &in[0], a, out);
    if (!tl_dtype_is_float(in[0].dtype))
        out[0].dtype = TL_I64;
    a->dtype = out[0].dtype;
    return s;
}

static tl_status grad_sum(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, reduce_stretch(tl_grad_arriving(g, 0), tl_grad_input_meta(g, 0), tl_grad_attrs(g)));
}

/* ---- mean ------------------------------------------------------------------------------------------------------------------ */

static tl_status infer_mean(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_reduce_attrs *a = attrs;
    tl_status s = demand_floating("mean", "the input", &in[0]);
    a->dtype = in[0].dtype;
    return s == TL_OK ? reduce_infer("mean", &in[0], a, out) : s;
}

static tl_status grad_mean(struct tl_grad_ctx *g)
{
    const struct tl_reduce_attrs *a = tl_grad_attrs(g);
    const struct tl_meta *x = tl_grad_input_meta(g, 0);
    tl_tensor *share = tl_div_s(tl_grad_arriving(g, 0), (double)reduce_count(x, a));
    return tl_grad_set(g, 0, reduce_stretch(share, x, a));
}

static tl_status decompose_mean(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    struct tl_reduce_attrs a = *(const struct tl_reduce_attrs *)attrs;
    int64_t n = 1;
    for (int64_t i = 0; i < a.dims.n; i++)
        n *= in[0]->shape[a.dims.v[i]];
    a.dtype = TL_DEFAULT;
    out[0] = tl_div_s(tl_sum_with(in[0], &a), (double)n);
    return made(out[0]);
}

/* ---- Descriptors ------------------------------------------------------------------------------------------------------------- */

const tl_op tl_op_sum = {
    .struct_size = sizeof(tl_op),
    .name = "sum",
    .formula = "y = sum of x over dims",
    .flags = TL_OP_REDUCTION,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .infer = infer_sum,
    .grad = grad_sum,
};

const tl_op tl_op_sum_dim = {
    .struct_size = sizeof(tl_op),
    .name = "sum_dim",
    .formula = "y = sum of x over some dims",
    .flags = TL_OP_REDUCTION | TL_OP_INTERNAL,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .kernel = "sum",
    .grad_name = "SumBackward1",
    .infer = infer_sum,
    .grad = grad_sum,
};

const tl_op tl_op_mean = {
    .struct_size = sizeof(tl_op),
    .name = "mean",
    .formula = "y = sum of x over dims / number of elements summed",
    .flags = TL_OP_REDUCTION,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .infer = infer_mean,
    .grad = grad_mean,
    .decompose = decompose_mean,
};

const tl_op tl_op_mean_dim = {
    .struct_size = sizeof(tl_op),
    .name = "mean_dim",
    .formula = "y = sum of x over some dims / number of elements summed",
    .flags = TL_OP_REDUCTION | TL_OP_INTERNAL,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .kernel = "mean",
    .grad_name = "MeanBackward1",
    .infer = infer_mean,
    .grad = grad_mean,
    .decompose = decompose_mean,
};

tl_tensor *tl_sum_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    tl_dtype want = o ? o->dtype : TL_DEFAULT;
    if (operand_missing("sum", t))
        return NULL;
    if (want != TL_DEFAULT)
        t = tl_cast(t, want);
    tl_tensor *y = tl_op_call1(o && o->dims.n ? &tl_op_sum_dim : &tl_op_sum, o, &t, 1);
    return y && want != TL_DEFAULT ? tl_cast(y, want) : y;
}

tl_tensor *tl_mean_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    if (operand_missing("mean", t))
        return NULL;
    if (o && o->dtype != TL_DEFAULT)
        t = tl_cast(t, o->dtype);
    return tl_op_call1(o && o->dims.n ? &tl_op_mean_dim : &tl_op_mean, o, &t, 1);
}
