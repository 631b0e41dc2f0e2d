/* SPDX-License-Identifier: Apache-2.0
 *
 * max_dim and min_dim: the extreme along one dimension together with its index; the gradient goes to that one element.
 * Made of argmax (argmin) and gather.
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(reduce)};

enum { VALUES, INDICES };

static tl_status infer(const char *op, const struct tl_meta *in, struct tl_reduce_attrs *a, struct tl_meta *out)
{
    if (a->dims.n != 1)
        return tl_fail(TL_ERR_ARGUMENT, "%s: exactly one dimension is expected, not %lld", op, (long long)a->dims.n);
    tl_status s = reduce_infer(op, &in[0], a, &out[VALUES]);
    out[INDICES] = out[VALUES];
    out[INDICES].dtype = TL_I64;
    return s == TL_OK ? reduce_demand_elements(op, &in[0], a) : s;
}

static tl_status decompose(bool largest, const struct tl_reduce_attrs *a, tl_tensor *x, tl_tensor **out)
{
    struct tl_reduce_attrs keep = reduce_keeping(a);
    out[INDICES] = largest ? tl_argmax_with(x, &keep) : tl_argmin_with(x, &keep);
    out[VALUES] = x->ndim == 0 ? tl_clone(x) : tl_gather(x, (int)a->dims.v[0], out[INDICES]);
    for (int i = 0; i < 2 && x->ndim > 0 && !a->keepdim; i++)
        out[i] = out[i] ? tl_squeeze_dim(out[i], (int)a->dims.v[0]) : NULL;
    return out[VALUES] && out[INDICES] ? TL_OK : tl_error_code();
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_reduce_attrs *a = tl_grad_attrs(g);
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    tl_tensor *dy = tl_grad_arriving(g, VALUES);
    if (m->ndim == 0)
        return tl_grad_set(g, 0, dy);
    tl_tensor *index = reduce_keep(tl_grad_output(g, INDICES), m, a);
    if (!index || !dy)
        return tl_error_code();
    return tl_grad_set(g, 0, tl_scatter_add(zeros_for(m, dy), (int)a->dims.v[0], index, reduce_keep(dy, m, a)));
}

#define EXTREME(op, largest, text)                                                                          \
    static tl_status infer_##op(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)       \
    {                                                                                                       \
        (void)n_in;                                                                                         \
        return infer(#op, in, attrs, out);                                                                  \
    }                                                                                                       \
    static tl_status decompose_##op(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)     \
    {                                                                                                       \
        (void)n_in;                                                                                         \
        return decompose(largest, attrs, in[0], out);                                                       \
    }                                                                                                       \
    const tl_op tl_op_##op = {                                                                              \
        .struct_size = sizeof(tl_op),                                                                       \
        .name = #op,                                                                                        \
        .formula = text,                                                                                    \
        .flags = TL_OP_REDUCTION | TL_OP_COMPOSITE,                                                         \
        .n_in = 1,                                                                                          \
        .n_out = 2,                                                                                         \
        .attrs = fields,                                                                                    \
        .attrs_size = sizeof(struct tl_reduce_attrs),                                                       \
        .grad_name = largest ? "MaxBackward0" : "MinBackward0",                                             \
        .infer = infer_##op,                                                                                \
        .grad = grad,                                                                                       \
        .saves_outputs = 1u << INDICES,                                                                     \
        .decompose = decompose_##op,                                                                        \
    };                                                                                                      \
    tl_tensor *tl_##op(tl_tensor *t, int dim, bool keepdim, tl_tensor **indices)                            \
    {                                                                                                       \
        struct tl_reduce_attrs a = {.struct_size = sizeof a, .dims = TL_DIMS(dim), .keepdim = keepdim};     \
        tl_tensor *out[2];                                                                                  \
        tl_status s = tl_op_call(&tl_op_##op, &a, &t, 1, out);                                              \
        if (indices)                                                                                        \
            *indices = s == TL_OK ? out[INDICES] : NULL;                                                    \
        return s == TL_OK ? out[VALUES] : NULL;                                                             \
    }

EXTREME(max_dim, true, "values, indices = largest of x along dim, and where")
EXTREME(min_dim, false, "values, indices = smallest of x along dim, and where")
