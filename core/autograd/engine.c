/* SPDX-License-Identifier: Apache-2.0
 *
 * Backward: one pass over the reachable graph in order of recording, newest first, on the calling thread. Gradients that meet
 * in a node are added in that order (which is PyTorch's, so sums round alike).
 */
#include <stdlib.h>

#include "core/autograd/engine.h"

void node_release_saved(tl_node *n);

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

struct task *task_find(const struct engine *e, const tl_node *n)
{
    for (size_t i = slot_of(e, n); e->table[i]; i = (i + 1) & (e->table_size - 1))
        if (e->tasks[e->table[i] - 1].node == n)
            return &e->tasks[e->table[i] - 1];
    return NULL;
}

size_t task_add(struct engine *e, tl_node *n, bool *fresh)
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

tl_status add_gradient(tl_tensor **slot, tl_tensor *g)
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
        if (n->retain && n->retain[i] && (s = engine_stage(e, n->retain[i], t->arrived[i])) != TL_OK)
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
        return e->to_leaves ? engine_stage(e, n->variable, t->arrived[0]) : TL_OK;
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
            s = add_gradient(&next->arrived[n->next[i].nr], set[i]);
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

tl_status engine_sweep(struct engine *e)
{
    tl_status s = discover(e);
    if (s == TL_OK)
        s = mark_wanted(e);
    if (s == TL_OK)
        s = run(e);
    return s;
}

void engine_finish(struct engine *e)
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
