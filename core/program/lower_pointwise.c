/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: nodes of pointwise ops, whose kernels have no plans and take any strides.
 */
#include <stdlib.h>

#include "core/program/lowering.h"

static bool contiguous(const struct operand *o)
{
    int64_t strides[TL_MAX_DIMS];
    contiguous_strides(o->ndim, o->shape, strides);
    for (int i = 0; i < o->ndim; i++)
        if (o->shape[i] != 1 && strides[i] != o->strides[i])
            return false;
    return true;
}

static bool goes_natively(struct lowering *l, const struct node *n)
{
    const struct operand *o = &n->out[0];
    if (!(n->fresh & 1) || o->ndim < 3 || !in_arena(l, o->value))
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (channels_last(l, &n->in[i]) && n->in[i].ndim == o->ndim && memcmp(n->in[i].shape, o->shape, (size_t)o->ndim * sizeof *o->shape) == 0)
            return true;
    return false;
}

static tl_status pointwise_output(struct lowering *l, const struct operand *o, bool natively, struct step *step, int n_in)
{
    struct tl_view *v = &step->views[n_in];
    if (!natively) {
        if (!refer_canonical(l, &v->mem, o->value, byte_offset(o)))
            return tl_error_code();
        written(l, o->value);
        return TL_OK;
    }
    int buffer = buffer_add(l, step->device, (size_t)tl_view_numel(v) * tl_dtype_size(o->dtype), -1, TL_LAYOUT_CHANNELS_LAST);
    if (buffer < 0 || !refer_buffer(l, &v->mem, buffer))
        return tl_error_code();
    struct tl_view view;
    describe_operand(o, &view);
    view.layout = TL_LAYOUT_CHANNELS_LAST;
    channels_last_strides(o->ndim, o->shape, view.stride);
    made_native(l, o, buffer, &view, NULL);
    return TL_OK;
}

/* Of a chain: is input i read before the result is written, and not again? */
static bool read_first(const struct node *n, int i)
{
    int own = n->entry->op->n_in;
    for (int k = own; k < n->n_in; k++)
        if (n->in[k].value == n->in[i].value)
            return false;
    return i < own;
}

/* The result may take the place of an input that is of the same kind. */
static void offer_place(struct lowering *l, const struct node *n, struct step *step, bool natively)
{
    const struct operand *o = &n->out[0];
    const struct form *to = form_of(l, o->value);
    int buffer = natively ? to->native : to->canonical_buffer;
    if (!(n->fresh & 1) || buffer < 0)
        return;
    for (int i = 0; i < n->n_in; i++) {
        const struct operand *x = &n->in[i];
        const struct form *from = x->value >= 0 ? form_of(l, x->value) : NULL;
        bool native = from && channels_last(l, x) && natively;
        int source = !from ? -1 : native ? from->native : natively ? -1 : from->canonical_buffer;
        if (source < 0 || !read_first(n, i) || tl_dtype_size(x->dtype) != tl_dtype_size(o->dtype) || x->ndim != o->ndim || x->offset != 0 || !contiguous(x) ||
            memcmp(x->shape, o->shape, (size_t)o->ndim * sizeof *o->shape) != 0)
            continue;
        step->over_in = source;
        step->over_out = buffer;
        return;
    }
}

tl_status lower_pointwise(struct lowering *l, const struct node *n, struct call *c)
{
    const struct operand *o = &n->out[0];
    struct operand beside;
    device *d = l->p->graph->values[o->value].storage->device;
    bool natively = goes_natively(l, n), aside = false;
    tl_status s = TL_OK;
    for (int i = 0; i < n->n_in && s == TL_OK; i++) {
        if (!(natively && channels_last(l, &n->in[i])))
            s = make_canonical(l, n->in[i].value);
        aside |= n->in[i].value == o->value && !operand_same_region(&n->in[i], o);
    }
    if (s == TL_OK && !(n->fresh & 1))
        s = make_canonical(l, o->value);
    if (s == TL_OK && aside) {
        l->constant = false;
        s = make_beside(l, n, 0, &beside);
        o = &beside;
    }
    struct step *step = s == TL_OK ? step_begin(l, STEP_KERNEL, d, n->n_in, 1) : NULL;
    if (!step)
        return tl_error_code();
    for (int i = 0; i < n->n_in; i++) {
        describe_operand(&n->in[i], &step->views[i]);
        if (natively && channels_last(l, &n->in[i]))
            memcpy(step->views[i].stride, form_of(l, n->in[i].value)->view.stride, sizeof step->views[i].stride);
    }
    describe_operand(o, &step->views[n->n_in]);
    if (natively)
        channels_last_strides(o->ndim, o->shape, step->views[n->n_in].stride);
    pointwise_arrange(step->views, n->n_in, &step->views[n->n_in]);
    step->call = (struct tl_call){.struct_size = sizeof step->call, .op = n->entry->kernel_name, .attrs = n->attrs, .n_in = n->n_in, .n_out = 1,
                                  .in = step->views, .out = step->views + n->n_in, .residual = &step->residual,
                                  .math = (uint32_t)tl_get_math(), .attrs_size = sizeof(struct tl_pointwise_attrs),
                                  .epilogue = n->epilogue, .n_epilogue = n->n_epilogue};
    const struct bound_kernel *b = device_kernels(d, n->entry->kernel_id, n->entry->kernel_name);
    const char *why = "it has none";
    const struct tl_backend *alone = b ? backend_alone(b, &step->call) : NULL;
    while (b && b->kernel && (!takes_epilogue(b, alone, &step->call) || (why = launch_refused(b, &step->call))))
        b++;
    c->taken = b && b->kernel;
    if (!b)
        return tl_error_code();
    if (!b->kernel && n->n_epilogue)
        return TL_OK; /* left alone */
    if (!b->kernel) {
        c->node = n;
        c->f = (struct frame){.entry = n->entry, .attrs = n->attrs, .in = c->tensors, .n_in = n->n_in, .n_out = 1, .meta = n->meta, .device = d};
        for (int i = 0; i < n->n_in; i++)
            if (!(c->tensors[i] = operand_tensor(l->p->graph, &n->in[i])))
                return tl_error_code();
        return lower_otherwise(l, c, why);
    }
    step->kernel = *b;
    for (int i = 0; i < n->n_in; i++) {
        const struct form *f = form_of(l, n->in[i].value);
        bool native = natively && channels_last(l, &n->in[i]);
        if (native ? !refer_buffer(l, &step->views[i].mem, f->native)
                   : !refer_canonical(l, &step->views[i].mem, n->in[i].value, byte_offset(&n->in[i])))
            return tl_error_code();
    }
    s = pointwise_output(l, o, natively, step, n->n_in);
    if (s != TL_OK)
        return s;
    if (!aside && !l->constant)
        offer_place(l, n, step, natively);
    step_done(l, l->constant);
    return aside ? put_aside(l, o, &n->out[0]) : TL_OK;
}
