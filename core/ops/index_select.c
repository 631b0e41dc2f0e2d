/* SPDX-License-Identifier: Apache-2.0
 *
 * index_select: slices of one dimension, picked by a list of indices. A slice that was picked twice gets both gradients.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_along_attrs *a = attrs;
    tl_status s = demand_index("index_select", "the index", &in[1]);
    if (s == TL_OK && in[1].ndim != 1)
        s = tl_fail(TL_ERR_SHAPE, "index_select: the index must be a vector, not %s", META_TEXT(&in[1]));
    if (s == TL_OK && in[0].ndim == 0)
        s = tl_fail(TL_ERR_SHAPE, "index_select: a single number has no dimension to select from");
    if (s == TL_OK)
        s = resolve_dim("index_select", &a->dim, in[0].ndim);
    if (s != TL_OK)
        return s;
    out[0] = in[0];
    out[0].shape[a->dim] = in[1].shape[0];
    return TL_OK;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    return tl_grad_set(g, 0, tl_index_add(zeros_for(tl_grad_input_meta(g, 0), dy), (int)a->dim, tl_grad_input(g, 1), dy));
}

const tl_op tl_op_index_select = {
    .struct_size = sizeof(tl_op),
    .name = "index_select",
    .formula = "y[..i..] = x[..index[i]..] along dim",
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 1,
};

tl_tensor *tl_index_select(tl_tensor *t, int dim, tl_tensor *index)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    index = as_index("index_select", index);
    if (index && !is_none(index) && index->ndim == 0)
        index = tl_unsqueeze(index, 0);
    return tl_op_call1(&tl_op_index_select, &a, (tl_tensor *[]){t, index}, 2);
}
