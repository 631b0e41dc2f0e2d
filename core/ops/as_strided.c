/* SPDX-License-Identifier: Apache-2.0
 *
 * as_strided: any strides over a storage, as a view; and as_strided_scatter, which replaces the elements that such a view shows.
 * Each is the other's gradient: what came from the view goes back to its places among zeros, and what was put in its places comes
 * from there. Both sides are seen in one flat buffer (struct region), because neither need cover the other.
 */
#include <stdlib.h>

#include "core/ops/shape_util.h"

extern const tl_op tl_op_as_strided_scatter;

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(strided)};

/* The last element that the strides reach, counted as the offset is; false if it overflows or a stride is negative. */
static bool last_element(int ndim, const int64_t *shape, const int64_t *strides, int64_t offset, int64_t *last)
{
    int64_t numel;
    *last = offset;
    if (ndim < 0 || ndim > TL_MAX_DIMS || offset < 0 || !shape_numel(ndim, shape, &numel))
        return false;
    for (int i = 0; i < ndim && numel; i++) {
        int64_t step;
        if (strides[i] < 0 || __builtin_mul_overflow(shape[i] - 1, strides[i], &step) || __builtin_add_overflow(*last, step, last))
            return false;
    }
    return true;
}

tl_tensor *strided_over(tl_tensor *t, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset)
{
    int64_t n, last;
    size_t elements = t->storage->bytes / tl_dtype_size((tl_dtype)t->dtype);
    if (ndim < 0 || ndim > TL_MAX_DIMS || !shape_numel(ndim, shape, &n) || offset < 0) {
        tl_fail(TL_ERR_SHAPE, "as_strided: %s from element %lld: sizes and the offset must not be negative, and there are at most %d dimensions",
                ndim >= 0 && ndim <= TL_MAX_DIMS ? SHAPE_TEXT(ndim, shape) : "a shape", (long long)offset, TL_MAX_DIMS);
        return NULL;
    }
    if (!last_element(ndim, shape, strides, offset, &last)) {
        tl_fail(TL_ERR_SHAPE, "as_strided: %s with strides %s reaches beyond the storage's %zu elements, or a stride is negative",
                SHAPE_TEXT(ndim, shape), SHAPE_TEXT(ndim, strides), elements);
        return NULL;
    }
    if (n && (uint64_t)last >= elements) {
        tl_fail(TL_ERR_SHAPE, "as_strided: %s with strides %s from element %lld reaches element %lld, beyond the storage's %zu",
                SHAPE_TEXT(ndim, shape), SHAPE_TEXT(ndim, strides), (long long)offset, (long long)last, elements);
        return NULL;
    }
    if (UNLIKELY(program_recorder != NULL) && record_handle(t) != TL_OK)
        return NULL;
    storage_keep(t->storage);
    return tensor_over(t->storage, (tl_dtype)t->dtype, ndim, shape, strides, offset);
}

static struct tl_strided_attrs places(int ndim, const int64_t *shape, const int64_t *strides, int64_t offset)
{
    struct tl_strided_attrs a = {.struct_size = sizeof a, .shape.n = ndim, .strides.n = ndim, .offset = offset};
    for (int i = 0; i < ndim; i++) {
        a.shape.v[i] = shape[i];
        a.strides.v[i] = strides[i];
    }
    return a;
}

struct tl_strided_attrs strided_places(const tl_tensor *t)
{
    return places(t->ndim, t->shape, t->strides, t->offset);
}

/* ---- Two sets of places in one buffer -------------------------------------------------------------------------------------- */

void region_describe(struct region *r, tl_dtype dtype, const struct tl_strided_attrs *from, const struct tl_strided_attrs *to)
{
    int64_t origin = from->offset < to->offset ? from->offset : to->offset, last[2], contiguous[TL_MAX_DIMS];
    *r = (struct region){.from = *from, .to = *to, .base = {.dtype = dtype, .ndim = (int32_t)from->shape.n}};
    memcpy(r->base.shape, from->shape.v, sizeof r->base.shape);
    r->from.offset -= origin;
    r->to.offset -= origin;
    last_element((int)from->shape.n, from->shape.v, from->strides.v, r->from.offset, &last[0]);
    last_element((int)to->shape.n, to->shape.v, to->strides.v, r->to.offset, &last[1]);
    r->extent = 1 + (last[0] > last[1] ? last[0] : last[1]);
    contiguous_strides((int)from->shape.n, from->shape.v, contiguous);
    r->plain = r->from.offset == 0 && last[0] >= last[1];
    for (int i = 0; i < from->shape.n; i++)
        r->plain &= from->shape.v[i] > 1 ? from->strides.v[i] == contiguous[i] : from->shape.v[i] == 1;
}

static tl_tensor *scatter(tl_tensor *x, tl_tensor *source, const struct tl_strided_attrs *a)
{
    return x && source ? tl_op_call1(&tl_op_as_strided_scatter, a, (tl_tensor *[]){x, source}, 2) : NULL;
}

/* The elements at these places of a flat, contiguous tensor. */
static tl_tensor *picked(tl_tensor *flat, const struct tl_strided_attrs *a)
{
    return flat ? tl_contiguous(tl_as_strided(flat, (int)a->shape.n, a->shape.v, a->strides.v, a->offset + flat->offset)) : NULL;
}

static tl_tensor *buffer(const struct region *r, tl_tensor *like)
{
    struct tl_meta m = {.dtype = r->base.dtype, .ndim = 1, .shape = {r->extent}};
    return zeros_for(&m, like);
}

/* All elements in one dimension, one after the other in memory (an expanded gradient is one number for all). */
static tl_tensor *flattened(tl_tensor *t)
{
    t = t ? tl_contiguous(t) : NULL;
    return t ? tl_view(t, 1, &(int64_t){t->numel}) : NULL;
}

/* A tensor of `from`'s shape as the buffer, and back. */
static tl_tensor *spread(const struct region *r, tl_tensor *whole)
{
    return r->plain ? flattened(whole) : scatter(buffer(r, whole), whole, &r->from);
}

static tl_tensor *gathered(const struct region *r, tl_tensor *flat)
{
    return r->plain && flat ? tl_view(flat, r->base.ndim, r->base.shape) : picked(flat, &r->from);
}

tl_tensor *region_slice(const struct region *r, tl_tensor *whole)
{
    return picked(spread(r, whole), &r->to);
}

tl_tensor *region_replace(const struct region *r, tl_tensor *whole, tl_tensor *part)
{
    struct tl_meta m = {.dtype = r->base.dtype, .ndim = (int32_t)r->to.shape.n};
    memcpy(m.shape, r->to.shape.v, sizeof m.shape);
    return gathered(r, scatter(spread(r, whole), part ? part : zeros_for(&m, whole), &r->to));
}

/* ---- as_strided ------------------------------------------------------------------------------------------------------------ */

static tl_status view(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_strided_attrs *a = attrs;
    out[0] = strided_over(in[0], (int)a->shape.n, a->shape.v, a->strides.v, a->offset);
    return made(out[0]);
}

/* Could two elements have one place? Certainly not if each stride steps over all that the smaller ones reach. */
static bool may_overlap(const struct tl_strided_attrs *a)
{
    int64_t reach = 0, last = -1;
    for (int k = 0; k < a->shape.n; k++) {
        int64_t smallest = INT64_MAX;
        int at = -1;
        for (int i = 0; i < a->shape.n; i++) {
            int64_t order = a->strides.v[i] * TL_MAX_DIMS + i;
            if (order > last && order < smallest) {
                smallest = order;
                at = i;
            }
        }
        last = smallest;
        if (a->shape.v[at] == 0)
            return false;
        if (a->shape.v[at] > 1 && a->strides.v[at] <= reach)
            return true;
        reach += (a->shape.v[at] - 1) * a->strides.v[at];
    }
    return false;
}

/* The places as indices into the buffer, row-major. */
static tl_tensor *indices(const struct tl_strided_attrs *a, int64_t n, const char *where)
{
    int64_t *at = malloc((size_t)(n ? n : 1) * sizeof *at);
    if (!at) {
        tl_fail(TL_ERR_NOMEM, "as_strided: out of memory for %lld indices", (long long)n);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        at[i] = a->offset;
        for (int d = (int)a->shape.n - 1; d >= 0; d--) {
            at[i] += rest % a->shape.v[d] * a->strides.v[d];
            rest /= a->shape.v[d];
        }
    }
    tl_tensor *t = tl_from_data(1, &n, at, (struct tl_options){.dtype = TL_I64, .device = where});
    free(at);
    return t;
}

/* values added up at their places in a buffer of zeros. */
static tl_tensor *put(const struct region *r, const struct tl_strided_attrs *a, tl_tensor *values)
{
    if (!may_overlap(a))
        return scatter(buffer(r, values), values, a);
    tl_tensor *at = indices(a, values->numel, tl_device_of(values));
    return tl_index_add(buffer(r, values), 0, at, tl_reshape(values, 1, &(int64_t){values->numel}));
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_strided_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    struct tl_strided_attrs from = places((int)a->from_shape.n, a->from_shape.v, a->from_strides.v, a->from_offset),
                            to = places((int)a->shape.n, a->shape.v, a->strides.v, a->offset);
    struct region r;
    if (!dy)
        return tl_error_code();
    region_describe(&r, (tl_dtype)dy->dtype, &from, &to);
    tl_tensor *dx = gathered(&r, put(&r, &r.to, dy));
    /* Where several elements of x have one place, they share its gradient. */
    if (dx && may_overlap(&r.from))
        dx = tl_div(dx, gathered(&r, put(&r, &r.from, tl_ones_like(dx))));
    return tl_grad_set(g, 0, dx);
}

const tl_op tl_op_as_strided = {
    .struct_size = sizeof(tl_op),
    .name = "as_strided",
    .formula = "y[i, j, …] = element offset + i * strides[0] + j * strides[1] + … of the storage",
    .flags = TL_OP_VIEW,
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_strided_attrs),
    .view = view,
    .grad = grad,
};

struct tl_strided_attrs strided_between(const tl_tensor *x, const tl_tensor *y)
{
    struct tl_strided_attrs a = strided_places(y), from = strided_places(x);
    a.from_shape = from.shape;
    a.from_strides = from.strides;
    a.from_offset = from.offset;
    return a;
}

tl_tensor *tl_as_strided(tl_tensor *t, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset)
{
    if (operand_missing("as_strided", t))
        return NULL;
    struct tl_strided_attrs from = strided_places(t), a = {.struct_size = sizeof a, .from_shape = from.shape,
                                                           .from_strides = from.strides, .from_offset = from.offset};
    if (ndim < 0 || ndim > TL_MAX_DIMS) {
        tl_fail(TL_ERR_SHAPE, "as_strided: %d dimensions; at most %d", ndim, TL_MAX_DIMS);
        return NULL;
    }
    if (ndim > 0 && (!shape || !strides)) {
        tl_fail(TL_ERR_ARGUMENT, "as_strided: the %s NULL", shape ? "strides are" : "shape is");
        return NULL;
    }
    a.shape.n = a.strides.n = ndim;
    a.offset = offset;
    for (int i = 0; i < ndim; i++) {
        a.shape.v[i] = shape[i];
        a.strides.v[i] = strides[i];
    }
    return tl_op_call1(&tl_op_as_strided, &a, &t, 1);
}

/* ---- as_strided_scatter ---------------------------------------------------------------------------------------------------- */

static tl_status scatter_infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    const struct tl_strided_attrs *a = attrs;
    int64_t last, n = count(&in[0], 0, in[0].ndim);
    struct tl_meta region = {.dtype = in[0].dtype, .ndim = (int32_t)a->shape.n};
    if (a->shape.n < 0 || a->shape.n > TL_MAX_DIMS || a->shape.n != a->strides.n)
        return tl_fail(TL_ERR_SHAPE, "as_strided_scatter: %lld sizes and %lld strides", (long long)a->shape.n, (long long)a->strides.n);
    memcpy(region.shape, a->shape.v, sizeof region.shape);
    tl_status s = demand_same_shape("as_strided_scatter", "the region", &region, "the source", &in[1]);
    if (s == TL_OK)
        s = demand_same_dtype("as_strided_scatter", "the input", &in[0], "the source", &in[1]);
    if (s != TL_OK)
        return s;
    if (!last_element(region.ndim, region.shape, a->strides.v, a->offset, &last) || (count(&region, 0, region.ndim) && last >= n))
        return tl_fail(TL_ERR_SHAPE, "as_strided_scatter: the region %s with strides %s from element %lld does not lie in %s",
                       META_TEXT(&region), SHAPE_TEXT(region.ndim, a->strides.v), (long long)a->offset, META_TEXT(&in[0]));
    out[0] = in[0];
    return TL_OK;
}

static tl_status scatter_decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_strided_attrs *a = attrs;
    tl_tensor *y = tl_clone(in[0]);
    tl_tensor *region = y ? strided_over(y, (int)a->shape.n, a->shape.v, a->strides.v, a->offset + y->offset) : NULL;
    out[0] = region && tl_copy_(region, in[1]) ? y : NULL;
    return made(out[0]);
}

static tl_status scatter_grad(struct tl_grad_ctx *g)
{
    const struct tl_strided_attrs *a = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0);
    tl_tensor *flat = flattened(dy);
    tl_status s = made(flat);
    if (s == TL_OK && tl_grad_wants(g, 0))
        s = tl_grad_set(g, 0, scatter(dy, zeros_for(tl_grad_input_meta(g, 1), dy), a));
    if (s == TL_OK && tl_grad_wants(g, 1))
        s = tl_grad_set(g, 1, picked(flat, a));
    return s;
}

const tl_op tl_op_as_strided_scatter = {
    .struct_size = sizeof(tl_op),
    .name = "as_strided_scatter",
    .formula = "y = x, but source at the elements that as_strided(x, …) would show",
    .flags = TL_OP_COMPOSITE | TL_OP_INTERNAL,
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_strided_attrs),
    .infer = scatter_infer,
    .grad = scatter_grad,
    .decompose = scatter_decompose,
};
