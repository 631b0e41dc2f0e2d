/* SPDX-License-Identifier: Apache-2.0
 *
 * index_add: y = x, then slice index[i] of y += slice i of source. x keeps its gradient; each slice of source gets that of the
 * slice where it went.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

enum { X, INDEX, SOURCE };

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_along_attrs *a = attrs;
    const struct tl_meta *x = &in[X], *index = &in[INDEX], *source = &in[SOURCE];
    tl_status s = demand_index("index_add", "the index", index);
    if (s == TL_OK)
        s = demand_same_dtype("index_add", "the input", x, "the source", source);
    if (s == TL_OK && index->ndim != 1)
        s = tl_fail(TL_ERR_SHAPE, "index_add: the index must be a vector, not %s", META_TEXT(index));
    if (s == TL_OK && x->ndim == 0)
        s = tl_fail(TL_ERR_SHAPE, "index_add: a single number has no dimension to add along");
    if (s == TL_OK)
        s = resolve_dim("index_add", &a->dim, x->ndim);
    if (s != TL_OK)
        return s;
    out[0] = *x;
    out[0].shape[a->dim] = index->shape[0];
    if (!same_shape(&out[0], source))
        return tl_fail(TL_ERR_SHAPE, "index_add: adding %lld slices along dimension %lld of %s takes a source of %s, not %s",
                       (long long)index->shape[0], (long long)a->dim, META_TEXT(x), META_TEXT(&out[0]), META_TEXT(source));
    out[0] = *x;
    return TL_OK;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    if (tl_grad_wants(g, X) && tl_grad_set(g, X, dy) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, SOURCE) ? tl_grad_set(g, SOURCE, tl_index_select(dy, (int)a->dim, tl_grad_input(g, INDEX))) : TL_OK;
}

const tl_op tl_op_index_add = {
    .struct_size = sizeof(tl_op),
    .name = "index_add",
    .formula = "y = x; y[..index[i]..] += source[..i..] along dim",
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << INDEX,
};

tl_tensor *tl_index_add(tl_tensor *t, int dim, tl_tensor *index, tl_tensor *source)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    return tl_op_call1(&tl_op_index_add, &a, (tl_tensor *[]){t, as_index("index_add", index), source}, 3);
}
