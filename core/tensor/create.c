/* SPDX-License-Identifier: Apache-2.0
 *
 * Making tensors, and moving values between them and the host.
 */
#include <math.h>
#include <stdlib.h>

#include <telar/program.h>

#include "core/internal.h"

static tl_tensor *with_options(tl_tensor *t, struct tl_options o)
{
    return t && o.requires_grad ? tl_set_requires_grad(t, true) : t;
}

static bool check_dtype(tl_dtype dtype)
{
    if ((unsigned)dtype < TL_DTYPE_COUNT)
        return true;
    tl_fail(TL_ERR_DTYPE, "%d is not an element type", (int)dtype);
    return false;
}

tl_tensor *tl_empty(int ndim, const int64_t *shape, struct tl_options o)
{
    device *d = check_dtype(o.dtype) ? device_find(o.device) : NULL;
    return d ? with_options(tensor_new(d, o.dtype ? o.dtype : TL_F32, ndim, shape, false), o) : NULL;
}

tl_tensor *tl_full(int ndim, const int64_t *shape, double value, struct tl_options o)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    tl_tensor *t = tl_fill_(tl_empty(ndim, shape, o), value);
    o.requires_grad = requires_grad;
    return with_options(t, o);
}

tl_tensor *tl_zeros(int ndim, const int64_t *shape, struct tl_options o)
{
    return tl_full(ndim, shape, 0, o);
}

tl_tensor *tl_ones(int ndim, const int64_t *shape, struct tl_options o)
{
    return tl_full(ndim, shape, 1, o);
}

tl_tensor *tl_empty_like(tl_tensor *t)
{
    if (t && !is_none(t))
        return t->storage->valueless ? tensor_new_valueless(t->storage->device, (tl_dtype)t->dtype, t->ndim, t->shape)
                                     : tensor_new(t->storage->device, (tl_dtype)t->dtype, t->ndim, t->shape, false);
    tl_fail(TL_ERR_ARGUMENT, "empty_like: the tensor is %s", t ? "TL_NONE" : "NULL, and no earlier call failed");
    return NULL;
}

tl_tensor *tl_full_like(tl_tensor *t, double value)
{
    return tl_fill_(tl_empty_like(t), value);
}

tl_tensor *tl_zeros_like(tl_tensor *t)
{
    return tl_full_like(t, 0);
}

tl_tensor *tl_ones_like(tl_tensor *t)
{
    return tl_full_like(t, 1);
}

static bool whole(double x)
{
    return x == floor(x) && fabs(x) < 9e15;
}

/* n numbers: made on the host in f64, and converted once. */
static tl_tensor *from_doubles(const char *who, int64_t n, double (*at)(int64_t i, const double *p), const double *p, struct tl_options o)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    tl_tensor *t = tl_empty(1, &n, o);
    if (t && n && !t->storage->valueless) {
        double *values = malloc((size_t)n * sizeof *values);
        for (int64_t i = 0; values && i < n; i++)
            values[i] = at(i, p);
        if (!values)
            tl_fail(TL_ERR_NOMEM, "%s: out of memory for %lld elements", who, (long long)n);
        if (!values || tl_copy_in(t, TL_F64, values, (size_t)n * sizeof *values) != TL_OK)
            t = NULL;
        free(values);
    }
    o.requires_grad = requires_grad;
    return with_options(t, o);
}

static double step_at(int64_t i, const double *p)
{
    return p[0] + (double)i * p[1];
}

/* From both ends towards the middle, so that both are met exactly. */
static double point_at(int64_t i, const double *p)
{
    double start = p[0], end = p[1], n = p[2], step = n > 1 ? (end - start) / (n - 1) : 0;
    return n == 1 || (double)i < floor(n / 2) ? start + step * (double)i : end - step * (n - 1 - (double)i);
}

tl_tensor *tl_arange(double start, double end, double step, struct tl_options o)
{
    if (!isfinite(start) || !isfinite(end) || !isfinite(step) || step == 0 || (end - start) / step < 0) {
        tl_fail(TL_ERR_ARGUMENT, "arange: cannot go from %g to %g in steps of %g", start, end, step);
        return NULL;
    }
    double count = ceil((end - start) / step);
    if (count > 1e15) {
        tl_fail(TL_ERR_LIMIT, "arange: %g elements are too many", count);
        return NULL;
    }
    int64_t n = (int64_t)count;
    if (!o.dtype)
        o.dtype = whole(start) && whole(end) && whole(step) ? TL_I64 : TL_F32;
    return from_doubles("arange", n, step_at, (const double[]){start, step}, o);
}

tl_tensor *tl_linspace(double start, double end, int64_t n, struct tl_options o)
{
    if (n < 0 || n > (int64_t)1 << 40) {
        tl_fail(TL_ERR_ARGUMENT, "linspace: %lld points", (long long)n);
        return NULL;
    }
    return from_doubles("linspace", n, point_at, (const double[]){start, end, (double)n}, o);
}

tl_tensor *tl_eye(int64_t n, struct tl_options o)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    tl_tensor *t = tl_zeros(TL_SHAPE(n, n), o);
    int64_t diagonal = t ? n + 1 : 0;
    o.requires_grad = requires_grad;
    return t && tl_fill_(strided_over(t, 1, &n, &diagonal, 0), 1) ? with_options(t, o) : NULL;
}

tl_tensor *tl_from_data(int ndim, const int64_t *shape, const void *data, struct tl_options o)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    tl_tensor *t = tl_empty(ndim, shape, o);
    if (!t || tl_copy_in(t, (tl_dtype)t->dtype, data, (size_t)t->numel * tl_dtype_size((tl_dtype)t->dtype)) != TL_OK)
        return NULL;
    o.requires_grad = requires_grad;
    return with_options(t, o);
}

tl_tensor *tl_from_memory(int ndim, const int64_t *shape, void *data, struct tl_options o, void (*release)(void *ctx), void *ctx)
{
    int64_t n;
    char text[160];
    if (!check_dtype(o.dtype))
        return NULL;
    if (o.device && device_find(o.device) != device_host()) {
        tl_fail(TL_ERR_DEVICE, "from_memory: a host pointer cannot become a tensor on %s; use tl_from_data()", o.device);
        return NULL;
    }
    if (!shape_numel(ndim, shape, &n) || (!data && n)) {
        tl_fail(TL_ERR_SHAPE, "from_memory: bad shape %s or NULL data",
                shape_text(text, sizeof text, ndim, shape));
        return NULL;
    }
    tl_dtype dtype = o.dtype ? o.dtype : TL_F32;
    if ((uintptr_t)data % tl_dtype_size(dtype) != 0) {
        tl_fail(TL_ERR_ARGUMENT, "from_memory: %p is no multiple of %zu, the size of %s", data, tl_dtype_size(dtype), tl_dtype_name(dtype));
        return NULL;
    }
    storage *s = storage_foreign(data, (size_t)n * tl_dtype_size(dtype), NULL, NULL);
    tl_tensor *t = s ? with_options(tensor_over(s, dtype, ndim, shape, NULL, 0), o) : NULL;
    if (t) { /* only now: after a failure the memory is the caller's */
        s->release = release;
        s->release_ctx = ctx;
    }
    return t;
}

static tl_tensor *literal(int ndim, const int64_t *shape, size_t n, const void *data, tl_dtype dtype)
{
    int64_t numel;
    if (!shape_numel(ndim, shape, &numel) || (uint64_t)numel != n) {
        char text[160];
        tl_fail(TL_ERR_SHAPE, "literal: %zu values do not fill a tensor of shape %s", n, shape_text(text, sizeof text, ndim, shape));
        return NULL;
    }
    return tl_from_data(ndim, shape, data, (struct tl_options){.dtype = dtype});
}

tl_tensor *tl_literal_f32_(int ndim, const int64_t *shape, size_t n, const float *data)
{
    return literal(ndim, shape, n, data, TL_F32);
}

tl_tensor *tl_literal_i64_(int ndim, const int64_t *shape, size_t n, const int64_t *data)
{
    return literal(ndim, shape, n, data, TL_I64);
}

tl_tensor *tl_scalar(double value)
{
    /* Held in f64, so that nothing is lost when it meets one; it counts as a default float in promotion. */
    tl_tensor *t = tensor_new(device_host(), TL_F64, 0, NULL, false);
    if (t) {
        *(double *)tl_mem_ptr(t->storage->mem) = value;
        t->flags |= T_WRAPPED;
    }
    return t;
}

tl_tensor *tl_scalar_i64(int64_t value)
{
    tl_tensor *t = tensor_new(device_host(), TL_I64, 0, NULL, false);
    if (t) {
        *(int64_t *)tl_mem_ptr(t->storage->mem) = value;
        t->flags |= T_WRAPPED;
    }
    return t;
}

/* ---- Host access ----------------------------------------------------------------------------------------------------- */

/* A tensor over the caller's bytes, for one copy. */
static tl_tensor *over_bytes(void *data, tl_dtype dtype, const tl_tensor *like)
{
    storage *s = storage_foreign(data, (size_t)like->numel * tl_dtype_size(dtype), NULL, NULL);
    return s ? tensor_over(s, dtype, like->ndim, like->shape, NULL, 0) : NULL;
}

static tl_status check_bytes(const char *who, const tl_tensor *t, tl_dtype dtype, size_t bytes)
{
    if ((unsigned)dtype >= TL_DTYPE_COUNT || dtype == TL_DEFAULT)
        return tl_fail(TL_ERR_DTYPE, "%s: %d is not an element type", who, (int)dtype);
    size_t expected = (size_t)t->numel * tl_dtype_size(dtype);
    if (bytes != expected)
        return tl_fail(TL_ERR_SHAPE, "%s: the buffer has %zu bytes, but %lld elements of %s need %zu", who, bytes,
                       (long long)t->numel, tl_dtype_name(dtype), expected);
    return TL_OK;
}

static tl_status null_argument(const char *who)
{
    return tl_fail(TL_ERR_ARGUMENT, "%s: the tensor is NULL or TL_NONE", who);
}

tl_status tl_copy_out(tl_tensor *t, tl_dtype dtype, void *to, size_t bytes)
{
    if (!t || is_none(t))
        return null_argument("copy_out");
    tl_status s = check_bytes("copy_out", t, dtype, bytes);
    if (s != TL_OK || t->numel == 0)
        return s;
    if (!to)
        return tl_fail(TL_ERR_ARGUMENT, "copy_out: the buffer is NULL");
    if (values_missing("copy_out", t))
        return tl_error_code();
    if (UNLIKELY(program_recorder != NULL) && record_read(t) != TL_OK)
        return tl_error_code();
    if (UNLIKELY(t->storage->recorded & RECORDED_VALUELESS))
        return tensor_canonical(t); /* which says why not */
    bool was = tl_set_recording(false);
    TL_SCOPE
    {
        tl_tensor *view = over_bytes(to, dtype, t);
        s = view ? copy_values(t, view) : tl_error_code();
    }
    tl_set_recording(was);
    return s;
}

tl_status tl_copy_in(tl_tensor *t, tl_dtype dtype, const void *from, size_t bytes)
{
    if (!t || is_none(t))
        return null_argument("copy_in");
    tl_status s = check_bytes("copy_in", t, dtype, bytes);
    if (s != TL_OK || t->numel == 0)
        return s;
    if (!from)
        return tl_fail(TL_ERR_ARGUMENT, "copy_in: the buffer is NULL");
    s = tensor_written_by_host("copy_in", t);
    if (s != TL_OK)
        return s;
    bool was = tl_set_recording(false);
    TL_SCOPE
    {
        tl_tensor *view = over_bytes((void *)(uintptr_t)from, dtype, t);
        s = view ? copy_values(view, t) : tl_error_code();
    }
    tl_set_recording(was);
    return s;
}

static bool check_item(const tl_tensor *t)
{
    if (!t || is_none(t)) {
        null_argument("item");
        return false;
    }
    if (t->numel == 1)
        return !values_missing("item", t);
    char text[160];
    tl_fail(TL_ERR_SHAPE, "item: a tensor of shape %s has %lld elements, not one", shape_text(text, sizeof text, t->ndim, t->shape),
            (long long)t->numel);
    return false;
}

double tl_item(tl_tensor *t)
{
    double value = 0;
    if (!check_item(t))
        return 0;
    if (LIKELY(program_recorder == NULL && t->storage->device->host && t->dtype == TL_F32 && tensor_canonical(t) == TL_OK))
        return (double)*(const float *)tl_mem_ptr(tensor_mem(t));
    return tl_copy_out(t, TL_F64, &value, sizeof value) == TL_OK ? value : 0;
}

int64_t tl_item_i64(tl_tensor *t)
{
    int64_t value = 0;
    return check_item(t) && tl_copy_out(t, TL_I64, &value, sizeof value) == TL_OK ? value : 0;
}

static bool check_data(tl_tensor *t)
{
    if (!t || is_none(t)) {
        null_argument("data");
        return false;
    }
    if (values_missing("data", t))
        return false;
    if (!t->storage->device->host) {
        tl_fail(TL_ERR_DEVICE, "data: the tensor is on %s; use tl_copy_out(), or tl_to_device(t, \"cpu\")", t->storage->device->name);
        return false;
    }
    if (!(t->flags & T_CONTIGUOUS)) {
        tl_fail(TL_ERR_STATE, "data: the tensor is not contiguous; use tl_contiguous()");
        return false;
    }
    return true;
}

const void *tl_data(tl_tensor *t)
{
    if (!check_data(t) || (UNLIKELY(program_recorder != NULL) && record_read(t) != TL_OK))
        return NULL;
    return tensor_canonical(t) == TL_OK ? tl_mem_ptr(tensor_mem(t)) : NULL;
}

void *tl_data_mut(tl_tensor *t)
{
    return check_data(t) && tensor_written_by_host("data_mut", t) == TL_OK ? tl_mem_ptr(tensor_mem(t)) : NULL;
}
