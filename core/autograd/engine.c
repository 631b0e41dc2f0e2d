/* SPDX-License-Identifier: Apache-2.0
 *
 * Backward: one pass over the reachable graph in order of recording, newest first, on the calling thread. Gradients that meet
 * in a node are added in that order (which is PyTorch's, so sums round alike). Gradients of leaves are staged, and
 * committed when all is done.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

void node_release_saved(tl_node *n);

/* One node on the way: how many of its users are still to come, and what has arrived at its outputs. */
struct task {
    tl_node *node;
    tl_tensor **arrived; /* n_out references */
    int waiting;
    bool wanted; /* on the way to something that is asked for */
    bool needed; /* and not only asked for itself: its gradient function has to run */
};

struct capture {
    tl_node *node;
    int nr;
    tl_tensor *gradient; /* a reference */
};

struct engine {
    struct task *tasks;
    size_t n_tasks, capacity;
    uint32_t *table; /* open hash: node address → task + 1 */
    size_t table_size;
    uint32_t *heap;
    size_t n_heap;
    struct capture *captures;
    int n_captures;
    struct {
        tl_tensor *leaf, *gradient; /* references */
        bool in_place;
    } *staged;
    size_t n_staged, staged_capacity;
    bool to_leaves, retain, create;
};

struct tl_grad_ctx {
    struct engine *engine;
    tl_node *node;
    tl_tensor **arrived; /* n_out, borrowed */
    tl_tensor **set;     /* n_in, scope-owned */
};

/* ---- Tasks ------------------------------------------------------------------------------------------------------------------ */

static size_t slot_of(const struct engine *e, const tl_node *n)
{
    return (size_t)(((uintptr_t)n >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (e->table_size - 1);
}

static tl_status grow_table(struct engine *e)
{
    size_t size = e->table_size ? 2 * e->table_size : 64;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return tl_fail(TL_ERR_NOMEM, "backward: out of memory for %zu nodes", size);
    free(e->table);
    e->table = table;
    e->table_size = size;
    for (size_t t = 0; t < e->n_tasks; t++) {
        size_t i = slot_of(e, e->tasks[t].node);
        while (e->table[i])
            i = (i + 1) & (size - 1);
        e->table[i] = (uint32_t)(t + 1);
    }
    return TL_OK;
}

static struct task *task_find(const struct engine *e, const tl_node *n)
{
    for (size_t i = slot_of(e, n); e->table[i]; i = (i + 1) & (e->table_size - 1))
        if (e->tasks[e->table[i] - 1].node == n)
            return &e->tasks[e->table[i] - 1];
    return NULL;
}

/* Index of a node's task, making it if need be; SIZE_MAX and an error. */
static size_t task_add(struct engine *e, tl_node *n, bool *fresh)
{
    *fresh = false;
    if (2 * e->n_tasks >= e->table_size && grow_table(e) != TL_OK)
        return SIZE_MAX;
    size_t i = slot_of(e, n);
    for (; e->table[i]; i = (i + 1) & (e->table_size - 1))
        if (e->tasks[e->table[i] - 1].node == n)
            return e->table[i] - 1;
    if (e->n_tasks == e->capacity) {
        size_t capacity = e->capacity ? 2 * e->capacity : 32;
        struct task *tasks = realloc(e->tasks, capacity * sizeof *tasks);
        if (!tasks) {
            tl_fail(TL_ERR_NOMEM, "backward: out of memory for %zu nodes", capacity);
            return SIZE_MAX;
        }
        e->tasks = tasks;
        e->capacity = capacity;
    }
    tl_tensor **arrived = pool_alloc((size_t)n->n_out * sizeof *arrived);
    if (!arrived)
        return SIZE_MAX;
    memset(arrived, 0, (size_t)n->n_out * sizeof *arrived);
    node_keep(n);
    e->tasks[e->n_tasks] = (struct task){.node = n, .arrived = arrived};
    e->table[i] = (uint32_t)(++e->n_tasks);
    *fresh = true;
    return e->n_tasks - 1;
}

/* Everything reachable from the roots; each node is expanded once, in the order in which it was found. */
static tl_status discover(struct engine *e)
{
    for (size_t t = 0; t < e->n_tasks; t++) {
        tl_node *n = e->tasks[t].node;
        for (int i = 0; i < n->n_in; i++) {
            bool fresh;
            if (!n->next[i].node)
                continue;
            size_t k = task_add(e, n->next[i].node, &fresh);
            if (k == SIZE_MAX)
                return tl_error_code();
            e->tasks[k].waiting++;
        }
    }
    return TL_OK;
}

static int by_sequence(const void *a, const void *b)
{
    const struct task *const *x = a, *const *y = b;
    return ((*x)->node->sequence > (*y)->node->sequence) - ((*x)->node->sequence < (*y)->node->sequence);
}

/* Only nodes on a path to something that is asked for need to run. Older nodes decide first. */
static tl_status mark_wanted(struct engine *e)
{
    if (e->to_leaves) {
        for (size_t t = 0; t < e->n_tasks; t++)
            e->tasks[t].wanted = e->tasks[t].needed = true;
        return TL_OK;
    }
    struct task **order = malloc((e->n_tasks ? e->n_tasks : 1) * sizeof *order);
    if (!order)
        return tl_fail(TL_ERR_NOMEM, "grad: out of memory for %zu nodes", e->n_tasks);
    for (size_t t = 0; t < e->n_tasks; t++)
        order[t] = &e->tasks[t];
    for (int c = 0; c < e->n_captures; c++) {
        struct task *t = e->captures[c].node ? task_find(e, e->captures[c].node) : NULL;
        if (t)
            t->wanted = true;
    }
    qsort(order, e->n_tasks, sizeof *order, by_sequence);
    for (size_t t = 0; t < e->n_tasks; t++) {
        for (int i = 0; i < order[t]->node->n_in && !order[t]->needed; i++) {
            struct task *next = order[t]->node->next[i].node ? task_find(e, order[t]->node->next[i].node) : NULL;
            order[t]->needed = next && next->wanted;
        }
        order[t]->wanted |= order[t]->needed;
    }
    free(order);
    return TL_OK;
}

/* ---- Heap of ready tasks, newest first -------------------------------------------------------------------------------------------- */

static bool before(const struct engine *e, uint32_t a, uint32_t b)
{
    return e->tasks[a].node->sequence > e->tasks[b].node->sequence;
}

static void heap_push(struct engine *e, uint32_t t)
{
    size_t i = e->n_heap++;
    for (; i && before(e, t, e->heap[(i - 1) / 2]); i = (i - 1) / 2)
        e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = t;
}

static uint32_t heap_pop(struct engine *e)
{
    uint32_t top = e->heap[0], last = e->heap[--e->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= e->n_heap)
            break;
        if (child + 1 < e->n_heap && before(e, e->heap[child + 1], e->heap[child]))
            child++;
        if (!before(e, e->heap[child], last))
            break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = last;
    return top;
}

/* ---- Gradients --------------------------------------------------------------------------------------------------------------------- */

/* Add g (borrowed) to a slot that holds a reference. */
static tl_status add_to(tl_tensor **slot, tl_tensor *g)
{
    tl_tensor *sum = *slot ? tl_add(*slot, g) : g;
    if (!sum)
        return tl_error_code();
    tensor_keep(sum);
    if (*slot)
        tensor_release(*slot);
    *slot = sum;
    return TL_OK;
}

/* What a hook gave takes the place of the gradient: it must be one of the same tensor. */
static tl_status replace_by(tl_tensor **slot, tl_tensor *r, const char *node)
{
    tl_tensor *g = *slot;
    char text[2][160];
    if (is_none(r) || r->ndim != g->ndim || memcmp(r->shape, g->shape, (size_t)g->ndim * sizeof *g->shape) != 0)
        return tl_fail(TL_ERR_SHAPE, "a gradient hook of %s returned %s, but the gradient is %s; return one of that shape, or NULL to keep it", node,
                       is_none(r) ? "TL_NONE" : shape_text(text[0], sizeof text[0], r->ndim, r->shape),
                       shape_text(text[1], sizeof text[1], g->ndim, g->shape));
    if (r->storage->device != g->storage->device)
        return tl_fail(TL_ERR_DEVICE, "a gradient hook of %s returned a tensor on %s, but the gradient is on %s", node, r->storage->device->name,
                       g->storage->device->name);
    if (r->dtype != g->dtype && !(r = tl_cast(r, (tl_dtype)g->dtype)))
        return tl_error_code();
    tensor_keep(r);
    tensor_release(g);
    *slot = r;
    return TL_OK;
}

/* In a scope of their own: what they make on the way goes at once. */
static tl_status run_hooks(const tl_node *n, struct hook *h, int nr, tl_tensor **slot)
{
    tl_status s = TL_OK;
    tl_scope scope = tl_scope_begin();
    for (struct hook *next; h && s == TL_OK; h = next) {
        next = h->next; /* it may remove itself */
        if (h->output_nr != nr)
            continue;
        tl_status before = tl_error_code(); /* one that nobody cleared is not the hook's */
        tl_tensor *r = h->fn(*slot, h->ctx);
        if (r)
            s = replace_by(slot, r, tl_node_name(n));
        else if (before == TL_OK && (s = tl_error_code()) != TL_OK)
            tl_error_prefix("a gradient hook of %s: ", tl_node_name(n));
    }
    tl_scope_end(&scope);
    return s;
}

static tl_status stage(struct engine *e, tl_tensor *leaf, tl_tensor *g)
{
    if (e->n_staged == e->staged_capacity) {
        size_t capacity = e->staged_capacity ? 2 * e->staged_capacity : 16;
        void *p = realloc(e->staged, capacity * sizeof *e->staged);
        if (!p)
            return tl_fail(TL_ERR_NOMEM, "backward: out of memory for %zu gradients", capacity);
        e->staged = p;
        e->staged_capacity = capacity;
    }
    tensor_keep(leaf);
    tensor_keep(g);
    e->staged[e->n_staged].leaf = leaf;
    e->staged[e->n_staged++].gradient = g;
    return TL_OK;
}

static tl_status capture(struct engine *e, const tl_node *n, int nr, tl_tensor *g)
{
    for (int c = 0; c < e->n_captures; c++)
        if (e->captures[c].node == n && e->captures[c].nr == nr && !e->captures[c].gradient) {
            tensor_keep(g);
            e->captures[c].gradient = g;
        }
    return TL_OK;
}

static tl_status arrive_at_outputs(struct engine *e, struct task *t)
{
    tl_node *n = t->node;
    struct hook *hooks = n->variable ? n->variable->hooks : n->hooks;
    for (int i = 0; i < n->n_out; i++) {
        if (!t->arrived[i])
            continue;
        tl_status s = hooks ? run_hooks(n, hooks, i, &t->arrived[i]) : TL_OK;
        if (s != TL_OK)
            return s;
        if (n->retain && n->retain[i] && (s = stage(e, n->retain[i], t->arrived[i])) != TL_OK)
            return s;
        if (e->n_captures && (s = capture(e, n, i, t->arrived[i])) != TL_OK)
            return s;
    }
    return TL_OK;
}

static tl_status usable(const tl_node *n)
{
    if (n->released)
        return tl_fail(TL_ERR_STATE,
                       "backward: the graph was already used at %s, and what it had saved for that is gone; pass .retain_graph = true the first time",
                       tl_node_name(n));
    if (!n->entry->op->grad)
        return tl_fail(TL_ERR_UNSUPPORTED, "backward: %s is not differentiable%s", n->entry->op->name,
                       (n->entry->op->flags & TL_OP_INTERNAL) ? " twice" : "");
    return TL_OK;
}

/* The node's gradient function. If the node wrote a region of its output, the function sees the region only. */
static tl_status call_gradient(struct engine *e, struct task *t, tl_tensor **set)
{
    tl_node *n = t->node;
    tl_tensor *slice = NULL;
    tl_tensor **arrived = t->arrived;
    if (n->region && !(slice = region_slice(n->region, t->arrived[0])))
        return tl_error_code();
    struct tl_grad_ctx g = {.engine = e, .node = n, .arrived = n->region ? &slice : arrived, .set = set};
    tl_status s = n->entry->op->grad(&g);
    if (s != TL_OK)
        s = tl_fail(s, "its gradient function failed without saying why");
    if (s == TL_OK && n->region && n->next[n->region->self].node) {
        tl_tensor **self = &set[n->region->self];
        *self = region_replace(n->region, arrived[0], *self);
        s = *self ? TL_OK : tl_error_code();
    }
    if (s != TL_OK)
        tl_error_prefix("%s: ", n->entry->grad_name);
    return s;
}

static tl_status run_node(struct engine *e, struct task *t)
{
    tl_node *n = t->node;
    bool any = false;
    for (int i = 0; i < n->n_out; i++)
        any |= t->arrived[i] != NULL;
    if (!any || !t->wanted)
        return TL_OK;
    tl_status s = arrive_at_outputs(e, t);
    if (s != TL_OK)
        return s;
    if (n->variable)
        return e->to_leaves ? stage(e, n->variable, t->arrived[0]) : TL_OK;
    if (!t->needed)
        return TL_OK;
    if ((s = usable(n)) != TL_OK)
        return s;
    tl_tensor *few[16] = {0}, **set = n->n_in <= 16 ? few : calloc((size_t)n->n_in, sizeof *set);
    if (!set)
        return tl_fail(TL_ERR_NOMEM, "backward: out of memory for the gradients of %d inputs", n->n_in);
    tl_scope scope = tl_scope_begin();
    s = call_gradient(e, t, set);
    for (int i = 0; i < n->n_in && s == TL_OK; i++) {
        if (!n->next[i].node || !set[i])
            continue;
        struct task *next = task_find(e, n->next[i].node);
        if (next->wanted)
            s = add_to(&next->arrived[n->next[i].nr], set[i]);
    }
    tl_scope_end(&scope);
    if (set != few)
        free(set);
    if (!e->retain)
        node_release_saved(n);
    return s;
}

static void drop_arrived(struct task *t)
{
    for (int i = 0; i < t->node->n_out; i++)
        if (t->arrived[i]) {
            tensor_release(t->arrived[i]);
            t->arrived[i] = NULL;
        }
}

static tl_status run(struct engine *e)
{
    e->heap = malloc((e->n_tasks ? e->n_tasks : 1) * sizeof *e->heap);
    if (!e->heap)
        return tl_fail(TL_ERR_NOMEM, "backward: out of memory");
    for (size_t t = 0; t < e->n_tasks; t++)
        if (e->tasks[t].waiting == 0)
            heap_push(e, (uint32_t)t);
    while (e->n_heap) {
        struct task *t = &e->tasks[heap_pop(e)];
        tl_status s = run_node(e, t);
        if (s != TL_OK)
            return s;
        drop_arrived(t);
        for (int i = 0; i < t->node->n_in; i++) {
            if (!t->node->next[i].node)
                continue;
            struct task *next = task_find(e, t->node->next[i].node);
            if (--next->waiting == 0)
                heap_push(e, (uint32_t)(next - e->tasks));
        }
    }
    return TL_OK;
}

/* Is the stage the only holder of this gradient, so that it can become .grad itself? */
static bool exclusive(const tl_tensor *g)
{
    return atomic_load(&((tl_tensor *)(uintptr_t)g)->refs) == 1 && atomic_load(&g->storage->refs) == 1 && (g->flags & T_CONTIGUOUS);
}

static bool repeats_elements(const tl_tensor *t)
{
    for (int i = 0; i < t->ndim; i++)
        if (t->strides[i] == 0 && t->shape[i] > 1)
            return true;
    return false;
}

/* Threads that go backward at once may meet in a leaf. */
static pthread_mutex_t committing = PTHREAD_MUTEX_INITIALIZER;

static tl_status commit_locked(struct engine *e)
{
    /* First everything that can fail, then the assignments. */
    for (size_t i = 0; i < e->n_staged; i++) {
        tl_tensor *old = e->staged[i].leaf->grad, *g = e->staged[i].gradient, *better = NULL;
        e->staged[i].in_place = old && !e->create && !repeats_elements(old) && old->storage->device == g->storage->device;
        if (e->staged[i].in_place || (!old && exclusive(g)))
            continue;
        better = old ? tl_add(old, g) : tl_clone(g);
        if (!better)
            return tl_error_code();
        tensor_keep(better);
        tensor_release(g);
        e->staged[i].gradient = better;
    }
    for (size_t i = 0; i < e->n_staged; i++) {
        tl_tensor *leaf = e->staged[i].leaf, *g = e->staged[i].gradient, *old = leaf->grad;
        if (e->staged[i].in_place) {
            if (!tl_add_(old, g))
                return tl_error_code();
            continue;
        }
        tensor_keep(g);
        leaf->grad = g;
        if (old)
            tensor_release(old);
    }
    return TL_OK;
}

static tl_status commit(struct engine *e)
{
    if (e->n_staged == 0)
        return TL_OK;
    pthread_mutex_lock(&committing);
    tl_status s = commit_locked(e);
    pthread_mutex_unlock(&committing);
    return s;
}

static void finish(struct engine *e)
{
    for (size_t t = 0; t < e->n_tasks; t++) {
        drop_arrived(&e->tasks[t]);
        pool_free(e->tasks[t].arrived, (size_t)e->tasks[t].node->n_out * sizeof *e->tasks[t].arrived);
        node_release(e->tasks[t].node);
    }
    for (size_t i = 0; i < e->n_staged; i++) {
        tensor_release(e->staged[i].leaf);
        tensor_release(e->staged[i].gradient);
    }
    free(e->staged);
    free(e->tasks);
    free(e->table);
    free(e->heap);
}

/* ---- What gradient functions ask ------------------------------------------------------------------------------------------------------ */

struct op_entry *grad_entry(struct tl_grad_ctx *g)
{
    return g->node->entry;
}

/* What was saved, unless it was overwritten since. */
static tl_status unchanged(const struct tl_grad_ctx *g, const char *what, int i, const struct saved *s)
{
    char text[160];
    uint64_t now = storage_version(s->tensor->storage);
    if (now == s->version)
        return TL_OK;
    return tl_fail(TL_ERR_STATE,
                   "%s %d of %s (%s %s) is needed for its gradient, but was overwritten since by an in-place operation: it is at version %llu, "
                   "expected was %llu; use the form without underscore there, or tl_clone() it before",
                   what, i, g->node->entry->op->name, tl_dtype_name((tl_dtype)s->tensor->dtype),
                   shape_text(text, sizeof text, s->tensor->ndim, s->tensor->shape), (unsigned long long)now, (unsigned long long)s->version);
}

/* A handle of saved values whose history is output nr of `made_by` (NULL: none), for the length of this call. */
static tl_tensor *face_of(tl_tensor *saved, tl_node *made_by, int nr)
{
    tl_tensor *face = tensor_alias(saved);
    if (!face || !scope_own(face))
        return NULL;
    return history_set(face, made_by, nr) == TL_OK ? face : NULL;
}

/* The same for values that are a region of a whole base, which is what the edge leads to. */
static tl_tensor *face_in_region(const tl_node *n, tl_tensor *saved, struct edge base)
{
    tl_node *view = region_view(n, saved, base);
    tl_tensor *face = view ? face_of(saved, view, 0) : NULL;
    if (view)
        node_release(view);
    return face;
}

tl_tensor *tl_grad_input(struct tl_grad_ctx *g, int i)
{
    tl_node *n = g->node;
    if (i < 0 || i >= n->n_in) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s has no input %d", n->entry->op->name, i);
        return NULL;
    }
    if (n->in_meta[i].ndim < 0)
        return TL_NONE;
    struct saved *s = &n->in[i];
    if (!s->tensor) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s does not save input %d (saves_inputs)", n->entry->op->name, i);
        return NULL;
    }
    if (unchanged(g, "input", i, s) != TL_OK)
        return NULL;
    tl_node *next = n->next[i].node;
    if (!g->engine->create && tensor_revive(s->tensor))
        return scope_own(s->tensor) ? s->tensor : NULL;
    if (!g->engine->create || !next)
        return face_of(s->tensor, NULL, 0);
    if (n->region && n->region->self == i)
        return face_in_region(n, s->tensor, n->next[i]);
    return next->variable == s->tensor ? s->tensor : face_of(s->tensor, next, n->next[i].nr);
}

tl_tensor *tl_grad_output(struct tl_grad_ctx *g, int i)
{
    tl_node *n = g->node;
    struct saved *s = i >= 0 && i < n->n_out ? &n->out[i] : NULL;
    if (!s || !s->tensor) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s does not save output %d (saves_outputs)", n->entry->op->name, i);
        return NULL;
    }
    if (unchanged(g, "output", i, s) != TL_OK)
        return NULL;
    if (!g->engine->create)
        return s->tensor;
    return n->region ? face_in_region(n, s->tensor, (struct edge){n, i}) : face_of(s->tensor, n, i);
}

tl_tensor *tl_grad_arriving(struct tl_grad_ctx *g, int i)
{
    if (i < 0 || i >= g->node->n_out) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s has no output %d", g->node->entry->op->name, i);
        return NULL;
    }
    if (g->arrived[i])
        return g->arrived[i];
    const struct tl_meta *m = &g->node->out_meta[i];
    device *d = NULL;
    for (int k = 0; k < g->node->n_out && !d; k++)
        d = g->arrived[k] ? g->arrived[k]->storage->device : NULL;
    return m->ndim < 0 ? TL_NONE : tl_zero_(tensor_new(d ? d : device_default(), m->dtype, m->ndim, m->shape, false));
}

const struct tl_meta *tl_grad_input_meta(struct tl_grad_ctx *g, int i)
{
    return i >= 0 && i < g->node->n_in ? &g->node->in_meta[i] : NULL;
}

bool tl_grad_wants(struct tl_grad_ctx *g, int i)
{
    if (i < 0 || i >= g->node->n_in || !g->node->next[i].node)
        return false;
    const struct task *t = task_find(g->engine, g->node->next[i].node);
    return t && t->wanted;
}

const void *tl_grad_attrs(struct tl_grad_ctx *g)
{
    return g->node->attrs;
}

int tl_grad_n_inputs(struct tl_grad_ctx *g)
{
    return g->node->n_in;
}

/* Undo broadcasting: sum what was stretched. A gradient that is one number for all is stretched itself. */
static tl_tensor *fit(tl_tensor *g, const struct tl_meta *m)
{
    if (g->ndim == m->ndim && memcmp(g->shape, m->shape, (size_t)m->ndim * sizeof *m->shape) == 0)
        return g;
    if (g->ndim < m->ndim)
        return tl_contiguous(tl_expand(g, m->ndim, m->shape));
    struct tl_reduce_attrs a = {.struct_size = sizeof a, .keepdim = true};
    int extra = g->ndim - m->ndim;
    for (int i = 0; i < g->ndim; i++) {
        int64_t want = i < extra ? 1 : m->shape[i - extra];
        if (want == 1 && (g->shape[i] != 1 || i < extra))
            a.dims.v[a.dims.n++] = i;
        else if (want != g->shape[i] && g->shape[i] == 1)
            return tl_contiguous(tl_expand(g, m->ndim, m->shape));
    }
    tl_tensor *sum = a.dims.n ? tl_sum_with(g, &a) : g;
    return extra ? tl_view(sum, m->ndim, m->shape) : sum;
}

tl_status tl_grad_set(struct tl_grad_ctx *g, int i, tl_tensor *gradient)
{
    tl_node *n = g->node;
    if (!gradient)
        return tl_error_code() != TL_OK ? tl_error_code()
                                        : tl_fail(TL_ERR_ARGUMENT, "grad of %s: the gradient of input %d is NULL", n->entry->op->name, i);
    if (i < 0 || i >= n->n_in)
        return tl_fail(TL_ERR_ARGUMENT, "grad: %s has no input %d", n->entry->op->name, i);
    if (is_none(gradient) || n->in_meta[i].ndim < 0)
        return TL_OK;
    const struct tl_meta *m = &n->in_meta[i];
    tl_tensor *fitted = fit(gradient, m);
    if (fitted && fitted->dtype != (uint8_t)m->dtype)
        fitted = tl_cast(fitted, m->dtype);
    /* The gradient of a tensor that lives elsewhere (to_device) goes back there. */
    const tl_node *next = n->next[i].node;
    if (fitted && next && next->device != fitted->storage->device)
        fitted = tl_to_device(fitted, next->device->name);
    if (!fitted)
        return tl_error_code();
    if (fitted->ndim != m->ndim || memcmp(fitted->shape, m->shape, (size_t)m->ndim * sizeof *m->shape) != 0) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "grad of %s: input %d has shape %s, the gradient %s", n->entry->op->name, i,
                       shape_text(text[0], sizeof text[0], m->ndim, m->shape),
                       shape_text(text[1], sizeof text[1], fitted->ndim, fitted->shape));
    }
    g->set[i] = fitted;
    return TL_OK;
}

tl_status tl_grad_call(struct tl_grad_ctx *g, const char *name, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    struct op_entry *e = op_entry_named(name);
    if (!e)
        return tl_fail(TL_ERR_NOT_FOUND, "grad of %s: there is no op \"%s\"", g->node->entry->op->name, name);
    struct residual r = g->node->residual;
    return dispatch(e, attrs, in, n_in, NULL, out, &r);
}

/* ---- Public ----------------------------------------------------------------------------------------------------------------------------- */

static tl_status check_root(const char *who, int i, tl_tensor *t, tl_tensor *gradient)
{
    char text[2][160];
    if (!t || is_none(t) || !gradient)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %s %d is NULL or TL_NONE, and no earlier call failed", who,
                       !t || is_none(t) ? "output" : "the gradient of output", i);
    if (!needs_grad(t))
        return tl_fail(TL_ERR_STATE, "%s: output %d needs no gradient and has no grad_fn: nothing that it was made from requires one "
                                     "(tl_set_requires_grad()), or nothing was recorded (TL_NO_GRAD)",
                       who, i);
    if (is_none(gradient))
        return t->numel == 1 ? TL_OK
                             : tl_fail(TL_ERR_SHAPE, "%s: output %d has shape %s, so a gradient of that shape has to be given; only a single number "
                                                     "has a default, 1",
                                       who, i, shape_text(text[0], sizeof text[0], t->ndim, t->shape));
    if (gradient->ndim != t->ndim || memcmp(gradient->shape, t->shape, (size_t)t->ndim * sizeof *t->shape) != 0)
        return tl_fail(TL_ERR_SHAPE, "%s: the gradient of output %d has shape %s, the output %s", who, i,
                       shape_text(text[0], sizeof text[0], gradient->ndim, gradient->shape), shape_text(text[1], sizeof text[1], t->ndim, t->shape));
    if (!tl_dtype_is_float((tl_dtype)gradient->dtype))
        return tl_fail(TL_ERR_DTYPE, "%s: the gradient of output %d is %s; a floating one is expected", who, i,
                       tl_dtype_name((tl_dtype)gradient->dtype));
    if (gradient->storage->device != t->storage->device)
        return tl_fail(TL_ERR_DEVICE, "%s: the gradient of output %d is on %s, the output on %s; move it with tl_to_device()", who, i,
                       gradient->storage->device->name, t->storage->device->name);
    return TL_OK;
}

/* The node whose output t is; a new reference. NULL and an error. */
static tl_node *node_of(tl_tensor *t)
{
    tl_node *n = history_of(t);
    if (n)
        node_keep(n);
    return n ? n : (t->flags & T_REQUIRES_GRAD) ? accumulator_of(t) : NULL;
}

static tl_status add_root(struct engine *e, const char *who, int i, tl_tensor *t, tl_tensor *gradient)
{
    bool fresh;
    tl_status s = check_root(who, i, t, gradient);
    if (s != TL_OK)
        return s;
    if (is_none(gradient))
        gradient = tl_ones_like(t);
    else if (gradient->dtype != t->dtype)
        gradient = tl_cast(gradient, (tl_dtype)t->dtype);
    tl_node *n = gradient ? node_of(t) : NULL;
    if (!n)
        return tl_error_code();
    size_t k = task_add(e, n, &fresh);
    int nr = n->variable ? 0 : t->output_nr;
    node_release(n);
    return k == SIZE_MAX ? tl_error_code() : add_to(&e->tasks[k].arrived[nr], gradient);
}

static tl_status sweep(struct engine *e)
{
    tl_status s = discover(e);
    if (s == TL_OK)
        s = mark_wanted(e);
    if (s == TL_OK)
        s = run(e);
    return s;
}

tl_status tl_backward(tl_tensor *t, tl_tensor *gradient, struct tl_backward_options o)
{
    struct engine e = {.to_leaves = true, .retain = o.retain_graph || o.create_graph, .create = o.create_graph};
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        s = add_root(&e, "backward", 0, t, gradient);
        if (s == TL_OK)
            s = sweep(&e);
        if (s == TL_OK)
            s = commit(&e);
    }
    finish(&e);
    tl_set_grad_enabled(was);
    return s;
}

static tl_status add_capture(struct engine *e, int i, tl_tensor *input)
{
    if (!input || is_none(input))
        return tl_fail(TL_ERR_ARGUMENT, "grad: input %d is NULL or TL_NONE, and no earlier call failed", i);
    if (!needs_grad(input))
        return tl_fail(TL_ERR_STATE, "grad: input %d needs no gradient; call tl_set_requires_grad() on it before the outputs are computed", i);
    tl_node *n = node_of(input);
    if (!n)
        return tl_error_code();
    e->captures[i] = (struct capture){.node = n, .nr = n->variable ? 0 : input->output_nr};
    return TL_OK;
}

/* What arrived at input i, as a tensor that its receiver may write: not as a view that the engine made on the way. */
static tl_status take_capture(struct engine *e, int i, tl_tensor *input, struct tl_backward_options o, tl_tensor **out)
{
    tl_tensor *g = e->captures[i].gradient;
    if (!g && o.materialize_grads)
        return (*out = tl_zeros_like(input)) ? TL_OK : tl_error_code();
    if (!g && !o.allow_unused)
        return tl_fail(TL_ERR_STATE, "grad: no output depends on input %d; pass .allow_unused = true to get TL_NONE for it, or .materialize_grads = "
                                     "true for zeros",
                       i);
    if (!g) {
        *out = TL_NONE;
        return TL_OK;
    }
    e->captures[i].gradient = NULL;
    if (g->flags & T_QUIET_VIEW) {
        tl_tensor *face = tensor_alias(g);
        tensor_release(g);
        if (!(g = face))
            return tl_error_code();
    }
    if (!scope_own(g))
        return tl_error_code();
    *out = g;
    return TL_OK;
}

tl_status tl_grad(tl_tensor *const *outputs, int n_outputs, tl_tensor *const *grad_outputs, tl_tensor *const *inputs, int n_inputs,
                  tl_tensor **out, struct tl_backward_options o)
{
    if (n_outputs < 1 || n_inputs < 1 || !outputs || !inputs || !out)
        return tl_fail(TL_ERR_ARGUMENT, "grad: %d outputs and %d inputs; there must be one of each, and no list may be NULL", n_outputs, n_inputs);
    for (int i = 0; i < n_inputs; i++)
        out[i] = NULL;
    struct engine e = {.retain = o.retain_graph || o.create_graph, .create = o.create_graph, .n_captures = n_inputs};
    e.captures = calloc((size_t)n_inputs, sizeof *e.captures);
    if (!e.captures)
        return tl_fail(TL_ERR_NOMEM, "grad: out of memory for %d inputs", n_inputs);
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        for (int i = 0; i < n_inputs && s == TL_OK; i++)
            s = add_capture(&e, i, inputs[i]);
        for (int i = 0; i < n_outputs && s == TL_OK; i++)
            s = add_root(&e, "grad", i, outputs[i], grad_outputs ? grad_outputs[i] : TL_NONE);
        if (s == TL_OK)
            s = sweep(&e);
        if (s == TL_OK)
            s = commit(&e); /* tensors that retain their gradients */
    }
    for (int i = 0; i < n_inputs && s == TL_OK; i++)
        s = take_capture(&e, i, inputs[i], o, &out[i]);
    for (int i = 0; i < n_inputs; i++) {
        if (s != TL_OK)
            out[i] = NULL;
        if (e.captures[i].gradient)
            tensor_release(e.captures[i].gradient);
        if (e.captures[i].node)
            node_release(e.captures[i].node);
    }
    free(e.captures);
    finish(&e);
    tl_set_grad_enabled(was);
    return s;
}
