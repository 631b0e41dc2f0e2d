/* SPDX-License-Identifier: Apache-2.0
 *
 * Histories: which node a tensor says made it, and how a write in place replaces that. A write through a view makes a new version of the
 * whole base: the base's history becomes the node that wrote (region.c), and every view of it, the written one too, is out of date. A view
 * is brought up to date when somebody asks: its new history is as_strided of the base. A base counts its replacements (epoch);
 * a view remembers the count that its own history stands for, so an untouched view costs one comparison.
 */
#include <stdlib.h>

#include "core/internal.h"

static tl_status retain_in(tl_tensor *t)
{
    tl_node *n = t->grad_fn;
    if (!n->retain && !(n->retain = calloc((size_t)n->n_out, sizeof *n->retain)))
        return tl_fail(TL_ERR_NOMEM, "retain_grad: out of memory");
    n->retain[t->output_nr] = t;
    return TL_OK;
}

tl_status history_set(tl_tensor *t, tl_node *n, int nr)
{
    tl_node *old = t->grad_fn;
    if (n)
        node_keep(n);
    if (old && (t->flags & T_RETAIN_GRAD) && old->retain)
        old->retain[t->output_nr] = NULL;
    t->grad_fn = n;
    t->output_nr = nr;
    tl_status s = n && (t->flags & T_RETAIN_GRAD) ? retain_in(t) : TL_OK;
    if (old)
        node_release(old);
    return s;
}

tl_status history_rewrite(tl_tensor *t, tl_node *n, int nr)
{
    tl_tensor *root = t->base ? t->base : t;
    tl_status s = history_set(root, n, nr);
    atomic_fetch_add_explicit(&root->epoch, 1, memory_order_release);
    return s;
}

void history_view(tl_tensor *v, tl_tensor *t)
{
    tl_tensor *base = t->base && t->base->storage == t->storage ? t->base : t;
    if (v->storage != base->storage || v == base)
        return;
    if (v->base != base) {
        history_forget_base(v);
        tensor_keep(base);
        v->base = base;
    }
    atomic_store_explicit(&v->epoch, atomic_load_explicit(&base->epoch, memory_order_relaxed), memory_order_relaxed);
    if (grad_mode_off || (t->flags & T_QUIET_VIEW))
        v->flags |= T_QUIET_VIEW;
    else
        v->flags &= (uint16_t)~T_QUIET_VIEW;
}

void history_forget_base(tl_tensor *v)
{
    tl_tensor *base = v->base;
    v->base = NULL;
    v->flags &= (uint16_t)~T_QUIET_VIEW;
    if (base)
        tensor_release(base);
}

static void describe(const tl_tensor *t, struct tl_meta *m)
{
    *m = (struct tl_meta){.dtype = (tl_dtype)t->dtype, .ndim = t->ndim};
    memcpy(m->shape, t->shape, (size_t)t->ndim * sizeof *t->shape);
}

tl_node *view_node(const struct tl_strided_attrs *a, const struct tl_meta *base, const tl_tensor *v)
{
    extern const tl_op tl_op_as_strided;
    registry_init();
    tl_node *n = node_new(op_entry_of(&tl_op_as_strided), v->storage->device, 1, 1, true);
    if (!n)
        return NULL;
    memcpy(n->attrs, a, sizeof *a);
    n->in_meta[0] = *base;
    describe(v, &n->out_meta[0]);
    return n;
}

/* Two threads may ask at once, though neither writes. */
tl_node *history_update(tl_tensor *t)
{
    tl_tensor *base = t->base;
    unsigned epoch = atomic_load_explicit(&base->epoch, memory_order_acquire);
    if ((t->flags & T_QUIET_VIEW) && base->grad_fn) {
        tl_fail(TL_ERR_STATE, "this view was made while nothing was recorded (TL_NO_GRAD), and its base was since overwritten by something "
                              "that was: whether a gradient should flow is unclear; make the view again, or tl_detach() it");
        return NULL;
    }
    tl_node *n = NULL, *old = NULL;
    tl_status s = TL_OK;
    storage_lock(t->storage);
    if (history_stale(t)) {
        if (base->grad_fn && !(t->flags & T_REQUIRES_GRAD)) {
            struct tl_meta whole;
            struct tl_strided_attrs places = strided_between(base, t);
            describe(base, &whole);
            n = view_node(&places, &whole, t);
            s = n ? node_connect(n, 0, base) : tl_error_code();
            if (n)
                node_number(n);
        }
        if (s == TL_OK && (old = t->grad_fn))
            node_keep(old); /* so that it does not end here, where its own locks would be waited for */
        if (s == TL_OK)
            s = history_set(t, n, 0);
        if (s == TL_OK)
            atomic_store_explicit(&t->epoch, epoch, memory_order_release);
    }
    storage_unlock(t->storage);
    if (n)
        node_release(n);
    if (old)
        node_release(old);
    return s == TL_OK ? t->grad_fn : NULL;
}

/* ---- Public ---------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_detach(tl_tensor *t)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "detach: the tensor is NULL or TL_NONE, and no earlier call failed");
        return NULL;
    }
    tl_tensor *a = tensor_alias(t);
    return a && scope_own(a) ? a : NULL;
}

tl_tensor *tl_detach_(tl_tensor *t)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "detach_: the tensor is NULL or TL_NONE, and no earlier call failed");
        return NULL;
    }
    if (t->base && needs_grad(t->base)) {
        tl_fail(TL_ERR_STATE, "detach_: a view cannot leave the graph while its base stays in it; use tl_detach(), or detach the base");
        return NULL;
    }
    if (history_set(t, NULL, 0) != TL_OK)
        return NULL;
    t->flags &= (uint16_t)~(T_REQUIRES_GRAD | T_RETAIN_GRAD);
    return t;
}

tl_tensor *tl_retain_grad(tl_tensor *t)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "retain_grad: the tensor is NULL or TL_NONE, and no earlier call failed");
        return NULL;
    }
    if (!needs_grad(t)) {
        tl_fail(TL_ERR_STATE, "retain_grad: the tensor needs no gradient, so none will arrive: nothing it was made from requires one");
        return NULL;
    }
    tl_node *n = history_of(t);
    if (!n)
        return t->flags & T_REQUIRES_GRAD ? t : NULL;
    t->flags |= T_RETAIN_GRAD;
    return retain_in(t) == TL_OK ? t : NULL;
}
