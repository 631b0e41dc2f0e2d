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

bool any_needs_grad(tl_tensor *const *t, int n)
{
    for (int i = 0; i < n; i++)
        if (needs_grad(t[i]))
            return true;
    return false;
}

/* ---- Life of nodes -------------------------------------------------------------------------------------------------------- */

void node_keep(tl_node *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

/* Drop what the gradient needed, but keep the node itself in the graph. */
void node_release_saved(tl_node *n)
{
    bool any = n->residual.storage != NULL;
    for (int i = 0; i < n->n_in; i++)
        if (n->in && n->in[i].tensor) {
            tensor_unhold(n->in[i].tensor);
            n->in[i].tensor = NULL;
            any = true;
        }
    for (int i = 0; i < n->n_out; i++)
        if (n->out && n->out[i].tensor) {
            tensor_release(n->out[i].tensor);
            n->out[i].tensor = NULL;
            any = true;
        }
    if (n->residual.storage) {
        storage_release(n->residual.storage);
        n->residual.storage = NULL;
    }
    n->released |= any; /* else it can be used again, as in PyTorch */
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
    free(n->region);
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

tl_node *node_new(struct op_entry *e, device *d, int n_in, int n_out, bool metas)
{
    size_t edges = round_up((size_t)n_in * sizeof(struct edge)), saved_in = round_up((size_t)n_in * sizeof(struct saved)),
           saved_out = round_up((size_t)n_out * sizeof(struct saved)),
           meta = metas ? round_up((size_t)(n_in + n_out) * sizeof(struct tl_meta)) : 0, attrs = e ? e->op->attrs_size : 0;
    size_t size = round_up(sizeof(tl_node)) + edges + saved_in + saved_out + meta + round_up(attrs);
    char *p = pool_alloc(size);
    if (!p)
        return NULL;
    tl_node *n = (tl_node *)(void *)p;
    memset(n, 0, sizeof *n);
    atomic_init(&n->refs, 1);
    n->entry = e;
    n->device = d;
    n->n_in = n_in;
    n->n_out = n_out;
    n->size = size;
    n->sequence = UINT64_MAX;
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
    if (n && n->device == leaf->storage->device) { /* else the leaf has moved, and an older graph still has this one */
        /* It may be on its way out on another thread: only a live count can be raised. */
        int refs = atomic_load(&n->refs);
        while (refs > 0 && !atomic_compare_exchange_weak(&n->refs, &refs, refs + 1))
            ;
        if (refs > 0) {
            storage_unlock(leaf->storage);
            return n;
        }
    }
    n = node_new(NULL, leaf->storage->device, 0, 1, false);
    if (n) {
        tensor_keep(leaf);
        n->variable = leaf;
        leaf->accumulator = n;
    }
    storage_unlock(leaf->storage);
    return n;
}

/* ---- Recording ---------------------------------------------------------------------------------------------------------------- */

static bool shares(const tl_tensor *t, tl_tensor *const *into, int n_out)
{
    for (int i = 0; i < n_out; i++)
        if (into[i] && into[i]->storage == t->storage)
            return true;
    return false;
}

/* Which inputs and outputs must be saved: for pointwise ops only what the wanted gradients mention. */
static void needed(const struct op_entry *e, tl_tensor *const *in, uint32_t *inputs, uint32_t *outputs)
{
    *inputs = e->op->saves_inputs;
    *outputs = e->op->saves_outputs;
    if (!e->pointwise)
        return;
    *inputs = *outputs = 0;
    for (int i = 0; i < e->op->n_in; i++)
        if (needs_grad(in[i])) {
            *inputs |= e->pointwise->uses[i] >> 1 & 7; /* a, b, c */
            *outputs |= e->pointwise->uses[i] >> 4 & 1; /* y */
        }
}

static bool saves(uint32_t inputs, int i)
{
    return (inputs & (1u << (i < 31 ? i : 31))) != 0;
}

tl_status keep_overwritten(const struct op_entry *e, tl_tensor *const *in, int n_in, tl_tensor *const *into, tl_tensor **values)
{
    uint32_t inputs, outputs;
    needed(e, in, &inputs, &outputs);
    for (int i = 0; i < n_in; i++) {
        values[i] = in[i];
        if (is_none(in[i]) || !saves(inputs, i) || !shares(in[i], into, e->op->n_out))
            continue;
        for (int k = 0; k < i && values[i] == in[i]; k++)
            if (in[k] == in[i])
                values[i] = values[k];
        bool was = tl_set_grad_enabled(false);
        if (values[i] == in[i])
            values[i] = tl_clone(in[i]);
        tl_set_grad_enabled(was);
        if (!values[i])
            return tl_error_code();
    }
    return TL_OK;
}

/* Its values, without its handle: see tensor_hold(). */
static void save_input(struct saved *s, tl_tensor *t)
{
    tensor_hold(t);
    s->tensor = t;
    s->version = storage_version(t->storage);
}

/* A face without history, so that no cycle forms. */
static tl_status save_output(struct saved *s, tl_tensor *t)
{
    s->version = storage_version(t->storage);
    s->tensor = tensor_alias(t);
    return s->tensor ? TL_OK : tl_error_code();
}

tl_status node_connect(tl_node *n, int i, tl_tensor *t)
{
    if (!needs_grad(t))
        return TL_OK;
    tl_node *next = history_of(t);
    if (next)
        node_keep(next);
    else if (!(t->flags & T_REQUIRES_GRAD) || !(next = accumulator_of(t)))
        return tl_error_code();
    n->next[i] = (struct edge){next, next->variable ? 0 : t->output_nr};
    return TL_OK;
}

void node_number(tl_node *n)
{
    n->sequence = atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed);
}

static void describe(const tl_tensor *t, struct tl_meta *m)
{
    m->dtype = (tl_dtype)t->dtype;
    m->ndim = is_none(t) ? -1 : t->ndim;
    if (m->ndim > 0)
        memcpy(m->shape, t->shape, (size_t)t->ndim * sizeof *t->shape);
}

static tl_status save_what_is_needed(tl_node *n, tl_tensor *const *in, int n_in, tl_tensor *const *values, tl_tensor **out)
{
    uint32_t inputs, outputs;
    tl_status s = TL_OK;
    needed(n->entry, in, &inputs, &outputs);
    for (int i = 0; i < n_in; i++)
        if (saves(inputs, i) && !is_none(in[i]))
            save_input(&n->in[i], values ? values[i] : in[i]);
    for (int i = 0; i < n->n_out && s == TL_OK; i++)
        if ((outputs & (1u << i)) && out[i])
            s = save_output(&n->out[i], out[i]);
    return s;
}

/* The operand that is the view itself, or n_in. */
static int operand_written(tl_tensor *const *in, int n_in, const tl_tensor *into)
{
    int i = 0;
    while (i < n_in && in[i] != into)
        i++;
    return i;
}

tl_status record(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out, const struct tl_meta *out_meta,
                 struct residual *residual, tl_tensor *const *into, tl_tensor *const *values)
{
    int n_out = e->op->n_out;
    tl_tensor *view = into && into[0] && into[0]->base ? into[0] : NULL;
    int self = view ? operand_written(in, n_in, view) : -1;
    device *d = NULL;
    for (int i = 0; i < n_out && !d; i++)
        d = out[i] ? out[i]->storage->device : NULL;
    tl_node *n = node_new(e, d, self == n_in ? n_in + 1 : n_in, n_out, true);
    if (!n)
        return tl_error_code();
    if (attrs)
        memcpy(n->attrs, attrs, e->op->attrs_size);
    else
        memset(n->attrs, 0, e->op->attrs_size);
    tl_status s = TL_OK;
    for (int i = 0; i < n_in && s == TL_OK; i++) {
        s = i == self ? TL_OK : node_connect(n, i, in[i]);
        describe(in[i], &n->in_meta[i]);
    }
    memcpy(n->out_meta, out_meta, (size_t)n_out * sizeof *out_meta);
    if (s == TL_OK && view)
        s = region_attach(n, view, self);
    node_number(n);
    if (s == TL_OK)
        s = save_what_is_needed(n, in, n_in, values, out);
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
        s = into && into[i] ? history_rewrite(out[i], n, i) : history_set(out[i], n, i);
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
    return t && (!needs_grad(t) || (t->flags & T_REQUIRES_GRAD));
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
    if (!tl_is_leaf(t)) {
        if (on)
            return t;
        tl_fail(TL_ERR_STATE, "set_requires_grad: it can be switched off for leaves only, and this is the result of %s; use tl_detach()",
                tl_node_name(history_of(t)));
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
    if (UNLIKELY(program_recorder != NULL) && t && !is_none(t) && record_gradient(t, true) != TL_OK)
        return NULL;
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
    if (UNLIKELY(program_recorder != NULL) && record_gradient(t, false) != TL_OK)
        return tl_error_code();
    tl_tensor *old = t->grad;
    if (!is_none(grad))
        tensor_keep(grad);
    t->grad = is_none(grad) ? NULL : grad;
    if (old)
        tensor_release(old);
    return TL_OK;
}

tl_node *tl_grad_fn(tl_tensor *t)
{
    if (!t || is_none(t))
        return NULL;
    return history_of(t);
}

const char *tl_node_name(const tl_node *n)
{
    return !n ? "" : n->variable ? "AccumulateGrad" : n->region ? "CopySlices" : n->entry->grad_name;
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
    if (!t || is_none(t) || !fn)
        return tl_fail(TL_ERR_ARGUMENT, "register_hook: the tensor or the function is NULL");
    if (!needs_grad(t))
        return tl_fail(TL_ERR_STATE, "register_hook: the tensor needs no gradient, so none will arrive: nothing it was made from requires one");
    tl_node *n = history_of(t);
    if (!n && !(t->flags & T_REQUIRES_GRAD))
        return tl_error_code();
    struct hook *h = malloc(sizeof *h);
    if (!h)
        return tl_fail(TL_ERR_NOMEM, "register_hook: out of memory");
    *h = (struct hook){.fn = fn, .ctx = ctx, .output_nr = n ? t->output_nr : 0};
    struct hook **end = n ? &n->hooks : &t->hooks;
    while (*end)
        end = &(*end)->next;
    *end = h;
    return TL_OK;
}

tl_status tl_remove_hook(tl_tensor *t, tl_grad_hook fn, void *ctx)
{
    if (!t || is_none(t) || !fn)
        return tl_fail(TL_ERR_ARGUMENT, "remove_hook: the tensor or the function is NULL");
    tl_node *n = history_of(t);
    for (struct hook **h = n ? &n->hooks : &t->hooks; *h; h = &(*h)->next) {
        struct hook *found = *h;
        if (found->fn != fn || found->ctx != ctx || found->output_nr != (n ? t->output_nr : 0))
            continue;
        *h = found->next;
        free(found);
        return TL_OK;
    }
    return tl_fail(TL_ERR_NOT_FOUND, "remove_hook: the tensor has no hook with this function and this ctx; after a write in place its hooks stay with "
                                     "the value that it had before");
}
