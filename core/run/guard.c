/* SPDX-License-Identifier: Apache-2.0
 *
 * TELAR_CHECK=memory: every block has a border on both sides. The blocks of a device are listed, and the borders of all of them are read
 * after each kernel and each reorder, so that whoever writes past an end is named at once, wherever the bytes went.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/run/guard.h"

enum { BUCKETS = 1024, LEAST_BORDER = 64, MOST_BORDER = 4096, PATTERN = 0xb7 };

struct block {
    struct block *next;
    device *device;
    struct tl_mem mem; /* between the borders */
    size_t bytes;
};

static struct {
    pthread_mutex_t lock;
    struct block *buckets[BUCKETS];
} blocks = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Borders keep the alignment of what lies between them. */
size_t guard_border(const device *d)
{
    size_t alignment = d->n_members && !d->host ? d->members[0].device->alignment : LEAST_BORDER;
    return alignment < LEAST_BORDER ? LEAST_BORDER : alignment > MOST_BORDER ? MOST_BORDER : alignment;
}

static struct block **bucket(struct tl_mem mem)
{
    return &blocks.buckets[((uintptr_t)mem.handle / 64 + mem.offset / 64) % BUCKETS];
}

static bool same_place(struct tl_mem a, struct tl_mem b)
{
    return a.handle == b.handle && a.offset == b.offset;
}

static tl_status write_border(device *d, struct tl_mem at, size_t n)
{
    unsigned char bytes[MOST_BORDER];
    memset(bytes, PATTERN, n);
    if (d->host) {
        memcpy(tl_mem_ptr(at), bytes, n);
        return TL_OK;
    }
    return d->members[0].backend->copy_in(d->members[0].stream, at, bytes, n);
}

/* Bytes of the border that are no longer as they were; what cannot be read is said by who reads values. */
static size_t damage(device *d, struct tl_mem at, size_t n)
{
    unsigned char bytes[MOST_BORDER];
    size_t wrong = 0;
    if (d->host)
        memcpy(bytes, tl_mem_ptr(at), n);
    else if (d->members[0].backend->copy_out(d->members[0].stream, bytes, at, n) != TL_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        wrong += bytes[i] != PATTERN;
    return wrong;
}

tl_status guard_add(device *d, struct tl_mem *mem, size_t bytes)
{
    size_t border = guard_border(d);
    struct tl_mem after = *mem;
    after.offset += border + bytes;
    struct block *b = malloc(sizeof *b);
    if (!b)
        return tl_fail(TL_ERR_NOMEM, "out of memory: the borders of a block");
    device_lock(d);
    tl_status s = write_border(d, *mem, border);
    if (s == TL_OK)
        s = write_border(d, after, border);
    device_unlock(d);
    if (s != TL_OK) {
        free(b);
        return tl_fail(s, "%s: cannot write the borders of a block", d->name);
    }
    mem->offset += border;
    *b = (struct block){.device = d, .mem = *mem, .bytes = bytes};
    pthread_mutex_lock(&blocks.lock);
    b->next = *bucket(*mem);
    *bucket(*mem) = b;
    pthread_mutex_unlock(&blocks.lock);
    return TL_OK;
}

void guard_remove(device *d, struct tl_mem *mem)
{
    pthread_mutex_lock(&blocks.lock);
    struct block **at = bucket(*mem);
    while (*at && !((*at)->device == d && same_place((*at)->mem, *mem)))
        at = &(*at)->next;
    struct block *b = *at;
    if (b)
        *at = b->next;
    pthread_mutex_unlock(&blocks.lock);
    free(b);
    mem->offset -= guard_border(d);
}

/* The first block whose borders were written to, with the number of bytes before and after it; its borders are mended. */
static bool find_damage(device *d, struct block *found, size_t *before, size_t *after)
{
    bool any = false;
    struct tl_error callers;
    device_drain(d); /* which keeps a late error, that reading a border might use up */
    error_take(&callers);
    pthread_mutex_lock(&blocks.lock);
    device_lock(d);
    for (int i = 0; i < BUCKETS && !any; i++)
        for (struct block *b = blocks.buckets[i]; b && !any; b = b->next) {
            if (b->device != d)
                continue;
            size_t border = guard_border(d);
            struct tl_mem first = b->mem, last = b->mem;
            first.offset -= border;
            last.offset += b->bytes;
            *before = damage(d, first, border);
            *after = damage(d, last, border);
            if (*before + *after == 0)
                continue;
            *found = *b;
            any = true;
            write_border(d, first, border);
            write_border(d, last, border);
        }
    device_unlock(d);
    pthread_mutex_unlock(&blocks.lock);
    tl_error_clear();
    error_put(&callers);
    return any;
}

static bool inside(const struct block *b, struct tl_mem m)
{
    return m.handle == b->mem.handle && m.offset >= b->mem.offset && m.offset <= b->mem.offset + b->bytes;
}

static const char *role(const struct block *b, const struct tl_call *c, struct tl_mem workspace, char text[32])
{
    if (workspace.handle && same_place(workspace, b->mem))
        return "its workspace";
    if (c->residual->size && same_place(c->residual->mem, b->mem))
        return "the residual";
    for (int i = 0; i < c->n_out; i++)
        if (tl_view_present(&c->out[i]) && inside(b, c->out[i].mem)) {
            snprintf(text, 32, "output %d", i);
            return text;
        }
    for (int i = 0; i < c->n_in; i++)
        if (tl_view_present(&c->in[i]) && inside(b, c->in[i].mem)) {
            snprintf(text, 32, "input %d", i);
            return text;
        }
    return "a block that is none of its operands";
}

tl_status guard_check_call(device *d, const struct bound_kernel *b, const struct tl_call *c, struct tl_mem workspace)
{
    struct block found;
    size_t before, after;
    char text[32];
    if (!find_damage(d, &found, &before, &after))
        return TL_OK;
    return tl_fail(TL_ERR_CHECK, "%s: the kernel %s wrote %zu bytes before and %zu after %s, which has %zu bytes", c->op, b->kernel->maker,
                   before, after, role(&found, c, workspace, text), found.bytes);
}

/* ---- Private layouts ---------------------------------------------------------------------------------------------------------------- */

static tl_status read_bytes(device *d, void *to, struct tl_mem from, size_t n)
{
    if (d->host) {
        memcpy(to, tl_mem_ptr(from), n);
        return TL_OK;
    }
    device_lock(d);
    tl_status s = d->members[0].backend->copy_out(d->members[0].stream, to, from, n);
    device_unlock(d);
    return s;
}

static tl_status compare(device *d, const struct tl_view *from, const struct tl_view *back, size_t bytes, uint32_t layout)
{
    char *a = malloc(bytes), *b = malloc(bytes);
    tl_status s = a && b ? TL_OK : tl_fail(TL_ERR_NOMEM, "out of memory: comparing a layout");
    if (s == TL_OK)
        s = read_bytes(d, a, from->mem, bytes);
    if (s == TL_OK)
        s = read_bytes(d, b, back->mem, bytes);
    if (s == TL_OK && memcmp(a, b, bytes) != 0)
        s = tl_fail(TL_ERR_CHECK, "%s: reorder to layout %u and back to row-major gives other values", d->name, layout);
    free(a);
    free(b);
    return s;
}

tl_status guard_check_reorder(device *d, const struct tl_device *owner, const struct tl_view *from, const struct tl_view *to)
{
    struct block found;
    size_t before, after, bytes = (size_t)tl_view_numel(from) * tl_dtype_size(from->dtype), capacity;
    if (find_damage(d, &found, &before, &after))
        return tl_fail(TL_ERR_CHECK, "%s: reorder from layout %u to %u wrote %zu bytes before and %zu after a block of %zu bytes: does "
                       "layout_size() say enough?", d->name, from->layout, to->layout, before, after, found.bytes);
    if (from->layout != TL_LAYOUT_CONTIGUOUS || to->layout < TL_LAYOUT_PRIVATE)
        return TL_OK;
    struct tl_view back = *from;
    tl_status s = memory_alloc(d, bytes, &back.mem, &capacity);
    if (s != TL_OK)
        return s;
    s = reorder_views(d, owner, to, &back);
    if (s == TL_ERR_UNSUPPORTED) { /* a layout for inputs only, which nobody needs to undo */
        struct tl_error said;
        error_take(&said);
        s = TL_OK;
    } else if (s == TL_OK) {
        s = compare(d, from, &back, bytes, to->layout);
    }
    memory_free(d, back.mem, capacity);
    return s;
}
