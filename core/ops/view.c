/* SPDX-License-Identifier: Apache-2.0
 *
 * view, reshape, flatten: another shape for the same elements in the same order. The strides of the new shape exist if each
 * group of new dimensions divides a run of old ones that lie evenly in memory; else only a copy helps.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(shape)};

/* Put the size in for -1, and check the number of elements. */
static tl_status resolve_shape(const char *op, const tl_tensor *t, int ndim, const int64_t *wanted, int64_t *shape)
{
    int64_t known = 1;
    int open = -1;
    if (ndim < 0 || ndim > TL_MAX_DIMS)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %d dimensions; at most %d", op, ndim, TL_MAX_DIMS);
    if (ndim > 0 && !wanted)
        return tl_fail(TL_ERR_ARGUMENT, "%s: the list of %d sizes is NULL", op, ndim);
    for (int i = 0; i < ndim; i++) {
        shape[i] = wanted[i];
        if (wanted[i] == -1 && open < 0)
            open = i;
        else if (wanted[i] < 0)
            return tl_fail(TL_ERR_SHAPE, "%s: %s: size %lld of dimension %d is negative; one size may be -1", op,
                           SHAPE_TEXT(ndim, wanted), (long long)wanted[i], i);
        else if (__builtin_mul_overflow(known, wanted[i], &known))
            return tl_fail(TL_ERR_LIMIT, "%s: %s is too large", op, SHAPE_TEXT(ndim, wanted));
    }
    if (open >= 0) {
        if (known == 0)
            return tl_fail(TL_ERR_SHAPE, "%s: the size -1 in %s is ambiguous for a tensor without elements", op,
                           SHAPE_TEXT(ndim, wanted));
        shape[open] = t->numel / known;
        known *= shape[open];
    }
    if (known != t->numel)
        return tl_fail(TL_ERR_SHAPE, "%s: %s has %lld elements and cannot become %s", op, TENSOR_TEXT(t), (long long)t->numel,
                       SHAPE_TEXT(ndim, wanted));
    return TL_OK;
}

/* Strides that show t's elements in `shape`, if there are any. */
static bool view_strides(const tl_tensor *t, int ndim, const int64_t *shape, int64_t *strides)
{
    if (t->numel == 0 || (t->flags & T_CONTIGUOUS)) {
        contiguous_strides(ndim, shape, strides);
        return true;
    }
    int next = ndim - 1;
    for (int last = t->ndim - 1; last >= 0;) {
        /* The longest run of old dimensions that ends here and is even in memory. */
        int64_t step = t->strides[last], elements = t->shape[last];
        int first = last;
        while (first > 0 && (t->shape[first - 1] == 1 || elements == 1 || t->strides[first - 1] == step * elements)) {
            first--;
            if (elements == 1 && t->shape[first] != 1)
                step = t->strides[first];
            elements *= t->shape[first];
        }
        for (; elements > 1; next--) {
            if (next < 0 || shape[next] == 0 || elements % shape[next] != 0)
                return false;
            strides[next] = step;
            step *= shape[next];
            elements /= shape[next];
        }
        last = first - 1;
    }
    for (; next >= 0; next--)
        strides[next] = 1; /* what is left has size 1 */
    return true;
}

static tl_status view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_shape_attrs *a = attrs;
    int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    tl_tensor *t = in[0];
    if (a->shape.n < 0 || a->shape.n > TL_MAX_DIMS)
        return tl_fail(TL_ERR_ARGUMENT, "view: %lld dimensions; at most %d", (long long)a->shape.n, TL_MAX_DIMS);
    int ndim = (int)a->shape.n;
    tl_status s = resolve_shape("view", t, ndim, a->shape.v, shape);
    if (s != TL_OK)
        return s;
    if (!view_strides(t, ndim, shape, strides))
        return tl_fail(TL_ERR_SHAPE, "view: %s with strides %s cannot be seen as %s without a copy; use tl_reshape()", TENSOR_TEXT(t),
                       SHAPE_TEXT(t->ndim, t->strides), SHAPE_TEXT(ndim, shape));
    out[0] = strided_over(t, ndim, shape, strides, t->offset);
    return made(out[0]);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    return tl_grad_set(g, 0, tl_reshape(tl_grad_arriving(g, 0), m->ndim, m->shape));
}

const tl_op tl_op_view = {
    .struct_size = sizeof(tl_op),
    .name = "view",
    .formula = "y = x in another shape, sharing storage",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = view,
    .grad = grad,
};

static tl_tensor *call_view(tl_tensor *t, int ndim, const int64_t *shape)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a, .shape.n = ndim};
    memcpy(a.shape.v, shape, (size_t)ndim * sizeof *shape);
    return tl_op_call1(&tl_op_view, &a, &t, 1);
}

tl_tensor *tl_view(tl_tensor *t, int ndim, const int64_t *shape)
{
    int64_t resolved[TL_MAX_DIMS];
    if (operand_missing("view", t) || resolve_shape("view", t, ndim, shape, resolved) != TL_OK)
        return NULL;
    return call_view(t, ndim, resolved);
}

tl_tensor *tl_reshape(tl_tensor *t, int ndim, const int64_t *shape)
{
    int64_t resolved[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    if (operand_missing("reshape", t) || resolve_shape("reshape", t, ndim, shape, resolved) != TL_OK)
        return NULL;
    if (!view_strides(t, ndim, resolved, strides) && !(t = tl_clone(t)))
        return NULL;
    return call_view(t, ndim, resolved);
}

tl_tensor *tl_flatten(tl_tensor *t, int start, int end)
{
    int64_t first = start, last = end, shape[TL_MAX_DIMS] = {1};
    if (operand_missing("flatten", t) || resolve_dim("flatten", &first, t->ndim) != TL_OK ||
        resolve_dim("flatten", &last, t->ndim) != TL_OK)
        return NULL;
    if (first > last) {
        tl_fail(TL_ERR_ARGUMENT, "flatten: dimension %d comes after %d", start, end);
        return NULL;
    }
    if (t->ndim == 0)
        return tl_reshape(t, 1, shape);
    if (first == last)
        return t;
    int n = 0;
    for (int i = 0; i < t->ndim; i++) {
        if (i > first && i <= last)
            shape[n - 1] *= t->shape[i];
        else
            shape[n++] = t->shape[i];
    }
    return tl_reshape(t, n, shape);
}
