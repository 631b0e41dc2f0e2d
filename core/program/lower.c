/* SPDX-License-Identifier: Apache-2.0
 *
 * From nodes to steps: for each node the kernel that takes it, and between kernels the reorders that their layouts ask for. What does not
 * depend on anything that changes becomes a constant step.
 */
#include <stdlib.h>

#include "core/program/lowering.h"

void step_free(struct step *s)
{
    if (!s)
        return;
    if (s->plan)
        plan_release(s->plan, true);
    for (int i = 0; s->operands && i < s->node->n_in + s->node->n_out; i++)
        if (s->operands[i])
            tensor_release(s->operands[i]);
    free(s->operands);
    free(s->views);
    free(s);
}

/* ---- Nodes that are no kernels' calls ------------------------------------------------------------------------------------------------------ */

/* A call of the host, and a copy between devices: with tensors over the values' memory. */
static tl_status lower_with_tensors(struct lowering *l, const struct node *n, enum step_kind kind)
{
    int all = n->n_in + n->n_out;
    tl_status s = TL_OK;
    for (int i = 0; i < all && s == TL_OK; i++)
        s = make_canonical(l, n->in[i].value);
    struct step *step = s == TL_OK ? step_begin(l, kind, NULL, 0, 0) : NULL;
    if (!step)
        return tl_error_code();
    step->operands = calloc((size_t)all + 1, sizeof(tl_tensor *));
    if (!step->operands)
        return lowering_no_memory();
    struct tl_mem *unused = &step->workspace; /* what counts is that the memory is in use */
    for (int i = 0; i < all; i++) {
        tl_tensor *t = operand_tensor(l->p->graph, &n->in[i]);
        if (!t || !refer_canonical(l, unused, n->in[i].value, 0))
            return tl_error_code();
        tensor_keep(t);
        step->operands[i] = t;
        if (i >= n->n_in)
            written(l, n->in[i].value);
    }
    step_done(l, false);
    return TL_OK;
}

static bool between_devices(const struct lowering *l, const struct node *n)
{
    const struct value *v = l->p->graph->values;
    return n->entry && n->n_in == 1 && n->n_out == 1 && strcmp(n->entry->kernel_name, "copy") == 0 &&
           v[n->in[0].value].storage->device != v[n->out[0].value].storage->device;
}

/* The node as a call; *taken: by a kernel. One with an epilogue that no kernel takes is left alone. */
static tl_status lower_op(struct lowering *l, const struct node *n, bool *taken)
{
    struct call c = {0};
    size_t inputs = (size_t)n->n_in + 1;
    l->constant = node_is_constant(l, n);
    c.in = calloc(inputs, sizeof *c.in);
    c.views = calloc(inputs, sizeof *c.views);
    c.tensors = calloc(inputs, sizeof(tl_tensor *));
    tl_scope scope = tl_scope_begin();
    tl_status s = !c.in || !c.views || !c.tensors                                   ? lowering_no_memory()
                  : (n->entry->op->flags & TL_OP_POINTWISE) && n->entry->pointwise ? lower_pointwise(l, n, &c)
                                                                                   : lower_call(l, n, &c);
    tl_scope_end(&scope);
    free(c.in);
    free(c.views);
    free(c.tensors);
    *taken = c.taken;
    if (s == TL_OK && l->constant && (c.taken || n->n_epilogue == 0))
        mark_constant(l, n);
    return s;
}

/* As many of its parts at once as a kernel takes, then the others. */
static tl_status lower_group(struct lowering *l, const struct node *group)
{
    bool taken = false;
    int n = group->n_parts;
    tl_status s = TL_OK;
    for (; n > 1 && s == TL_OK && !taken; n -= !taken) {
        struct node *call = group_call(group, n);
        if (!call)
            return tl_error_code();
        l->node = call;
        s = lower_op(l, call, &taken);
        tl_status kept = taken || s != TL_OK ? node_append(&l->p->lowered, call) : TL_OK;
        if (!taken && s == TL_OK)
            node_free(call);
        s = s == TL_OK ? kept : s;
    }
    for (int i = taken ? n : 0; i < group->n_parts && s == TL_OK; i++)
        s = lower_node(l, group->parts[i]);
    return s;
}

tl_status lower_node(struct lowering *l, const struct node *n)
{
    const struct node *outer = l->node;
    bool outer_constant = l->constant;
    tl_status s;
    l->node = n;
    if (!form_of(l, (int)l->p->graph->n_values))
        return lowering_no_memory();
    bool taken;
    if (n->n_parts)
        s = lower_group(l, n);
    else if (!n->entry || between_devices(l, n))
        s = lower_with_tensors(l, n, n->entry ? STEP_TRANSFER : STEP_CALL);
    else
        s = lower_op(l, n, &taken);
    l->node = outer;
    l->constant = outer_constant;
    return s;
}

/* ---- All of it ------------------------------------------------------------------------------------------------------------------------------ */

static tl_status lower_all(struct lowering *l)
{
    struct program *p = l->p;
    struct graph *g = p->graph;
    tl_status s = TL_OK;
    for (size_t i = 0; i < g->nodes.n && s == TL_OK; i++)
        s = lower_node(l, g->nodes.v[i]);
    for (size_t i = 0; i < p->n_buffers; i++) {
        struct buffer *b = &p->buffers[i];
        if (b->value >= 0 && l->forms[b->value].constant)
            b->lasting = true;
        b->lasting &= b->outside; /* else it only lives while constants are made */
    }
    return s;
}


/* Captured tensors: their row-major bytes are there, and stay where they are. */
static tl_status settle_captured(struct program *p)
{
    tl_status s = TL_OK;
    for (size_t i = 0; i < p->graph->n_values && s == TL_OK; i++) {
        const struct value *v = &p->graph->values[i];
        if (v->kind != VALUE_CAPTURED && v->kind != VALUE_KEPT)
            continue;
        TL_SCOPE
        {
            storage_keep(v->storage);
            tl_tensor *t = tensor_over(v->storage, TL_U8, 0, NULL, NULL, 0);
            s = t ? tensor_canonical(t) : tl_error_code();
        }
        if (s == TL_OK)
            program_place_value(p, (int)i, v->storage->mem);
    }
    return s;
}

struct program *program_lower(struct graph *g)
{
    struct program *p = calloc(1, sizeof *p);
    struct lowering l = {.p = p, .hoist = pass_enabled("constants")};
    if (!p) {
        graph_free(g);
        lowering_no_memory();
        return NULL;
    }
    p->graph = g;
    p->sources = calloc(g->n_values + 1, sizeof *p->sources);
    tl_status s = p->sources ? lower_all(&l) : lowering_no_memory();
    free(l.forms);
    if (s == TL_OK)
        s = program_plan_memory(p);
    if (s == TL_OK)
        s = settle_captured(p);
    if (s == TL_OK)
        return p;
    program_free(p);
    return NULL;
}

void program_free(struct program *p)
{
    if (!p)
        return;
    step_free(p->pending);
    for (size_t i = 0; i < p->n_steps; i++)
        step_free(p->steps[i]);
    for (size_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].capacity)
            memory_free(p->buffers[i].device, p->buffers[i].mem, p->buffers[i].capacity);
    if (p->arena_capacity)
        memory_free(p->device, p->arena, p->arena_capacity);
    for (size_t i = 0; i < p->lowered.n; i++)
        node_free(p->lowered.v[i]);
    free(p->lowered.v);
    free(p->steps);
    free(p->buffers);
    free(p->references);
    free(p->sources);
    graph_free(p->graph);
    free(p);
}
