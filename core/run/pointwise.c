/* SPDX-License-Identifier: Apache-2.0
 *
 * Running pointwise ops: operands are broadcast, their dimensions merged where they can be, and the kernel called, without a plan. The
 * everyday case, contiguous operands of one shape, comes first and is kept short.
 */
#include <stdio.h>

#include "core/run/launch.h"
#include "core/run/run.h"

enum { OPERANDS = 12 }; /* a chain in a program has two, and one more for each link */

struct walk {
    struct tl_view in[OPERANDS], out;
    int n;
};

tl_status pointwise_broadcast(const char *name, tl_tensor *const *in, int n, int *ndim, int64_t *shape)
{
    int most = 0;
    for (int i = 0; i < n; i++)
        most = in[i]->ndim > most ? in[i]->ndim : most;
    for (int d = 0; d < most; d++) {
        int64_t size = 1;
        for (int i = 0; i < n; i++) {
            int k = d - (most - in[i]->ndim);
            int64_t s = k < 0 ? 1 : in[i]->shape[k];
            if (s == 1 || s == size)
                continue;
            if (size != 1) {
                char text[3][160];
                for (int j = 0; j < 3; j++)
                    shape_text(text[j], sizeof text[j], j < n ? in[j]->ndim : 0, j < n ? in[j]->shape : NULL);
                return tl_fail(TL_ERR_SHAPE, "%s: shapes %s and %s%s%s do not broadcast: sizes %lld and %lld of dimension %d differ",
                               name, text[0], text[1], n > 2 ? " and " : "", n > 2 ? text[2] : "", (long long)size, (long long)s, d);
            }
            size = s;
        }
        shape[d] = size;
    }
    *ndim = most;
    return TL_OK;
}

/* Strides of an operand seen with the output's shape. */
static void stretch(const tl_tensor *t, const int64_t *strides, int ndim, const int64_t *shape, struct tl_view *v)
{
    v->dtype = (tl_dtype)t->dtype;
    v->ndim = ndim;
    v->layout = TL_LAYOUT_STRIDED;
    v->reserved = 0;
    for (int d = 0; d < ndim; d++) {
        int k = d - (ndim - t->ndim);
        v->shape[d] = shape[d];
        v->stride[d] = k < 0 || t->shape[k] == 1 ? 0 : strides[k];
    }
}

/* Order dimensions by the output's strides, then merge neighbours that every operand steps through as one. */
static void coalesce(struct walk *w)
{
    struct tl_view *o = &w->out;
    for (int i = 1; i < o->ndim; i++)
        for (int j = i; j > 0 && o->stride[j] > o->stride[j - 1]; j--) {
            for (int k = -1; k < w->n; k++) {
                struct tl_view *v = k < 0 ? o : &w->in[k];
                int64_t shape = v->shape[j], stride = v->stride[j];
                v->shape[j] = v->shape[j - 1];
                v->stride[j] = v->stride[j - 1];
                v->shape[j - 1] = shape;
                v->stride[j - 1] = stride;
            }
        }
    int at = -1;
    for (int d = 0; d < o->ndim; d++) {
        if (o->shape[d] == 1)
            continue;
        bool joins = at >= 0;
        for (int k = -1; k < w->n && joins; k++) {
            const struct tl_view *v = k < 0 ? o : &w->in[k];
            joins = v->stride[at] == v->stride[d] * v->shape[d];
        }
        at += !joins;
        for (int k = -1; k < w->n; k++) {
            struct tl_view *v = k < 0 ? o : &w->in[k];
            v->shape[at] = joins ? v->shape[at] * v->shape[d] : v->shape[d];
            v->stride[at] = v->stride[d];
        }
    }
    for (int k = -1; k < w->n; k++) {
        struct tl_view *v = k < 0 ? o : &w->in[k];
        v->ndim = at + 1;
    }
}

void pointwise_arrange(struct tl_view *in, int n, struct tl_view *out)
{
    struct walk w = {.n = n, .out = *out};
    for (int i = 0; i < n; i++) {
        struct tl_view *v = &w.in[i];
        *v = *out;
        v->dtype = in[i].dtype;
        v->mem = in[i].mem;
        for (int d = 0; d < out->ndim; d++) {
            int k = d - (out->ndim - in[i].ndim);
            v->stride[d] = k < 0 || in[i].shape[k] == 1 ? 0 : in[i].stride[k];
        }
    }
    for (int d = 0; d < out->ndim; d++)
        if (out->shape[d] == 1)
            w.out.stride[d] = 0;
    coalesce(&w);
    memcpy(in, w.in, (size_t)n * sizeof *in);
    *out = w.out;
}

/* What run_walk() says, without an error, when no kernel takes the call. */
#define NO_KERNEL ((tl_status)0x7fff)

static tl_status run_walk(struct op_entry *e, const struct tl_pointwise_attrs *attrs, struct walk *w, device *d)
{
    const struct bound_kernel *b = device_kernels(d, e->kernel_id, e->kernel_name);
    if (!b)
        return tl_error_code();
    struct tl_residual none = {0};
    struct tl_call c = {.struct_size = sizeof c, .op = e->kernel_name, .attrs = attrs, .n_in = w->n, .n_out = 1, .in = w->in,
                        .out = &w->out, .residual = &none, .math = (uint32_t)tl_get_math(), .attrs_size = sizeof *attrs};
    for (; b->kernel; b++) {
        if (!launch_refused(b, &c))
            return launch(d, b, NULL, &c, (struct tl_mem){0});
    }
    return NO_KERNEL;
}

/* The everyday case: contiguous operands of one shape (or single numbers). Nothing to broadcast, nothing to merge. */
static bool simple_walk(struct walk *w, tl_tensor *const *in, int n, const tl_tensor *out)
{
    int64_t shape = out->numel;
    if (!(out->flags & T_CONTIGUOUS))
        return false;
    for (int i = 0; i < n; i++) {
        const tl_tensor *t = in[i];
        bool same = t->numel == shape && (t->flags & T_CONTIGUOUS);
        if (!same && t->numel != 1)
            return false;
        w->in[i].dtype = (tl_dtype)t->dtype;
        w->in[i].layout = TL_LAYOUT_STRIDED;
        w->in[i].ndim = 1;
        w->in[i].shape[0] = shape;
        w->in[i].stride[0] = same && shape != 1;
        w->in[i].mem = tensor_mem(t);
    }
    w->n = n;
    w->out.dtype = (tl_dtype)out->dtype;
    w->out.layout = TL_LAYOUT_STRIDED;
    w->out.ndim = 1;
    w->out.shape[0] = shape;
    w->out.stride[0] = 1;
    w->out.mem = tensor_mem(out);
    return true;
}

/* The shortest way, for what eager code does most: contiguous operands of one shape on the host, a new result. false: not that case. */
static bool run_simply(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                       tl_tensor **out, tl_status *status)
{
    const tl_tensor *first = in[0];
    device *d = first->storage->device;
    if (*out || !d->host)
        return false;
    for (int i = 0; i < n; i++)
        if (!(in[i]->flags & T_CONTIGUOUS) || storage_native(in[i]->storage) || !in[i]->storage->canonical_made || in[i]->ndim != first->ndim)
            return false;
    for (int i = 1; i < n; i++)
        for (int k = 0; k < first->ndim; k++)
            if (in[i]->shape[k] != first->shape[k])
                return false;
    struct walk w;
    *out = tensor_new(d, out_dtype, first->ndim, first->shape, false);
    *status = *out ? TL_OK : tl_error_code();
    if (*status == TL_OK && simple_walk(&w, in, n, *out))
        *status = run_walk(e, attrs, &w, d);
    return true;
}

/* A channels-last form of t, held; NULL if it has none. */
static struct native *channels_last(tl_tensor *t)
{
    struct native *n = tensor_native(t);
    if (!n || n->view.layout == TL_LAYOUT_CHANNELS_LAST)
        return n;
    native_release(n);
    return NULL;
}

/* Operands as they lie, and a channels-last output. */
static tl_status walk_natives(struct walk *w, tl_tensor *const *in, struct native *const *held, int n, int ndim, const int64_t *shape,
                              tl_dtype dtype, tl_tensor **out)
{
    tl_status s = TL_OK;
    w->n = n;
    for (int i = 0; i < n; i++) {
        if (!held[i] && (s = tensor_canonical(in[i])) != TL_OK)
            return s;
        stretch(in[i], held[i] ? held[i]->view.stride : in[i]->strides, ndim, shape, &w->in[i]);
        w->in[i].mem = held[i] ? held[i]->view.mem : tensor_mem(in[i]);
    }
    *out = tensor_new(in[0]->storage->device, dtype, ndim, shape, true);
    if (!*out)
        return tl_error_code();
    struct tl_view v = {.dtype = dtype, .ndim = ndim, .layout = TL_LAYOUT_CHANNELS_LAST};
    memcpy(v.shape, shape, (size_t)ndim * sizeof *shape);
    channels_last_strides(ndim, shape, v.stride);
    return tensor_adopt_native(*out, &v, NULL, (size_t)(*out)->numel * tl_dtype_size(dtype), &w->out);
}

/* Channels-last operands keep their layout: if one of the result's shape is so, the result is too. false: none is. */
static bool run_natively(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, int ndim,
                         const int64_t *shape, tl_dtype dtype, tl_tensor **out, tl_status *status)
{
    struct native *held[OPERANDS] = {0};
    struct walk w;
    bool found = false;
    if (*out || ndim < 3)
        return false;
    for (int i = 0; i < n; i++)
        if ((held[i] = channels_last(in[i])))
            found |= in[i]->ndim == ndim && memcmp(in[i]->shape, shape, (size_t)ndim * sizeof *shape) == 0;
    if (found)
        *status = walk_natives(&w, in, held, n, ndim, shape, dtype, out);
    if (found && *status == TL_OK) {
        coalesce(&w);
        *status = run_walk(e, attrs, &w, in[0]->storage->device);
    }
    for (int i = 0; i < n; i++)
        native_release(held[i]);
    return found;
}

static bool is_half(tl_dtype t)
{
    return t == TL_F16 || t == TL_BF16;
}

/* No kernel takes these types: compute in f32, or on the host. */
tl_status pointwise_otherwise(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                              tl_tensor *out)
{
    tl_tensor *moved[OPERANDS], *result = NULL;
    device *d = out->storage->device;
    bool half = false;
    for (int i = 0; i < n; i++)
        half |= is_half((tl_dtype)in[i]->dtype);
    if (!half && d->host)
        return tl_fail(TL_ERR_DTYPE, "%s: not done for %s", e->op->name, tl_dtype_name(n ? (tl_dtype)in[0]->dtype : out_dtype));
    const char *allowed = env_get("TELAR_FALLBACK", false);
    if (!half && allowed && strcmp(allowed, "error") == 0)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: no kernel on %s for %s, and TELAR_FALLBACK=error forbids the host's", e->op->name, d->name,
                       tl_dtype_name((tl_dtype)in[0]->dtype));
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        if (half) {
            moved[i] = is_half((tl_dtype)in[i]->dtype) ? tl_cast(in[i], TL_F32) : in[i];
        } else {
            moved[i] = tl_to_device(in[i], "cpu");
            bytes += (uint64_t)in[i]->numel * tl_dtype_size((tl_dtype)in[i]->dtype);
        }
        if (!moved[i])
            return tl_error_code();
    }
    const struct bound_kernel *b = device_kernels(d, e->kernel_id, e->kernel_name);
    fallback_note(e->op->name, d->name, half ? "widened to f32" : "host", b && b->kernel ? "not in this element type" : "it has none", bytes);
    tl_status s = pointwise_compute(e, attrs, moved, n, half && is_half(out_dtype) ? TL_F32 : out_dtype, &result);
    return s == TL_OK ? copy_values(result, out) : s;
}

static bool overlaps_badly(tl_tensor *const *in, int n, const tl_tensor *out)
{
    for (int i = 0; i < n; i++)
        if (in[i]->storage == out->storage &&
            !(in[i]->offset == out->offset && in[i]->ndim == out->ndim &&
              memcmp(in[i]->shape, out->shape, (size_t)out->ndim * sizeof *out->shape) == 0 &&
              memcmp(in[i]->strides, out->strides, (size_t)out->ndim * sizeof *out->strides) == 0))
            return true;
    return false;
}

static tl_status pointwise_record(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                                  tl_tensor **out)
{
    struct tl_meta meta = {.dtype = out_dtype};
    if (pointwise_broadcast(e->op->name, in, n, &meta.ndim, meta.shape) != TL_OK)
        return tl_error_code();
    if (*out)
        atomic_fetch_add_explicit(&(*out)->storage->version, 1, memory_order_relaxed);
    return record_op(e, in[0]->storage->device, attrs, in, n, &meta, 1, out, NULL, false);
}

tl_status pointwise_compute(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                            tl_tensor **out)
{
    struct walk w;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    tl_status s = TL_OK;
    if (UNLIKELY(program_recorder != NULL))
        return pointwise_record(e, attrs, in, n, out_dtype, out);
    if (LIKELY(run_simply(e, attrs, in, n, out_dtype, out, &s))) {
        if (LIKELY(s == TL_OK))
            return TL_OK;
        return s == NO_KERNEL ? pointwise_otherwise(e, attrs, in, n, out_dtype, *out) : s;
    }
    device *d = in[0]->storage->device;
    bool same = true, natives = storage_native(in[0]->storage) != NULL;
    for (int i = 1; i < n; i++) {
        same &= in[i]->ndim == in[0]->ndim && memcmp(in[i]->shape, in[0]->shape, (size_t)in[0]->ndim * sizeof *shape) == 0;
        natives |= storage_native(in[i]->storage) != NULL;
    }
    if (LIKELY(same)) {
        ndim = in[0]->ndim;
        memcpy(shape, in[0]->shape, (size_t)ndim * sizeof *shape);
    } else if (pointwise_broadcast(e->op->name, in, n, &ndim, shape) != TL_OK) {
        return tl_error_code();
    }
    if (UNLIKELY(any_valueless(in, n))) {
        struct tl_meta meta = {.dtype = out_dtype, .ndim = ndim};
        memcpy(meta.shape, shape, (size_t)ndim * sizeof *shape);
        return compute_valueless(e, attrs, in, n, &meta, d, out);
    }
    if (!UNLIKELY(natives) || !run_natively(e, attrs, in, n, ndim, shape, out_dtype, out, &s)) {
        for (int i = 0; i < n; i++)
            if (UNLIKELY((s = tensor_canonical(in[i])) != TL_OK))
                return s;
        if (!*out) {
            if (!(*out = tensor_new(d, out_dtype, ndim, shape, false)))
                return tl_error_code();
        } else if (overlaps_badly(in, n, *out)) {
            tl_tensor *beside = NULL;
            s = pointwise_compute(e, attrs, in, n, out_dtype, &beside);
            if (s != TL_OK || (s = tensor_written(*out)) != TL_OK)
                return s;
            return copy_values(beside, *out);
        } else if ((s = tensor_written(*out)) != TL_OK) {
            return s;
        }
        if (!simple_walk(&w, in, n, *out)) {
            w.n = n;
            for (int i = 0; i < n; i++) {
                stretch(in[i], in[i]->strides, ndim, shape, &w.in[i]);
                w.in[i].mem = tensor_mem(in[i]);
            }
            stretch(*out, (*out)->strides, ndim, shape, &w.out);
            w.out.mem = tensor_mem(*out);
            coalesce(&w);
        }
        s = run_walk(e, attrs, &w, d);
    }
    if (LIKELY(s == TL_OK))
        return TL_OK;
    return s == NO_KERNEL ? pointwise_otherwise(e, attrs, in, n, out_dtype, *out) : s;
}
