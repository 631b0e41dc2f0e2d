/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: in which forms values are at each point of a program, the buffers that hold them, and the steps that bring one form into another: copies
 * and reorders, as a kernel's layouts ask for them.
 */
#include <stdlib.h>

#include "core/program/lowering.h"

tl_status lowering_no_memory(void)
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
struct form *form_of(struct lowering *l, int value)
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

int buffer_add(struct lowering *l, device *d, size_t bytes, int value, uint32_t layout)
{
    struct program *p = l->p;
    if (!grow(&p->buffers, p->n_buffers, &p->buffer_capacity, sizeof *p->buffers)) {
        lowering_no_memory();
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
bool in_arena(const struct lowering *l, int value)
{
    enum value_kind k = l->p->graph->values[value].kind;
    return k == VALUE_LOCAL || k == VALUE_RESIDUAL;
}

bool refer(struct lowering *l, struct tl_mem *to, int value, int buffer, uint64_t offset)
{
    struct program *p = l->p;
    if (!grow(&p->references, p->n_references, &p->reference_capacity, sizeof *p->references)) {
        lowering_no_memory();
        return false;
    }
    p->references[p->n_references++] = (struct reference){to, value, buffer, offset};
    return true;
}

/* `to` will have the address of the region's canonical form, offset bytes into the value. */
bool refer_canonical(struct lowering *l, struct tl_mem *to, int value, uint64_t offset)
{
    struct form *f = form_of(l, value);
    if (!f)
        return lowering_no_memory() == TL_OK;
    if (in_arena(l, value)) {
        const storage *s = l->p->graph->values[value].storage;
        if (f->canonical_buffer < 0 && (f->canonical_buffer = buffer_add(l, s->device, s->bytes, value, TL_LAYOUT_CONTIGUOUS)) < 0)
            return false;
        touch(l, f->canonical_buffer);
    }
    return refer(l, to, value, -1, offset);
}

bool refer_buffer(struct lowering *l, struct tl_mem *to, int buffer)
{
    touch(l, buffer);
    return refer(l, to, -1, buffer, 0);
}

uint64_t byte_offset(const struct operand *o)
{
    return (uint64_t)o->offset * tl_dtype_size(o->dtype);
}

/* ---- Steps -------------------------------------------------------------------------------------------------------------------------- */

/* The next step, which becomes one with step_done(): until then its number is p->n_steps. */
struct step *step_begin(struct lowering *l, enum step_kind kind, device *d, int n_in, int n_out)
{
    struct program *p = l->p;
    struct step *s = calloc(1, sizeof *s);
    step_free(p->pending);
    p->pending = s;
    if (!s || !grow(&p->steps, p->n_steps, &p->step_capacity, sizeof(struct step *)) ||
        !(s->views = calloc((size_t)(n_in + n_out) + 1, sizeof *s->views))) {
        lowering_no_memory();
        return NULL;
    }
    l->first_reference = p->n_references;
    s->kind = kind;
    s->node = l->node;
    s->device = d;
    s->over_in = s->over_out = -1;
    return s;
}

void source_add(struct lowering *l, int value)
{
    struct program *p = l->p;
    for (size_t i = 0; i < p->n_sources; i++)
        if (p->sources[i].value == value)
            return;
    p->sources[p->n_sources++].value = value; /* as many as there are values */
}

/* Does the value stay what it is from run to run? */
bool is_constant(struct lowering *l, int value)
{
    const struct value *v = &l->p->graph->values[value];
    const struct form *f = form_of(l, value);
    return l->hoist && ((v->kind == VALUE_CAPTURED && v->writes == 0) || (f && f->constant));
}

/* Is what the node makes the same at each run? */
bool node_is_constant(struct lowering *l, const struct node *n)
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

void mark_constant(struct lowering *l, const struct node *n)
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

void describe_operand(const struct operand *o, struct tl_view *v)
{
    *v = (struct tl_view){.dtype = o->dtype, .ndim = o->ndim, .layout = TL_LAYOUT_STRIDED};
    memcpy(v->shape, o->shape, sizeof v->shape);
    memcpy(v->stride, o->strides, sizeof v->stride);
}

/* Is the other form of o's value one of exactly this region? */
bool native_fits(const struct form *f, const struct operand *o)
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

void step_done(struct lowering *l, bool constant)
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
tl_status make_canonical(struct lowering *l, int value)
{
    struct form *f = form_of(l, value);
    if (!f)
        return lowering_no_memory();
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
tl_status make_dense(struct lowering *l, const struct operand *o, struct operand *dense)
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

tl_status layout_bytes(const struct bound_kernel *b, uint32_t layout, const struct tl_view *view, size_t *bytes)
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
tl_status make_native(struct lowering *l, const struct operand *o, const struct bound_kernel *b, uint32_t want)
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

/* An input of the whole result's shape that lies channels-last: then the others and the result go along. */
bool channels_last(struct lowering *l, const struct operand *o)
{
    const struct form *f = o->value >= 0 ? form_of(l, o->value) : NULL;
    return f && native_fits(f, o) && f->view.layout == TL_LAYOUT_CHANNELS_LAST;
}
