/* SPDX-License-Identifier: Apache-2.0
 *
 * Backward: one pass over the reachable graph in order of recording, newest first, on the calling thread. Gradients that meet
 * in a node are added in that order (which is PyTorch's, so sums round alike). Gradients of leaves are staged, and
 * committed when all is done.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

void node_release_saved(tl_node *n);

/* One node on the way: how many of its users are still to come, and what has arrived at its outputs. */
struct task {
    tl_node *node;
    tl_tensor **arrived; /* n_out references */
    int waiting;
    bool wanted, seen;
};

struct capture {
    tl_node *node;
    int nr;
    tl_tensor *gradient; /* a reference */
};

/* A gradient that waits for the end, and how it will be joined with what the leaf has. */
struct staged {
    tl_tensor *leaf, *gradient; /* references */
    enum { REPLACE, ADD, COPY } how;
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
    struct staged *staged;
    size_t n_staged, staged_capacity;
    bool to_leaves, retain, create;
};

struct tl_grad_ctx {
    struct engine *engine;
    tl_node *node;
    struct task *task;
    tl_tensor **set; /* scope-owned */
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
            e->tasks[t].wanted = true;
        return TL_OK;
    }
    struct task **order = malloc((e->n_tasks ? e->n_tasks : 1) * sizeof *order);
    if (!order)
        return tl_fail(TL_ERR_NOMEM, "grad: out of memory");
    for (size_t t = 0; t < e->n_tasks; t++)
        order[t] = &e->tasks[t];
    for (int c = 0; c < e->n_captures; c++) {
        struct task *t = e->captures[c].node ? task_find(e, e->captures[c].node) : NULL;
        if (t)
            t->wanted = true;
    }
    qsort(order, e->n_tasks, sizeof *order, by_sequence);
    for (size_t t = 0; t < e->n_tasks; t++)
        for (int i = 0; i < order[t]->node->n_in && !order[t]->wanted; i++) {
            struct task *next = order[t]->node->next[i].node ? task_find(e, order[t]->node->next[i].node) : NULL;
            order[t]->wanted = next && next->wanted;
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

static tl_status run_hooks(struct hook *h, int nr, tl_tensor **slot)
{
    for (; h; h = h->next) {
        if (h->output_nr != nr)
            continue;
        tl_tensor *r = h->fn(*slot, h->ctx);
        if (!r) {
            if (tl_error_code() != TL_OK)
                return tl_error_code();
            continue;
        }
        if (r->ndim != (*slot)->ndim || r->dtype != (*slot)->dtype || memcmp(r->shape, (*slot)->shape, (size_t)r->ndim * sizeof *r->shape) != 0) {
            char text[2][160];
            return tl_fail(TL_ERR_SHAPE, "a gradient hook returned %s %s for a gradient of %s %s", tl_dtype_name((tl_dtype)r->dtype),
                           shape_text(text[0], sizeof text[0], r->ndim, r->shape), tl_dtype_name((tl_dtype)(*slot)->dtype),
                           shape_text(text[1], sizeof text[1], (*slot)->ndim, (*slot)->shape));
        }
        tensor_keep(r);
        tensor_release(*slot);
        *slot = r;
    }
    return TL_OK;
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
        tl_status s = hooks ? run_hooks(hooks, i, &t->arrived[i]) : TL_OK;
        if (s != TL_OK)
            return s;
        if (n->retain && n->retain[i] && e->to_leaves && (s = stage(e, n->retain[i], t->arrived[i])) != TL_OK)
            return s;
        if (e->n_captures && (s = capture(e, n, i, t->arrived[i])) != TL_OK)
            return s;
    }
    return TL_OK;
}

/* Does anybody below ask for what this node would compute? A tensor whose own gradient is all that is asked for is an end. */
static bool wanted_below(const struct engine *e, const tl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->next[i].node && task_find(e, n->next[i].node)->wanted)
            return true;
    return false;
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
    if (!e->to_leaves && !wanted_below(e, n))
        return TL_OK;
    if (n->released)
        return tl_fail(TL_ERR_STATE, "backward: the graph was already used at %s and what it saved is gone; pass .retain_graph = true the first time",
                       n->entry->grad_name);
    if (!n->entry->op->grad)
        return tl_fail(TL_ERR_UNSUPPORTED, "backward: %s is not differentiable%s", n->entry->op->name,
                       (n->entry->op->flags & TL_OP_INTERNAL) ? " twice" : "");
    tl_tensor *few[16] = {0}, **set = n->n_in <= 16 ? few : calloc((size_t)n->n_in, sizeof *set);
    if (!set)
        return tl_fail(TL_ERR_NOMEM, "backward: out of memory");
    tl_scope scope = tl_scope_begin();
    struct tl_grad_ctx g = {.engine = e, .node = n, .task = t, .set = set};
    s = n->entry->op->grad(&g);
    if (s != TL_OK)
        tl_error_prefix("%s: ", n->entry->grad_name);
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

/* May what is added to t be written over it? Its holders see it grow, as in PyTorch. */
static bool stays(const tl_tensor *t, const tl_tensor *g)
{
    return t->dtype == g->dtype && (t->flags & T_CONTIGUOUS);
}

/* Everything that can fail: the sums that are not made in place by one plain addition, and memory for all of them. */
static tl_status prepare_commit(struct engine *e, struct staged *s)
{
    tl_tensor *old = s->leaf->grad, *g = s->gradient, *better = NULL;
    s->how = REPLACE;
    if (old && !e->create && stays(old, g)) {
        tl_status status = tensor_canonical(old);
        if (status == TL_OK)
            status = tensor_canonical(g);
        if (status != TL_OK)
            return status;
        s->how = (old->dtype == TL_F32 || old->dtype == TL_F64) && (g->flags & T_CONTIGUOUS) && old->storage != g->storage ? ADD : COPY;
    }
    if (s->how == ADD || (!old && (e->create || exclusive(g))))
        return TL_OK;
    better = old ? tl_add(old, g) : tl_clone(g);
    if (!better || (s->how == COPY && tensor_canonical(better) != TL_OK))
        return tl_error_code();
    tensor_keep(better);
    tensor_release(g);
    s->gradient = better;
    return TL_OK;
}

static tl_status commit(struct engine *e)
{
    for (size_t i = 0; i < e->n_staged; i++) {
        tl_status s = prepare_commit(e, &e->staged[i]);
        if (s != TL_OK)
            return s;
    }
    for (size_t i = 0; i < e->n_staged; i++) {
        tl_tensor *old = e->staged[i].leaf->grad, *g = e->staged[i].gradient;
        tl_status s = TL_OK;
        switch (e->staged[i].how) {
        case ADD: s = tl_add_(old, g) ? TL_OK : tl_error_code(); break;
        case COPY:
            if ((s = tensor_written(old)) == TL_OK)
                s = copy_values(g, old);
            break;
        case REPLACE:
            tensor_keep(g);
            e->staged[i].leaf->grad = g;
            if (old)
                tensor_release(old);
        }
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
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

static tl_status overwritten(const struct tl_grad_ctx *g, const char *what, int i, const struct saved *s)
{
    return tl_fail(TL_ERR_STATE, "%s %d of %s, needed for its gradient, was overwritten since by an in-place operation (version %llu, was %llu)",
                   what, i, g->node->entry->op->name, (unsigned long long)storage_version(s->tensor->storage), (unsigned long long)s->version);
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
    if (storage_version(s->tensor->storage) != s->version) {
        overwritten(g, "input", i, s);
        return NULL;
    }
    return s->tensor;
}

tl_tensor *tl_grad_output(struct tl_grad_ctx *g, int i)
{
    tl_node *n = g->node;
    struct saved *s = i >= 0 && i < n->n_out ? &n->out[i] : NULL;
    if (!s || !s->tensor) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s does not save output %d (saves_outputs)", n->entry->op->name, i);
        return NULL;
    }
    if (storage_version(s->tensor->storage) != s->version) {
        overwritten(g, "output", i, s);
        return NULL;
    }
    if (!g->engine->create)
        return s->tensor;
    /* Under create_graph it needs its history back, on a face that does not outlive this call. */
    tl_tensor *face = tensor_alias(s->tensor);
    if (!face || !scope_own(face))
        return NULL;
    node_keep(n);
    face->grad_fn = n;
    face->output_nr = i;
    return face;
}

tl_tensor *tl_grad_arriving(struct tl_grad_ctx *g, int i)
{
    if (i < 0 || i >= g->node->n_out) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s has no output %d", g->node->entry->op->name, i);
        return NULL;
    }
    if (g->task->arrived[i])
        return g->task->arrived[i];
    const struct tl_meta *m = &g->node->out_meta[i];
    device *d = NULL;
    for (int k = 0; k < g->node->n_out && !d; k++)
        d = g->task->arrived[k] ? g->task->arrived[k]->storage->device : NULL;
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
    if (fitted && n->in[i].tensor && n->in[i].tensor->storage->device != fitted->storage->device)
        fitted = tl_to_device(fitted, n->in[i].tensor->storage->device->name);
    else if (fitted && n->next[i].node && n->next[i].node->variable && n->next[i].node->variable->storage->device != fitted->storage->device)
        fitted = tl_to_device(fitted, n->next[i].node->variable->storage->device->name);
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

static tl_status add_root(struct engine *e, tl_tensor *t, tl_tensor *gradient)
{
    bool fresh;
    if (!t || is_none(t) || !gradient)
        return tl_fail(TL_ERR_ARGUMENT, "backward: a tensor is NULL or TL_NONE, and no earlier call failed");
    if (view_is_stale(t))
        return stale_view("backward");
    if (!needs_grad(t))
        return tl_fail(TL_ERR_STATE, "backward: the tensor needs no gradient and has no grad_fn: nothing it was made from requires one");
    if (is_none(gradient)) {
        char text[160];
        if (t->numel != 1)
            return tl_fail(TL_ERR_SHAPE, "backward: of a tensor of shape %s a gradient of the same shape is needed; only single numbers have a default",
                           shape_text(text, sizeof text, t->ndim, t->shape));
        gradient = tl_ones_like(t);
        if (!gradient)
            return tl_error_code();
    } else if (gradient->ndim != t->ndim || memcmp(gradient->shape, t->shape, (size_t)t->ndim * sizeof *t->shape) != 0) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "backward: the gradient has shape %s, the tensor %s",
                       shape_text(text[0], sizeof text[0], gradient->ndim, gradient->shape),
                       shape_text(text[1], sizeof text[1], t->ndim, t->shape));
    }
    if (gradient->dtype != t->dtype && !(gradient = tl_cast(gradient, (tl_dtype)t->dtype)))
        return tl_error_code();
    tl_node *n = t->grad_fn;
    if (n)
        node_keep(n);
    else if (!(n = accumulator_of(t)))
        return tl_error_code();
    size_t k = task_add(e, n, &fresh);
    node_release(n);
    return k == SIZE_MAX ? tl_error_code() : add_to(&e->tasks[k].arrived[t->grad_fn ? t->output_nr : 0], gradient);
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
        s = add_root(&e, t, gradient);
        if (s == TL_OK)
            s = sweep(&e);
        if (s == TL_OK)
            s = commit(&e);
    }
    finish(&e);
    tl_set_grad_enabled(was);
    return s;
}

tl_status tl_grad(tl_tensor *const *outputs, int n_outputs, tl_tensor *const *grad_outputs, tl_tensor *const *inputs, int n_inputs,
                  tl_tensor **out, struct tl_backward_options o)
{
    for (int i = 0; i < n_inputs; i++)
        out[i] = NULL;
    struct engine e = {.retain = o.retain_graph || o.create_graph, .create = o.create_graph, .n_captures = n_inputs};
    e.captures = calloc((size_t)n_inputs + 1, sizeof *e.captures);
    if (!e.captures)
        return tl_fail(TL_ERR_NOMEM, "grad: out of memory");
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        for (int i = 0; i < n_inputs && s == TL_OK; i++) {
            if (!inputs[i] || is_none(inputs[i]) || !needs_grad(inputs[i])) {
                s = tl_fail(TL_ERR_STATE, "grad: input %d is missing or needs no gradient", i);
                break;
            }
            e.captures[i].nr = inputs[i]->grad_fn ? inputs[i]->output_nr : 0;
            e.captures[i].node = inputs[i]->grad_fn ? inputs[i]->grad_fn : accumulator_of(inputs[i]);
            if (inputs[i]->grad_fn)
                node_keep(e.captures[i].node);
            if (!e.captures[i].node)
                s = tl_error_code();
        }
        for (int i = 0; i < n_outputs && s == TL_OK; i++)
            s = add_root(&e, outputs[i], grad_outputs ? grad_outputs[i] : TL_NONE);
        if (s == TL_OK)
            s = sweep(&e);
    }
    for (int i = 0; i < n_inputs; i++) {
        if (s == TL_OK) {
            out[i] = e.captures[i].gradient ? tl_scope_adopt(e.captures[i].gradient) : TL_NONE;
            s = out[i] ? TL_OK : tl_error_code();
        } else if (e.captures[i].gradient) {
            tensor_release(e.captures[i].gradient);
        }
        if (e.captures[i].node)
            node_release(e.captures[i].node);
    }
    for (int i = 0; i < n_inputs && s != TL_OK; i++)
        out[i] = NULL;
    free(e.captures);
    finish(&e);
    tl_set_grad_enabled(was);
    return s;
}
