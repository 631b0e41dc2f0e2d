/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a recording: addresses of inputs and outputs are put in, then one step comes after the other.
 */
#include "core/program/program.h"

static tl_status run_step(const struct step *s)
{
    const struct node *n = s->node;
    switch (s->kind) {
    case STEP_KERNEL: return launch(s->device, &s->kernel, s->plan ? s->plan->plan : NULL, &s->call, s->workspace);
    case STEP_REORDER: {
        device_lock(s->device);
        tl_status status = s->kernel.table->reorder(s->kernel.stream, &s->views[0], &s->views[1]);
        device_unlock(s->device);
        return status == TL_OK ? status
                               : tl_fail(status, "%s: cannot reorder from layout %u to %u", s->kernel.backend, s->views[0].layout, s->views[1].layout);
    }
    case STEP_TRANSFER: return copy_values(s->operands[0], s->operands[1]);
    case STEP_CALL: {
        unsigned errors = error_count;
        tl_status status = n->call(n->ctx, s->operands, n->n_in, s->operands + n->n_in, n->n_out);
        return status == TL_OK && error_count == errors ? TL_OK : tl_fail(status == TL_OK ? TL_ERR_PLUGIN : status, "%s: failed without a message", n->name);
    }
    }
    return TL_OK;
}

/* ---- What a run finds and leaves ------------------------------------------------------------------------------------------------------- */

static bool is_as_it_was(const tl_tensor *t, const struct operand *was)
{
    size_t bytes = (size_t)was->ndim * sizeof *was->shape;
    return t->dtype == was->dtype && t->offset == was->offset && t->ndim == was->ndim && memcmp(t->shape, was->shape, bytes) == 0 &&
           memcmp(t->strides, was->strides, bytes) == 0;
}

static tl_status fail_changed(tl_dtype dtype, int ndim, const int64_t *shape, const char *what)
{
    char text[160];
    return tl_fail(TL_ERR_STATE, "program: a tensor that it uses (%s %s) was %s since it was recorded; tl_program_forget() records anew",
                   tl_dtype_name(dtype), shape_text(text, sizeof text, ndim, shape), what);
}

static tl_status check_captured(const struct program *p)
{
    const struct graph *g = p->graph;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct value *v = &g->values[i];
        if (v->kind != VALUE_CAPTURED || !v->handle)
            continue;
        bool ended = tensor_ended(v->handle), other = v->handle->storage != v->storage;
        if (ended || other || !is_as_it_was(v->handle, v->was))
            return fail_changed(v->was->dtype, v->was->ndim, v->was->shape, ended ? "freed" : other ? "given other data" : "given another shape");
    }
    for (size_t i = 0; i < g->n_grads; i++) {
        const tl_tensor *leaf = g->grads[i].leaf;
        if (tensor_ended(leaf))
            return fail_changed((tl_dtype)leaf->dtype, leaf->ndim, leaf->shape, "freed");
    }
    return TL_OK;
}

/* One that has ended fits: running tells of it, where recording anew would use what is no more. */
bool program_fits(const struct program *p)
{
    const struct graph *g = p->graph;
    bool fits = true;
    for (size_t i = 0; i < g->n_grads; i++) {
        const struct grad_effect *e = &g->grads[i];
        if (tensor_ended(e->leaf))
            return true;
        fits &= !e->read || e->leaf->grad == e->before;
    }
    for (size_t i = 0; i < g->n_values; i++) {
        const struct value *v = &g->values[i];
        if (v->handle && tensor_ended(v->handle))
            return true;
        fits &= !v->handle || v->wants_grad == ((v->handle->flags & T_REQUIRES_GRAD) != 0);
    }
    return fits;
}

/* The values are read and written where they are; native forms of what is written go. */
static tl_status bring_captured(const struct program *p)
{
    const struct graph *g = p->graph;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct value *v = &g->values[i];
        if ((v->kind != VALUE_CAPTURED && v->kind != VALUE_KEPT) || (v->writes == 0 && LIKELY(!storage_native(v->storage))))
            continue;
        struct tl_tensor face = {.storage = v->storage};
        tl_status s = v->writes ? tensor_written(&face) : tensor_canonical(&face);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

static tl_status bind_inputs(struct program *p, tl_tensor *const *in, tl_tensor **bound)
{
    for (int i = 0; i < p->graph->n_in; i++) {
        int value = p->graph->in[i].value;
        struct value *v = &p->graph->values[value];
        tl_tensor *t = in[i];
        tl_status s = v->writes ? tensor_written(t) : tensor_canonical(t);
        if (s != TL_OK)
            return s;
        struct tl_mem mem = tensor_mem(t);
        if (mem.handle != v->storage->mem.handle || mem.offset != v->storage->mem.offset || (v->storage->recorded & RECORDED_VALUELESS)) {
            storage_place(v->storage, mem);
            program_place_value(p, value, mem);
        }
        bound[i] = t;
    }
    return TL_OK;
}

/* Bytes of its storage that a tensor reaches over. */
static void reach(const tl_tensor *t, size_t *from, size_t *to)
{
    size_t size = tl_dtype_size((tl_dtype)t->dtype);
    *from = (size_t)t->offset * size;
    *to = *from + tensor_extent(t);
}

static bool overlap(const tl_tensor *a, const tl_tensor *b)
{
    size_t from[2], to[2];
    reach(a, &from[0], &to[0]);
    reach(b, &from[1], &to[1]);
    return a->storage == b->storage && from[0] < to[1] && from[1] < to[0];
}

/* A recording knows each value by one name: what is written under one must not be read under another. */
static tl_status check_apart(const struct graph *g, tl_tensor *const *in)
{
    for (int i = 0; i < g->n_in; i++) {
        int writes = g->values[g->in[i].value].writes;
        for (int k = i + 1; k < g->n_in; k++)
            if ((writes || g->values[g->in[k].value].writes) && overlap(in[i], in[k]))
                return tl_fail(TL_ERR_STATE, "program: inputs %d and %d share memory, and one of them is written in place; tl_clone() one", i, k);
        for (size_t v = 0; v < g->n_values; v++)
            if (g->values[v].storage == in[i]->storage && (writes || g->values[v].writes) && in[i]->numel)
                return tl_fail(TL_ERR_STATE, "program: input %d shares memory with a tensor that its function uses as well, and one of them is written; "
                                             "tl_clone() the input",
                               i);
    }
    return TL_OK;
}

/* Each output is a new tensor; the pool gives it the memory of one that nobody holds any more. */
static tl_status make_outputs(struct program *p, tl_tensor *const *bound, tl_tensor **out)
{
    struct graph *g = p->graph;
    for (int i = 0; i < g->n_out; i++) {
        const struct operand *o = &g->out[i];
        struct value *v = &g->values[o->value];
        storage *s = v->storage;
        int64_t offset = o->offset;
        if (v->kind == VALUE_OUTPUT && v->end == i) {
            if (!(s = storage_new(v->storage->device, v->storage->bytes, false)))
                return tl_error_code();
            storage_place(v->storage, s->mem);
            program_place_value(p, o->value, s->mem);
        } else if (v->kind == VALUE_OUTPUT) {
            s = out[v->end]->storage; /* another view of an earlier one */
            storage_keep(s);
        } else {
            if (v->kind == VALUE_INPUT) {
                s = bound[v->end]->storage;
                offset += bound[v->end]->offset;
            }
            storage_keep(s);
        }
        if (!(out[i] = tensor_over(s, o->dtype, o->ndim, o->shape, o->strides, offset)))
            return tl_error_code();
    }
    return TL_OK;
}

static void set_gradients(const struct graph *g)
{
    for (size_t i = 0; i < g->n_grads; i++) {
        struct grad_effect *e = &g->grads[i];
        if (e->leaf->grad == e->after)
            continue;
        tl_tensor *old = e->leaf->grad;
        if (e->after)
            tensor_keep(e->after);
        e->leaf->grad = e->after;
        if (old)
            tensor_release(old);
    }
}

/* ---- Constants ---------------------------------------------------------------------------------------------------------------------------- */

static bool constants_stale(const struct program *p)
{
    for (size_t i = 0; i < p->n_sources; i++)
        if (storage_version(p->graph->values[p->sources[i].value].storage) != p->sources[i].version)
            return true;
    return !p->constants_made;
}

static tl_status make_constants(struct program *p)
{
    p->constants_made = false;
    for (size_t i = 0; i < p->n_steps; i++) {
        tl_status s = p->steps[i]->constant ? run_step(p->steps[i]) : TL_OK;
        if (s != TL_OK)
            return s;
    }
    for (size_t i = 0; i < p->n_sources; i++)
        p->sources[i].version = storage_version(p->graph->values[p->sources[i].value].storage);
    p->constants_made = true;
    return TL_OK;
}

/* --------------------------------------------------------------------------------------------------------------------------------------------- */

tl_status program_replay(struct program *p, tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *bound[MAX_ENDS];
    tl_status s = check_captured(p);
    if (s == TL_OK)
        s = check_apart(p->graph, in);
    if (s == TL_OK)
        s = bind_inputs(p, in, bound);
    if (s == TL_OK)
        s = make_outputs(p, bound, out);
    if (s == TL_OK)
        s = bring_captured(p);
    if (s == TL_OK && UNLIKELY(p->n_constant && constants_stale(p)))
        s = make_constants(p);
    for (size_t i = 0; i < p->n_steps && s == TL_OK; i++)
        if (!p->steps[i]->constant)
            s = run_step(p->steps[i]);
    if (s == TL_OK)
        set_gradients(p->graph);
    return s;
}
