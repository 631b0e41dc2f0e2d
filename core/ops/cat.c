/* SPDX-License-Identifier: Apache-2.0
 *
 * cat and stack: tensors one after the other along a dimension that they have, or along a new one. The gradient is cut into the
 * same pieces.
 */
#include <stdlib.h>

#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(along)};

static tl_status demand_alike(const char *op, const struct tl_meta *in, int n_in, int64_t except)
{
    for (int k = 1; k < n_in; k++) {
        if (in[k].dtype != in[0].dtype)
            return tl_fail(TL_ERR_DTYPE, "%s: tensor %d is %s, tensor 0 %s; they must have one element type", op, k,
                           tl_dtype_name(in[k].dtype), tl_dtype_name(in[0].dtype));
        if (in[k].ndim != in[0].ndim)
            return tl_fail(TL_ERR_SHAPE, "%s: tensor %d is %s, tensor 0 %s; they must have as many dimensions", op, k, META_TEXT(&in[k]),
                           META_TEXT(&in[0]));
        for (int i = 0; i < in[0].ndim; i++)
            if (i != except && in[k].shape[i] != in[0].shape[i])
                return tl_fail(TL_ERR_SHAPE, "%s: tensor %d is %s, tensor 0 %s; they differ in dimension %d", op, k, META_TEXT(&in[k]),
                               META_TEXT(&in[0]), i);
    }
    return TL_OK;
}

/* ---- cat -------------------------------------------------------------------------------------------------------------------- */

static tl_status infer_cat(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    struct tl_along_attrs *a = attrs;
    if (n_in < 1)
        return tl_fail(TL_ERR_ARGUMENT, "cat: no tensors are given");
    if (in[0].ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "cat: single numbers have no dimension to join along; use tl_stack()");
    tl_status s = resolve_dim("cat", &a->dim, in[0].ndim);
    if (s == TL_OK)
        s = demand_alike("cat", in, n_in, a->dim);
    if (s != TL_OK)
        return s;
    out[0] = in[0];
    for (int k = 1; k < n_in; k++)
        if (__builtin_add_overflow(out[0].shape[a->dim], in[k].shape[a->dim], &out[0].shape[a->dim]))
            return tl_fail(TL_ERR_LIMIT, "cat: the result is too large");
    return TL_OK;
}

static tl_status grad_cat(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    int64_t start = 0;
    for (int i = 0; i < tl_grad_n_inputs(g); i++) {
        int64_t n = tl_grad_input_meta(g, i)->shape[a->dim];
        if (tl_grad_wants(g, i) && tl_grad_set(g, i, tl_narrow(dy, (int)a->dim, start, n)) != TL_OK)
            return tl_error_code();
        start += n;
    }
    return TL_OK;
}

const tl_op tl_op_cat = {
    .struct_size = sizeof(tl_op),
    .name = "cat",
    .formula = "y = x0, x1, … one after the other along dim",
    .flags = TL_OP_PROMOTE,
    .n_in = TL_OP_VARIADIC,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer_cat,
    .grad = grad_cat,
};

/* ---- stack ------------------------------------------------------------------------------------------------------------------ */

static tl_status infer_stack(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    struct tl_along_attrs *a = attrs;
    if (n_in < 1)
        return tl_fail(TL_ERR_ARGUMENT, "stack: no tensors are given");
    if (in[0].ndim == TL_MAX_DIMS)
        return tl_fail(TL_ERR_LIMIT, "stack: %s has %d dimensions already, the most there can be", META_TEXT(&in[0]), TL_MAX_DIMS);
    tl_status s = resolve_dim("stack", &a->dim, in[0].ndim + 1);
    if (s == TL_OK)
        s = demand_alike("stack", in, n_in, -1);
    out[0] = in[0];
    out[0].ndim++;
    for (int i = in[0].ndim; i > a->dim && s == TL_OK; i--)
        out[0].shape[i] = in[0].shape[i - 1];
    if (s == TL_OK)
        out[0].shape[a->dim] = n_in;
    return s;
}

static tl_status grad_stack(struct tl_grad_ctx *g)
{
    const struct tl_along_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    for (int i = 0; i < tl_grad_n_inputs(g); i++)
        if (tl_grad_wants(g, i) && tl_grad_set(g, i, tl_select(dy, (int)a->dim, i)) != TL_OK)
            return tl_error_code();
    return TL_OK;
}

static tl_status decompose_stack(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    const struct tl_along_attrs *a = attrs;
    tl_tensor **wide = malloc((size_t)n_in * sizeof *wide);
    if (!wide)
        return tl_fail(TL_ERR_NOMEM, "stack: out of memory for %d tensors", n_in);
    out[0] = NULL;
    bool all = true;
    for (int i = 0; i < n_in && all; i++)
        all = (wide[i] = tl_unsqueeze(in[i], (int)a->dim)) != NULL;
    if (all)
        out[0] = tl_op_call1(&tl_op_cat, a, wide, n_in);
    free(wide);
    return made(out[0]);
}

const tl_op tl_op_stack = {
    .struct_size = sizeof(tl_op),
    .name = "stack",
    .formula = "y = x0, x1, … side by side along a new dim",
    .flags = TL_OP_COMPOSITE | TL_OP_PROMOTE,
    .n_in = TL_OP_VARIADIC,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_along_attrs),
    .infer = infer_stack,
    .grad = grad_stack,
    .decompose = decompose_stack,
};

/* ---- Public functions ------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_cat(int n, tl_tensor *const *t, int dim)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    if (n < 1 || !t) {
        tl_fail(TL_ERR_ARGUMENT, "cat: %d tensors are given; at least one is expected", n);
        return NULL;
    }
    tl_tensor **kept = malloc((size_t)n * sizeof *kept), *y = NULL;
    if (!kept) {
        tl_fail(TL_ERR_NOMEM, "cat: out of memory for %d tensors", n);
        return NULL;
    }
    /* Plain empty vectors join with anything, as in PyTorch. Only their dtype counts. */
    int n_kept = 0;
    for (int i = 0; i < n; i++) {
        if (operand_missing("cat", t[i])) {
            free(kept);
            return NULL;
        }
        bool skip = t[i]->ndim == 1 && t[i]->shape[0] == 0;
        if (!skip)
            kept[n_kept++] = t[i];
    }
    if (n_kept == 0) {
        kept[n_kept++] = t[0];
        a.dim = 0;
    }
    y = tl_op_call1(&tl_op_cat, &a, kept, n_kept);
    if (y && n_kept < n)
        y = tl_cast(y, result_dtype(t, n));
    free(kept);
    return y;
}

tl_tensor *tl_stack(int n, tl_tensor *const *t, int dim)
{
    struct tl_along_attrs a = {.struct_size = sizeof a, .dim = dim};
    return tl_op_call1(&tl_op_stack, &a, t, n);
}
