/* SPDX-License-Identifier: Apache-2.0
 *
 * One arena for everything that lives during a run only. Buffers whose lifetimes, counted in steps, do not meet may share bytes: the largest
 * come first, each at the lowest place where it meets none of those that are placed. A result takes over the memory of an input that
 * ends with it where its kernel allows that.
 */
#include <stdlib.h>

#include "core/program/program.h"

static int root_of(const struct program *p, int b)
{
    while (p->buffers[b].same_as >= 0)
        b = p->buffers[b].same_as;
    return b;
}

/* In the order of steps, so that chains of them share one place. */
static void take_over(struct program *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct step *s = p->steps[i];
        if (s->over_in < 0)
            continue;
        int from = root_of(p, s->over_in);
        struct buffer *in = &p->buffers[from], *out = &p->buffers[s->over_out];
        if (in->lasting || out->lasting || in->device != out->device || in->last != (int)i || out->first != (int)i || out->bytes > in->bytes)
            continue;
        out->same_as = from;
        in->last = out->last;
    }
}

static int by_size(const void *a, const void *b)
{
    const struct buffer *const *x = a, *const *y = b;
    if ((*x)->bytes != (*y)->bytes)
        return (*x)->bytes < (*y)->bytes ? 1 : -1;
    return (*x > *y) - (*x < *y);
}

static int by_offset(const void *a, const void *b)
{
    const struct buffer *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

static size_t aligned(size_t bytes, size_t alignment)
{
    return (bytes + alignment - 1) & ~(alignment - 1);
}

/* The lowest place for b among those placed, which it keeps sorted by place. */
static void place(struct buffer *b, struct buffer **placed, size_t n, size_t alignment)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct buffer *o = placed[i];
        if (o->last < b->first || b->last < o->first)
            continue;
        if (at + b->bytes <= o->offset)
            break;
        size_t end = aligned(o->offset + o->bytes, alignment);
        at = end > at ? end : at;
    }
    b->offset = at;
    placed[n] = b;
    for (size_t i = n; i > 0 && by_offset(&placed[i - 1], &placed[i]) > 0; i--) {
        struct buffer *other = placed[i];
        placed[i] = placed[i - 1];
        placed[i - 1] = other;
    }
}

static tl_status plan_arena(struct program *p)
{
    struct buffer **order = malloc((2 * p->n_buffers + 1) * sizeof(struct buffer *)), **placed = order + p->n_buffers;
    size_t n = 0;
    if (!order)
        return tl_fail(TL_ERR_NOMEM, "program: out of memory for the plan of %zu buffers", p->n_buffers);
    for (size_t i = 0; i < p->n_buffers; i++) {
        struct buffer *b = &p->buffers[i];
        if (b->lasting || b->same_as >= 0 || b->first < 0)
            continue;
        if (!p->device)
            p->device = b->device;
        if (b->device == p->device)
            order[n++] = b;
        else
            b->lasting = true; /* the rare one of another device has memory of its own */
    }
    size_t alignment = 64;
    if (p->device && p->device->n_members && p->device->members[0].device->alignment > alignment)
        alignment = p->device->members[0].device->alignment;
    qsort(order, n, sizeof(struct buffer *), by_size);
    for (size_t i = 0; i < n; i++) {
        place(order[i], placed, i, alignment);
        size_t end = order[i]->offset + order[i]->bytes;
        p->arena_bytes = end > p->arena_bytes ? end : p->arena_bytes;
    }
    free(order);
    return p->arena_bytes ? memory_alloc(p->device, p->arena_bytes, &p->arena, &p->arena_capacity) : TL_OK;
}

static tl_status place_buffers(struct program *p)
{
    for (size_t i = 0; i < p->n_buffers; i++) {
        struct buffer *b = &p->buffers[i];
        if (b->first < 0 || b->same_as >= 0)
            continue;
        b->mem = p->arena;
        b->mem.offset += b->offset;
        if (!b->lasting)
            continue;
        tl_status s = memory_alloc(b->device, b->bytes ? b->bytes : 1, &b->mem, &b->capacity);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

void program_place_value(struct program *p, int value, struct tl_mem mem)
{
    for (size_t i = 0; i < p->n_references; i++) {
        const struct reference *r = &p->references[i];
        if (r->value == value)
            *r->to = (struct tl_mem){mem.handle, mem.offset + r->offset};
    }
}

static int by_value(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

tl_status program_plan_memory(struct program *p)
{
    for (size_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].first >= 0 && !p->buffers[i].lasting)
            p->value_bytes += p->buffers[i].bytes;
    if (pass_enabled("reuse"))
        take_over(p);
    tl_status s = plan_arena(p);
    if (s == TL_OK)
        s = place_buffers(p);
    if (s != TL_OK)
        return s;
    if (p->n_references)
        qsort(p->references, p->n_references, sizeof *p->references, by_value);
    for (size_t i = 0; i < p->n_buffers; i++) {
        const struct buffer *b = &p->buffers[i];
        if (b->first < 0 || b->value < 0)
            continue;
        struct tl_mem mem = p->buffers[root_of(p, (int)i)].mem;
        storage_place(p->graph->values[b->value].storage, mem);
        program_place_value(p, b->value, mem);
    }
    for (size_t i = 0; i < p->n_references; i++) {
        const struct reference *r = &p->references[i];
        if (r->buffer < 0)
            continue;
        struct tl_mem mem = p->buffers[root_of(p, r->buffer)].mem;
        *r->to = (struct tl_mem){mem.handle, mem.offset + r->offset};
    }
    return TL_OK;
}
