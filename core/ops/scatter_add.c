/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add: y = x, then y[index[i][j]][j] += source[i][j] (along dimension 0; the others alike): what gather does, backwards.
 * x keeps its gradient; each element of source gets that of the place where it went.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

enum { X, INDEX, SOURCE };

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_along_attrs *a = attrs;
    const struct tl_meta *x = &in[X], *index = &in[INDEX];
    tl_status s = demand_index("scatter_add", "the index", index);
    if (s == TL_OK)
        s = demand_same_dtype("scatter_add", "the input", x, "the source", &in[SOURCE]);
    if (s == TL_OK)
        s = demand_same_shape("scatter_add", "the index", index, "the source", &in[SOURCE]);
    if (s == TL_OK && (x->ndim == 0 || x->ndim != index->ndim))
        s = tl_fail(TL_ERR_SHAPE, "scatter_add: the index %s must have as many dimensions as the input %s, and at least one",
                    META_TEXT(index), META_TEXT(x));
    if (s == TL_OK)
        s = resolve_dim("scatter_add", &a->dim, x->ndim);
    for (int i = 0; i < x->ndim && s == TL_OK; i++)
        if (i != a->dim && index->shape[i] > x->shape[i])
            s = tl_fail(TL_ERR_SHAPE, "scatter_add: the index %s is larger than the input %s in dimension %d", META_TEXT(index),
                        META_TEXT(x), i);
    out[0] = *x;
    return s;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    if (tl_grad_wants(g, X) && tl_grad_set(g, X, dy) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, SOURCE) ? tl_grad_set(g, SOURCE, tl_gather(dy, (int)a->dim, tl_grad_input(g, INDEX))) : TL_OK;
}

const tl_op tl_op_scatter_add = {
    .struct_size = sizeof(tl_op),
    .name = "scatter_add",
    .formula = "y = x; y[..index[..i..]..] += source[..i..] along dim",
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << INDEX,
};

/* A source may be larger than the index: what no index speaks for is not read. */
static tl_tensor *cut(tl_tensor *source, const tl_tensor *index)
{
    for (int i = 0; source && i < index->ndim; i++)
        if (source->shape[i] > index->shape[i])
            source = tl_narrow(source, i, 0, index->shape[i]);
    return source;
}

tl_tensor *tl_scatter_add(tl_tensor *t, int dim, tl_tensor *index, tl_tensor *source)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    index = as_index("scatter_add", index);
    if (index && source && !is_none(index) && !is_none(source) && index->ndim == source->ndim)
        source = cut(source, index);
    return tl_op_call1(&tl_op_scatter_add, &a, (tl_tensor *[]){t, index, source}, 3);
}
