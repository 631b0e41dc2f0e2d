/* SPDX-License-Identifier: Apache-2.0
 *
 * Storage: the bytes behind tensors, in canonical form (PyTorch's strides) and at most one native form that a kernel
 * made or asked for. The native form is valid for one version; writing drops it. Values that a kernel produced
 * natively get canonical bytes only when somebody looks (tensor_canonical()).
 *
 * A storage may also have no bytes at all (storage_new_valueless()): then shapes, versions and histories are worked out and nothing else. That
 * is a state of the storage, not of its device.
 */
#include <sched.h>
#include <stdlib.h>

#include "core/internal.h"

static storage *storage_bare(device *d, size_t bytes)
{
    storage *s = pool_alloc(sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    atomic_init(&s->lock, 0);
    atomic_init(&s->version, 0);
    s->device = d;
    s->bytes = bytes;
    s->capacity = 0;
    atomic_init(&s->native, NULL);
    s->canonical_stale = false;
    s->release = NULL;
    s->release_ctx = NULL;
    s->mem = (struct tl_mem){0};
    s->canonical_made = true;
    s->recorded = 0;
    s->made_in = 0;
    s->valueless = false;
    return s;
}

storage *storage_new(device *d, size_t bytes, bool lazy)
{
    if (UNLIKELY(d->valueless))
        return storage_new_valueless(d, bytes);
    storage *s = storage_bare(d, bytes);
    if (!s)
        return NULL;
    if (UNLIKELY(program_recorder != NULL)) {
        s->made_in = recording_id();
        lazy |= bytes > INLINE_BYTES; /* numbers are written at once */
    }
    if (d->host && bytes <= INLINE_BYTES && LIKELY(!check_wanted(CHECK_MEMORY))) {
        s->mem.handle = s->inline_bytes;
        return s;
    }
    if (lazy) {
        s->canonical_made = false;
        return s;
    }
    if (bytes && memory_alloc(d, bytes, &s->mem, &s->capacity) != TL_OK) {
        pool_free(s, sizeof *s);
        return NULL;
    }
    return s;
}

storage *storage_foreign(void *data, size_t bytes, void (*release)(void *ctx), void *ctx)
{
    storage *s = storage_new(device_host(), 0, false);
    if (!s)
        return NULL;
    s->bytes = bytes;
    s->mem = (struct tl_mem){.handle = data};
    s->release = release;
    s->release_ctx = ctx;
    return s;
}

storage *storage_unaligned(const void *data, size_t bytes)
{
    storage *s = storage_new(device_host(), bytes, true);
    struct native *n = s ? pool_alloc(sizeof *n) : NULL;
    if (!n) {
        if (s)
            pool_free(s, sizeof *s);
        return NULL;
    }
    memset(n, 0, sizeof *n);
    atomic_init(&n->refs, 1);
    n->device = s->device;
    n->in_map = true;
    n->view.mem.handle = (void *)(uintptr_t)data;
    atomic_init(&s->native, n);
    s->canonical_stale = true;
    return s;
}

static void count_out(void *ctx)
{
    walk_count_bytes(-(int64_t)((storage *)ctx)->bytes);
}

storage *storage_new_valueless(device *d, size_t bytes)
{
    storage *s = storage_bare(d, bytes);
    if (!s)
        return NULL;
    s->canonical_made = false;
    s->valueless = true;
    s->release = count_out;
    s->release_ctx = s;
    walk_count_bytes((int64_t)bytes);
    return s;
}

void storage_keep(storage *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void native_release(struct native *n)
{
    if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!n->in_map)
        memory_free(n->device, n->view.mem, n->capacity);
    pool_free(n, sizeof *n);
}

/* In one step: between two forms nobody may think that there is none. */
static void native_replace(storage *s, struct native *n)
{
    native_release(atomic_exchange_explicit(&s->native, n, memory_order_acq_rel));
}

void storage_release(storage *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (UNLIKELY(storage_native(s)))
        native_release(storage_native(s));
    if (s->capacity)
        memory_free(s->device, s->mem, s->capacity);
    if (s->release)
        s->release(s->release_ctx);
    pool_free(s, sizeof *s);
}

void storage_forget_values(storage *s)
{
    if (s->capacity)
        memory_free(s->device, s->mem, s->capacity);
    s->capacity = 0;
    s->mem = (struct tl_mem){0};
    s->canonical_made = false;
    s->recorded |= RECORDED_VALUELESS;
}

tl_status storage_give_memory(storage *s)
{
    tl_status status = memory_alloc(s->device, s->bytes ? s->bytes : 1, &s->mem, &s->capacity);
    if (status != TL_OK)
        return status;
    s->canonical_made = true;
    s->recorded = 0;
    return TL_OK;
}

void storage_place(storage *s, struct tl_mem mem)
{
    s->mem = mem;
    s->canonical_made = true;
    s->recorded = 0;
}

static tl_status fail_recorded(const storage *s)
{
    const char *made_by = recording_made_by(s);
    if (made_by)
        return tl_fail(TL_ERR_STATE, "recording: a value is read that is not there yet: it is the result of %s; a program's function may only use "
                                     "ops, tl_record_call(), and what was there before",
                       made_by);
    return tl_fail(TL_ERR_STATE, "the tensor was made by the function of a program while it was recorded, and has no values; what is wanted "
                                 "outside must be an output of the program");
}

/* Held for a few instructions, or for one reorder by whoever comes first. */
void storage_lock(storage *s)
{
    while (atomic_exchange_explicit(&s->lock, 1, memory_order_acquire))
        sched_yield();
}

void storage_unlock(storage *s)
{
    atomic_store_explicit(&s->lock, 0, memory_order_release);
}

/* With the lock held: allocate canonical bytes and fill them from the native form. */
static tl_status make_canonical(storage *s)
{
    if (s->valueless) /* whoever offers values to users has said it in better words before: values_missing() */
        return tl_fail(TL_ERR_STATE, "a tensor on %s has no values, and they were asked for", s->device->name);
    if (UNLIKELY(s->recorded & RECORDED_VALUELESS))
        return fail_recorded(s);
    if (!s->canonical_made) {
        tl_status status = memory_alloc(s->device, s->bytes ? s->bytes : 1, &s->mem, &s->capacity);
        if (status != TL_OK)
            return status;
        s->canonical_made = true;
    }
    if (!s->canonical_stale)
        return TL_OK;
    const struct native *n = storage_native(s);
    if (n->in_map) {
        map_copy(s->release_ctx, s->mem.handle, n->view.mem.handle, s->bytes);
        s->canonical_stale = false;
        native_replace(s, NULL);
        return TL_OK;
    }
    struct tl_view to = n->view;
    to.layout = TL_LAYOUT_CONTIGUOUS;
    contiguous_strides(to.ndim, to.shape, to.stride);
    to.mem = s->mem;
    tl_status status = reorder_views(s->device, n->owner, &n->view, &to);
    if (status == TL_OK)
        s->canonical_stale = false;
    return status;
}

tl_status tensor_canonical_slowly(tl_tensor *t)
{
    storage *s = t->storage;
    storage_lock(s);
    tl_status status = make_canonical(s);
    storage_unlock(s);
    return status;
}

tl_status tensor_written(tl_tensor *t)
{
    storage *s = t->storage;
    if (UNLIKELY(program_recorder != NULL)) { /* it is the program that will write */
        atomic_fetch_add_explicit(&s->version, 1, memory_order_relaxed);
        return TL_OK;
    }
    if (UNLIKELY((storage_native(s) || !s->canonical_made) && !s->valueless)) {
        storage_lock(s);
        tl_status status = make_canonical(s);
        if (status == TL_OK)
            native_replace(s, NULL);
        storage_unlock(s);
        if (status != TL_OK)
            return status;
    }
    atomic_fetch_add_explicit(&s->version, 1, memory_order_relaxed);
    return TL_OK;
}

tl_status tensor_written_by_host(const char *who, tl_tensor *t)
{
    storage *s = t->storage;
    if (LIKELY(program_recorder == NULL))
        return tensor_written(t);
    if (s->recorded & RECORDED_VALUELESS)
        return fail_recorded(s);
    if (s->made_in != recording_id())
        return tl_fail(TL_ERR_STATE, "%s: while recording, the host writes a tensor from outside, which would happen once and not at each run; use "
                                     "ops or tl_record_call(), or TL_ONCE { } if once is meant",
                       who);
    if (s->recorded & RECORDED_CONSTANT)
        return tl_fail(TL_ERR_STATE, "%s: while recording, the host writes a tensor that ops have read", who);
    storage_lock(s);
    tl_status status = make_canonical(s);
    storage_unlock(s);
    if (status != TL_OK)
        return status;
    s->recorded |= RECORDED_FILLED;
    atomic_fetch_add_explicit(&s->version, 1, memory_order_relaxed);
    return TL_OK;
}

/* Is v the same elements in the same order as the geometry of the native form? */
static bool same_geometry(const struct tl_view *v, const tl_tensor *t)
{
    if (v->ndim != t->ndim)
        return false;
    for (int i = 0; i < v->ndim; i++)
        if (v->shape[i] != t->shape[i])
            return false;
    return true;
}

/* The native form describes the whole storage, seen with one shape and dense strides. A permuted view of a weight has other
 * strides, so packing through a view is keyed by those as well. */
static bool native_fits(const storage *s, const tl_tensor *t)
{
    const struct native *n = storage_native(s);
    return n && !n->in_map && n->version == storage_version(s) && same_geometry(&n->view, t) && n->offset == t->offset &&
           memcmp(n->strides, t->strides, (size_t)t->ndim * sizeof *t->strides) == 0;
}

static struct native *held(struct native *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

struct native *tensor_native(tl_tensor *t)
{
    storage *s = t->storage;
    if (LIKELY(!storage_native(s)))
        return NULL;
    storage_lock(s);
    struct native *n = native_fits(s, t) ? held(storage_native(s)) : NULL;
    storage_unlock(s);
    return n;
}

static struct native *native_new(storage *s, const tl_tensor *t, const struct tl_view *v, const struct tl_device *owner, size_t bytes)
{
    struct native *n = pool_alloc(sizeof *n);
    if (!n)
        return NULL;
    atomic_init(&n->refs, 1);
    n->device = s->device;
    n->owner = owner;
    n->in_map = false;
    n->view = *v;
    n->version = storage_version(s);
    n->offset = t->offset;
    memcpy(n->strides, t->strides, sizeof n->strides);
    if (memory_alloc(s->device, bytes ? bytes : 1, &n->view.mem, &n->capacity) != TL_OK) {
        pool_free(n, sizeof *n);
        return NULL;
    }
    return n;
}

/* With the lock held. */
static tl_status bring_up(storage *s, tl_tensor *t, uint32_t layout, const struct tl_device *owner, size_t bytes)
{
    tl_status status = make_canonical(s);
    if (status != TL_OK)
        return status;
    struct tl_view from, to;
    tensor_view(t, &from);
    to = from;
    to.layout = layout;
    if (layout == TL_LAYOUT_CHANNELS_LAST)
        channels_last_strides(to.ndim, to.shape, to.stride);
    struct native *n = native_new(s, t, &to, owner, bytes);
    if (!n)
        return tl_error_code();
    status = reorder_views(s->device, owner, &from, &n->view);
    if (status == TL_OK)
        native_replace(s, n);
    else
        native_release(n);
    return status;
}

static bool has_form(const storage *s, const tl_tensor *t, uint32_t layout, const struct tl_device *owner)
{
    return native_fits(s, t) && storage_native(s)->view.layout == layout && storage_native(s)->owner == owner;
}

struct native *tensor_make_native(tl_tensor *t, uint32_t layout, const struct tl_device *owner, size_t bytes)
{
    storage *s = t->storage;
    struct native *n = NULL;
    storage_lock(s);
    if (has_form(s, t, layout, owner) || bring_up(s, t, layout, owner, bytes) == TL_OK)
        n = held(storage_native(s));
    storage_unlock(s);
    return n;
}

tl_status tensor_adopt_native(tl_tensor *t, const struct tl_view *v, const struct tl_device *owner, size_t bytes, struct tl_view *made)
{
    storage *s = t->storage;
    struct native *n = native_new(s, t, v, owner, bytes);
    if (!n)
        return tl_error_code();
    storage_lock(s);
    native_replace(s, n);
    s->canonical_stale = true;
    *made = n->view;
    storage_unlock(s);
    return TL_OK;
}
