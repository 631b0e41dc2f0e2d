/* SPDX-License-Identifier: Apache-2.0
 *
 * From nodes to steps: for each node, the kernel that takes it, as an eager call would find it; where none does, the nodes of its
 * decomposition; and between kernels the reorders that their layouts ask for. What does not depend on anything that changes becomes a
 * constant step.
 */
#include <stdlib.h>

#include "core/program/program.h"

/* In which forms the values are at this point of the program. */
struct form {
    bool canonical; /* the row-major form is valid */
    int canonical_buffer; /* -1: none yet, or not the program's memory */
    int native;     /* the buffer of the other form; -1: none that is valid */
    struct tl_view view; /* of that one, without memory */
    const struct tl_device *owner;
    int64_t offset, strides[TL_MAX_DIMS]; /* of the region that it stands for */
    bool constant;
    const char *maker; /* of a residual */
    size_t size;
    int residual; /* its buffer; -1 */
};

struct lowering {
    struct program *p;
    struct form *forms;
    size_t n_forms;
    const struct node *node;
    bool constant; /* is what it makes the same at each run? */
    bool hoist;    /* are there constant steps at all? */
    size_t first_reference; /* of the step that is being made */
    struct recorder recorder;
};

static tl_status lower_node(struct lowering *l, const struct node *n);

static void step_free(struct step *s)
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

static tl_status no_memory(void)
{
    return tl_fail(TL_ERR_NOMEM, "program: out of memory for its plan");
}

/* One more entry in an array of the program. */
static bool grow(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*(void **)array, wanted * size);
    if (!grown)
        return false;
    *(void **)array = grown;
    *capacity = wanted;
    return true;
}

/* ---- Forms and buffers -------------------------------------------------------------------------------------------------------------- */

/* Values are added while nodes are lowered. */
static struct form *form_of(struct lowering *l, int value)
{
    while ((size_t)value >= l->n_forms) {
        size_t wanted = l->p->graph->value_capacity > 64 ? l->p->graph->value_capacity : 64;
        if (wanted <= (size_t)value)
            wanted = (size_t)value + 1;
        struct form *forms = realloc(l->forms, wanted * sizeof *forms);
        if (!forms)
            return NULL;
        for (size_t i = l->n_forms; i < wanted; i++)
            forms[i] = (struct form){.canonical_buffer = -1, .native = -1, .residual = -1};
        l->forms = forms;
        l->n_forms = wanted;
    }
    return &l->forms[value];
}

static int buffer_add(struct lowering *l, device *d, size_t bytes, int value, uint32_t layout)
{
    struct program *p = l->p;
    if (!grow(&p->buffers, p->n_buffers, &p->buffer_capacity, sizeof *p->buffers)) {
        no_memory();
        return -1;
    }
    p->buffers[p->n_buffers] =
        (struct buffer){.device = d, .bytes = bytes, .value = value, .first = -1, .last = -1, .same_as = -1, .layout = layout};
    return (int)p->n_buffers++;
}

/* The step being made uses it. */
static void touch(struct lowering *l, int buffer)
{
    struct buffer *b = &l->p->buffers[buffer];
    int now = (int)l->p->n_steps;
    if (b->first < 0)
        b->first = now;
    b->last = now;
}

/* Values whose memory is in the arena; the others' is somebody else's. */
static bool in_arena(const struct lowering *l, int value)
{
    enum value_kind k = l->p->graph->values[value].kind;
    return k == VALUE_LOCAL || k == VALUE_RESIDUAL;
}

static bool refer(struct lowering *l, struct tl_mem *to, int value, int buffer, uint64_t offset)
{
    struct program *p = l->p;
    if (!grow(&p->references, p->n_references, &p->reference_capacity, sizeof *p->references)) {
        no_memory();
        return false;
    }
    p->references[p->n_references++] = (struct reference){to, value, buffer, offset};
    return true;
}

/* `to` will have the address of the region's canonical form, offset bytes into the value. */
static bool refer_canonical(struct lowering *l, struct tl_mem *to, int value, uint64_t offset)
{
    struct form *f = form_of(l, value);
    if (!f)
        return no_memory() == TL_OK;
    if (in_arena(l, value)) {
        const storage *s = l->p->graph->values[value].storage;
        if (f->canonical_buffer < 0 && (f->canonical_buffer = buffer_add(l, s->device, s->bytes, value, TL_LAYOUT_CONTIGUOUS)) < 0)
            return false;
        touch(l, f->canonical_buffer);
    }
    return refer(l, to, value, -1, offset);
}

static bool refer_buffer(struct lowering *l, struct tl_mem *to, int buffer)
{
    touch(l, buffer);
    return refer(l, to, -1, buffer, 0);
}

static uint64_t byte_offset(const struct operand *o)
{
    return (uint64_t)o->offset * tl_dtype_size(o->dtype);
}

/* ---- Steps -------------------------------------------------------------------------------------------------------------------------- */

/* The next step, which becomes one with step_done(): until then its number is p->n_steps. */
static struct step *step_begin(struct lowering *l, enum step_kind kind, device *d, int n_in, int n_out)
{
    struct program *p = l->p;
    struct step *s = calloc(1, sizeof *s);
    step_free(p->pending);
    p->pending = s;
    if (!s || !grow(&p->steps, p->n_steps, &p->step_capacity, sizeof(struct step *)) ||
        !(s->views = calloc((size_t)(n_in + n_out) + 1, sizeof *s->views))) {
        no_memory();
        return NULL;
    }
    l->first_reference = p->n_references;
    s->kind = kind;
    s->node = l->node;
    s->device = d;
    s->over_in = s->over_out = -1;
    return s;
}

static void source_add(struct lowering *l, int value)
{
    struct program *p = l->p;
    for (size_t i = 0; i < p->n_sources; i++)
        if (p->sources[i].value == value)
            return;
    p->sources[p->n_sources++].value = value; /* as many as there are values */
}

/* Does the value stay what it is from run to run? */
static bool is_constant(struct lowering *l, int value)
{
    const struct value *v = &l->p->graph->values[value];
    const struct form *f = form_of(l, value);
    return l->hoist && ((v->kind == VALUE_CAPTURED && v->writes == 0) || (f && f->constant));
}

/* Is what the node makes the same at each run? */
static bool node_is_constant(struct lowering *l, const struct node *n)
{
    if (!l->hoist || n->residual_in >= 0 || n->residual_out >= 0)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].value >= 0 && !is_constant(l, n->in[i].value))
            return false;
    for (int i = 0; i < n->n_out; i++) {
        const struct value *v = n->out[i].value >= 0 ? &l->p->graph->values[n->out[i].value] : NULL;
        if (v && (v->kind != VALUE_LOCAL || v->writes != 1))
            return false;
    }
    return true;
}

static void mark_constant(struct lowering *l, const struct node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].value >= 0 && l->p->graph->values[n->in[i].value].kind == VALUE_CAPTURED)
            source_add(l, n->in[i].value);
    for (int i = 0; i < n->n_out; i++) {
        struct form *f = n->out[i].value >= 0 ? form_of(l, n->out[i].value) : NULL;
        if (f)
            f->constant = true;
    }
}

/* ---- Bringing operands into form ------------------------------------------------------------------------------------------------------ */

static void describe_operand(const struct operand *o, struct tl_view *v)
{
    *v = (struct tl_view){.dtype = o->dtype, .ndim = o->ndim, .layout = TL_LAYOUT_STRIDED};
    memcpy(v->shape, o->shape, sizeof v->shape);
    memcpy(v->stride, o->strides, sizeof v->stride);
}

/* Is the other form of o's value one of exactly this region? */
static bool native_fits(const struct form *f, const struct operand *o)
{
    return f->native >= 0 && f->offset == o->offset && f->view.ndim == o->ndim &&
           memcmp(f->view.shape, o->shape, (size_t)o->ndim * sizeof *o->shape) == 0 &&
           memcmp(f->strides, o->strides, (size_t)o->ndim * sizeof *o->strides) == 0;
}

static const struct bound_kernel *copy_kernel(device *d, struct tl_call *c)
{
    const struct op_entry *e = op_entry_named("copy");
    const struct bound_kernel *b = device_kernels(d, e->kernel_id, e->kernel_name);
    const char *why = "it has none";
    for (; b && b->kernel; b++)
        if (!(why = launch_refused(b, c)))
            return b;
    if (b)
        tl_fail(TL_ERR_UNSUPPORTED, "program: no kernel to copy on %s: %s", d->name, why);
    return NULL;
}

/* A reorder within a device, between two forms that are described by from and to. */
static struct step *reorder_begin(struct lowering *l, device *d, const struct tl_device *owner, const struct tl_view *from, const struct tl_view *to)
{
    struct step *s = step_begin(l, owner ? STEP_REORDER : STEP_KERNEL, d, 1, 1);
    if (!s)
        return NULL;
    s->views[0] = *from;
    s->views[1] = *to;
    s->call = (struct tl_call){.struct_size = sizeof s->call, .op = "copy", .n_in = 1, .n_out = 1, .in = s->views, .out = s->views + 1,
                               .residual = &s->residual, .math = (uint32_t)tl_get_math()};
    if (owner) {
        const struct member *m = d->members;
        while (m->device != owner)
            m++;
        s->kernel = (struct bound_kernel){.device = m->device, .stream = m->stream, .backend = m->name, .table = m->backend};
        return s;
    }
    const struct bound_kernel *b = copy_kernel(d, &s->call);
    if (!b)
        return NULL;
    s->kernel = *b;
    return s;
}

static void step_done(struct lowering *l, bool constant)
{
    struct program *p = l->p;
    for (size_t i = l->first_reference; i < p->n_references && !constant; i++) {
        const struct reference *r = &p->references[i];
        int buffer = r->buffer >= 0 ? r->buffer : form_of(l, r->value)->canonical_buffer;
        if (buffer >= 0)
            p->buffers[buffer].outside = true;
    }
    p->pending->constant = constant;
    p->n_constant += constant;
    p->steps[p->n_steps++] = p->pending;
    p->pending = NULL;
}

/* The canonical bytes of a value are needed, and its valid form is another one. */
static tl_status make_canonical(struct lowering *l, int value)
{
    struct form *f = form_of(l, value);
    if (!f)
        return no_memory();
    if (f->canonical || !in_arena(l, value) || f->native < 0)
        return TL_OK;
    struct tl_view to = f->view;
    to.layout = TL_LAYOUT_CONTIGUOUS;
    contiguous_strides(to.ndim, to.shape, to.stride);
    if (tl_view_numel(&to) > 0) {
        struct step *s = reorder_begin(l, l->p->graph->values[value].storage->device, f->owner, &f->view, &to);
        if (!s)
            return tl_error_code();
        if (!refer_buffer(l, &s->views[0].mem, f->native) || !refer_canonical(l, &s->views[1].mem, value, 0))
            return tl_error_code();
        step_done(l, f->constant);
    }
    form_of(l, value)->canonical = true;
    return TL_OK;
}

/* A dense copy of a region, as an operand of a new value. */
static tl_status make_dense(struct lowering *l, const struct operand *o, struct operand *dense)
{
    tl_status s = make_canonical(l, o->value);
    if (s != TL_OK)
        return s;
    TL_SCOPE
    {
        tl_tensor *from = operand_tensor(l->p->graph, o), *to;
        if (!from || recorder_open(&l->recorder, l->p->graph, &l->p->lowered) != TL_OK)
            return tl_error_code();
        size_t at = l->p->lowered.n;
        to = tl_clone(from);
        recorder_close(&l->recorder);
        if (!to)
            return tl_error_code();
        const struct node *copy = l->p->lowered.v[at];
        *dense = copy->out[0];
        s = lower_node(l, copy);
    }
    return s;
}

static tl_status layout_bytes(const struct bound_kernel *b, uint32_t layout, const struct tl_view *view, size_t *bytes)
{
    *bytes = (size_t)tl_view_numel(view) * tl_dtype_size(view->dtype);
    if (layout < TL_LAYOUT_PRIVATE || *bytes == 0)
        return TL_OK;
    *bytes = b->table->layout_size ? b->table->layout_size(b->device, layout, view) : 0;
    return *bytes ? TL_OK
                  : tl_fail(TL_ERR_PLUGIN, "%s: the kernel %s wants layout %u, which its backend does not know", b->kernel->op, b->kernel->maker,
                            layout);
}

/* The region in another layout: made now, and kept with the value. */
static tl_status make_native(struct lowering *l, const struct operand *o, const struct bound_kernel *b, uint32_t want)
{
    tl_status status = make_canonical(l, o->value);
    if (status != TL_OK)
        return status;
    struct tl_view from, to;
    size_t bytes;
    device *d = l->p->graph->values[o->value].storage->device;
    TL_SCOPE
    {
        tl_tensor *t = operand_tensor(l->p->graph, o);
        if (!t)
            return tl_error_code();
        tensor_describe(t, &from);
    }
    to = from;
    to.layout = want;
    status = layout_bytes(b, want, &from, &bytes);
    if (status != TL_OK)
        return status;
    if (want == TL_LAYOUT_CHANNELS_LAST)
        channels_last_strides(to.ndim, to.shape, to.stride);
    const struct tl_device *owner = layout_owner(want, b->device);
    bool constant = is_constant(l, o->value);
    int buffer = buffer_add(l, d, bytes, -1, want);
    struct step *s = buffer >= 0 ? reorder_begin(l, d, owner, &from, &to) : NULL;
    if (!s || !refer_canonical(l, &s->views[0].mem, o->value, byte_offset(o)) || !refer_buffer(l, &s->views[1].mem, buffer))
        return tl_error_code();
    l->p->buffers[buffer].lasting = constant;
    step_done(l, constant);
    if (constant && l->p->graph->values[o->value].kind == VALUE_CAPTURED)
        source_add(l, o->value);
    struct form *f = form_of(l, o->value);
    f->native = buffer;
    f->view = to;
    f->owner = owner;
    f->offset = o->offset;
    memcpy(f->strides, o->strides, sizeof f->strides);
    return TL_OK;
}

/* ---- Nodes that are kernels' calls ------------------------------------------------------------------------------------------------------ */

/* A node on its way to a step. */
struct call {
    const struct node *node;
    struct frame f;
    struct tl_call call;
    struct tl_residual residual;
    struct plan *plan;
    struct operand *in; /* as they are brought: dense copies in place of strided ones */
    struct tl_view *views;
    tl_tensor **tensors;
    bool taken; /* by a kernel */
};

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
static const struct tl_backend *backend_alone(const struct bound_kernel *b, const struct tl_call *call)
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

static bool takes_epilogue(const struct bound_kernel *b, const struct tl_backend *alone, const struct tl_call *call)
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
static void written(struct lowering *l, int value)
{
    struct form *f = form_of(l, value);
    if (!f)
        return;
    f->canonical = true;
    f->native = -1;
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
        l->p->buffers[buffer].lasting = l->constant;
        struct form *f = form_of(l, o->value);
        f->native = buffer;
        f->canonical = false;
        f->view = *v;
        f->view.mem = (struct tl_mem){0};
        f->owner = layout_owner(layout, b->device);
        f->offset = 0;
        memcpy(f->strides, o->strides, sizeof f->strides);
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
static tl_status put_aside(struct lowering *l, const struct operand *from, const struct operand *to)
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
static tl_status make_beside(struct lowering *l, const struct node *n, int i, struct operand *beside)
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
static tl_status lower_otherwise(struct lowering *l, struct call *c, const char *why)
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

static tl_status lower_call(struct lowering *l, const struct node *n, struct call *c)
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

/* ---- Pointwise nodes ---------------------------------------------------------------------------------------------------------------------- */

static bool same_region(const struct operand *a, const struct operand *b)
{
    size_t n = (size_t)a->ndim * sizeof *a->shape;
    return a->offset == b->offset && a->ndim == b->ndim && memcmp(a->shape, b->shape, n) == 0 && memcmp(a->strides, b->strides, n) == 0;
}

static bool contiguous(const struct operand *o)
{
    int64_t strides[TL_MAX_DIMS];
    contiguous_strides(o->ndim, o->shape, strides);
    for (int i = 0; i < o->ndim; i++)
        if (o->shape[i] != 1 && strides[i] != o->strides[i])
            return false;
    return true;
}

/* An input of the whole result's shape that lies channels-last: then the others and the result go along. */
static bool channels_last(struct lowering *l, const struct operand *o)
{
    const struct form *f = o->value >= 0 ? form_of(l, o->value) : NULL;
    return f && native_fits(f, o) && f->view.layout == TL_LAYOUT_CHANNELS_LAST;
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
    l->p->buffers[buffer].lasting = l->constant;
    struct form *f = form_of(l, o->value);
    f->native = buffer;
    f->canonical = false;
    describe_operand(o, &f->view);
    f->view.layout = TL_LAYOUT_CHANNELS_LAST;
    channels_last_strides(o->ndim, o->shape, f->view.stride);
    f->owner = NULL;
    f->offset = 0;
    memcpy(f->strides, o->strides, sizeof f->strides);
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

static tl_status lower_pointwise(struct lowering *l, const struct node *n, struct call *c)
{
    const struct operand *o = &n->out[0];
    struct operand beside;
    device *d = l->p->graph->values[o->value].storage->device;
    bool natively = goes_natively(l, n), aside = false;
    tl_status s = TL_OK;
    for (int i = 0; i < n->n_in && s == TL_OK; i++) {
        if (!(natively && channels_last(l, &n->in[i])))
            s = make_canonical(l, n->in[i].value);
        aside |= n->in[i].value == o->value && !same_region(&n->in[i], o);
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
        return no_memory();
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
    tl_status s = !c.in || !c.views || !c.tensors                                   ? no_memory()
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

static tl_status lower_node(struct lowering *l, const struct node *n)
{
    const struct node *outer = l->node;
    bool outer_constant = l->constant;
    tl_status s;
    l->node = n;
    if (!form_of(l, (int)l->p->graph->n_values))
        return no_memory();
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
        no_memory();
        return NULL;
    }
    p->graph = g;
    p->sources = calloc(g->n_values + 1, sizeof *p->sources);
    tl_status s = p->sources ? lower_all(&l) : no_memory();
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
