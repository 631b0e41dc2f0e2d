/* SPDX-License-Identifier: Apache-2.0
 *
 * gather: y[i][j] = x[index[i][j]][j] (along dimension 0; the others alike). Each element of y came from one of x, so its
 * gradient is added there.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_along_attrs *a = attrs;
    const struct tl_meta *x = &in[0], *index = &in[1];
    tl_status s = demand_index("gather", "the index", index);
    if (s == TL_OK && (x->ndim == 0 || x->ndim != index->ndim))
        s = tl_fail(TL_ERR_SHAPE, "gather: the index %s must have as many dimensions as the input %s, and at least one",
                    META_TEXT(index), META_TEXT(x));
    if (s == TL_OK)
        s = resolve_dim("gather", &a->dim, x->ndim);
    for (int i = 0; i < x->ndim && s == TL_OK; i++)
        if (i != a->dim && index->shape[i] > x->shape[i])
            s = tl_fail(TL_ERR_SHAPE, "gather: the index %s is larger than the input %s in dimension %d", META_TEXT(index), META_TEXT(x),
                        i);
    out[0] = *index;
    out[0].dtype = x->dtype;
    return s;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    return tl_grad_set(g, 0, tl_scatter_add(zeros_for(tl_grad_input_meta(g, 0), dy), (int)a->dim, tl_grad_input(g, 1), dy));
}

const tl_op tl_op_gather = {
    .struct_size = sizeof(tl_op),
    .name = "gather",
    .formula = "y[..i..] = x[..index[..i..]..] along dim",
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 1,
};

tl_tensor *tl_gather(tl_tensor *t, int dim, tl_tensor *index)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    if (operand_missing("gather", t) || operand_missing("gather", index) || !(index = as_index("gather", index)))
        return NULL;
    if (t->ndim > 1 || index->ndim > 1 || t->ndim + index->ndim == 2)
        return tl_op_call1(&tl_op_gather, &a, (tl_tensor *[]){t, index}, 2);
    /* A single number, as a vector of one. */
    tl_tensor *vectors[2] = {tl_reshape(t, TL_SHAPE(t->numel)), tl_reshape(index, TL_SHAPE(index->numel))};
    tl_tensor *y = tl_op_call1(&tl_op_gather, &a, vectors, 2);
    return y ? tl_reshape(y, index->ndim, index->shape) : NULL;
}
