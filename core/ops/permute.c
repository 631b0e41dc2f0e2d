/* SPDX-License-Identifier: Apache-2.0
 *
 * permute, transpose, t: the same elements with their dimensions in another order. The gradient is put in the old order again.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(shape)};

/* ---- permute --------------------------------------------------------------------------------------------------------------- */

static tl_status resolve_order(const struct tl_dims *dims, int ndim, int64_t *order)
{
    struct tl_dims sorted = *dims;
    if (dims->n != ndim)
        return tl_fail(TL_ERR_ARGUMENT, "permute: %lld dimensions given for a tensor of rank %d", (long long)dims->n, ndim);
    tl_status s = resolve_dims("permute", &sorted, ndim);
    for (int i = 0; i < ndim && s == TL_OK; i++)
        order[i] = dims->v[i] < 0 ? dims->v[i] + ndim : dims->v[i];
    return s;
}

static tl_status permute_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_shape_attrs *a = attrs;
    const tl_tensor *t = in[0];
    int64_t order[TL_MAX_DIMS], shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    tl_status s = resolve_order(&a->dims, t->ndim, order);
    if (s != TL_OK)
        return s;
    for (int i = 0; i < t->ndim; i++) {
        shape[i] = t->shape[order[i]];
        strides[i] = t->strides[order[i]];
    }
    out[0] = strided_over(in[0], t->ndim, shape, strides, t->offset);
    return made(out[0]);
}

static tl_status permute_grad(struct tl_grad_ctx *g)
{
    const struct tl_shape_attrs *a = tl_grad_attrs(g);
    int ndim = tl_grad_input_meta(g, 0)->ndim;
    int64_t order[TL_MAX_DIMS], back[TL_MAX_DIMS] = {0};
    tl_status s = resolve_order(&a->dims, ndim, order);
    for (int i = 0; i < ndim && s == TL_OK; i++)
        back[order[i]] = i;
    return s == TL_OK ? tl_grad_set(g, 0, tl_permute(tl_grad_arriving(g, 0), ndim, back)) : s;
}

const tl_op tl_op_permute = {
    .struct_size = sizeof(tl_op),
    .name = "permute",
    .formula = "y = x with its dimensions in the order dims",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = permute_view,
    .grad = permute_grad,
};

/* ---- transpose ------------------------------------------------------------------------------------------------------------- */

static tl_status swapped(const char *op, tl_tensor *t, int64_t i, int64_t j, tl_tensor **out)
{
    int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    tl_status s = resolve_dim(op, &i, t->ndim);
    if (s == TL_OK)
        s = resolve_dim(op, &j, t->ndim);
    if (s != TL_OK)
        return s;
    memcpy(shape, t->shape, sizeof shape);
    memcpy(strides, t->strides, sizeof strides);
    if (t->ndim > 0) {
        shape[i] = t->shape[j];
        shape[j] = t->shape[i];
        strides[i] = t->strides[j];
        strides[j] = t->strides[i];
    }
    out[0] = strided_over(t, t->ndim, shape, strides, t->offset);
    return made(out[0]);
}

static tl_status transpose_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_shape_attrs *a = attrs;
    return swapped("transpose", in[0], a->dim, a->other, out);
}

static tl_status transpose_grad(struct tl_grad_ctx *g)
{
    const struct tl_shape_attrs *a = tl_grad_attrs(g);
    return tl_grad_set(g, 0, tl_transpose(tl_grad_arriving(g, 0), (int)a->dim, (int)a->other));
}

const tl_op tl_op_transpose = {
    .struct_size = sizeof(tl_op),
    .name = "transpose",
    .formula = "y = x with dimensions dim and other exchanged",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = transpose_view,
    .grad = transpose_grad,
};

/* ---- t --------------------------------------------------------------------------------------------------------------------- */

static tl_status t_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    if (in[0]->ndim > 2)
        return tl_fail(TL_ERR_SHAPE, "t: %s has more than two dimensions; use tl_transpose() or tl_permute()", TENSOR_TEXT(in[0]));
    return swapped("t", in[0], 0, in[0]->ndim == 2 ? 1 : 0, out);
}

static tl_status t_grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_t(tl_grad_arriving(g, 0)));
}

const tl_op tl_op_t = {
    .struct_size = sizeof(tl_op),
    .name = "t",
    .formula = "y[j,i] = x[i,j]",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .view = t_view,
    .grad = t_grad,
};

tl_tensor *tl_permute(tl_tensor *t, int n, const int64_t *dims)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a};
    if (!take_dims("permute", n, dims, &a.dims))
        return NULL;
    return tl_op_call1(&tl_op_permute, &a, &t, 1);
}

tl_tensor *tl_transpose(tl_tensor *t, int i, int j)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a, .dim = i, .other = j};
    return tl_op_call1(&tl_op_transpose, &a, &t, 1);
}

tl_tensor *tl_t(tl_tensor *t)
{
    return tl_op_call1(&tl_op_t, NULL, &t, 1);
}
