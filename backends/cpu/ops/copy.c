/* SPDX-License-Identifier: Apache-2.0
 *
 * copy (any strides, conversions to and from f32 among others), fill, and cat, which is one copy per input. Copies between
 * two orders of dimensions, such as contiguous to channels-last, go through blocked transpositions; the rest through
 * walk.c.
 */
#include <math.h>
#include <string.h>

#include "../walk.h"

enum { TILE = 32 /* rows and columns transposed while they are in the first-level cache */ };

static cpu_pointwise_loop *loop_of(tl_dtype from, tl_dtype to)
{
    const struct cpu_convert_loops *c = cpu_vector->convert;
    if (from == to)
        return c->copy[tl_dtype_size(to)];
    if (to == TL_F32)
        return c->to_f32[from];
    if (from == TL_F32)
        return c->from_f32[to];
    if (to == TL_I64 && (from == TL_U8 || from == TL_BOOL))
        return c->u8_to_i64;
    if (to == TL_BOOL)
        return from == TL_I64 ? c->i64_to_bool : from == TL_U8 ? c->u8_to_bool : NULL;
    return NULL;
}

/* ---- transpositions ---- */

/* The dimension along which v is dense; -1 if there is none. */
static int dense_dim(const struct tl_view *v)
{
    for (int d = v->ndim - 1; d >= 0; d--)
        if (v->stride[d] == 1 && v->shape[d] > 1)
            return d;
    return -1;
}

/* Merge x's neighbouring dimensions where both sides allow it: (n, c, h, w) of a reorder become (n, c, h w). */
static void merge_views(struct tl_view *x, struct tl_view *y)
{
    int n = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (x->shape[d] == 1)
            continue;
        if (n > 0 && x->stride[n - 1] == x->stride[d] * x->shape[d] && y->stride[n - 1] == y->stride[d] * x->shape[d]) {
            x->shape[n - 1] *= x->shape[d];
            x->stride[n - 1] = x->stride[d];
            y->stride[n - 1] = y->stride[d];
            continue;
        }
        x->shape[n] = x->shape[d];
        x->stride[n] = x->stride[d];
        y->stride[n++] = y->stride[d];
    }
    x->ndim = y->ndim = n;
    memcpy(y->shape, x->shape, sizeof y->shape);
}

/* Tiles of the two dense dimensions, for every index of the others. */
static void transpose(const struct tl_view *x, const struct tl_view *y, int dim_x, int dim_y)
{
    int64_t rows = x->shape[dim_y], columns = x->shape[dim_x], others = tl_view_numel(x) / rows / columns;
    int64_t down = (rows + TILE - 1) / TILE, tasks = others * down;
    int threads = cpu_threads(tl_view_numel(x), CPU_WALK_GRAIN);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t task = 0; task < tasks; task++) {
        int64_t rest = task / down, row = task % down * TILE, height = rows - row < TILE ? rows - row : TILE;
        const float *from = (const float *)cpu_data(x) + row * x->stride[dim_y];
        float *to = (float *)cpu_data(y) + row;
        for (int d = x->ndim - 1; d >= 0; d--) {
            if (d == dim_x || d == dim_y)
                continue;
            from += rest % x->shape[d] * x->stride[d];
            to += rest % x->shape[d] * y->stride[d];
            rest /= x->shape[d];
        }
        for (int64_t column = 0; column < columns; column += TILE) {
            int64_t width = columns - column < TILE ? columns - column : TILE;
            cpu_vector->convert->transpose(to + column * y->stride[dim_x], y->stride[dim_x], from + column, x->stride[dim_y],
                                           height, width);
        }
    }
}

/* Is this a copy of 4-byte elements between two orders? Then do it. */
static bool transposed(const struct tl_view *from, const struct tl_view *to)
{
    if (from->dtype != to->dtype || tl_dtype_size(to->dtype) != 4 || from->ndim < 2 || tl_view_numel(from) < 64)
        return false;
    struct tl_view x = *from, y = *to;
    merge_views(&x, &y);
    int dim_x = dense_dim(&x), dim_y = dense_dim(&y);
    if (dim_x < 0 || dim_y < 0 || dim_x == dim_y)
        return false;
    transpose(&x, &y, dim_x, dim_y);
    return true;
}

static void copy_view(const struct tl_view *from, const struct tl_view *to)
{
    static const signed char role[1] = {TL_PW_A};
    if (cpu_contiguous(from) && cpu_contiguous(to) && from->dtype == to->dtype) {
        size_t bytes = (size_t)tl_view_numel(to) * tl_dtype_size(to->dtype);
        if (bytes < 65536) {
            memcpy(cpu_data(to), cpu_data(from), bytes);
            return;
        }
    }
    if (!transposed(from, to))
        cpu_walk(loop_of(from->dtype, to->dtype), NULL, 1, role, from, to);
}

/* ---- kernels ---- */

static const char *refuses_copy(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return loop_of(call->in[0].dtype, call->out[0].dtype) ? NULL : "this pair of types is left to the reference kernels";
}

static tl_status run_copy(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    if (tl_view_numel(&call->out[0]) > 0)
        copy_view(&call->in[0], &call->out[0]);
    return TL_OK;
}

static const char *refuses_cat(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    for (int i = 0; i < call->n_in; i++)
        if (call->in[i].dtype != call->out[0].dtype)
            return "mixed types";
    return NULL;
}

static tl_status run_cat(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_along_attrs *a = call->attrs;
    struct tl_view part = call->out[0];
    for (int i = 0; i < call->n_in; i++) {
        const struct tl_view *x = &call->in[i];
        if (tl_view_numel(x) == 0)
            continue;
        part.shape[a->dim] = x->shape[a->dim];
        copy_view(x, &part);
        part.mem.offset += (uint64_t)(x->shape[a->dim] * part.stride[a->dim]) * tl_dtype_size(part.dtype);
    }
    return TL_OK;
}

/* The bytes of `value` as an element; false for types that this file cannot make. */
static bool element(double value, tl_dtype type, double *bytes)
{
    float f = (float)value;
    const void *in[TL_PW_OPERANDS] = {[TL_PW_A] = &f};
    *bytes = 0;
    switch (type) {
    case TL_F32: memcpy(bytes, &f, sizeof f); return true;
    case TL_F64: *bytes = value; return true;
    case TL_I64: {
        int64_t i = value != value            ? 0
                    : value >= 0x1p63         ? INT64_MAX
                    : value <= -0x1p63        ? INT64_MIN
                                              : (int64_t)value;
        memcpy(bytes, &i, sizeof i);
        return true;
    }
    case TL_BOOL: {
        uint8_t b = value != 0;
        memcpy(bytes, &b, sizeof b);
        return true;
    }
    case TL_BF16:
    case TL_U8:
        loop_of(TL_F32, type)(in, bytes, 1, NULL);
        return true;
    default: return false;
    }
}

static const char *refuses_fill(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    double bytes;
    return element(0, call->out[0].dtype, &bytes) ? NULL : "this type is left to the reference kernels";
}

static tl_status run_fill(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_fill_attrs *a = call->attrs;
    const struct tl_view *y = &call->out[0];
    double bytes;
    element(a->value, y->dtype, &bytes);
    cpu_pointwise_loop *loop = cpu_vector->convert->fill[tl_dtype_size(y->dtype)];
    if (tl_view_numel(y) <= CPU_WALK_GRAIN && cpu_contiguous(y))
        loop(NULL, cpu_data(y), tl_view_numel(y), &bytes);
    else
        cpu_walk(loop, &bytes, 0, NULL, NULL, y);
    return TL_OK;
}

#define KERNEL(op_)                                                                                              \
    static const struct tl_kernel kernel_##op_ = {                                                               \
        .struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = #op_, .maker = "cpu:vector",  \
        .refuses = refuses_##op_, .run = run_##op_,                                                              \
    };

KERNEL(copy)
KERNEL(cat)
KERNEL(fill)

bool cpu_add_copy(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_copy) && cpu_table_add(table, &kernel_cat) && cpu_table_add(table, &kernel_fill);
}
