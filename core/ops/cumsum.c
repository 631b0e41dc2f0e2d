/* SPDX-License-Identifier: Apache-2.0
 *
 * cumsum: y[i] = x[0] + … + x[i] along one dimension. x[i] is in y[i] and all after it, so the gradient is the cumulative sum
 * from the other end. Integers and bool give i64.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_along_attrs *a = attrs;
    if (in[0].ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "cumsum: a tensor of at least one dimension is expected");
    out[0] = in[0];
    if (!tl_dtype_is_float(in[0].dtype))
        out[0].dtype = TL_I64;
    return resolve_dim("cumsum", &a->dim, in[0].ndim);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    int64_t dim = ((const struct tl_along_attrs *)tl_grad_attrs(g))->dim;
    tl_tensor *reversed = tl_flip(tl_grad_arriving(g, 0), 1, &dim);
    return tl_grad_set(g, 0, reversed ? tl_flip(tl_cumsum(reversed, (int)dim), 1, &dim) : NULL);
}

const tl_op tl_op_cumsum = {
    .struct_size = sizeof(tl_op),
    .name = "cumsum",
    .formula = "y[i] = x[0] + … + x[i] along dim",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer,
    .grad = grad,
};

tl_tensor *tl_cumsum(tl_tensor *t, int dim)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    if (operand_missing("cumsum", t))
        return NULL;
    if (t->ndim > 0)
        return tl_op_call1(&tl_op_cumsum, &a, &t, 1);
    tl_tensor *vector = tl_unsqueeze(t, 0), *y = vector ? tl_op_call1(&tl_op_cumsum, &a, &vector, 1) : NULL;
    return y ? tl_squeeze_dim(y, 0) : NULL;
}
