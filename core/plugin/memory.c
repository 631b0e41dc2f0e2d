/* SPDX-License-Identifier: Apache-2.0
 *
 * The caching allocator: one pool a device. Blocks go back to the pool, not to the system, because fresh memory costs
 * a page fault for every 4 KiB: a 64 MiB tensor takes 28 ms to fill the first time and 2 ms ever after. Sizes are rounded to
 * classes (eight to each power of two), so that a block fits many requests and at most a ninth of it is wasted: nothing of
 * the 9 * 2^k bytes that the weights of a 3 x 3 convolution take.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/run/guard.h"

enum { STEPS = 8, CLASS_COUNT = STEPS * 48, HUGE = 2 << 20 };

struct free_block {
    struct tl_mem mem;
};

struct bin {
    struct free_block *blocks;
    int n, capacity;
};

struct memory {
    pthread_mutex_t lock;
    struct bin bins[CLASS_COUNT];
    struct tl_memory_stats stats;
};

struct memory *memory_new(device *d)
{
    (void)d;
    struct memory *m = calloc(1, sizeof *m);
    if (m)
        pthread_mutex_init(&m->lock, NULL);
    else
        tl_fail(TL_ERR_NOMEM, "out of memory: a device's pool");
    return m;
}

/* The class of a size and the size of the class: 2^k * {1, 9/8, 10/8, …, 15/8}, at least 64. */
static int class_of(size_t bytes, size_t *rounded)
{
    if (bytes < 64)
        bytes = 64;
    int k = 63 - __builtin_clzll((unsigned long long)(bytes - 1) | 1);
    if (((size_t)1 << k) < 64)
        k = 6;
    size_t base = (size_t)1 << k, step = base / STEPS;
    size_t steps = bytes <= base ? 0 : (bytes - base + step - 1) / step;
    *rounded = base + steps * step;
    return STEPS * k + (int)steps; /* all steps up: the first class of the next power */
}

static tl_status system_alloc(device *d, size_t bytes, struct tl_mem *mem)
{
    if (!d->host) {
        const struct member *m = &d->members[0];
        *mem = (struct tl_mem){0};
        device_lock(d);
        tl_status s = m->backend->alloc(m->device, bytes, mem);
        device_unlock(d);
        if (s == TL_OK && !mem->handle)
            s = tl_fail(TL_ERR_PLUGIN, "backend \"%s\": alloc returned TL_OK without a handle for %zu bytes", m->name, bytes);
        return s;
    }
    size_t alignment = bytes >= HUGE ? HUGE : 64;
    size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, whole);
    if (!p)
        return TL_ERR_NOMEM;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE) /* the last one only if most of it is used: what is not would count all the same */
        madvise(p, (bytes + HUGE / 4) / HUGE * HUGE, MADV_HUGEPAGE);
#endif
    *mem = (struct tl_mem){.handle = p};
    return TL_OK;
}

static void system_free(device *d, struct tl_mem mem)
{
    if (d->host) {
        free(mem.handle);
        return;
    }
    device_lock(d);
    d->members[0].backend->free(d->members[0].device, mem);
    device_unlock(d);
}

static void trim(device *d, struct memory *m)
{
    for (int c = 0; c < CLASS_COUNT; c++) {
        struct bin *b = &m->bins[c];
        for (int i = 0; i < b->n; i++) {
            system_free(d, b->blocks[i].mem);
            size_t base = (size_t)1 << (c / STEPS);
            m->stats.reserved -= base + (size_t)(c % STEPS) * (base / STEPS);
        }
        b->n = 0;
    }
}

static void count(struct memory *m, size_t rounded)
{
    m->stats.allocated += rounded;
    m->stats.allocations++;
    if (m->stats.allocated > m->stats.peak)
        m->stats.peak = m->stats.allocated;
}

/* Bytes of the largest block that d gives. */
static size_t largest(const device *d)
{
    uint64_t most = d->host || !d->n_members ? 0 : d->members[0].device->max_allocation;
    size_t all = (size_t)1 << (CLASS_COUNT / STEPS - 1); /* more than any machine has, and than there are classes */
    return most && most < all ? (size_t)most : all;
}

static tl_status take(device *d, size_t bytes, struct tl_mem *mem, size_t *capacity)
{
    struct memory *m = d->memory;
    size_t rounded;
    if (bytes > largest(d))
        return tl_fail(TL_ERR_NOMEM, "out of memory on %s: %zu bytes asked for, and one block has at most %zu", d->name, bytes, largest(d));
    int class = class_of(bytes, &rounded);
    /* The device's largest block may be smaller than its class: then so is every block of that class. */
    size_t size = rounded <= largest(d) ? rounded : largest(d);
    pthread_mutex_lock(&m->lock);
    struct bin *b = &m->bins[class];
    if (b->n) {
        *mem = b->blocks[--b->n].mem;
        *capacity = rounded;
        count(m, rounded);
        pthread_mutex_unlock(&m->lock);
        return TL_OK;
    }
    tl_status s = system_alloc(d, size, mem);
    if (s == TL_ERR_NOMEM) {
        /* What the pool holds in other sizes may be what is missing. */
        tl_error_clear();
        device_drain(d);
        trim(d, m);
        s = system_alloc(d, size, mem);
    }
    if (s == TL_OK) {
        m->stats.reserved += rounded;
        m->stats.system_allocations++;
        count(m, rounded);
        *capacity = rounded;
    }
    size_t allocated = m->stats.allocated;
    pthread_mutex_unlock(&m->lock);
    if (s != TL_OK) {
        struct tl_error said = {0};
        if (s == TL_ERR_NOMEM)
            error_take(&said);
        tl_fail(s, "out of memory on %s: %zu bytes asked for, %zu in use by tensors, none left in the pool%s%s%s", d->name, bytes, allocated,
                said.message[0] ? " (" : "", said.message, said.message[0] ? ")" : "");
    }
    return s;
}

static void put_back(device *d, struct tl_mem mem, size_t capacity)
{
    struct memory *m = d->memory;
    size_t rounded;
    int class = class_of(capacity, &rounded);
    pthread_mutex_lock(&m->lock);
    struct bin *b = &m->bins[class];
    m->stats.allocated -= rounded;
    if (b->n == b->capacity) {
        int capacity_new = b->capacity ? 2 * b->capacity : 16;
        struct free_block *blocks = realloc(b->blocks, (size_t)capacity_new * sizeof *blocks);
        if (!blocks) {
            m->stats.reserved -= rounded;
            pthread_mutex_unlock(&m->lock);
            device_drain(d);
            system_free(d, mem);
            return;
        }
        b->blocks = blocks;
        b->capacity = capacity_new;
    }
    b->blocks[b->n++].mem = mem;
    pthread_mutex_unlock(&m->lock);
}

/* Sizes of classes are multiples of 8: an odd capacity says that the block has borders. */
enum { GUARDED = 1 };

tl_status memory_alloc(device *d, size_t bytes, struct tl_mem *mem, size_t *capacity)
{
    if (LIKELY(!check_wanted(CHECK_MEMORY)))
        return take(d, bytes, mem, capacity);
    size_t whole;
    if (__builtin_add_overflow(bytes, 2 * guard_border(d), &whole))
        whole = SIZE_MAX;
    tl_status s = take(d, whole, mem, capacity);
    if (s != TL_OK)
        return s;
    s = guard_add(d, mem, bytes);
    if (s == TL_OK)
        *capacity |= GUARDED;
    else
        put_back(d, *mem, *capacity);
    return s;
}

void memory_free(device *d, struct tl_mem mem, size_t capacity)
{
    if (UNLIKELY(capacity & GUARDED))
        guard_remove(d, &mem);
    put_back(d, mem, capacity & ~(size_t)GUARDED);
}

void memory_delete(struct memory *m, device *d)
{
    if (!m)
        return;
    trim(d, m);
    for (int c = 0; c < CLASS_COUNT; c++)
        free(m->bins[c].blocks);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

struct tl_memory_stats tl_memory_stats(const char *name)
{
    device *d = device_find(name);
    if (!d)
        return (struct tl_memory_stats){0};
    pthread_mutex_lock(&d->memory->lock);
    struct tl_memory_stats s = d->memory->stats;
    pthread_mutex_unlock(&d->memory->lock);
    return s;
}

void tl_memory_reset_peak(const char *name)
{
    device *d = device_find(name);
    if (!d)
        return;
    pthread_mutex_lock(&d->memory->lock);
    d->memory->stats.peak = d->memory->stats.allocated;
    pthread_mutex_unlock(&d->memory->lock);
}

void tl_memory_trim(const char *name)
{
    device *d = device_find(name);
    if (!d)
        return;
    device_drain(d);
    pthread_mutex_lock(&d->memory->lock);
    trim(d, d->memory);
    pthread_mutex_unlock(&d->memory->lock);
}
