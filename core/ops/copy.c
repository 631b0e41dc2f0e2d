/* SPDX-License-Identifier: Apache-2.0
 *
 * Moving values: copies with conversion, between layouts and between devices; fill; and the ops made of them (cast, clone,
 * contiguous, copy_, to_device).
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/shape_util.h"
#include "core/run/guard.h"
#include "core/run/launch.h"

/* ---- The two primitives ------------------------------------------------------------------------------------------------------ */

static tl_status copy_infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    out[0] = in[0];
    return TL_OK;
}

static tl_status copy_grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_grad_arriving(g, 0));
}

const tl_op tl_op_copy = {
    .struct_size = sizeof(tl_op),
    .name = "copy",
    .formula = "y = x, in memory of its own",
    .n_in = 1,
    .n_out = 1,
    .grad_name = "CloneBackward0",
    .infer = copy_infer,
    .grad = copy_grad,
};

/* The same kernels with another name in the graph, and another dtype coming out. */
static const struct tl_attr_field cast_fields[] = {TL_ATTR_TABLE(cast)};

static tl_status cast_infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    const struct tl_cast_attrs *a = attrs;
    if (a->dtype == TL_DEFAULT || (unsigned)a->dtype >= TL_DTYPE_COUNT)
        return tl_fail(TL_ERR_DTYPE, "cast: %d is not an element type", (int)a->dtype);
    out[0] = in[0];
    out[0].dtype = a->dtype;
    return TL_OK;
}

static tl_status cast_grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_grad_arriving(g, 0)); /* converted back by tl_grad_set() */
}

const tl_op tl_op_cast = {
    .struct_size = sizeof(tl_op),
    .name = "cast",
    .formula = "y = x, in another element type",
    .n_in = 1,
    .n_out = 1,
    .attrs = cast_fields,
    .attrs_size = sizeof(struct tl_cast_attrs),
    .kernel = "copy",
    .grad_name = "ToCopyBackward0",
    .infer = cast_infer,
    .grad = cast_grad,
};

static const struct tl_attr_field fill_fields[] = {TL_ATTR_TABLE(fill)};

static tl_status fill_infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    out[0] = in[0];
    return TL_OK;
}

static tl_status fill_grad(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0);
    return tl_grad_set(g, 0, dy ? tl_zeros_like(dy) : NULL);
}

/* Its input only says where and how large; kernels see no input. */
const tl_op tl_op_fill = {
    .struct_size = sizeof(tl_op),
    .name = "fill",
    .formula = "y = value",
    .n_in = 1,
    .n_out = 1,
    .attrs = fill_fields,
    .attrs_size = sizeof(struct tl_fill_attrs),
    .grad_name = "FillBackward2",
    .infer = fill_infer,
    .grad = fill_grad,
};

/* What zero_ and copy_ are in the graph: functions of the tensor that they overwrite, whose gradient is zero. */
static tl_status zero_decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    out[0] = tl_zeros_like(in[0]);
    return out[0] ? TL_OK : tl_error_code();
}

const tl_op tl_op_zero = {
    .struct_size = sizeof(tl_op),
    .name = "zero",
    .formula = "y = 0, in x's shape",
    .flags = TL_OP_COMPOSITE | TL_OP_INTERNAL,
    .n_in = 1,
    .n_out = 1,
    .infer = copy_infer,
    .grad = fill_grad,
    .decompose = zero_decompose,
};

static tl_status copy_into_grad(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0);
    tl_status s = dy ? tl_grad_set(g, 1, dy) : tl_error_code();
    return s == TL_OK && tl_grad_wants(g, 0) ? tl_grad_set(g, 0, tl_zeros_like(dy)) : s;
}

static tl_status copy_into_decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    tl_tensor *y = tl_empty_like(in[0]);
    out[0] = y ? tl_copy_(y, in[1]) : NULL;
    return out[0] ? TL_OK : tl_error_code();
}

const tl_op tl_op_copy_into = {
    .struct_size = sizeof(tl_op),
    .name = "copy_into",
    .formula = "y = source, broadcast to x's shape",
    .flags = TL_OP_COMPOSITE | TL_OP_INTERNAL,
    .n_in = 2,
    .n_out = 1,
    .grad_name = "CopyBackwards",
    .infer = copy_infer,
    .grad = copy_into_grad,
    .decompose = copy_into_decompose,
};

/* ---- Kernels called directly ---------------------------------------------------------------------------------------------------- */

static tl_status run_strided(device *d, const tl_op *op, const void *attrs, const struct tl_view *in, int n_in, const struct tl_view *out)
{
    if (forked(op->name))
        return tl_error_code();
    registry_init();
    struct op_entry *e = op_entry_of(op);
    const struct bound_kernel *b = device_kernels(d, e->kernel_id, e->kernel_name);
    if (!b)
        return tl_error_code();
    struct tl_residual none = {0};
    struct tl_call c = {.struct_size = sizeof c, .op = op->name, .attrs = attrs, .n_in = n_in, .n_out = 1, .in = in, .out = out,
                        .residual = &none, .math = (uint32_t)tl_get_math(), .attrs_size = (uint32_t)op->attrs_size};
    const char *why = "it has none";
    for (; b->kernel; b++) {
        const char *refused = launch_refused(b, &c);
        if (!refused)
            return launch(d, b, NULL, &c, (struct tl_mem){0});
        why = refused;
    }
    return tl_fail(TL_ERR_UNSUPPORTED, "%s: no kernel on %s for %s: %s", op->name, d->name, tl_dtype_name(out->dtype), why);
}

tl_status reorder_views(device *d, const struct tl_device *owner, const struct tl_view *from, const struct tl_view *to)
{
    if (tl_view_numel(from) == 0)
        return TL_OK;
    if (!owner)
        return run_strided(d, &tl_op_copy, NULL, from, 1, to);
    const struct member *m = d->members;
    while (m->device != owner)
        m++;
    device_lock(d);
    tl_status s = m->backend->reorder(m->stream, from, to);
    device_unlock(d);
    if (s != TL_OK)
        return tl_fail(s, "%s: cannot reorder from layout %u to %u", m->name, from->layout, to->layout);
    return UNLIKELY(check_wanted(CHECK_MEMORY)) ? guard_check_reorder(d, owner, from, to) : TL_OK;
}

/* Contiguous bytes of one dtype, between two devices. */
static tl_status transfer(device *from_device, struct tl_mem from, device *to_device, struct tl_mem to, size_t bytes)
{
    tl_status s;
    if (bytes == 0)
        return TL_OK;
    if (from_device->host && to_device->host) {
        memmove(tl_mem_ptr(to), tl_mem_ptr(from), bytes);
        return TL_OK;
    }
    if (from_device->host) {
        struct member *m = &to_device->members[0];
        device_lock(to_device);
        s = m->backend->copy_in(m->stream, to, tl_mem_ptr(from), bytes);
        device_unlock(to_device);
    } else if (to_device->host) {
        struct member *m = &from_device->members[0];
        /* Late errors show before bytes are handed out that failed work was to make. */
        s = device_sync(from_device);
        if (s != TL_OK)
            return s;
        device_lock(from_device);
        s = m->backend->copy_out(m->stream, tl_mem_ptr(to), from, bytes);
        device_unlock(from_device);
    } else {
        void *between = malloc(bytes);
        if (!between)
            return tl_fail(TL_ERR_NOMEM, "copy: out of memory for %zu bytes between devices", bytes);
        struct tl_mem host = {.handle = between};
        s = transfer(from_device, from, device_host(), host, bytes);
        if (s == TL_OK)
            s = transfer(device_host(), host, to_device, to, bytes);
        free(between);
        return s;
    }
    return s == TL_OK ? s : tl_fail(s, "copy between %s and %s failed", from_device->name, to_device->name);
}

static tl_tensor *contiguous_values(tl_tensor *t)
{
    if (t->flags & T_CONTIGUOUS)
        return tensor_canonical(t) == TL_OK ? t : NULL;
    tl_tensor *c = tensor_new(t->storage->device, (tl_dtype)t->dtype, t->ndim, t->shape, false);
    return c && copy_values(t, c) == TL_OK ? c : NULL;
}

static tl_status copy_between(tl_tensor *from, tl_tensor *to)
{
    tl_status s = TL_OK;
    TL_SCOPE
    {
        tl_tensor *source = contiguous_values(from), *target = to;
        if (!source)
            return tl_error_code();
        /* Convert where the values are, and spread strides where they go. */
        if (source->dtype != to->dtype) {
            tl_tensor *converted = tensor_new(source->storage->device, (tl_dtype)to->dtype, to->ndim, to->shape, false);
            if (!converted || copy_values(source, converted) != TL_OK)
                return tl_error_code();
            source = converted;
        }
        if (!(to->flags & T_CONTIGUOUS))
            target = tensor_new(to->storage->device, (tl_dtype)to->dtype, to->ndim, to->shape, false);
        if (!target)
            return tl_error_code();
        s = transfer(source->storage->device, tensor_mem(source), target->storage->device, tensor_mem(target),
                     (size_t)to->numel * tl_dtype_size((tl_dtype)to->dtype));
        if (s == TL_OK && target != to)
            s = copy_values(target, to);
    }
    return s;
}

/* Contiguous values of one type are only bytes. On the host no backend is needed for them, so that they can be read and written
 * before one is open. false: it takes a kernel. */
static bool copy_plainly(tl_tensor *from, tl_tensor *to, tl_status *s)
{
    device *d = to->storage->device;
    size_t bytes = (size_t)to->numel * tl_dtype_size((tl_dtype)to->dtype);
    if (from->dtype != to->dtype || !(from->flags & to->flags & T_CONTIGUOUS))
        return false;
    if (d->host) {
        memmove(tl_mem_ptr(tensor_mem(to)), tl_mem_ptr(tensor_mem(from)), bytes);
        return true;
    }
    device_lock(d);
    *s = d->members[0].backend->copy(d->members[0].stream, tensor_mem(to), tensor_mem(from), bytes);
    device_unlock(d);
    if (*s != TL_OK)
        tl_fail(*s, "copy: %s cannot copy %zu bytes", d->name, bytes);
    return true;
}

tl_status copy_values(tl_tensor *from, tl_tensor *to)
{
    if (to->numel == 0 || UNLIKELY(to->storage->valueless)) /* which takes no values, and says so when it is read */
        return TL_OK;
    if (UNLIKELY(program_recorder != NULL))
        return record_copy(from, to);
    if (values_missing("copy", from))
        return tl_error_code();
    if (from->storage->device != to->storage->device)
        return copy_between(from, to);
    struct tl_view in, out;
    tl_status s = tensor_canonical(to);
    if (s != TL_OK)
        return s;
    tensor_view(to, &out);
    struct native *held = tensor_native(from);
    if (held && held->view.layout < TL_LAYOUT_PRIVATE) {
        s = run_strided(to->storage->device, &tl_op_copy, NULL, &held->view, 1, &out);
    } else if ((s = tensor_canonical(from)) == TL_OK && !copy_plainly(from, to, &s)) {
        tensor_view(from, &in);
        s = run_strided(to->storage->device, &tl_op_copy, NULL, &in, 1, &out);
    }
    native_release(held);
    return s;
}

/* ---- Public --------------------------------------------------------------------------------------------------------------------- */

static bool missing(const char *who, const tl_tensor *t)
{
    if (t && !is_none(t))
        return false;
    tl_fail(TL_ERR_ARGUMENT, "%s: the tensor is NULL or TL_NONE, and no earlier call failed", who);
    return true;
}

tl_tensor *tl_cast(tl_tensor *t, tl_dtype dtype)
{
    if (missing("cast", t))
        return NULL;
    if (t->dtype == (uint8_t)dtype && !(t->flags & T_WRAPPED))
        return t;
    struct tl_cast_attrs a = {.struct_size = sizeof a, .dtype = dtype};
    return tl_op_call1(&tl_op_cast, &a, &t, 1);
}

tl_tensor *tl_clone(tl_tensor *t)
{
    return missing("clone", t) ? NULL : tl_op_call1(&tl_op_copy, NULL, &t, 1);
}

tl_tensor *tl_contiguous(tl_tensor *t)
{
    if (missing("contiguous", t))
        return NULL;
    return (t->flags & T_CONTIGUOUS) ? t : tl_clone(t);
}

tl_tensor *tl_to_device(tl_tensor *t, const char *name)
{
    if (missing("to_device", t))
        return NULL;
    device *d = device_find(name);
    if (!d)
        return NULL;
    if (t->storage->device == d)
        return t;
    if (!d->valueless && values_missing("to_device", t))
        return NULL;
    tl_tensor *moved = tensor_new(d, (tl_dtype)t->dtype, t->ndim, t->shape, false);
    if (!moved || copy_values(t, moved) != TL_OK)
        return NULL;
    moved->flags |= t->flags & T_WRAPPED;
    if (!grad_mode_off && needs_grad(t)) {
        struct tl_meta meta = {.dtype = (tl_dtype)t->dtype, .ndim = t->ndim};
        memcpy(meta.shape, t->shape, sizeof meta.shape);
        registry_init();
        if (record(op_entry_of(&tl_op_copy), NULL, &t, 1, &moved, &meta, NULL, NULL, NULL) != TL_OK)
            return NULL;
    }
    return moved;
}

/* t was written by op, whose first operand it is. */
static bool record_in_place(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *t)
{
    struct tl_meta meta = {.dtype = (tl_dtype)t->dtype, .ndim = t->ndim};
    memcpy(meta.shape, t->shape, sizeof meta.shape);
    registry_init();
    return record(op_entry_of(op), attrs, in, n_in, &t, &meta, NULL, &t, NULL) == TL_OK;
}

tl_tensor *tl_fill_(tl_tensor *t, double value)
{
    bool recording = t && !grad_mode_off && needs_grad(t);
    struct tl_fill_attrs a = {.struct_size = sizeof a, .value = value};
    if (missing("fill_", t) || demand_value("fill_", &a.value, (tl_dtype)t->dtype) != TL_OK || !inplace_allowed("fill_", t, recording) ||
        tensor_written(t) != TL_OK)
        return NULL;
    value = a.value;
    if (t->numel == 0 || t->storage->valueless) {
        /* Nothing to write; recorded all the same. */
    } else if (UNLIKELY(program_recorder != NULL)) {
        if (record_fill(t, &a) != TL_OK)
            return NULL;
    } else if (value == 0 && !signbit(value) && t->storage->device->host && (t->flags & T_CONTIGUOUS)) {
        memset(tl_mem_ptr(tensor_mem(t)), 0, (size_t)t->numel * tl_dtype_size((tl_dtype)t->dtype));
    } else {
        struct tl_view out;
        tensor_view(t, &out);
        if (run_strided(t->storage->device, &tl_op_fill, &a, NULL, 0, &out) != TL_OK)
            return NULL;
    }
    if (!recording)
        return t;
    return (value == 0 ? record_in_place(&tl_op_zero, NULL, &t, 1, t) : record_in_place(&tl_op_fill, &a, &t, 1, t)) ? t : NULL;
}

tl_tensor *tl_zero_(tl_tensor *t)
{
    return tl_fill_(t, 0);
}

tl_tensor *tl_copy_(tl_tensor *t, tl_tensor *source)
{
    if (missing("copy_", t) || missing("copy_", source))
        return NULL;
    bool recording = !grad_mode_off && (needs_grad(source) || needs_grad(t));
    if (!t->storage->valueless && values_missing("copy_", source))
        return NULL;
    if (!inplace_allowed("copy_", t, recording))
        return NULL;
    tl_tensor *same = source;
    bool was = tl_set_grad_enabled(false);
    if (source->ndim != t->ndim || memcmp(source->shape, t->shape, (size_t)t->ndim * sizeof *t->shape) != 0)
        same = tl_expand(source, t->ndim, t->shape);
    if (same && same->storage == t->storage)
        same = tl_clone(same); /* the two may overlap */
    tl_set_grad_enabled(was);
    if (!same || tensor_written(t) != TL_OK || copy_values(same, t) != TL_OK)
        return NULL;
    return !recording || record_in_place(&tl_op_copy_into, NULL, (tl_tensor *[]){t, source}, 2, t) ? t : NULL;
}

/* Shrinking keeps the storage; growing moves the leading elements to a new one. */
tl_tensor *tl_resize_(tl_tensor *t, int ndim, const int64_t *shape)
{
    int64_t n;
    char text[160];
    if (missing("resize_", t))
        return NULL;
    if (UNLIKELY(program_recorder != NULL)) {
        tl_fail(TL_ERR_STATE, "resize_: cannot be recorded; make a tensor of the other size");
        return NULL;
    }
    if (needs_grad(t)) {
        tl_fail(TL_ERR_STATE, "resize_: a tensor that requires gradients cannot be resized");
        return NULL;
    }
    if (!shape_numel(ndim, shape, &n)) {
        tl_fail(TL_ERR_SHAPE, "resize_: bad shape %s", shape_text(text, sizeof text, ndim, shape));
        return NULL;
    }
    size_t size = tl_dtype_size((tl_dtype)t->dtype);
    if (tensor_written(t) != TL_OK)
        return NULL;
    if ((size_t)(n + t->offset) * size > t->storage->bytes) {
        tl_tensor *larger = t->storage->valueless ? tensor_new_valueless(t->storage->device, (tl_dtype)t->dtype, 1, &n)
                                                  : tensor_new(t->storage->device, (tl_dtype)t->dtype, 1, &n, false);
        int64_t have = (int64_t)(t->storage->bytes / size) - t->offset, one = 1;
        tl_tensor *old = larger ? strided_over(t, 1, &have, &one, t->offset) : NULL;
        tl_tensor *head = old ? strided_over(larger, 1, &have, &one, 0) : NULL;
        if (!head || copy_values(old, head) != TL_OK)
            return NULL;
        /* Versions go on, so that a backward that saved the old values notices. */
        atomic_store(&larger->storage->version, storage_version(t->storage));
        storage_keep(larger->storage);
        storage_release(t->storage);
        t->storage = larger->storage;
        t->offset = 0;
        history_forget_base(t); /* of what it was */
    }
    t->ndim = (uint8_t)ndim;
    t->numel = n;
    for (int i = 0; i < ndim; i++)
        t->shape[i] = shape[i];
    contiguous_strides(ndim, t->shape, t->strides);
    t->flags |= T_CONTIGUOUS;
    return t;
}
