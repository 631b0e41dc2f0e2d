/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph: recording calls as nodes, and everything one can ask of it. A node holds its edges, what its gradient needs
 * (with versions, so that an overwritten value is noticed), and never its own outputs: those are kept as faces
 * without history, so that no cycle forms. Release is iterative, however deep the graph.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

HOT_TLS bool grad_mode_off;
static _Atomic uint64_t sequence;

bool tl_grad_enabled(void)
{
    return !grad_mode_off;
}

bool tl_set_grad_enabled(bool on)
{
    bool was = !grad_mode_off;
    grad_mode_off = !on;
    return was;
}

void tl_grad_mode_restore_(const int *was)
{
    grad_mode_off = !(*was & 1);
}

/* A stale view is as good as one that needs a gradient: recording it says what is wrong. */
bool any_needs_grad(tl_tensor *const *t, int n)
{
    for (int i = 0; i < n; i++)
        if (UNLIKELY(t[i]->grad_fn || (t[i]->flags & (T_REQUIRES_GRAD | T_VIEW))) && (needs_grad(t[i]) || view_is_stale(t[i])))
            return true;
    return false;
}

tl_status stale_view(const char *who)
{
    return tl_fail(TL_ERR_STATE, "%s: an operand is a view of a tensor that was written in place since, so its gradient would go astray; take the "
                                 "view again, or write in TL_NO_GRAD { }",
                   who);
}

/* ---- Life of nodes -------------------------------------------------------------------------------------------------------- */

void node_keep(tl_node *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

/* Drop what the gradient needed, but keep the node itself in the graph. */
void node_release_saved(tl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in && n->in[i].tensor) {
            tensor_release(n->in[i].tensor);
            n->in[i].tensor = NULL;
        }
    for (int i = 0; i < n->n_out; i++)
        if (n->out && n->out[i].tensor) {
            tensor_release(n->out[i].tensor);
            n->out[i].tensor = NULL;
        }
    if (n->residual.storage) {
        storage_release(n->residual.storage);
        n->residual.storage = NULL;
    }
    n->released = true;
}

void hooks_free(struct hook *h)
{
    while (h) {
        struct hook *next = h->next;
        free(h);
        h = next;
    }
}

/* Nodes whose last reference went are queued through their first edge, which nobody reads any more. */
static _Thread_local tl_node *doomed;
static _Thread_local bool releasing;

static void node_destroy(tl_node *n)
{
    node_release_saved(n);
    if (n->variable) {
        /* The leaf may have got a new accumulator meanwhile; it only forgets this one. */
        tl_node *self = n;
        storage_lock(n->variable->storage);
        if (n->variable->accumulator == self)
            n->variable->accumulator = NULL;
        storage_unlock(n->variable->storage);
        tensor_release(n->variable);
    }
    for (int i = 0; i < n->n_in; i++)
        if (n->next[i].node)
            node_release(n->next[i].node);
    hooks_free(n->hooks);
    free(n->retain);
    pool_free(n, n->size);
}

void node_release(tl_node *n)
{
    if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    n->entry = (struct op_entry *)(void *)doomed; /* the list link */
    doomed = n;
    if (releasing)
        return;
    releasing = true;
    while (doomed) {
        tl_node *first = doomed;
        doomed = (tl_node *)(void *)first->entry;
        node_destroy(first);
    }
    releasing = false;
}

static size_t round_up(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

static tl_node *node_new(int n_in, int n_out, size_t attrs_size, bool metas)
{
    size_t edges = round_up((size_t)n_in * sizeof(struct edge)), saved_in = round_up((size_t)n_in * sizeof(struct saved)),
           saved_out = round_up((size_t)n_out * sizeof(struct saved)),
           meta = metas ? round_up((size_t)(n_in + n_out) * sizeof(struct tl_meta)) : 0;
    size_t size = round_up(sizeof(tl_node)) + edges + saved_in + saved_out + meta + round_up(attrs_size);
    char *p = pool_alloc(size);
    if (!p)
        return NULL;
    tl_node *n = (tl_node *)(void *)p;
    memset(n, 0, sizeof *n);
    atomic_init(&n->refs, 1);
    n->n_in = n_in;
    n->n_out = n_out;
    n->size = size;
    p += round_up(sizeof(tl_node));
    memset(p, 0, edges + saved_in + saved_out);
    n->next = (struct edge *)(void *)p;
    n->in = (struct saved *)(void *)(p += edges);
    n->out = (struct saved *)(void *)(p += saved_in);
    n->in_meta = (struct tl_meta *)(void *)(p += saved_out);
    n->out_meta = n->in_meta + n_in;
    n->attrs = p + meta;
    return n;
}

/* ---- Leaves ------------------------------------------------------------------------------------------------------------------ */

tl_node *accumulator_of(tl_tensor *leaf)
{
    storage_lock(leaf->storage);
    tl_node *n = leaf->accumulator;
    if (n) {
        /* It may be on its way out on another thread: only a live count can be raised. */
        int refs = atomic_load(&n->refs);
        while (refs > 0 && !atomic_compare_exchange_weak(&n->refs, &refs, refs + 1))
            ;
        if (refs > 0) {
            storage_unlock(leaf->storage);
            return n;
        }
    }
    n = node_new(0, 1, 0, false);
    if (n) {
        tensor_keep(leaf);
        n->variable = leaf;
        n->sequence = UINT64_MAX;
        leaf->accumulator = n;
    }
    storage_unlock(leaf->storage);
    return n;
}

/* ---- Recording ---------------------------------------------------------------------------------------------------------------- */

static bool shares(const tl_tensor *t, tl_tensor *const *into, int n_out)
{
    for (int i = 0; into && i < n_out; i++)
        if (into[i] && into[i]->storage == t->storage)
            return true;
    return false;
}

/* Which inputs and outputs must be saved: for pointwise ops only what the wanted gradients mention. */
static void needed(const struct op_entry *e, const tl_node *n, uint32_t *inputs, uint32_t *outputs)
{
    *inputs = e->op->saves_inputs;
    *outputs = e->op->saves_outputs;
    if (!e->pointwise)
        return;
    *inputs = *outputs = 0;
    for (int i = 0; i < e->op->n_in; i++)
        if (n->next[i].node) {
            *inputs |= e->pointwise->uses[i] >> 1 & 7; /* a, b, c */
            *outputs |= e->pointwise->uses[i] >> 4 & 1; /* y */
        }
}

static tl_status save(struct saved *s, tl_tensor *t, bool alias)
{
    s->version = storage_version(t->storage);
    if (!alias) {
        tensor_keep(t);
        s->tensor = t;
        return TL_OK;
    }
    s->tensor = tensor_alias(t);
    return s->tensor ? TL_OK : tl_error_code();
}

static tl_status connect(tl_node *n, int i, tl_tensor *t)
{
    if (is_none(t))
        return TL_OK;
    if (UNLIKELY(view_is_stale(t)))
        return stale_view(n->entry->op->name);
    if (t->grad_fn) {
        node_keep(t->grad_fn);
        n->next[i] = (struct edge){t->grad_fn, t->output_nr};
    } else if (t->flags & T_REQUIRES_GRAD) {
        n->next[i] = (struct edge){accumulator_of(t), 0};
        return n->next[i].node ? TL_OK : tl_error_code();
    }
    return TL_OK;
}

/* Does the tensor keep its gradient? Then the node forgets it. */
static bool stop_retaining(tl_tensor *t)
{
    if (!t->grad_fn || !(t->flags & T_RETAIN_GRAD))
        return false;
    t->grad_fn->retain[t->output_nr] = NULL;
    t->flags &= (uint16_t)~T_RETAIN_GRAD;
    return true;
}

void leave_history(tl_tensor *t)
{
    stop_retaining(t);
    node_release(t->grad_fn);
    t->grad_fn = NULL;
}

static tl_status set_history(tl_tensor *t, tl_node *n, int output_nr)
{
    bool retains = stop_retaining(t);
    if (n)
        node_keep(n);
    if (t->grad_fn)
        node_release(t->grad_fn);
    t->grad_fn = n;
    t->output_nr = output_nr;
    return retains && n && !tl_retain_grad(t) ? tl_error_code() : TL_OK;
}

tl_status rewrite_history(tl_tensor *t, tl_node *n, int output_nr)
{
    t->histories = atomic_fetch_add_explicit(&t->storage->histories, 1, memory_order_relaxed) + 1;
    return set_history(t, n, output_nr);
}

static void describe(const tl_tensor *t, struct tl_meta *m)
{
    m->dtype = (tl_dtype)t->dtype;
    m->ndim = is_none(t) ? -1 : t->ndim;
    if (m->ndim > 0)
        memcpy(m->shape, t->shape, (size_t)t->ndim * sizeof *t->shape);
}

tl_status record(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out, const struct tl_meta *out_meta,
                 struct residual *residual, tl_tensor *const *into)
{
    int n_out = e->op->n_out;
    tl_node *n = node_new(n_in, n_out, e->op->attrs_size, true);
    if (!n)
        return tl_error_code();
    n->entry = e;
    n->sequence = atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed);
    if (attrs)
        memcpy(n->attrs, attrs, e->op->attrs_size);
    else
        memset(n->attrs, 0, e->op->attrs_size);
    tl_status s = TL_OK;
    for (int i = 0; i < n_in && s == TL_OK; i++) {
        s = connect(n, i, in[i]);
        describe(in[i], &n->in_meta[i]);
    }
    memcpy(n->out_meta, out_meta, (size_t)n_out * sizeof *out_meta);
    uint32_t inputs, outputs;
    needed(e, n, &inputs, &outputs);
    for (int i = 0; i < n_in && s == TL_OK; i++)
        if ((inputs & (1u << (i < 31 ? i : 31))) && !is_none(in[i])) {
            bool written = shares(in[i], into, n_out);
            s = save(&n->in[i], in[i], written);
            n->in[i].version -= written; /* the value that was used is gone */
        }
    for (int i = 0; i < n_out && s == TL_OK; i++)
        if ((outputs & (1u << i)) && out[i])
            s = save(&n->out[i], out[i], true);
    if (s != TL_OK) {
        node_release(n);
        return s;
    }
    if (residual && residual->storage) {
        n->residual = *residual;
        residual->storage = NULL;
    }
    for (int i = 0; i < n_out && s == TL_OK; i++) {
        if (!out[i] || !tl_dtype_is_float((tl_dtype)out[i]->dtype) || (e->op->nondifferentiable_out & (1u << i)))
            continue;
        s = UNLIKELY(into && into[i]) ? rewrite_history(out[i], n, i) : set_history(out[i], n, i);
    }
    node_release(n);
    return s;
}

/* ---- Questions ------------------------------------------------------------------------------------------------------------------- */

bool tl_requires_grad(const tl_tensor *t)
{
    return t && needs_grad(t);
}

bool tl_is_leaf(const tl_tensor *t)
{
    return t && !t->grad_fn;
}

tl_tensor *tl_set_requires_grad(tl_tensor *t, bool on)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "set_requires_grad: the tensor is NULL or TL_NONE, and no earlier call failed");
        return NULL;
    }
    if (on && !tl_dtype_is_float((tl_dtype)t->dtype)) {
        tl_fail(TL_ERR_DTYPE, "set_requires_grad: only floating tensors have gradients, not %s", tl_dtype_name((tl_dtype)t->dtype));
        return NULL;
    }
    if (t->grad_fn) {
        if (on)
            return t;
        tl_fail(TL_ERR_STATE, "set_requires_grad: it can be switched off for leaves only; use tl_detach()");
        return NULL;
    }
    if (on)
        t->flags |= T_REQUIRES_GRAD;
    else
        t->flags &= (uint16_t)~T_REQUIRES_GRAD;
    return t;
}

tl_tensor *tl_grad_of(tl_tensor *t)
{
    return t && t->grad ? t->grad : TL_NONE;
}

tl_status tl_set_grad(tl_tensor *t, tl_tensor *grad)
{
    if (!t || is_none(t) || !grad)
        return tl_fail(TL_ERR_ARGUMENT, "set_grad: a tensor is NULL or TL_NONE, and no earlier call failed");
    if (!is_none(grad) && (grad->ndim != t->ndim || grad->dtype != t->dtype || grad->storage->device != t->storage->device ||
                           memcmp(grad->shape, t->shape, (size_t)t->ndim * sizeof *t->shape) != 0)) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "set_grad: a gradient of %s %s does not fit a tensor of %s %s", tl_dtype_name((tl_dtype)grad->dtype),
                       shape_text(text[0], sizeof text[0], grad->ndim, grad->shape), tl_dtype_name((tl_dtype)t->dtype),
                       shape_text(text[1], sizeof text[1], t->ndim, t->shape));
    }
    tl_tensor *old = t->grad;
    if (!is_none(grad))
        tensor_keep(grad);
    t->grad = is_none(grad) ? NULL : grad;
    if (old)
        tensor_release(old);
    return TL_OK;
}

tl_tensor *tl_retain_grad(tl_tensor *t)
{
    if (!t || !needs_grad(t)) {
        tl_fail(TL_ERR_STATE, "retain_grad: the tensor needs no gradient");
        return NULL;
    }
    if (!t->grad_fn || (t->flags & T_RETAIN_GRAD))
        return t;
    if (!t->grad_fn->retain && !(t->grad_fn->retain = calloc((size_t)t->grad_fn->n_out, sizeof *t->grad_fn->retain))) {
        tl_fail(TL_ERR_NOMEM, "retain_grad: out of memory");
        return NULL;
    }
    t->grad_fn->retain[t->output_nr] = t;
    t->flags |= T_RETAIN_GRAD;
    return t;
}

tl_tensor *tl_detach(tl_tensor *t)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "detach: the tensor is NULL or TL_NONE, and no earlier call failed");
        return NULL;
    }
    tl_tensor *a = tensor_alias(t);
    return a && scope_own(a) ? a : NULL;
}

tl_node *tl_grad_fn(tl_tensor *t)
{
    if (!t || is_none(t))
        return NULL;
    return t->grad_fn;
}

const char *tl_node_name(const tl_node *n)
{
    return !n ? "" : n->variable ? "AccumulateGrad" : n->entry->grad_name;
}

tl_node *tl_node_next(const tl_node *n, int i)
{
    return n && i >= 0 && i < n->n_in ? n->next[i].node : NULL;
}

int tl_node_n_next(const tl_node *n)
{
    return n ? n->n_in : 0;
}

tl_status tl_register_hook(tl_tensor *t, tl_grad_hook fn, void *ctx)
{
    if (!t || !fn)
        return tl_fail(TL_ERR_ARGUMENT, "register_hook: the tensor or the function is NULL");
    if (!needs_grad(t))
        return tl_fail(TL_ERR_STATE, "register_hook: the tensor needs no gradient");
    struct hook *h = malloc(sizeof *h);
    if (!h)
        return tl_fail(TL_ERR_NOMEM, "register_hook: out of memory");
    *h = (struct hook){.fn = fn, .ctx = ctx, .output_nr = t->output_nr};
    struct hook **end = t->grad_fn ? &t->grad_fn->hooks : &t->hooks;
    while (*end)
        end = &(*end)->next;
    *end = h;
    return TL_OK;
}
