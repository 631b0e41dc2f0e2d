/* SPDX-License-Identifier: Apache-2.0
 *
 * flip: dimensions in reverse, as a copy (strides are never negative). The gradient is flipped back.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(shape)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_shape_attrs *a = attrs;
    out[0] = in[0];
    return resolve_dims("flip", &a->dims, in[0].ndim);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_shape_attrs *a = tl_grad_attrs(g);
    return tl_grad_set(g, 0, tl_flip(tl_grad_arriving(g, 0), (int)a->dims.n, a->dims.v));
}

const tl_op tl_op_flip = {
    .struct_size = sizeof(tl_op),
    .name = "flip",
    .formula = "y = x in reverse along dims",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .infer = infer,
    .grad = grad,
};

tl_tensor *tl_flip(tl_tensor *t, int n, const int64_t *dims)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a};
    if (!take_dims("flip", n, dims, &a.dims))
        return NULL;
    return tl_op_call1(&tl_op_flip, &a, &t, 1);
}
