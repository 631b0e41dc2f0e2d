/* SPDX-License-Identifier: Apache-2.0
 *
 * A recording for people and for programs: what text, DOT and JSON share.
 */
#include <stdlib.h>

#include "core/program/print.h"

enum { PARTS = TL_PROGRAM_RECORDED | TL_PROGRAM_NODES | TL_PROGRAM_STEPS };

tl_status program_print(const struct program *p, FILE *to, unsigned format)
{
    unsigned parts = format & PARTS;
    switch (format & ~(unsigned)PARTS) {
    case TL_PROGRAM_DOT: return print_dot(p, to, parts ? parts : TL_PROGRAM_NODES);
    case TL_PROGRAM_JSON: return print_json(p, to, parts ? parts : PARTS);
    default: return print_text(p, to, parts ? parts : PARTS);
    }
}

/* ---- Names ------------------------------------------------------------------------------------------------------------------ */

static size_t append(char *text, size_t size, size_t used, const char *word, const char *separator)
{
    int n = used < size ? snprintf(text + used, size - used, "%s%s", used ? separator : "", word) : 0;
    return used + (size_t)(n > 0 ? n : 0);
}

void print_op(const struct node *n, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (int i = 0; i < n->n_parts; i++)
        used = append(text, size, used, node_name(n->parts[i]), " + ");
    if (n->n_parts == 0)
        used = append(text, size, used, node_name(n), "");
    for (int i = 0; i < n->n_epilogue; i++)
        used = append(text, size, used, n->epilogue[i].op, " + ");
}

void print_step(const struct step *s, char *text, size_t size)
{
    if (s->kind == STEP_REORDER)
        snprintf(text, size, "reorder");
    else if (s->kind == STEP_TRANSFER)
        snprintf(text, size, "copy to %s", s->operands[s->node->n_in]->storage->device->name);
    else if (s->kind == STEP_KERNEL && strcmp(s->call.op, "copy") == 0 && strcmp(node_name(s->node), "copy") != 0)
        snprintf(text, size, "reorder");
    else
        print_op(s->node, text, size);
}

const char *print_kind(const struct graph *g, int value)
{
    const struct value *v = &g->values[value];
    switch (v->kind) {
    case VALUE_INPUT: return "input";
    case VALUE_CAPTURED: return v->handle ? "outside" : "constant";
    case VALUE_OUTPUT: return "output";
    case VALUE_KEPT: return "kept";
    case VALUE_RESIDUAL: return "residual";
    case VALUE_LOCAL: break;
    }
    return "local";
}

void print_value(const struct graph *g, int value, char *text, size_t size)
{
    const struct value *v = value >= 0 ? &g->values[value] : NULL;
    if (!v)
        snprintf(text, size, "none");
    else if (v->kind == VALUE_INPUT || v->kind == VALUE_OUTPUT)
        snprintf(text, size, "%s%d", v->kind == VALUE_INPUT ? "in" : "out", v->end);
    else
        snprintf(text, size, "%c%d", v->kind == VALUE_LOCAL ? '%' : v->kind == VALUE_KEPT ? 'k' : v->kind == VALUE_RESIDUAL ? 'r' : v->handle ? 't' : 'c', value);
}

void print_shape(int ndim, const int64_t *shape, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "%s", ndim == 0 ? "()" : "");
    for (int d = 0; d < ndim; d++) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)shape[d]);
        used = append(text, size, used, number, "x");
    }
}

void print_layout(uint32_t layout, char *text, size_t size)
{
    if (layout >= TL_LAYOUT_PRIVATE)
        snprintf(text, size, "private %u", (unsigned)layout);
    else
        snprintf(text, size, "%s", layout == TL_LAYOUT_CHANNELS_LAST ? "channels-last" : layout == TL_LAYOUT_STRIDED ? "strided" : "row-major");
}

void print_bytes(size_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    int unit = -1;
    for (; n >= 1024 && unit < 3; unit++)
        n /= 1024;
    if (unit < 0)
        snprintf(text, size, "%zu B", bytes);
    else
        snprintf(text, size, "%.1f %s", n, units[unit]);
}

bool print_strided(const struct operand *o)
{
    int64_t strides[TL_MAX_DIMS];
    contiguous_strides(o->ndim, o->shape, strides);
    for (int d = 0; d < o->ndim; d++)
        if (o->shape[d] > 1 && o->strides[d] != strides[d])
            return true;
    return o->offset != 0;
}

/* ---- Which memory the steps use ------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct reference *const *x = a, *const *y = b;
    uintptr_t p = (uintptr_t)(*x)->to, q = (uintptr_t)(*y)->to;
    return (p > q) - (p < q);
}

static int at_place(const void *key, const void *member)
{
    const struct reference *const *r = member;
    uintptr_t p = (uintptr_t)key, q = (uintptr_t)(*r)->to;
    return (p > q) - (p < q);
}

/* A reorder's buffer has the value that it reads; a kernel's the node's result. */
static void name_buffers(struct sites *s)
{
    const struct program *p = s->program;
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct step *step = p->steps[i];
        char what[64];
        print_step(step, what, sizeof what);
        bool reorder = strcmp(what, "reorder") == 0;
        for (int k = 0; k < step_outputs(step); k++) {
            struct site at = step_site(s, step, step_inputs(step) + k), from = step_inputs(step) ? step_site(s, step, 0) : at;
            if (at.buffer < 0)
                continue;
            int value = reorder ? (from.value >= 0 ? from.value : from.buffer >= 0 ? s->value_of[from.buffer] : -1)
                                : k < step->node->n_out ? step->node->out[k].value
                                                        : -1;
            s->value_of[at.buffer] = value;
        }
    }
}

tl_status sites_open(struct sites *s, const struct program *p)
{
    size_t n = p->n_references, values = p->graph->n_values;
    *s = (struct sites){.program = p};
    s->sorted = malloc((n + 1) * sizeof(struct reference *));
    s->value_of = malloc((p->n_buffers + 1) * sizeof *s->value_of);
    s->canonical = malloc((values + 1) * sizeof *s->canonical);
    if (!s->sorted || !s->value_of || !s->canonical) {
        sites_close(s);
        return tl_fail(TL_ERR_NOMEM, "program_print: out of memory");
    }
    for (size_t i = 0; i < n; i++)
        s->sorted[i] = &p->references[i];
    qsort(s->sorted, n, sizeof(struct reference *), by_place);
    for (size_t i = 0; i < values; i++)
        s->canonical[i] = -1;
    for (size_t i = 0; i < p->n_buffers; i++) {
        s->value_of[i] = p->buffers[i].value;
        if (p->buffers[i].value >= 0)
            s->canonical[p->buffers[i].value] = (int)i;
    }
    name_buffers(s);
    return TL_OK;
}

void sites_close(struct sites *s)
{
    free(s->sorted);
    free(s->value_of);
    free(s->canonical);
}

struct site site_of(const struct sites *s, const struct tl_mem *place)
{
    const struct reference **r = bsearch(place, s->sorted, s->program->n_references, sizeof(struct reference *), at_place);
    return r ? (struct site){(*r)->value, (*r)->buffer, (*r)->offset} : (struct site){-1, -1, 0};
}

struct site step_site(const struct sites *s, const struct step *step, int i)
{
    if (step->kind == STEP_KERNEL || step->kind == STEP_REORDER)
        return site_of(s, &step->views[i].mem);
    return (struct site){step->node->in[i].value, -1, 0};
}

const struct buffer *buffer_root(const struct program *p, const struct buffer *b)
{
    while (b->same_as >= 0)
        b = &p->buffers[b->same_as];
    return b;
}

const struct buffer *site_buffer(const struct sites *s, struct site at)
{
    int buffer = at.buffer >= 0 ? at.buffer : at.value >= 0 ? s->canonical[at.value] : -1;
    return buffer >= 0 ? &s->program->buffers[buffer] : NULL;
}

void site_name(const struct sites *s, struct site at, char *text, size_t size)
{
    print_value(s->program->graph, at.buffer >= 0 ? s->value_of[at.buffer] : at.value, text, size);
}
