/* SPDX-License-Identifier: Apache-2.0
 *
 * The operands of a call: how they are offered to kernels, brought into the layouts that a kernel wants, and made in those that it
 * gives.
 */
#include "core/run/run.h"

void offer_inputs(struct frame *f)
{
    for (int i = 0; i < f->n_in; i++) {
        struct tl_view *v = &f->in_views[i];
        f->in_natives[i] = NULL;
        if (is_none(f->in[i])) {
            memset(v, 0, sizeof *v);
            v->ndim = -1;
        } else if (UNLIKELY(storage_native(f->in[i]->storage)) && (f->in_natives[i] = tensor_native(f->in[i]))) {
            *v = f->in_natives[i]->view;
            v->mem = (struct tl_mem){0};
            f->some_private |= f->in_natives[i]->owner != NULL;
        } else {
            tensor_describe(f->in[i], v);
        }
    }
}

/* Is the form that is held of input i one that kernels of b's backend can read? */
static bool readable(const struct frame *f, const struct bound_kernel *b, int i)
{
    const struct native *n = f->in_natives[i];
    return n && (!n->owner || n->owner == b->device);
}

void offer_inputs_to(struct frame *f, const struct bound_kernel *b)
{
    for (int i = 0; i < f->n_in; i++) {
        if (!f->in_natives[i] || !f->in_natives[i]->owner)
            continue;
        if (readable(f, b, i)) {
            f->in_views[i] = f->in_natives[i]->view;
            f->in_views[i].mem = (struct tl_mem){0};
        } else {
            tensor_describe(f->in[i], &f->in_views[i]);
        }
    }
}

/* Kernels of reductions see the reduced dimensions with size 1. */
static void widen_reduction(struct frame *f, struct tl_view *v)
{
    const struct tl_reduce_attrs *a = f->attrs;
    const tl_tensor *x = f->in[0];
    if (v->ndim == x->ndim)
        return;
    v->ndim = x->ndim;
    for (int i = 0; i < x->ndim; i++)
        v->shape[i] = x->shape[i];
    for (int64_t i = 0; i < a->dims.n; i++)
        v->shape[a->dims.v[i]] = 1;
    contiguous_strides(v->ndim, v->shape, v->stride);
}

void describe_outputs(struct frame *f)
{
    for (int i = 0; i < f->n_out; i++) {
        struct tl_view *v = &f->out_view[i];
        memset(v, 0, sizeof *v);
        v->dtype = f->meta[i].dtype;
        v->ndim = f->meta[i].ndim;
        if (v->ndim < 0)
            continue;
        memcpy(v->shape, f->meta[i].shape, (size_t)v->ndim * sizeof *v->shape);
        contiguous_strides(v->ndim, v->shape, v->stride);
        if (f->entry->op->flags & TL_OP_REDUCTION)
            widen_reduction(f, v);
    }
}

/* ---- Inputs ------------------------------------------------------------------------------------------------------------------------ */

static tl_status bring_plain(struct frame *f, int i, bool contiguous)
{
    tl_tensor *t = f->in[i];
    if (contiguous && !(t->flags & T_CONTIGUOUS)) {
        bool was = tl_set_grad_enabled(false);
        t = tl_contiguous(t);
        tl_set_grad_enabled(was);
        if (!t)
            return tl_error_code();
    }
    tl_status s = tensor_canonical(t);
    if (s != TL_OK)
        return s;
    if (LIKELY(t == f->in[i] && !f->in_natives[i]))
        f->in_views[i].mem = tensor_mem(t); /* the rest was described when it was offered */
    else
        tensor_view(t, &f->in_views[i]);
    return TL_OK;
}

/* Bytes of view in a layout that is not plain; an error if the kernel's backend does not know it. */
static tl_status layout_bytes(const struct frame *f, const struct bound_kernel *b, uint32_t layout, const struct tl_view *view, size_t *bytes)
{
    *bytes = (size_t)tl_view_numel(view) * tl_dtype_size(view->dtype);
    if (layout < TL_LAYOUT_PRIVATE || *bytes == 0)
        return TL_OK;
    *bytes = b->table->layout_size ? b->table->layout_size(b->device, layout, view) : 0;
    if (*bytes)
        return TL_OK;
    return tl_fail(TL_ERR_PLUGIN, "%s: the kernel %s wants layout %u, which its backend does not know", f->entry->op->name,
                   b->kernel->maker, layout);
}

tl_status bring_input(struct frame *f, const struct bound_kernel *b, int i, uint32_t want)
{
    struct tl_view *v = &f->in_views[i];
    struct native **held = &f->in_natives[i];
    tl_tensor *t = f->in[i];
    if (v->ndim < 0)
        return TL_OK;
    bool takes_any = want == TL_LAYOUT_STRIDED;
    if (readable(f, b, i) && (v->layout == want || (takes_any && v->layout == TL_LAYOUT_CHANNELS_LAST))) {
        v->mem = (*held)->view.mem;
        return TL_OK;
    }
    if (takes_any || want == TL_LAYOUT_CONTIGUOUS || (want == TL_LAYOUT_CHANNELS_LAST && t->ndim < 3))
        return bring_plain(f, i, !takes_any);
    struct tl_view plain;
    tensor_describe(t, &plain);
    size_t bytes;
    tl_status s = layout_bytes(f, b, want, &plain, &bytes);
    if (s != TL_OK)
        return s;
    struct native *n = tensor_make_native(t, want, layout_owner(want, b->device), bytes);
    if (!n)
        return tl_error_code();
    native_release(*held);
    *held = n;
    *v = n->view;
    return TL_OK;
}

void release_inputs(struct frame *f)
{
    for (int i = 0; i < f->n_in; i++)
        if (UNLIKELY(f->in_natives[i]))
            native_release(f->in_natives[i]);
}

/* ---- Outputs ----------------------------------------------------------------------------------------------------------------------- */

tl_status make_output(struct frame *f, const struct bound_kernel *b, int i, uint32_t layout)
{
    const struct tl_meta *m = &f->meta[i];
    struct tl_view *v = &f->out_view[i];
    if (m->ndim < 0)
        return TL_OK;
    bool native = !f->out[i] && layout != TL_LAYOUT_CONTIGUOUS && !(layout == TL_LAYOUT_CHANNELS_LAST && m->ndim < 3);
    if (f->out[i]) {
        tl_status s = tensor_written(f->out[i]);
        if (s != TL_OK)
            return s;
    } else if (!(f->out[i] = tensor_new(f->device, m->dtype, m->ndim, m->shape, native))) {
        return tl_error_code();
    }
    tl_tensor *t = f->out[i];
    if (native) {
        size_t bytes;
        tl_status s = layout_bytes(f, b, layout, v, &bytes);
        if (s != TL_OK)
            return s;
        v->layout = layout;
        if (layout == TL_LAYOUT_CHANNELS_LAST)
            channels_last_strides(v->ndim, v->shape, v->stride);
        return tensor_adopt_native(t, v, layout_owner(layout, b->device), bytes, v);
    }
    struct tl_view canonical;
    tensor_view(t, &canonical);
    v->mem = canonical.mem;
    v->layout = canonical.layout;
    if (v->ndim == canonical.ndim)
        memcpy(v->stride, canonical.stride, sizeof v->stride);
    return TL_OK;
}

/* The op allows output i to be written over input k, and they are the same elements in the same places. */
static bool reuses(const struct frame *f, int i, int k, const tl_tensor *to)
{
    const tl_tensor *t = f->in[k];
    size_t n = (size_t)to->ndim * sizeof *to->shape;
    return f->entry->op->reuses[i] == k + 1 && t->offset == to->offset && t->dtype == to->dtype && t->ndim == to->ndim &&
           memcmp(t->shape, to->shape, n) == 0 && memcmp(t->strides, to->strides, n) == 0;
}

/* Not if it cannot take its strides, wants a layout of its own, or the output is also an input that the op does not allow to be
 * overwritten while it is read. */
bool writes_directly(const struct frame *f, const struct plan *plan, bool strided, int i, const tl_tensor *to)
{
    if ((!strided && !(to->flags & T_CONTIGUOUS)) || (plan && plan->out_layout[i] != TL_LAYOUT_CONTIGUOUS) ||
        ((f->entry->op->flags & TL_OP_REDUCTION) && !(to->flags & T_CONTIGUOUS)))
        return false;
    for (int k = 0; k < f->n_in; k++)
        if (!is_none(f->in[k]) && f->in[k]->storage == to->storage && !reuses(f, i, k, to))
            return false;
    return true;
}
