/* SPDX-License-Identifier: Apache-2.0
 *
 * expand: repeat dimensions of size 1, and add leading ones, without copying: their stride is 0. Every repeated element was
 * used many times, so its gradients add up (which tl_grad_set() does).
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(shape)};

static tl_status view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_dims *to = &((const struct tl_shape_attrs *)attrs)->shape;
    const tl_tensor *t = in[0];
    int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    if (to->n < t->ndim || to->n > TL_MAX_DIMS)
        return tl_fail(TL_ERR_SHAPE, "expand: %s cannot be expanded to %lld dimensions (its rank to %d)", TENSOR_TEXT(t),
                       (long long)to->n, TL_MAX_DIMS);
    int extra = (int)to->n - t->ndim;
    for (int i = 0; i < to->n; i++) {
        int64_t have = i < extra ? 1 : t->shape[i - extra], want = to->v[i];
        if (want == -1 && i >= extra)
            want = have;
        if (want < 0 || (have != 1 && have != want))
            return tl_fail(TL_ERR_SHAPE, "expand: %s cannot become %s: dimension %d has size %lld, and only size 1 expands",
                           TENSOR_TEXT(t), SHAPE_TEXT((int)to->n, to->v), i, (long long)have);
        shape[i] = want;
        strides[i] = i >= extra && have == want ? t->strides[i - extra] : 0;
    }
    int64_t elements;
    if (!shape_numel((int)to->n, shape, &elements))
        return tl_fail(TL_ERR_LIMIT, "expand: %s is too large", SHAPE_TEXT((int)to->n, shape));
    out[0] = strided_over(in[0], (int)to->n, shape, strides, t->offset);
    return made(out[0]);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_grad_arriving(g, 0));
}

const tl_op tl_op_expand = {
    .struct_size = sizeof(tl_op),
    .name = "expand",
    .formula = "y = x repeated along dimensions of size 1",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = view,
    .grad = grad,
};

tl_tensor *tl_expand(tl_tensor *t, int ndim, const int64_t *shape)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a};
    if (!take_dims("expand", ndim, shape, &a.shape))
        return NULL;
    return tl_op_call1(&tl_op_expand, &a, &t, 1);
}
