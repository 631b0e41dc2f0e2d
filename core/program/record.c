/* SPDX-License-Identifier: Apache-2.0
 *
 * Recording: what ops do while a function is called on tensors without values. Calls arrive here in the place where they would look for a
 * kernel, so that everything before (promotion, checks, shapes) and after (history, versions) is what eager calls have.
 */
#include <stdlib.h>

#include "core/program/program.h"

HOT_TLS struct recorder *program_recorder;
static HOT_TLS struct recorder *paused; /* what goes on after tl_set_recording(true) */
static atomic_uint last_id;

/* ---- Values ------------------------------------------------------------------------------------------------------------------- */

static struct place *place_of(const struct recorder *r, const storage *s)
{
    size_t i = ((uintptr_t)s >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 20 & (r->table_size - 1);
    while (r->table[i].storage && r->table[i].storage != s)
        i = (i + 1) & (r->table_size - 1);
    return &r->table[i];
}

static tl_status rehash(struct recorder *r, size_t size)
{
    struct place *old = r->table, *table = calloc(size, sizeof *table);
    if (!table)
        return tl_fail(TL_ERR_NOMEM, "recording: out of memory for %zu values", size);
    r->table = table;
    r->table_size = size;
    for (size_t i = 0; i < r->graph->n_values; i++)
        *place_of(r, r->graph->values[i].storage) = (struct place){r->graph->values[i].storage, (int)i};
    free(old);
    return TL_OK;
}

/* The number of a new value; -1 and an error. */
static int value_add(struct recorder *r, storage *s, enum value_kind kind)
{
    struct graph *g = r->graph;
    if (g->n_values == g->value_capacity) {
        size_t capacity = g->value_capacity ? 2 * g->value_capacity : 64;
        struct value *values = realloc(g->values, capacity * sizeof *values);
        if (!values) {
            tl_fail(TL_ERR_NOMEM, "recording: out of memory for %zu values", capacity);
            return -1;
        }
        g->values = values;
        g->value_capacity = capacity;
    }
    if (2 * (g->n_values + 1) > r->table_size && rehash(r, 2 * r->table_size) != TL_OK)
        return -1;
    storage_keep(s);
    g->values[g->n_values] = (struct value){.storage = s, .kind = kind};
    *place_of(r, s) = (struct place){s, (int)g->n_values};
    return (int)g->n_values++;
}

static void describe(struct operand *o, int value, const tl_tensor *t)
{
    *o = (struct operand){.value = value, .dtype = (tl_dtype)t->dtype, .ndim = t->ndim, .offset = t->offset};
    memcpy(o->shape, t->shape, (size_t)t->ndim * sizeof *t->shape);
    memcpy(o->strides, t->strides, (size_t)t->ndim * sizeof *t->strides);
}

/* A tensor from outside, or a constant that was made meanwhile. */
static int capture(struct recorder *r, tl_tensor *t)
{
    storage *s = t->storage;
    int v = value_add(r, s, VALUE_CAPTURED);
    if (v < 0)
        return -1;
    if (s->made_in == r->id) {
        s->recorded |= RECORDED_CONSTANT;
        return v;
    }
    tl_tensor *handle = t->base && t->base->storage == s ? t->base : t;
    struct value *value = &r->graph->values[v];
    if (!(value->was = malloc(sizeof *value->was))) {
        tl_fail(TL_ERR_NOMEM, "recording: out of memory for a tensor");
        return -1;
    }
    describe(value->was, v, handle);
    value->wants_grad = (handle->flags & T_REQUIRES_GRAD) != 0;
    tensor_hold(handle);
    value->handle = handle;
    return v;
}

static int value_read(struct recorder *r, tl_tensor *t)
{
    const struct place *p = place_of(r, t->storage);
    if (p->storage)
        return p->value;
    if (t->storage->recorded & RECORDED_VALUELESS) {
        tl_fail(TL_ERR_STATE, "recording: a tensor is the result of a recording that was given up, or of another one, and has no values");
        return -1;
    }
    return capture(r, t);
}

tl_status record_handle(tl_tensor *t)
{
    struct recorder *r = program_recorder;
    if (place_of(r, t->storage)->storage || t->storage->made_in == r->id || (t->storage->recorded & RECORDED_VALUELESS))
        return TL_OK;
    return capture(r, t) >= 0 ? TL_OK : tl_error_code();
}

static int value_written(struct recorder *r, tl_tensor *t, const char *who)
{
    storage *s = t->storage;
    const struct place *p = place_of(r, s);
    int v = p->storage ? p->value : -1;
    if (s->made_in == r->id && !(s->recorded & RECORDED_VALUELESS)) {
        if (v >= 0 || (s->recorded & RECORDED_FILLED)) {
            tl_fail(TL_ERR_STATE, "%s: a tensor that was made from data while recording is written in place, which would happen once more at "
                                  "each run; tl_clone() it first, or make it outside",
                    who);
            return -1;
        }
        storage_forget_values(s);
        v = value_add(r, s, VALUE_LOCAL);
    } else if (v < 0) {
        v = value_read(r, t);
    }
    if (v >= 0)
        r->graph->values[v].writes++;
    return v;
}

bool operand_same_region(const struct operand *a, const struct operand *b)
{
    size_t n = (size_t)a->ndim * sizeof *a->shape;
    return a->offset == b->offset && a->ndim == b->ndim && memcmp(a->shape, b->shape, n) == 0 && memcmp(a->strides, b->strides, n) == 0;
}

tl_tensor *operand_tensor(const struct graph *g, const struct operand *o)
{
    if (o->value < 0)
        return TL_NONE;
    storage *s = g->values[o->value].storage;
    storage_keep(s);
    return tensor_over(s, o->dtype, o->ndim, o->shape, o->strides, o->offset);
}

/* ---- Nodes -------------------------------------------------------------------------------------------------------------------- */

void node_free(struct node *n)
{
    if (!n)
        return;
    if (n->release)
        n->release(n->ctx);
    for (int i = 0; i < n->n_parts; i++)
        node_free(n->parts[i]);
    free(n->parts);
    free(n->epilogue);
    free(n->in);
    free(n->attrs);
    free(n);
}

struct node *node_make(int n_in, int n_out, const void *attrs, size_t attrs_size)
{
    struct node *n = calloc(1, sizeof *n);
    if (n)
        n->in = calloc((size_t)(n_in + n_out) + 1, sizeof *n->in);
    if (n && attrs_size)
        n->attrs = malloc(attrs_size);
    if (!n || !n->in || (attrs_size && !n->attrs)) {
        node_free(n);
        tl_fail(TL_ERR_NOMEM, "recording: out of memory for a call");
        return NULL;
    }
    if (attrs_size)
        memcpy(n->attrs, attrs, attrs_size);
    n->attrs_size = attrs_size;
    n->out = n->in + n_in;
    n->n_in = n_in;
    n->n_out = n_out;
    n->residual_in = n->residual_out = -1;
    return n;
}

tl_status node_append(struct node_list *list, struct node *n)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct node **v = realloc(list->v, capacity * sizeof(struct node *));
        if (!v)
            return tl_fail(TL_ERR_NOMEM, "recording: out of memory for %zu calls", capacity);
        list->v = v;
        list->capacity = capacity;
    }
    list->v[list->n++] = n;
    return TL_OK;
}

int recorder_value(struct recorder *r, tl_tensor *t)
{
    storage_forget_values(t->storage);
    int v = value_add(r, t->storage, VALUE_LOCAL);
    if (v >= 0)
        r->graph->values[v].writes = 1;
    return v;
}

tl_status recorder_operand(struct recorder *r, tl_tensor *t, struct operand *o)
{
    int v = value_read(r, t);
    if (v < 0)
        return tl_error_code();
    describe(o, v, t);
    return TL_OK;
}

/* A new tensor without values, as the output of a node of e. */
static tl_tensor *new_output(struct recorder *r, struct op_entry *e, device *d, const struct tl_meta *m)
{
    tl_tensor *t = tensor_new(d, m->dtype, m->ndim, m->shape, true);
    if (!t)
        return NULL;
    int v = recorder_value(r, t);
    if (v < 0)
        return NULL;
    r->graph->values[v].made_by = e;
    return t;
}

static tl_status take_inputs(struct recorder *r, struct node *n, tl_tensor *const *in)
{
    for (int i = 0; i < n->n_in; i++) {
        n->in[i].value = -1;
        if (is_none(in[i]))
            continue;
        int v = value_read(r, in[i]);
        if (v < 0)
            return tl_error_code();
        describe(&n->in[i], v, in[i]);
    }
    return TL_OK;
}

static tl_status take_output(struct recorder *r, struct node *n, int i, tl_tensor *t)
{
    int v = value_written(r, t, node_name(n));
    if (v < 0)
        return tl_error_code();
    if (!r->graph->values[v].made_by)
        r->graph->values[v].made_by = n->entry;
    describe(&n->out[i], v, t);
    return TL_OK;
}

static tl_status take_residual(struct recorder *r, struct node *n, device *d, struct residual *residual, bool want)
{
    if (residual && residual->storage) {
        const struct place *p = place_of(r, residual->storage);
        n->residual_in = p->storage ? p->value : -1; /* one from outside the recording is not used: it is computed again */
        return TL_OK;
    }
    if (!residual || !want)
        return TL_OK;
    storage *s = storage_new(d, INLINE_BYTES + 1, true);
    if (!s)
        return tl_error_code();
    storage_forget_values(s);
    n->residual_out = value_add(r, s, VALUE_RESIDUAL);
    if (n->residual_out < 0) {
        storage_release(s);
        return tl_error_code();
    }
    *residual = (struct residual){.storage = s};
    n->want_residual = true;
    return TL_OK;
}

tl_status record_op(struct op_entry *e, device *d, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, int n_out,
                    tl_tensor **out, struct residual *residual, bool want_residual)
{
    struct recorder *r = program_recorder;
    size_t attrs_size = attrs ? (e->pointwise ? sizeof(struct tl_pointwise_attrs) : e->op->attrs_size) : 0;
    struct node *n = node_make(n_in, n_out, attrs, attrs_size);
    if (!n)
        return tl_error_code();
    n->entry = e;
    tl_status s = take_inputs(r, n, in);
    for (int i = 0; i < n_out && s == TL_OK; i++) {
        n->meta[i] = meta[i];
        n->out[i].value = -1;
        if (meta[i].ndim < 0)
            continue;
        if (out[i]) {
            s = take_output(r, n, i, out[i]);
            continue;
        }
        n->fresh |= 1u << i;
        out[i] = new_output(r, e, d, &meta[i]);
        if (out[i])
            describe(&n->out[i], place_of(r, out[i]->storage)->value, out[i]);
        else
            s = tl_error_code();
    }
    if (s == TL_OK)
        s = take_residual(r, n, d, residual, want_residual);
    if (s == TL_OK)
        s = node_append(r->to, n);
    if (s != TL_OK)
        node_free(n);
    return s;
}

tl_status record_copy(tl_tensor *from, tl_tensor *to)
{
    struct tl_meta meta = {.dtype = (tl_dtype)to->dtype, .ndim = to->ndim};
    memcpy(meta.shape, to->shape, sizeof meta.shape);
    return record_op(op_entry_named("copy"), to->storage->device, NULL, &from, 1, &meta, 1, &to, NULL, false);
}

tl_status record_fill(tl_tensor *t, const struct tl_fill_attrs *attrs)
{
    struct tl_meta meta = {.dtype = (tl_dtype)t->dtype, .ndim = t->ndim};
    memcpy(meta.shape, t->shape, sizeof meta.shape);
    return record_op(op_entry_named("fill"), t->storage->device, attrs, NULL, 0, &meta, 1, &t, NULL, false);
}

static tl_status check_call(const char *name, tl_tensor *const *t, int n)
{
    for (int i = 0; i < n; i++)
        if (!t || !t[i] || is_none(t[i]))
            return tl_fail(TL_ERR_ARGUMENT, "record_call: tensor %d of %s is NULL or TL_NONE, and no earlier call failed", i, name);
    return TL_OK;
}

static tl_status record_call_of(struct recorder *r, struct node *n, tl_tensor *const *in, tl_tensor *const *out)
{
    tl_status s = take_inputs(r, n, in);
    for (int i = 0; i < n->n_out && s == TL_OK; i++) {
        s = take_output(r, n, i, out[i]);
        if (s == TL_OK)
            atomic_fetch_add_explicit(&out[i]->storage->version, 1, memory_order_relaxed);
    }
    return s == TL_OK ? node_append(r->to, n) : s;
}

tl_status tl_record_call(const char *name, tl_program_call call, void *ctx, void (*release)(void *ctx), tl_tensor *const *in, int n_in,
                         tl_tensor *const *out, int n_out)
{
    tl_status s = !program_recorder            ? tl_fail(TL_ERR_STATE, "record_call: nothing is being recorded in this thread")
                  : !name || !call || n_in < 0 || n_out < 0 ? tl_fail(TL_ERR_ARGUMENT, "record_call: no name, no function, or a negative number of tensors")
                                        : check_call(name, in, n_in);
    if (s == TL_OK)
        s = check_call(name, out, n_out);
    struct node *n = s == TL_OK ? node_make(n_in, n_out, NULL, 0) : NULL;
    if (n) {
        n->name = name;
        n->call = call;
        n->ctx = ctx;
        s = record_call_of(program_recorder, n, in, out);
        if (s == TL_OK)
            n->release = release;
        else
            node_free(n);
    }
    s = n ? s : tl_error_code();
    if (s != TL_OK && release)
        release(ctx);
    return s;
}

/* ---- What else asks whether a recording is on ---------------------------------------------------------------------------------- */

bool tl_recording(void)
{
    return program_recorder != NULL;
}

bool tl_set_recording(bool on)
{
    bool was = program_recorder != NULL;
    if (on == was)
        return was;
    if (on) {
        program_recorder = paused;
        paused = NULL;
    } else {
        paused = program_recorder;
        program_recorder = NULL;
    }
    return was;
}

bool recording_anywhere(void)
{
    return program_recorder || paused;
}

uint32_t recording_id(void)
{
    return program_recorder->id;
}

const char *recording_made_by(const storage *s)
{
    struct recorder *r = program_recorder ? program_recorder : paused;
    const struct place *p = r ? place_of(r, s) : NULL;
    if (!p || !p->storage)
        return NULL;
    const struct value *v = &r->graph->values[p->value];
    return v->kind == VALUE_INPUT ? "an input of the program" : v->made_by ? v->made_by->op->name : "a call of the host";
}

tl_status record_read(const tl_tensor *t)
{
    const struct place *p = place_of(program_recorder, t->storage);
    if (!p->storage || program_recorder->graph->values[p->value].writes == 0)
        return TL_OK;
    return tl_fail(TL_ERR_STATE, "recording: a value is read that is not there yet: it is the result of %s; a program's function may only use "
                                 "ops, tl_record_call(), and what was there before",
                   recording_made_by(t->storage));
}

tl_status record_gradient(tl_tensor *leaf, bool read)
{
    struct graph *g = program_recorder->graph;
    for (size_t i = 0; i < g->n_grads; i++)
        if (g->grads[i].leaf == leaf)
            return TL_OK;
    if (leaf->storage->made_in == program_recorder->id)
        return TL_OK;
    if ((g->n_grads & (g->n_grads - 1)) == 0) {
        struct grad_effect *grads = realloc(g->grads, (g->n_grads ? 2 * g->n_grads : 1) * sizeof *grads);
        if (!grads)
            return tl_fail(TL_ERR_NOMEM, "recording: out of memory for %zu gradients", 2 * g->n_grads);
        g->grads = grads;
    }
    tensor_hold(leaf);
    if (leaf->grad)
        tensor_keep(leaf->grad);
    g->grads[g->n_grads++] = (struct grad_effect){.leaf = leaf, .before = leaf->grad, .read = read};
    return TL_OK;
}

/* ---- A whole function ----------------------------------------------------------------------------------------------------------- */

tl_status recorder_open(struct recorder *r, struct graph *g, struct node_list *to)
{
    size_t size = 256;
    while (size < 4 * g->n_values)
        size *= 2;
    *r = (struct recorder){.graph = g, .to = to};
    while (r->id == 0)
        r->id = atomic_fetch_add(&last_id, 1) + 1;
    tl_status s = rehash(r, size);
    if (s == TL_OK)
        program_recorder = r;
    return s;
}

void recorder_close(struct recorder *r)
{
    program_recorder = paused = NULL;
    free(r->table);
}

void graph_free(struct graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->nodes.n; i++)
        node_free(g->nodes.v[i]);
    free(g->nodes.v);
    for (size_t i = 0; i < g->recorded.n; i++)
        node_free(g->recorded.v[i]);
    free(g->recorded.v);
    for (size_t i = 0; i < g->n_grads; i++) {
        tensor_unhold(g->grads[i].leaf);
        if (g->grads[i].before)
            tensor_release(g->grads[i].before);
        if (g->grads[i].after)
            tensor_release(g->grads[i].after);
    }
    free(g->grads);
    for (size_t i = 0; i < g->n_values; i++) {
        if (g->values[i].handle)
            tensor_unhold(g->values[i].handle);
        free(g->values[i].was);
        storage_release(g->values[i].storage);
    }
    free(g->values);
    free(g);
}

/* Inputs as the function sees them: with the strides that they have, and without values. */
static tl_status make_placeholders(struct recorder *r, tl_tensor *const *in, int n_in, tl_tensor **placeholders)
{
    for (int i = 0; i < n_in; i++) {
        int64_t strides[TL_MAX_DIMS];
        storage *s = storage_new(in[i]->storage->device, tensor_extent(in[i]), true);
        program_strides(in[i], strides);
        tl_tensor *t = s ? tensor_over(s, (tl_dtype)in[i]->dtype, in[i]->ndim, in[i]->shape, strides, 0) : NULL;
        if (!t)
            return tl_error_code();
        storage_forget_values(t->storage);
        t->storage->made_in = 0;
        int v = value_add(r, t->storage, VALUE_INPUT);
        if (v < 0)
            return tl_error_code();
        r->graph->values[v].end = i;
        describe(&r->graph->in[i], v, t);
        placeholders[i] = t;
    }
    return TL_OK;
}

/* Was t's history used up by a backward pass, or is there none? */
static bool history_is_done(tl_tensor *t)
{
    tl_node *n = history_of(t);
    return n ? n->released : !(t->flags & T_REQUIRES_GRAD) || t->storage->made_in == 0;
}

static tl_status take_results(struct recorder *r, tl_tensor *const *out, int n_out)
{
    struct graph *g = r->graph;
    for (int i = 0; i < n_out; i++) {
        if (!out[i] || is_none(out[i]))
            return tl_fail(TL_ERR_ARGUMENT, "program: the function left output %d %s, and returned TL_OK", i, out[i] ? "TL_NONE" : "NULL");
        if (!history_is_done(out[i]))
            return tl_fail(TL_ERR_STATE, "program: output %d needs a gradient, which does not go through a program; call tl_backward() inside the "
                                         "function, or run the program under TL_NO_GRAD { }",
                           i);
        int v = value_read(r, out[i]);
        if (v < 0)
            return tl_error_code();
        describe(&g->out[i], v, out[i]);
        if (g->values[v].kind == VALUE_LOCAL) {
            g->values[v].kind = VALUE_OUTPUT;
            g->values[v].end = i;
        }
    }
    return TL_OK;
}

static tl_status call_function(struct recorder *r, tl_program_fn fn, void *ctx, tl_tensor *const *in, int n_in, int n_out)
{
    tl_tensor *placeholders[MAX_ENDS] = {0}, *out[MAX_ENDS] = {0};
    tl_status s = TL_OK;
    tl_scope scope = tl_scope_begin();
    s = make_placeholders(r, in, n_in, placeholders);
    if (s == TL_OK) {
        s = fn(ctx, placeholders, n_in, out, n_out);
        if (s != TL_OK)
            s = tl_fail(s, "program: the function failed without saying why");
        else if (!program_recorder)
            s = tl_fail(TL_ERR_STATE, "program: the function stopped the recording, and returned without going on");
    }
    if (s == TL_OK)
        s = take_results(r, out, n_out);
    tl_scope_end(&scope);
    for (int i = 0; i < n_in && s == TL_OK; i++)
        if (atomic_load(&r->graph->values[r->graph->in[i].value].storage->refs) > 1)
            s = tl_fail(TL_ERR_STATE, "program: the function kept input %d, or what it was computed from with a history; an input is there during a "
                                      "run only: tl_clone() it, tl_detach() what is kept",
                        i);
    return s;
}

static bool is_gradient(const struct graph *g, const storage *s)
{
    for (size_t i = 0; i < g->n_grads; i++)
        if (g->grads[i].after && g->grads[i].after->storage == s)
            return true;
    return false;
}

/* A gradient lasts, and gets memory of its own. Whatever else the function keeps, it means to use the next time that it is called, and it is
 * not called then. */
static tl_status keep_escaped(struct graph *g)
{
    for (size_t i = 0; i < g->n_values; i++) {
        struct value *v = &g->values[i];
        if ((v->kind != VALUE_LOCAL && v->kind != VALUE_OUTPUT) || atomic_load(&v->storage->refs) == 1)
            continue;
        if (!is_gradient(g, v->storage)) {
            return tl_fail(TL_ERR_STATE, "program: the function kept a result of %s (%zu bytes), or a history that needs it; its next run would not see that, "
                                         "since a function is called once: tl_copy_() it into a tensor that was there before, or tl_detach() what is kept",
                           v->made_by ? v->made_by->op->name : "a call of the host", v->storage->bytes);
        }
        if (v->kind == VALUE_OUTPUT)
            return tl_fail(TL_ERR_STATE, "program: output %d is a gradient of a tensor from outside as well; tl_clone() it", v->end);
        tl_status s = storage_give_memory(v->storage);
        if (s != TL_OK)
            return s;
        v->kind = VALUE_KEPT;
    }
    return TL_OK;
}

/* Gradients are as they were: it is a run that sets them, and only if all of it succeeds. */
static void take_gradients_back(struct graph *g)
{
    for (size_t i = 0; i < g->n_grads; i++) {
        struct grad_effect *e = &g->grads[i];
        e->after = e->leaf->grad; /* its reference */
        e->leaf->grad = e->before;
        if (e->before)
            tensor_keep(e->before);
    }
}

/* Passes change nodes and take some out. */
static tl_status keep_recorded(struct graph *g)
{
    tl_status s = TL_OK;
    for (size_t i = 0; i < g->nodes.n && s == TL_OK; i++) {
        const struct node *n = g->nodes.v[i];
        struct node *copy = node_make(n->n_in, n->n_out, n->attrs, n->attrs_size);
        if (!copy)
            return tl_error_code();
        copy->entry = n->entry;
        copy->name = n->name;
        copy->fresh = n->fresh;
        copy->residual_in = n->residual_in;
        copy->residual_out = n->residual_out;
        memcpy(copy->in, n->in, (size_t)(n->n_in + n->n_out) * sizeof *n->in);
        s = node_append(&g->recorded, copy);
        if (s != TL_OK)
            node_free(copy);
    }
    return s;
}

struct graph *record_function(tl_program_fn fn, void *ctx, tl_tensor *const *in, int n_in, int n_out)
{
    struct recorder r;
    struct graph *g = calloc(1, sizeof *g);
    if (!g) {
        tl_fail(TL_ERR_NOMEM, "recording: out of memory");
        return NULL;
    }
    g->n_in = n_in;
    g->n_out = n_out;
    tl_status s = recorder_open(&r, g, &g->nodes);
    if (s == TL_OK) {
        s = call_function(&r, fn, ctx, in, n_in, n_out);
        recorder_close(&r);
    }
    take_gradients_back(g);
    if (s == TL_OK)
        s = keep_escaped(g);
    if (s == TL_OK)
        s = keep_recorded(g);
    if (s == TL_OK)
        return g;
    graph_free(g);
    return NULL;
}
