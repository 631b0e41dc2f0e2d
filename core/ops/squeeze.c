/* SPDX-License-Identifier: Apache-2.0
 *
 * squeeze, squeeze_dim, unsqueeze: drop dimensions of size 1, or add one. The gradient takes the old shape again.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(shape)};

static tl_status drop(tl_tensor *t, int only, tl_tensor **out)
{
    int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] == 1 && (only < 0 || only == i))
            continue;
        shape[n] = t->shape[i];
        strides[n++] = t->strides[i];
    }
    out[0] = strided_over(t, n, shape, strides, t->offset);
    return made(out[0]);
}

static tl_status squeeze_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    return drop(in[0], -1, out);
}

static tl_status squeeze_dim_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    int64_t dim = ((const struct tl_shape_attrs *)attrs)->dim;
    tl_status s = resolve_dim("squeeze_dim", &dim, in[0]->ndim);
    return s == TL_OK ? drop(in[0], (int)dim, out) : s;
}

static tl_status unsqueeze_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    int64_t dim = ((const struct tl_shape_attrs *)attrs)->dim, shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    tl_tensor *t = in[0];
    if (t->ndim == TL_MAX_DIMS)
        return tl_fail(TL_ERR_LIMIT, "unsqueeze: %s has %d dimensions already, the most there can be", TENSOR_TEXT(t), TL_MAX_DIMS);
    tl_status s = resolve_dim("unsqueeze", &dim, t->ndim + 1);
    if (s != TL_OK)
        return s;
    for (int i = 0; i <= t->ndim; i++) {
        shape[i] = i == dim ? 1 : t->shape[i - (i > dim)];
        strides[i] = i == dim ? (dim < t->ndim ? t->shape[dim] * t->strides[dim] : 1) : t->strides[i - (i > dim)];
    }
    out[0] = strided_over(t, t->ndim + 1, shape, strides, t->offset);
    return made(out[0]);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    return tl_grad_set(g, 0, tl_reshape(tl_grad_arriving(g, 0), m->ndim, m->shape));
}

const tl_op tl_op_squeeze = {
    .struct_size = sizeof(tl_op),
    .name = "squeeze",
    .formula = "y = x without its dimensions of size 1",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .view = squeeze_view,
    .grad = grad,
};

const tl_op tl_op_squeeze_dim = {
    .struct_size = sizeof(tl_op),
    .name = "squeeze_dim",
    .formula = "y = x without dimension dim, if that has size 1",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .grad_name = "SqueezeBackward1",
    .view = squeeze_dim_view,
    .grad = grad,
};

const tl_op tl_op_unsqueeze = {
    .struct_size = sizeof(tl_op),
    .name = "unsqueeze",
    .formula = "y = x with one more dimension, of size 1",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = unsqueeze_view,
    .grad = grad,
};

tl_tensor *tl_squeeze(tl_tensor *t)
{
    return tl_op_call1(&tl_op_squeeze, NULL, &t, 1);
}

tl_tensor *tl_squeeze_dim(tl_tensor *t, int dim)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a, .dim = dim};
    return tl_op_call1(&tl_op_squeeze_dim, &a, &t, 1);
}

tl_tensor *tl_unsqueeze(tl_tensor *t, int dim)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a, .dim = dim};
    return tl_op_call1(&tl_op_unsqueeze, &a, &t, 1);
}
