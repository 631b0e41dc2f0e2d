/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors: construction, life, and what can be asked of them.
 */
#include <stdio.h>

#include "core/internal.h"

static storage none_storage;
tl_tensor tl_none_tensor_ = {.refs = 1 << 30, .holds = 1, .flags = T_NONE, .storage = &none_storage};

bool shape_numel(int ndim, const int64_t *shape, int64_t *numel)
{
    int64_t n = 1;
    bool zero = false;
    if (ndim < 0 || ndim > TL_MAX_DIMS || (ndim > 0 && !shape))
        return false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            return false;
        if (shape[i] == 0)
            zero = true;
        else if (__builtin_mul_overflow(n, shape[i], &n))
            return false;
    }
    if (n > INT64_MAX / 16)
        return false;
    *numel = zero ? 0 : n;
    return true;
}

void contiguous_strides(int ndim, const int64_t *shape, int64_t *strides)
{
    int64_t s = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = s;
        if (shape[i] > 1)
            s *= shape[i];
    }
}

void channels_last_strides(int ndim, const int64_t *shape, int64_t *strides)
{
    int64_t s = 1;
    strides[1] = 1;
    s = shape[1] > 1 ? shape[1] : 1;
    for (int i = ndim - 1; i >= 2; i--) {
        strides[i] = s;
        if (shape[i] > 1)
            s *= shape[i];
    }
    strides[0] = s;
}

static bool strides_are_contiguous(int ndim, const int64_t *shape, const int64_t *strides)
{
    int64_t s = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        if (shape[i] == 0)
            return true;
        if (shape[i] != 1) {
            if (strides[i] != s)
                return false;
            s *= shape[i];
        }
    }
    return true;
}

const char *shape_text(char *buffer, size_t size, int ndim, const int64_t *shape)
{
    if (ndim < 0 || ndim > TL_MAX_DIMS || (ndim > 0 && !shape)) {
        snprintf(buffer, size, "(%s of %d sizes)", shape ? "a list" : "NULL in place", ndim);
        return buffer;
    }
    size_t n = (size_t)snprintf(buffer, size, "[");
    for (int i = 0; i < ndim && n < size; i++)
        n += (size_t)snprintf(buffer + n, size - n, i ? " x %lld" : "%lld", (long long)shape[i]);
    if (n < size)
        snprintf(buffer + n, size - n, "]");
    return buffer;
}

static tl_tensor *tensor_raw(storage *s, tl_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset)
{
    tl_tensor *t = pool_alloc(sizeof *t);
    if (!t)
        return NULL;
    atomic_init(&t->refs, 1);
    t->dtype = (uint8_t)dtype;
    t->ndim = (uint8_t)ndim;
    t->flags = 0;
    t->storage = s;
    t->offset = offset;
    t->grad_fn = NULL;
    t->output_nr = 0;
    t->grad = NULL;
    t->accumulator = NULL;
    t->hooks = NULL;
    t->base = NULL;
    atomic_init(&t->holds, 1);
    atomic_init(&t->epoch, 0);
    int64_t numel = 1;
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
        numel *= shape[i];
    }
    t->numel = numel;
    if (strides) {
        for (int i = 0; i < ndim; i++)
            t->strides[i] = strides[i];
        if (strides_are_contiguous(ndim, shape, strides))
            t->flags |= T_CONTIGUOUS;
    } else {
        contiguous_strides(ndim, shape, t->strides);
        t->flags |= T_CONTIGUOUS;
    }
    return t;
}

tl_tensor *tensor_over(storage *s, tl_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset)
{
    tl_tensor *t = tensor_raw(s, dtype, ndim, shape, strides, offset);
    if (!t) {
        storage_release(s);
        return NULL;
    }
    return scope_own(t) ? t : NULL;
}

/* Bytes of a fresh tensor; false and an error if it cannot be. */
static bool fresh_bytes(tl_dtype dtype, int ndim, const int64_t *shape, size_t *bytes)
{
    int64_t numel;
    if (UNLIKELY(ndim < 0 || ndim > TL_MAX_DIMS)) {
        tl_fail(TL_ERR_SHAPE, "a tensor has at most %d dimensions, not %d", TL_MAX_DIMS, ndim);
        return false;
    }
    if (UNLIKELY(!shape_numel(ndim, shape, &numel))) {
        char text[160];
        tl_fail(TL_ERR_LIMIT, "a tensor of shape %s is too large, or has a negative size",
                shape_text(text, sizeof text, ndim, shape));
        return false;
    }
    *bytes = (size_t)numel * tl_dtype_size(dtype);
    return true;
}

tl_tensor *tensor_new(device *d, tl_dtype dtype, int ndim, const int64_t *shape, bool lazy)
{
    size_t bytes;
    storage *s = fresh_bytes(dtype, ndim, shape, &bytes) ? storage_new(d, bytes, lazy) : NULL;
    return s ? tensor_over(s, dtype, ndim, shape, NULL, 0) : NULL;
}

tl_tensor *tensor_new_valueless(device *d, tl_dtype dtype, int ndim, const int64_t *shape)
{
    size_t bytes;
    storage *s = fresh_bytes(dtype, ndim, shape, &bytes) ? storage_new_valueless(d, bytes) : NULL;
    return s ? tensor_over(s, dtype, ndim, shape, NULL, 0) : NULL;
}

tl_tensor *tensor_alias(tl_tensor *t)
{
    if (UNLIKELY(program_recorder != NULL) && record_handle(t) != TL_OK)
        return NULL;
    tl_tensor *a = tensor_raw(t->storage, (tl_dtype)t->dtype, t->ndim, t->shape, t->strides, t->offset);
    if (a) {
        storage_keep(t->storage);
        a->flags |= t->flags & T_WRAPPED;
    }
    return a;
}

void tensor_destroy(tl_tensor *t)
{
    /* Releasing a gradient may end another tensor, whose gradient …: gradients of gradients form short chains only. */
    tl_tensor *grad = t->grad, *base = t->base;
    tl_node *made_by = t->grad_fn;
    t->grad = t->base = NULL;
    t->grad_fn = NULL;
    if (made_by && made_by->retain && (t->flags & T_RETAIN_GRAD))
        made_by->retain[t->output_nr] = NULL;
    hooks_free(t->hooks);
    t->hooks = NULL;
    tensor_unhold(t);
    if (grad)
        tensor_release(grad);
    if (made_by)
        node_release(made_by);
    if (base)
        tensor_release(base);
}

void tensor_unhold(tl_tensor *t)
{
    if (atomic_load_explicit(&t->holds, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&t->holds, 1, memory_order_acq_rel) != 1)
        return;
    storage_release(t->storage);
    pool_free(t, sizeof *t);
}

bool tensor_revive(tl_tensor *t)
{
    int refs = atomic_load_explicit(&t->refs, memory_order_relaxed);
    while (refs > 0)
        if (atomic_compare_exchange_weak_explicit(&t->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

void tensor_describe(const tl_tensor *t, struct tl_view *v)
{
    v->dtype = (tl_dtype)t->dtype;
    v->ndim = t->ndim;
    v->layout = (t->flags & T_CONTIGUOUS) ? TL_LAYOUT_CONTIGUOUS : TL_LAYOUT_STRIDED;
    v->reserved = 0;
    for (int i = 0; i < t->ndim; i++) {
        v->shape[i] = t->shape[i];
        v->stride[i] = t->strides[i];
    }
    v->mem = (struct tl_mem){0};
}

void tensor_view(const tl_tensor *t, struct tl_view *v)
{
    tensor_describe(t, v);
    v->mem = tensor_mem(t);
}

/* ---- Questions ------------------------------------------------------------------------------------------------------ */

int tl_ndim(const tl_tensor *t)
{
    return t ? t->ndim : 0;
}

int64_t tl_size(const tl_tensor *t, int d)
{
    if (!t)
        return -1;
    int i = d < 0 ? d + t->ndim : d;
    if (i < 0 || i >= t->ndim) {
        tl_fail(TL_ERR_SHAPE, "size: dimension %d is out of range for a tensor of %d dimensions", d, t->ndim);
        return -1;
    }
    return t->shape[i];
}

const int64_t *tl_shape(const tl_tensor *t)
{
    static const int64_t none[TL_MAX_DIMS];
    return t ? t->shape : none;
}

const int64_t *tl_strides(const tl_tensor *t)
{
    static const int64_t none[TL_MAX_DIMS];
    return t ? t->strides : none;
}

int64_t tl_numel(const tl_tensor *t)
{
    return t ? t->numel : 0;
}

tl_dtype tl_dtype_of(const tl_tensor *t)
{
    return t ? (tl_dtype)t->dtype : TL_DEFAULT;
}

const char *tl_device_of(const tl_tensor *t)
{
    return t && !is_none(t) ? t->storage->device->name : "";
}

bool tl_is_contiguous(const tl_tensor *t)
{
    return t && (t->flags & T_CONTIGUOUS);
}

bool tl_is_none(const tl_tensor *t)
{
    return t && is_none(t);
}

uint64_t tl_version(const tl_tensor *t)
{
    return t ? storage_version(t->storage) : 0;
}

bool tl_has_values(const tl_tensor *t)
{
    return t && !is_none(t) && !t->storage->valueless;
}

bool fail_valueless(const char *op, const tl_tensor *t)
{
    char text[160];
    tl_fail(TL_ERR_STATE,
            "%s: the tensor, %s %s on %s, has a shape but no values, since nothing is computed there; make it, and what it comes from, on another "
            "device",
            op, tl_dtype_name((tl_dtype)t->dtype), shape_text(text, sizeof text, t->ndim, t->shape), t->storage->device->name);
    return true;
}

bool tl_shares_storage(const tl_tensor *a, const tl_tensor *b)
{
    return a && b && a->storage == b->storage;
}
