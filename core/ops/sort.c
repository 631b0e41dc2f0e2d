/* SPDX-License-Identifier: Apache-2.0
 *
 * sort and topk along one dimension: values in order, and where they were. Stable; a NaN is the largest of all. Each value
 * has its gradient at the place where it came from.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(order)};

enum { VALUES, INDICES };

static tl_status infer(const char *op, const struct tl_meta *in, struct tl_order_attrs *a, struct tl_meta *out)
{
    if (in[0].ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "%s: a tensor of at least one dimension is expected", op);
    tl_status s = resolve_dim(op, &a->dim, in[0].ndim);
    out[VALUES] = out[INDICES] = in[0];
    out[INDICES].dtype = TL_I64;
    return s;
}

static tl_status infer_sort(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_order_attrs *a = attrs;
    tl_status s = infer("sort", in, a, out);
    if (s == TL_OK)
        a->k = in[0].shape[a->dim];
    return s;
}

static tl_status infer_topk(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_order_attrs *a = attrs;
    tl_status s = infer("topk", in, a, out);
    if (s != TL_OK)
        return s;
    if (a->k < 0 || a->k > in[0].shape[a->dim])
        return tl_fail(TL_ERR_ARGUMENT, "topk: k is %lld, but dimension %lld of %s has %lld elements", (long long)a->k, (long long)a->dim,
                       META_TEXT(&in[0]), (long long)in[0].shape[a->dim]);
    out[VALUES].shape[a->dim] = out[INDICES].shape[a->dim] = a->k;
    return TL_OK;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_order_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, VALUES);
    return tl_grad_set(g, 0, tl_scatter_add(zeros_for(tl_grad_input_meta(g, 0), dy), (int)a->dim, tl_grad_output(g, INDICES), dy));
}

#define ORDER(op, text)                              \
    const tl_op tl_op_##op = {                       \
        .struct_size = sizeof(tl_op),                \
        .name = #op,                                 \
        .formula = text,                             \
        .n_in = 1,                                   \
        .n_out = 2,                                  \
        .attrs = fields,                             \
        .attrs_size = sizeof(struct tl_order_attrs), \
        .infer = infer_##op,                         \
        .grad = grad,                                \
        .saves_outputs = 1u << INDICES,              \
    };

ORDER(sort, "values, indices = x in order along dim, and where each was")
ORDER(topk, "values, indices = the k largest of x along dim, and where they were")

static tl_tensor *ordered(const tl_op *op, tl_tensor *t, const struct tl_order_attrs *a, tl_tensor **indices)
{
    tl_tensor *out[2] = {NULL, NULL};
    if (indices)
        *indices = NULL;
    if (operand_missing(op->name, t))
        return NULL;
    tl_tensor *x = t->ndim ? t : tl_unsqueeze(t, 0);
    if (!x || tl_op_call(op, a, &x, 1, out) != TL_OK)
        return NULL;
    for (int i = 0; i < 2 && t->ndim == 0 && a->k == 1; i++)
        if (!(out[i] = tl_squeeze_dim(out[i], 0)))
            return NULL;
    if (indices)
        *indices = out[INDICES];
    return out[VALUES];
}

tl_tensor *tl_sort(tl_tensor *t, int dim, bool descending, tl_tensor **indices)
{
    struct tl_order_attrs a = {.struct_size = sizeof a, .dim = dim, .k = 1, .descending = descending};
    return ordered(&tl_op_sort, t, &a, indices);
}

tl_tensor *tl_topk(tl_tensor *t, int64_t k, int dim, bool largest, tl_tensor **indices)
{
    struct tl_order_attrs a = {.struct_size = sizeof a, .dim = dim, .k = k, .descending = largest};
    return ordered(&tl_op_topk, t, &a, indices);
}
