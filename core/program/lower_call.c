/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: a node becomes a call of the kernel that takes it, as an eager call would find it; where none does, the nodes of its decomposition.
 */
#include <stdlib.h>

#include "core/program/lowering.h"


static bool readable(const struct form *f, const struct bound_kernel *b)
{
    return !f->owner || f->owner == b->device;
}

/* The inputs as they lie, for a kernel of b's backend; b NULL: for any. */
static void offer(struct lowering *l, struct call *c, const struct bound_kernel *b)
{
    for (int i = 0; i < c->node->n_in; i++) {
        const struct operand *o = &c->node->in[i];
        struct tl_view *v = &c->views[i];
        if (o->value < 0) {
            *v = (struct tl_view){.ndim = -1};
            continue;
        }
        const struct form *f = form_of(l, o->value);
        if (native_fits(f, o) && (!b || readable(f, b)))
            *v = f->view;
        else
            tensor_describe(c->f.in[i], v);
    }
}

/* Whose kernel would take the call alone: only that backend is offered it with an epilogue, so that fusing does not go past who comes
 * first. NULL: nobody's, or there is no epilogue to offer. */
const struct tl_backend *backend_alone(const struct bound_kernel *b, const struct tl_call *call)
{
    struct tl_call alone = *call;
    for (int i = 0; i < call->n_epilogue; i++)
        alone.n_in -= call->epilogue[i].other >= 0;
    alone.n_epilogue = 0;
    alone.epilogue = NULL;
    while (call->n_epilogue && b->kernel && launch_refused(b, &alone))
        b++;
    return call->n_epilogue ? b->table : NULL;
}

bool takes_epilogue(const struct bound_kernel *b, const struct tl_backend *alone, const struct tl_call *call)
{
    return call->n_epilogue == 0 || ((b->kernel->flags & TL_KERNEL_EPILOGUE) && b->table == alone);
}

static const struct bound_kernel *choose(struct lowering *l, struct call *c, const char **why)
{
    const struct op_entry *e = c->node->entry;
    const struct bound_kernel *b = device_kernels(c->f.device, e->kernel_id, e->kernel_name);
    const struct tl_device *offered_to = NULL;
    const struct tl_backend *alone = b ? backend_alone(b, &c->call) : NULL;
    for (; b && b->kernel; b++) {
        if (b->device != offered_to)
            offer(l, c, b);
        offered_to = b->device;
        if (!takes_epilogue(b, alone, &c->call))
            continue;
        if ((*why = launch_refused(b, &c->call)))
            continue;
        if (!b->kernel->prepare)
            return b;
        if (!(c->plan = plan_keep(e, c->f.device, b, &c->call)))
            return NULL;
        if (!c->plan->declined)
            return b;
        *why = c->plan->declined;
        plan_release(c->plan, true);
        c->plan = NULL;
    }
    return b;
}

/* Input i in the layout that the kernel wants. */
static tl_status bring(struct lowering *l, struct call *c, const struct bound_kernel *b, int i, uint32_t want)
{
    struct operand *o = &c->in[i];
    struct tl_view *v = &c->views[i];
    if (o->value < 0)
        return TL_OK;
    bool any = want == TL_LAYOUT_STRIDED;
    const struct form *f = form_of(l, o->value);
    if (native_fits(f, o) && readable(f, b) && (f->view.layout == want || (any && f->view.layout == TL_LAYOUT_CHANNELS_LAST)))
        return TL_OK;
    if (any || want == TL_LAYOUT_CONTIGUOUS || (want == TL_LAYOUT_CHANNELS_LAST && o->ndim < 3)) {
        tl_status s = make_canonical(l, o->value);
        if (s == TL_OK && !any && !(c->f.in[i]->flags & T_CONTIGUOUS)) {
            struct operand dense;
            s = make_dense(l, o, &dense);
            *o = dense;
            contiguous_strides(v->ndim, v->shape, v->stride);
            v->layout = TL_LAYOUT_CONTIGUOUS;
        } else if (s == TL_OK) {
            tensor_describe(c->f.in[i], v);
        }
        return s;
    }
    tl_status s = make_native(l, o, b, want);
    if (s == TL_OK)
        *v = form_of(l, o->value)->view;
    return s;
}

/* Where the step reads input i. */
static bool refer_input(struct lowering *l, const struct operand *o, struct tl_view *v)
{
    if (o->value < 0)
        return true;
    const struct form *f = form_of(l, o->value);
    if (v->layout != TL_LAYOUT_CONTIGUOUS && v->layout != TL_LAYOUT_STRIDED && native_fits(f, o))
        return refer_buffer(l, &v->mem, f->native);
    return refer_canonical(l, &v->mem, o->value, byte_offset(o));
}

/* A value was written: what other form there was is none of it any more. */
void written(struct lowering *l, int value)
{
    struct form *f = form_of(l, value);
    if (!f)
        return;
    f->canonical = true;
    f->native = -1;
}

void made_native(struct lowering *l, const struct operand *o, int buffer, const struct tl_view *view, const struct tl_device *owner)
{
    struct form *f = form_of(l, o->value);
    l->p->buffers[buffer].lasting = l->constant;
    f->native = buffer;
    f->canonical = false;
    f->view = *view;
    f->view.mem = (struct tl_mem){0};
    f->owner = owner;
    f->offset = 0;
    memcpy(f->strides, o->strides, sizeof f->strides);
}

/* Where the step writes output i, in the kernel's layout. */
static tl_status refer_output(struct lowering *l, struct call *c, const struct bound_kernel *b, int i, const struct operand *o, bool fresh,
                              struct tl_view *v)
{
    uint32_t layout = c->plan ? c->plan->out_layout[i] : TL_LAYOUT_CONTIGUOUS;
    if (fresh && layout != TL_LAYOUT_CONTIGUOUS && !(layout == TL_LAYOUT_CHANNELS_LAST && o->ndim < 3) && in_arena(l, o->value)) {
        size_t bytes;
        tl_status s = layout_bytes(b, layout, v, &bytes);
        if (s != TL_OK)
            return s;
        v->layout = layout;
        if (layout == TL_LAYOUT_CHANNELS_LAST)
            channels_last_strides(v->ndim, v->shape, v->stride);
        int buffer = buffer_add(l, c->f.device, bytes, -1, layout);
        if (buffer < 0 || !refer_buffer(l, &v->mem, buffer))
            return tl_error_code();
        made_native(l, o, buffer, v, layout_owner(layout, b->device));
        return TL_OK;
    }
    struct tl_view lies;
    describe_operand(o, &lies);
    if (v->ndim == o->ndim)
        memcpy(v->stride, lies.stride, sizeof v->stride);
    if (!refer_canonical(l, &v->mem, o->value, byte_offset(o)))
        return tl_error_code();
    written(l, o->value);
    return TL_OK;
}

/* Copy what was computed beside an output that the kernel could not write itself. */
tl_status put_aside(struct lowering *l, const struct operand *from, const struct operand *to)
{
    tl_status s = TL_OK;
    TL_SCOPE
    {
        tl_tensor *a = operand_tensor(l->p->graph, from), *b = operand_tensor(l->p->graph, to);
        if (!a || !b || recorder_open(&l->recorder, l->p->graph, &l->p->lowered) != TL_OK)
            return tl_error_code();
        size_t at = l->p->lowered.n;
        s = copy_values(a, b);
        recorder_close(&l->recorder);
        if (s == TL_OK && l->p->lowered.n > at)
            s = lower_node(l, l->p->lowered.v[at]);
    }
    return s;
}

/* A value beside, for output i. */
tl_status make_beside(struct lowering *l, const struct node *n, int i, struct operand *beside)
{
    const struct tl_meta *m = &n->meta[i];
    tl_status s = TL_OK;
    TL_SCOPE
    {
        if (recorder_open(&l->recorder, l->p->graph, &l->p->lowered) != TL_OK)
            return tl_error_code();
        tl_tensor *t = tensor_new(l->p->graph->values[n->out[i].value].storage->device, m->dtype, m->ndim, m->shape, true);
        int v = t ? recorder_value(&l->recorder, t) : -1;
        recorder_close(&l->recorder);
        if (v < 0)
            return tl_error_code();
        *beside = (struct operand){.value = v, .dtype = m->dtype, .ndim = m->ndim};
        memcpy(beside->shape, m->shape, sizeof beside->shape);
        contiguous_strides(m->ndim, m->shape, beside->strides);
    }
    return s;
}

static tl_status emit_kernel(struct lowering *l, struct call *c, const struct bound_kernel *b)
{
    const struct node *n = c->node;
    bool strided = !c->plan && (b->kernel->flags & TL_KERNEL_STRIDED);
    struct operand out[8];
    bool aside[8] = {false};
    tl_status s = TL_OK;
    for (int i = 0; i < n->n_in && s == TL_OK; i++)
        s = bring(l, c, b, i, c->plan ? c->plan->in_layout[i] : strided ? TL_LAYOUT_STRIDED : TL_LAYOUT_CONTIGUOUS);
    for (int i = 0; i < n->n_out && s == TL_OK; i++) {
        out[i] = n->out[i];
        if (out[i].value < 0)
            continue;
        if (n->fresh >> i & 1) {
            /* What is handed out is row-major. */
            aside[i] = c->plan && !in_arena(l, out[i].value) && c->plan->out_layout[i] != TL_LAYOUT_CONTIGUOUS;
        } else {
            tl_tensor *to = operand_tensor(l->p->graph, &out[i]);
            s = to ? make_canonical(l, out[i].value) : tl_error_code();
            aside[i] = s == TL_OK && !writes_directly(&c->f, c->plan, strided, i, to);
        }
        if (s == TL_OK && aside[i]) {
            l->constant = false;
            s = make_beside(l, n, i, &out[i]);
        }
    }
    struct step *step = s == TL_OK ? step_begin(l, STEP_KERNEL, c->f.device, n->n_in, n->n_out) : NULL;
    if (!step)
        return tl_error_code();
    step->kernel = *b;
    step->plan = c->plan;
    step->call = c->call;
    step->call.kernel = b->kernel;
    step->call.residual = &step->residual;
    memcpy(step->views, c->views, (size_t)n->n_in * sizeof *c->views);
    memcpy(step->views + n->n_in, c->f.out_view, (size_t)n->n_out * sizeof *c->views);
    step->call.in = step->views;
    step->call.out = step->views + n->n_in;
    for (int i = 0; i < n->n_in; i++)
        if (!refer_input(l, &c->in[i], &step->views[i]))
            return tl_error_code();
    for (int i = 0; i < n->n_out && s == TL_OK; i++)
        if (out[i].value >= 0)
            s = refer_output(l, c, b, i, &out[i], aside[i] || (n->fresh >> i & 1), &step->views[n->n_in + i]);
    if (s != TL_OK)
        return s;
    if (c->plan && c->plan->workspace) {
        int workspace = buffer_add(l, c->f.device, c->plan->workspace, -1, TL_LAYOUT_CONTIGUOUS);
        if (workspace < 0 || !refer_buffer(l, &step->workspace, workspace))
            return tl_error_code();
    }
    if (n->residual_out >= 0 && c->plan && c->plan->residual) {
        struct form *f = form_of(l, n->residual_out);
        f->residual = buffer_add(l, c->f.device, c->plan->residual, -1, TL_LAYOUT_CONTIGUOUS);
        f->size = c->plan->residual;
        f->maker = b->kernel->maker;
        step->residual = (struct tl_residual){.maker = f->maker, .size = f->size};
        if (f->residual < 0 || !refer_buffer(l, &step->residual.mem, f->residual))
            return tl_error_code();
    } else if (c->residual.size) {
        step->residual = c->residual;
        if (!refer_buffer(l, &step->residual.mem, form_of(l, n->residual_in)->residual))
            return tl_error_code();
    }
    c->plan = NULL; /* the step's now */
    step_done(l, l->constant);
    for (int i = 0; i < n->n_out && s == TL_OK; i++)
        if (aside[i])
            s = put_aside(l, &out[i], &n->out[i]);
    return s;
}

/* No kernel takes it: what an eager call does then, recorded as nodes, in its place. */
tl_status lower_otherwise(struct lowering *l, struct call *c, const char *why)
{
    const struct node *n = c->node;
    struct frame *f = &c->f;
    tl_tensor *out[8] = {0};
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i].value >= 0 && !(out[i] = operand_tensor(l->p->graph, &n->out[i])))
            return tl_error_code();
    f->out = out;
    f->residual = NULL;
    f->want_residual = false;
    if (recorder_open(&l->recorder, l->p->graph, &l->p->lowered) != TL_OK)
        return tl_error_code();
    size_t at = l->p->lowered.n;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i].value >= 0)
            l->p->graph->values[n->out[i].value].writes--; /* these nodes write it in its place */
    l->constant = false;
    bool was = tl_set_grad_enabled(false);
    tl_status s = compute_otherwise(f, why);
    tl_set_grad_enabled(was);
    recorder_close(&l->recorder);
    size_t end = l->p->lowered.n;
    for (; at < end && s == TL_OK; at++)
        s = lower_node(l, l->p->lowered.v[at]);
    return s;
}

tl_status lower_call(struct lowering *l, const struct node *n, struct call *c)
{
    struct frame *f = &c->f;
    c->node = n;
    *f = (struct frame){.entry = n->entry, .attrs = n->attrs, .in = c->tensors, .n_in = n->n_in, .n_out = n->n_out, .meta = n->meta,
                        .want_residual = n->want_residual, .in_views = c->views};
    for (int i = 0; i < n->n_in; i++)
        if (!(c->tensors[i] = operand_tensor(l->p->graph, &n->in[i])))
            return tl_error_code();
    for (int i = 0; i < n->n_in && !f->device; i++)
        f->device = n->in[i].value >= 0 ? l->p->graph->values[n->in[i].value].storage->device : NULL;
    for (int i = 0; i < n->n_out && !f->device; i++)
        f->device = n->out[i].value >= 0 ? l->p->graph->values[n->out[i].value].storage->device : NULL;
    memcpy(c->in, n->in, (size_t)n->n_in * sizeof *c->in);
    if (n->residual_in >= 0) {
        const struct form *r = form_of(l, n->residual_in);
        c->residual = (struct tl_residual){.maker = r->maker, .size = r->size};
    }
    offer(l, c, NULL);
    describe_outputs(f);
    describe_call(f, &c->call, &c->residual);
    c->call.epilogue = n->epilogue;
    c->call.n_epilogue = n->n_epilogue;
    const char *why = "it has none";
    const struct bound_kernel *b = choose(l, c, &why);
    tl_status s = TL_OK;
    c->taken = b && b->kernel;
    if (!b)
        s = tl_error_code();
    else if (b->kernel)
        s = emit_kernel(l, c, b);
    else if (n->n_epilogue == 0)
        s = lower_otherwise(l, c, why);
    if (c->plan)
        plan_release(c->plan, true);
    return s;
}
