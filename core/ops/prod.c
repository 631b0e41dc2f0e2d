/* SPDX-License-Identifier: Apache-2.0
 *
 * prod over dimensions. The gradient of element i is dy times the product of the others: y / x[i] where nothing is zero.
 * With one zero among the factors only that one has a gradient, the product of the rest; with two or more, none has.
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(reduce)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_reduce_attrs *a = attrs;
    tl_status s = reduce_infer("prod", &in[0], a, out);
    if (!tl_dtype_is_float(in[0].dtype))
        out[0].dtype = TL_I64;
    a->dtype = out[0].dtype;
    return s;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    struct tl_reduce_attrs keep = reduce_keeping(tl_grad_attrs(g));
    tl_tensor *x = tl_grad_input(g, 0), *dy = reduce_keep(tl_grad_arriving(g, 0), m, tl_grad_attrs(g));
    if (!x || !dy)
        return tl_error_code();
    tl_tensor *zero = tl_eq(x, tl_scalar(0)), *zeros = tl_sum_with(zero, &keep);
    tl_tensor *factors = tl_where(zero, tl_scalar(1), x), *product = tl_mul(tl_prod_with(factors, &keep), dy);
    tl_tensor *at_zero = tl_where(tl_eq(zeros, tl_scalar_i64(1)), product, tl_scalar(0));
    tl_tensor *elsewhere = tl_where(tl_eq(zeros, tl_scalar_i64(0)), tl_div(product, factors), tl_scalar(0));
    return tl_grad_set(g, 0, tl_where(zero, at_zero, elsewhere));
}

const tl_op tl_op_prod = {
    .struct_size = sizeof(tl_op),
    .name = "prod",
    .formula = "y = product of x over dims",
    .flags = TL_OP_REDUCTION,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0,
};

const tl_op tl_op_prod_dim = {
    .struct_size = sizeof(tl_op),
    .name = "prod_dim",
    .formula = "y = product of x over some dims",
    .flags = TL_OP_REDUCTION | TL_OP_INTERNAL,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_reduce_attrs),
    .kernel = "prod",
    .grad_name = "ProdBackward1",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0,
};

tl_tensor *tl_prod_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    tl_dtype want = o ? o->dtype : TL_DEFAULT;
    if (operand_missing("prod", t))
        return NULL;
    if (want != TL_DEFAULT)
        t = tl_cast(t, want);
    tl_tensor *y = tl_op_call1(o && o->dims.n ? &tl_op_prod_dim : &tl_op_prod, o, &t, 1);
    return y && want != TL_DEFAULT ? tl_cast(y, want) : y;
}
