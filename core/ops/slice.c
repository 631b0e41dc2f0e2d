/* SPDX-License-Identifier: Apache-2.0
 *
 * slice, narrow, select: some elements of one dimension, as a view; and split and chunk, made of them. What was not taken has
 * no gradient: a slice's gradient is dy padded with zeros to the old size (spread out first if the step is not 1).
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(shape)};

struct range {
    int64_t dim, start, n, step;
};

/* As Python slices: bounds count from the end if negative, and are cut to what there is. */
static tl_status resolve_range(const struct tl_shape_attrs *a, int ndim, const int64_t *shape, struct range *r)
{
    *r = (struct range){.dim = a->dim, .start = a->start, .step = a->step ? a->step : 1};
    if (ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "slice: a single number has no dimension to slice");
    tl_status s = resolve_dim("slice", &r->dim, ndim);
    if (s != TL_OK)
        return s;
    if (r->step < 1)
        return tl_fail(TL_ERR_ARGUMENT, "slice: step %lld must be positive; tl_flip() reverses", (long long)r->step);
    int64_t size = shape[r->dim], stop = a->stop;
    if (r->start < 0)
        r->start = r->start + size < 0 ? 0 : r->start + size;
    if (stop < 0)
        stop = stop + size < 0 ? 0 : stop + size;
    r->start = r->start > size ? size : r->start;
    stop = stop > size ? size : stop;
    int64_t length = stop > r->start ? stop - r->start : 0;
    r->n = length / r->step + (length % r->step != 0);
    return TL_OK;
}

static tl_status slice_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    tl_tensor *t = in[0];
    struct range r;
    int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    tl_status s = resolve_range(attrs, t->ndim, t->shape, &r);
    if (s != TL_OK)
        return s;
    memcpy(shape, t->shape, sizeof shape);
    memcpy(strides, t->strides, sizeof strides);
    shape[r.dim] = r.n;
    strides[r.dim] = r.n > 1 ? t->strides[r.dim] * r.step : t->strides[r.dim];
    out[0] = strided_over(t, t->ndim, shape, strides, t->offset + (r.n ? r.start * t->strides[r.dim] : 0));
    return made(out[0]);
}

/* dy, being elements start … start + n - 1 of dimension dim, among zeros. */
static tl_tensor *among_zeros(tl_tensor *dy, const struct tl_meta *m, int64_t dim, int64_t start, int64_t n)
{
    int64_t amounts[2 * TL_MAX_DIMS] = {0};
    int at = 2 * (m->ndim - 1 - (int)dim);
    amounts[at] = start;
    amounts[at + 1] = m->shape[dim] - start - n;
    return amounts[at] || amounts[at + 1] ? tl_pad(dy, at + 2, amounts, 0) : dy;
}

static tl_status slice_grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    struct range r;
    tl_status s = resolve_range(tl_grad_attrs(g), m->ndim, m->shape, &r);
    if (s != TL_OK || !dy)
        return s != TL_OK ? s : tl_error_code();
    if (r.n == 0)
        return tl_grad_set(g, 0, zeros_for(m, dy));
    if (r.step == 1 || r.n == 1)
        return tl_grad_set(g, 0, among_zeros(dy, m, r.dim, r.start, r.n));
    tl_tensor *places = tl_arange((double)r.start, (double)(r.start + r.n * r.step), (double)r.step,
                                  (struct tl_options){.dtype = TL_I64, .device = tl_device_of(dy)});
    return tl_grad_set(g, 0, tl_index_add(zeros_for(m, dy), (int)r.dim, places, dy));
}

const tl_op tl_op_slice = {
    .struct_size = sizeof(tl_op),
    .name = "slice",
    .formula = "y[i] = x[start + i * step] along dim, before stop",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = slice_view,
    .grad = slice_grad,
};

/* ---- select ---------------------------------------------------------------------------------------------------------------- */

static tl_status resolve_element(const struct tl_shape_attrs *a, int ndim, const int64_t *shape, int64_t *dim, int64_t *i)
{
    *dim = a->dim;
    *i = a->start;
    if (ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "select: a single number has no dimension to select from");
    tl_status s = resolve_dim("select", dim, ndim);
    if (s != TL_OK)
        return s;
    if (*i < -shape[*dim] || *i >= shape[*dim])
        return tl_fail(TL_ERR_INDEX, "select: index %lld is out of range for dimension %lld of %s", (long long)*i, (long long)*dim,
                       SHAPE_TEXT(ndim, shape));
    if (*i < 0)
        *i += shape[*dim];
    return TL_OK;
}

static tl_status select_view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    tl_tensor *t = in[0];
    int64_t dim, i, shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    tl_status s = resolve_element(attrs, t->ndim, t->shape, &dim, &i);
    if (s != TL_OK)
        return s;
    for (int k = 0; k < t->ndim - 1; k++) {
        shape[k] = t->shape[k + (k >= dim)];
        strides[k] = t->strides[k + (k >= dim)];
    }
    out[0] = strided_over(t, t->ndim - 1, shape, strides, t->offset + i * t->strides[dim]);
    return made(out[0]);
}

static tl_status select_grad(struct tl_grad_ctx *g)
{
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    int64_t dim, i;
    tl_status s = resolve_element(tl_grad_attrs(g), m->ndim, m->shape, &dim, &i);
    if (s != TL_OK)
        return s;
    tl_tensor *dy = tl_unsqueeze(tl_grad_arriving(g, 0), (int)dim);
    return tl_grad_set(g, 0, dy ? among_zeros(dy, m, dim, i, 1) : NULL);
}

const tl_op tl_op_select = {
    .struct_size = sizeof(tl_op),
    .name = "select",
    .formula = "y = x[start] along dim",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_shape_attrs),
    .view = select_view,
    .grad = select_grad,
};

/* ---- Public functions ------------------------------------------------------------------------------------------------------ */

tl_tensor *tl_slice(tl_tensor *t, int dim, int64_t start, int64_t stop, int64_t step)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a, .dim = dim, .start = start, .stop = stop, .step = step};
    if (step < 1) {
        tl_fail(TL_ERR_ARGUMENT, "slice: step %lld must be positive; tl_flip() reverses", (long long)step);
        return NULL;
    }
    return tl_op_call1(&tl_op_slice, &a, &t, 1);
}

tl_tensor *tl_narrow(tl_tensor *t, int dim, int64_t start, int64_t length)
{
    int64_t d = dim;
    if (operand_missing("narrow", t) || resolve_dim("narrow", &d, t->ndim) != TL_OK)
        return NULL;
    int64_t size = t->ndim ? t->shape[d] : 0, first = start < 0 ? start + size : start;
    if (first < 0 || first > size || length < 0 || length > size - first) {
        tl_fail(TL_ERR_INDEX, "narrow: %lld elements from %lld do not lie in dimension %lld of %s", (long long)length,
                (long long)start, (long long)d, TENSOR_TEXT(t));
        return NULL;
    }
    return tl_slice(t, (int)d, first, first + length, 1);
}

tl_tensor *tl_select(tl_tensor *t, int dim, int64_t index)
{
    struct tl_shape_attrs a = {.struct_size = sizeof a, .dim = dim, .start = index};
    return tl_op_call1(&tl_op_select, &a, &t, 1);
}

tl_status tl_split(tl_tensor *t, int64_t size, int dim, tl_tensor **out, int *n)
{
    int64_t d = dim;
    if (operand_missing("split", t))
        return tl_error_code();
    if (!out || !n)
        return tl_fail(TL_ERR_ARGUMENT, "split: no place for the pieces, or for their number");
    if (t->ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "split: a single number has no dimension to split");
    tl_status s = resolve_dim("split", &d, t->ndim);
    if (s != TL_OK)
        return s;
    int64_t whole = t->shape[d];
    if (size < 0 || (size == 0 && whole > 0))
        return tl_fail(TL_ERR_ARGUMENT, "split: pieces of %lld; they must have at least one element", (long long)size);
    int64_t pieces = whole == 0 ? 1 : whole / size + (whole % size != 0);
    if (pieces > *n)
        return tl_fail(TL_ERR_ARGUMENT, "split: %lld pieces of %lld along dimension %lld of %s, but room for %d", (long long)pieces,
                       (long long)size, (long long)d, TENSOR_TEXT(t), *n);
    for (int64_t i = 0; i < pieces; i++) {
        int64_t left = whole - i * size;
        if (!(out[i] = tl_narrow(t, (int)d, i * size, left < size ? left : size)))
            return tl_error_code();
    }
    *n = (int)pieces;
    return TL_OK;
}

tl_status tl_chunk(tl_tensor *t, int chunks, int dim, tl_tensor **out, int *n)
{
    int64_t d = dim;
    if (operand_missing("chunk", t))
        return tl_error_code();
    if (chunks < 1)
        return tl_fail(TL_ERR_ARGUMENT, "chunk: %d pieces; at least 1 is expected", chunks);
    if (t->ndim == 0)
        return tl_fail(TL_ERR_SHAPE, "chunk: a single number has no dimension to split");
    tl_status s = resolve_dim("chunk", &d, t->ndim);
    if (s != TL_OK)
        return s;
    int64_t whole = t->shape[d];
    for (int i = 0; whole == 0 && i < chunks; i++) { /* as many pieces of nothing, as PyTorch gives */
        if (chunks > *n)
            return tl_fail(TL_ERR_ARGUMENT, "chunk: %d pieces, but room for %d", chunks, *n);
        if (!(out[i] = tl_narrow(t, (int)d, 0, 0)))
            return tl_error_code();
    }
    if (whole == 0) {
        *n = chunks;
        return TL_OK;
    }
    return tl_split(t, whole / chunks + (whole % chunks != 0), (int)d, out, n);
}
