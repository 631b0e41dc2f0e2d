/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of prepared plans. At most MOST_PLANS are in its table; one more drives out the one whose last use is longest ago. In
 * front of it every thread has a small table of its own, which is read without a lock: the hot path.
 *
 * A plan lives as long as somebody holds it: the table, a front, a running call. A call that found its plan in its thread's front
 * does not count, which would cost the hot path two atomic operations; instead the front stays as it is while such a call runs. The
 * calls that it makes itself (a copy into another layout) count.
 *
 * On devices with a queue a kernel's work may still be waiting when its call has returned. The plans that go are collected there
 * until the device is waited for.
 */
#include <pthread.h>
#include <stdlib.h>

#include "core/run/plan.h"

enum { BUCKETS = 4096, FRONT = 256, MOST_PLANS = 2048, MOST_RETIRED = 256, CHANCES = 64 };

static struct {
    pthread_mutex_t lock;
    struct plan *buckets[BUCKETS];
    size_t n;
    struct plan by_use; /* ends of the list of those in the table: .older is the newest, .newer the oldest */
    struct plan dropped; /* those that are only held by fronts and calls */
    struct plan *retired;
    bool full_said;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .by_use = {.newer = &cache.by_use, .older = &cache.by_use},
           .dropped = {.newer = &cache.dropped, .older = &cache.dropped}};

static atomic_uint cache_generation = 1; /* a shutdown makes the threads' fronts stale */

struct front {
    struct plan *slot[FRONT];
    unsigned generation;
    unsigned running; /* calls of this thread that use a plan of a slot */
};
static HOT_TLS struct front *front; /* freed with its thread */
static pthread_key_t front_key;
static pthread_once_t front_once = PTHREAD_ONCE_INIT;

/* ---- Keys ------------------------------------------------------------------------------------------------------------------------ */

struct key {
    unsigned char bytes[4096];
    size_t n;
    bool overflow;
};

static void key_add(struct key *k, const void *p, size_t n)
{
    if (k->n + n > sizeof k->bytes) {
        k->overflow = true;
        return;
    }
    memcpy(k->bytes + k->n, p, n);
    k->n += n;
}

static void key_view(struct key *k, const struct tl_view *v)
{
    uint32_t head[3] = {(uint32_t)v->dtype, (uint32_t)v->ndim, v->layout};
    key_add(k, head, sizeof head);
    if (v->ndim <= 0)
        return;
    key_add(k, v->shape, (size_t)v->ndim * sizeof *v->shape);
    if (v->layout == TL_LAYOUT_STRIDED)
        key_add(k, v->stride, (size_t)v->ndim * sizeof *v->stride);
}

/* Field by field, so that padding does not count; an op without a table of its fields is known by its bytes. */
static void key_attrs(struct key *k, const tl_op *op, const void *attrs)
{
    static const size_t sizes[] = {sizeof(int64_t), 2 * sizeof(int64_t), sizeof(double), sizeof(bool), sizeof(struct tl_dims), sizeof(tl_dtype)};
    for (const struct tl_attr_field *field = op->attrs; field && field->name; field++)
        key_add(k, (const char *)attrs + field->offset, sizes[field->kind]);
    if (UNLIKELY(!op->attrs && attrs))
        key_add(k, attrs, op->attrs_size);
}

static uint64_t hash_bytes(const unsigned char *p, size_t n)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    for (; n; p++, n--)
        h = (h ^ *p) * UINT64_C(1099511628211);
    return h ^ (h >> 29);
}

static void make_key(struct key *k, const struct op_entry *e, const struct bound_kernel *b, const struct tl_call *c)
{
    const void *ids[2] = {b->kernel, b->device};
    int threads = tl_get_num_threads();
    uint32_t head[4] = {c->flags, c->math, (uint32_t)threads, (uint32_t)c->n_in};
    k->n = 0;
    k->overflow = false;
    key_add(k, ids, sizeof ids);
    key_add(k, head, sizeof head);
    key_attrs(k, e->op, c->attrs);
    for (int i = 0; i < c->n_in; i++)
        key_view(k, &c->in[i]);
    for (int i = 0; i < c->n_out; i++)
        key_view(k, &c->out[i]);
    for (int i = 0; i < c->n_epilogue; i++) {
        const struct tl_epilogue *link = &c->epilogue[i];
        int32_t operands[2] = {link->value, link->other};
        key_add(k, &link->op, sizeof link->op);
        key_add(k, operands, sizeof operands);
        key_add(k, &link->attrs->p, sizeof link->attrs->p);
        key_add(k, &link->attrs->q, sizeof link->attrs->q);
    }
    /* A gradient's plan depends on whose residual it finds. */
    if (c->residual->size) {
        key_add(k, &c->residual->maker, sizeof c->residual->maker);
        key_add(k, &c->residual->size, sizeof c->residual->size);
    }
}

static inline bool matches(const struct plan *p, uint64_t hash, const struct key *k)
{
    return p->hash == hash && p->key_size == k->n && memcmp(p->key, k->bytes, k->n) == 0;
}

/* ---- Life of a plan ----------------------------------------------------------------------------------------------------------------- */

static void plan_free(struct plan *p)
{
    if (p->kernel->release && !p->declined)
        p->kernel->release(p->plan);
    free(p->key);
    free(p->in_layout);
    free(p);
}

void plans_free(struct plan *list)
{
    while (list) {
        struct plan *next = list->chained;
        plan_free(list);
        list = next;
    }
}

/* A plan in nobody's hands but the caller's. */
static struct plan *plan_make(device *d, const struct bound_kernel *b, const struct tl_call *c, uint64_t hash, const struct key *k)
{
    struct plan *p = calloc(1, sizeof *p);
    size_t layouts = (size_t)(c->n_in + c->n_out);
    if (!p || !(p->in_layout = calloc(layouts ? layouts : 1, sizeof *p->in_layout)) || !(p->key = malloc(k->n ? k->n : 1))) {
        if (p)
            free(p->in_layout);
        free(p);
        tl_fail(TL_ERR_NOMEM, "%s: out of memory for a plan", c->op);
        return NULL;
    }
    p->kernel = b->kernel;
    p->device = d;
    p->out_layout = p->in_layout + c->n_in;
    struct tl_prep prep = {.struct_size = sizeof prep, .in_layout = p->in_layout, .out_layout = p->out_layout};
    unsigned errors = error_count;
    tl_status s = b->kernel->prepare(b->device, c, &prep);
    if (s == TL_ERR_UNSUPPORTED && error_count == errors) {
        p->declined = prep.declined ? prep.declined : "its prepare() declined";
    } else if (s != TL_OK) {
        tl_fail(s, "%s: the kernel %s cannot be prepared", c->op, b->kernel->maker);
        free(p->key);
        free(p->in_layout);
        free(p);
        return NULL;
    }
    p->plan = prep.plan;
    p->workspace = prep.workspace;
    p->residual = (c->flags & TL_CALL_WANT_RESIDUAL) ? prep.residual : 0;
    p->hash = hash;
    p->key_size = k->n;
    memcpy(p->key, k->bytes, k->n);
    p->newer = p->older = p;
    p->holders = 1;
    return p;
}

/* ---- With the lock held ---------------------------------------------------------------------------------------------------------------- */

static void unlink_plan(struct plan *p)
{
    p->newer->older = p->older;
    p->older->newer = p->newer;
    p->newer = p->older = p;
}

static void link_newest(struct plan *ends, struct plan *p)
{
    unlink_plan(p);
    p->older = ends->older;
    p->newer = ends;
    p->older->newer = p;
    ends->older = p;
}

/* One holder less; the last one's plan joins *gone. */
static void unhold(struct plan *p, struct plan **gone)
{
    if (!p || --p->holders > 0)
        return;
    unlink_plan(p);
    p->chained = *gone;
    *gone = p;
}

static struct plan *find(uint64_t hash, const struct key *k)
{
    for (struct plan *p = cache.buckets[hash % BUCKETS]; p; p = p->chained)
        if (matches(p, hash, k)) {
            link_newest(&cache.by_use, p);
            p->holders++;
            return p;
        }
    return NULL;
}

/* A plan that a front or a call holds as well is in use, though its uses there are not seen here: it gets another chance. */
static void drop_oldest(struct plan **gone)
{
    struct plan *p = cache.by_use.newer;
    for (int i = 0; i < CHANCES && p->holders > 1; i++) {
        link_newest(&cache.by_use, p);
        p = cache.by_use.newer;
    }
    struct plan **at = &cache.buckets[p->hash % BUCKETS];
    while (*at != p)
        at = &(*at)->chained;
    *at = p->chained;
    cache.n--;
    link_newest(&cache.dropped, p);
    unhold(p, gone);
}

static void insert(struct plan *p, struct plan **gone)
{
    if (cache.n >= MOST_PLANS)
        drop_oldest(gone);
    p->chained = cache.buckets[p->hash % BUCKETS];
    cache.buckets[p->hash % BUCKETS] = p;
    cache.n++;
    p->holders++;
    link_newest(&cache.by_use, p);
}

/* ---- Plans that go ----------------------------------------------------------------------------------------------------------------------- */

/* Without the lock: free what is done with at once, and let what a queue may still need wait. */
static void dispose(struct plan *gone)
{
    struct plan *next;
    device *full = NULL;
    for (; gone; gone = next) {
        next = gone->chained;
        if (gone->device->host) {
            plan_free(gone);
            continue;
        }
        pthread_mutex_lock(&cache.lock);
        gone->chained = cache.retired;
        cache.retired = gone;
        if (++gone->device->retired_plans >= MOST_RETIRED)
            full = gone->device;
        pthread_mutex_unlock(&cache.lock);
    }
    if (full)
        device_drain(full);
}

struct plan *plans_take_retired(const device *d)
{
    struct plan *taken = NULL, **at = &cache.retired;
    pthread_mutex_lock(&cache.lock);
    while (*at) {
        struct plan *p = *at;
        if (p->device != d) {
            at = &p->chained;
            continue;
        }
        *at = p->chained;
        p->chained = taken;
        taken = p;
        p->device->retired_plans--;
    }
    pthread_mutex_unlock(&cache.lock);
    return taken;
}

/* ---- Fronts --------------------------------------------------------------------------------------------------------------------------------- */

static void front_end(void *p)
{
    struct front *f = p;
    struct plan *gone = NULL;
    pthread_mutex_lock(&cache.lock);
    if (f->generation == atomic_load(&cache_generation))
        for (int i = 0; i < FRONT; i++)
            unhold(f->slot[i], &gone);
    pthread_mutex_unlock(&cache.lock);
    front = NULL;
    free(f);
    dispose(gone);
}

static void front_make_key(void)
{
    pthread_key_create(&front_key, front_end);
}

/* This thread's front, fit for use; NULL (and no error) if there is no memory for one. */
static struct front *front_renewed(unsigned generation)
{
    if (!front) {
        pthread_once(&front_once, front_make_key);
        front = calloc(1, sizeof *front);
        if (!front)
            return NULL;
        if (pthread_setspecific(front_key, front) != 0) {
            free(front);
            return front = NULL;
        }
    }
    memset(front, 0, sizeof *front);
    front->generation = generation;
    return front;
}

/* ---- For callers --------------------------------------------------------------------------------------------------------------------------- */

static struct plan *acquire_slowly(device *d, const struct bound_kernel *b, const struct tl_call *c, uint64_t hash, const struct key *k,
                                   struct front *f, bool *counted)
{
    struct plan *gone = NULL, *made = NULL;
    *counted = true;
    if (k->overflow)
        return plan_make(d, b, c, hash, k);
    pthread_mutex_lock(&cache.lock);
    struct plan *p = find(hash, k);
    if (!p) {
        pthread_mutex_unlock(&cache.lock);
        if (!(made = plan_make(d, b, c, hash, k)))
            return NULL;
        pthread_mutex_lock(&cache.lock);
        p = find(hash, k); /* another thread may have been faster */
        if (!p)
            insert(p = made, &gone);
        else
            unhold(made, &gone);
    }
    if (f && f->running == 0) {
        struct plan **slot = &f->slot[hash % FRONT];
        unhold(*slot, &gone);
        *slot = p; /* takes over the caller's hold */
        f->running = 1;
        *counted = false;
    }
    bool say = cache.n == MOST_PLANS && !cache.full_said;
    cache.full_said |= say;
    pthread_mutex_unlock(&cache.lock);
    if (say)
        tl_log_message(TL_LOG_INFO, "plans", "%d prepared plans are kept; from now on those that were not used for longest go", MOST_PLANS);
    dispose(gone);
    return p;
}

struct plan *plan_acquire(const struct op_entry *e, device *d, const struct bound_kernel *b, const struct tl_call *c, bool *counted)
{
    struct key k;
    make_key(&k, e, b, c);
    uint64_t hash = hash_bytes(k.bytes, k.n);
    unsigned generation = atomic_load_explicit(&cache_generation, memory_order_relaxed);
    struct front *f = front;
    if (UNLIKELY(!f || f->generation != generation))
        f = front_renewed(generation);
    struct plan *p = LIKELY(f && !k.overflow) ? f->slot[hash % FRONT] : NULL;
    if (LIKELY(p && matches(p, hash, &k))) {
        f->running++;
        *counted = false;
        return p;
    }
    return acquire_slowly(d, b, c, hash, &k, f, counted);
}

struct plan *plan_keep(const struct op_entry *e, device *d, const struct bound_kernel *b, const struct tl_call *c)
{
    struct key k;
    bool counted;
    make_key(&k, e, b, c);
    return acquire_slowly(d, b, c, hash_bytes(k.bytes, k.n), &k, NULL, &counted);
}

void plan_release(struct plan *p, bool counted)
{
    if (LIKELY(!counted)) {
        front->running--;
        return;
    }
    struct plan *gone = NULL;
    pthread_mutex_lock(&cache.lock);
    unhold(p, &gone);
    pthread_mutex_unlock(&cache.lock);
    dispose(gone);
}

static void free_all(struct plan *ends)
{
    while (ends->newer != ends) {
        struct plan *p = ends->newer;
        unlink_plan(p);
        plan_free(p);
    }
}

void plan_cache_shutdown(void)
{
    pthread_mutex_lock(&cache.lock);
    atomic_fetch_add(&cache_generation, 1);
    free_all(&cache.by_use);
    free_all(&cache.dropped);
    plans_free(cache.retired);
    cache.retired = NULL;
    memset(cache.buckets, 0, sizeof cache.buckets);
    cache.n = 0;
    pthread_mutex_unlock(&cache.lock);
    if (front) {
        pthread_setspecific(front_key, NULL);
        front_end(front);
    }
}
