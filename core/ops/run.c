/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a checked call on a device: choose a kernel, find or make its plan, bring operands into the layouts that it
 * wants, allocate, run. What no kernel takes is widened, decomposed, or sent to the host, and noted in a ledger.
 * This is the one place where kernels are run.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

enum { MAX_OPERANDS = 24 };

/* ---- Plans ------------------------------------------------------------------------------------------------------------------ */

struct plan {
    struct plan *next;
    uint64_t hash;
    size_t key_size;
    unsigned char *key;
    const struct tl_kernel *kernel;
    void *plan;
    size_t workspace, residual;
    uint32_t *in_layout, *out_layout; /* n_in, n_out */
};

enum { BUCKETS = 4096, FRONT = 256, MOST_PLANS = 65536 };

static struct {
    pthread_mutex_t lock;
    struct plan *buckets[BUCKETS];
    size_t n;
    bool full_said;
} plans = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_uint plans_generation = 1; /* a shutdown makes the threads' front caches stale */
struct front {
    struct plan *slot[FRONT];
    unsigned generation;
};
static HOT_TLS struct front *front; /* freed with its thread */

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

static void key_attrs(struct key *k, const struct tl_attr_field *fields, const void *attrs)
{
    static const size_t sizes[] = {sizeof(int64_t), 2 * sizeof(int64_t), sizeof(double), sizeof(bool), sizeof(struct tl_dims), sizeof(tl_dtype)};
    for (; fields && fields->name; fields++)
        key_add(k, (const char *)attrs + fields->offset, sizes[fields->kind]);
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
    key_attrs(k, e->op->attrs, c->attrs);
    for (int i = 0; i < c->n_in; i++)
        key_view(k, &c->in[i]);
    for (int i = 0; i < c->n_out; i++)
        key_view(k, &c->out[i]);
    /* A gradient's plan depends on whose residual it finds. */
    if (c->residual->size)
        key_add(k, &c->residual->maker, sizeof c->residual->maker);
}

static struct plan *plan_find(uint64_t hash, const struct key *k)
{
    for (struct plan *p = plans.buckets[hash % BUCKETS]; p; p = p->next)
        if (p->hash == hash && p->key_size == k->n && memcmp(p->key, k->bytes, k->n) == 0)
            return p;
    return NULL;
}

static void plan_free(struct plan *p)
{
    if (p->kernel->release)
        p->kernel->release(p->plan);
    free(p->key);
    free(p->in_layout);
    free(p);
}

static struct plan *plan_make(const struct bound_kernel *b, const struct tl_call *c, uint64_t hash, const struct key *k)
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
    p->out_layout = p->in_layout + c->n_in;
    struct tl_prep prep = {.struct_size = sizeof prep, .in_layout = p->in_layout, .out_layout = p->out_layout};
    tl_status s = b->kernel->prepare(b->device, c, &prep);
    if (s != TL_OK) {
        tl_fail(s, "%s: the kernel %s cannot be prepared", c->op, b->kernel->maker ? b->kernel->maker : b->backend);
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
    return p;
}

static pthread_key_t front_key;
static pthread_once_t front_once = PTHREAD_ONCE_INIT;

static void front_end(void *p)
{
    front = NULL;
    free(p);
}

static void front_make_key(void)
{
    pthread_key_create(&front_key, front_end);
}

static bool front_new(void)
{
    pthread_once(&front_once, front_make_key);
    front = calloc(1, sizeof *front);
    if (front)
        pthread_setspecific(front_key, front);
    return front != NULL;
}

/* The plan for a call; *own is set if the caller must free it (the cache is full, or the key too long). */
static struct plan *plan_for(const struct op_entry *e, const struct bound_kernel *b, const struct tl_call *c, bool *own)
{
    struct key k;
    make_key(&k, e, b, c);
    uint64_t hash = hash_bytes(k.bytes, k.n);
    *own = false;
    if (k.overflow) {
        *own = true;
        return plan_make(b, c, hash, &k);
    }
    unsigned generation = atomic_load_explicit(&plans_generation, memory_order_relaxed);
    if (UNLIKELY(!front && !front_new())) {
        *own = true;
        return plan_make(b, c, hash, &k);
    }
    if (UNLIKELY(front->generation != generation)) {
        memset(front, 0, sizeof *front);
        front->generation = generation;
    }
    struct plan *p = front->slot[hash % FRONT];
    if (LIKELY(p && p->hash == hash && p->key_size == k.n && memcmp(p->key, k.bytes, k.n) == 0))
        return p;
    pthread_mutex_lock(&plans.lock);
    p = plan_find(hash, &k);
    bool full = plans.n >= MOST_PLANS;
    pthread_mutex_unlock(&plans.lock);
    if (!p) {
        p = plan_make(b, c, hash, &k);
        if (!p)
            return NULL;
        pthread_mutex_lock(&plans.lock);
        struct plan *other = plan_find(hash, &k);
        if (other) {
            plan_free(p);
            p = other;
        } else if (full) {
            *own = true;
            if (!plans.full_said)
                tl_log_message(TL_LOG_WARN, "plans", "%d prepared plans are kept; further shapes are prepared at each call", MOST_PLANS);
            plans.full_said = true;
        } else {
            p->next = plans.buckets[hash % BUCKETS];
            plans.buckets[hash % BUCKETS] = p;
            plans.n++;
        }
        pthread_mutex_unlock(&plans.lock);
    }
    if (!*own)
        front->slot[hash % FRONT] = p;
    return p;
}

void plan_cache_shutdown(void)
{
    pthread_mutex_lock(&plans.lock);
    for (int i = 0; i < BUCKETS; i++)
        while (plans.buckets[i]) {
            struct plan *p = plans.buckets[i];
            plans.buckets[i] = p->next;
            plan_free(p);
        }
    plans.n = 0;
    atomic_fetch_add(&plans_generation, 1);
    if (front) {
        pthread_setspecific(front_key, NULL);
        front_end(front);
    }
    pthread_mutex_unlock(&plans.lock);
}

/* ---- Ledger of fallbacks -------------------------------------------------------------------------------------------------------- */

enum { LEDGER = 512 };
static struct {
    pthread_mutex_t lock;
    struct tl_fallback list[LEDGER];
    size_t n;
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

void fallback_note(const char *op, const char *where, const char *how, uint64_t bytes)
{
    pthread_mutex_lock(&ledger.lock);
    struct tl_fallback *f = NULL;
    for (size_t i = 0; i < ledger.n && !f; i++)
        if (strcmp(ledger.list[i].op, op) == 0 && strcmp(ledger.list[i].device, where) == 0 && strcmp(ledger.list[i].how, how) == 0)
            f = &ledger.list[i];
    if (!f && ledger.n < LEDGER) {
        f = &ledger.list[ledger.n++];
        *f = (struct tl_fallback){.op = op, .device = where, .how = how};
        tl_log_message(strcmp(how, "host") == 0 ? TL_LOG_WARN : TL_LOG_INFO, "fallback", "%s: no kernel on %s: %s", op, where, how);
    }
    if (f) {
        f->calls++;
        f->bytes += bytes;
    }
    pthread_mutex_unlock(&ledger.lock);
}

size_t tl_fallbacks(struct tl_fallback *list, size_t capacity)
{
    pthread_mutex_lock(&ledger.lock);
    size_t n = ledger.n;
    for (size_t i = 0; i < n && i < capacity; i++)
        list[i] = ledger.list[i];
    pthread_mutex_unlock(&ledger.lock);
    return n;
}

/* ---- Operands --------------------------------------------------------------------------------------------------------------------- */

struct frame {
    struct op_entry *entry;
    device *device;
    const void *attrs;
    tl_tensor *const *in;
    int n_in, n_out;
    const struct tl_meta *meta;
    tl_tensor **out;          /* NULL entries are made */
    struct residual *residual;
    bool want_residual;
    struct tl_view in_view[MAX_OPERANDS], out_view[8];
    struct tl_view *in_views; /* in_view, or a heap array for variadic ops */
};

/* What is there now, for refuses() and prepare(). */
static void offer_inputs(struct frame *f)
{
    for (int i = 0; i < f->n_in; i++) {
        struct tl_view *v = &f->in_views[i];
        if (is_none(f->in[i])) {
            memset(v, 0, sizeof *v);
            v->ndim = -1;
        } else if (!tensor_native(f->in[i], v)) {
            tensor_view(f->in[i], v);
        }
    }
}

/* Kernels of reductions see the reduced dimensions with size 1. */
static void widen_reduction(struct frame *f, struct tl_view *v)
{
    const struct tl_reduce_attrs *a = f->attrs;
    const tl_tensor *x = f->in[0];
    if (v->ndim == x->ndim)
        return;
    v->ndim = x->ndim;
    for (int i = 0; i < x->ndim; i++)
        v->shape[i] = x->shape[i];
    for (int64_t i = 0; i < a->dims.n; i++)
        v->shape[a->dims.v[i]] = 1;
    contiguous_strides(v->ndim, v->shape, v->stride);
}

static void describe_outputs(struct frame *f)
{
    for (int i = 0; i < f->n_out; i++) {
        struct tl_view *v = &f->out_view[i];
        memset(v, 0, sizeof *v);
        v->dtype = f->meta[i].dtype;
        v->ndim = f->meta[i].ndim;
        if (v->ndim < 0)
            continue;
        memcpy(v->shape, f->meta[i].shape, (size_t)v->ndim * sizeof *v->shape);
        contiguous_strides(v->ndim, v->shape, v->stride);
        if (f->entry->op->flags & TL_OP_REDUCTION)
            widen_reduction(f, v);
    }
}

static bool is_channels_last(const struct tl_view *v)
{
    return v->layout == TL_LAYOUT_CHANNELS_LAST;
}

/* Input i in the layout that the kernel wants. */
static tl_status bring_input(struct frame *f, const struct bound_kernel *b, int i, uint32_t want)
{
    struct tl_view *v = &f->in_views[i];
    tl_tensor *t = f->in[i];
    if (v->ndim < 0)
        return TL_OK;
    if (want == TL_LAYOUT_STRIDED && (v->layout <= TL_LAYOUT_STRIDED) && !is_channels_last(v))
        want = v->layout;
    else if (want == TL_LAYOUT_STRIDED && is_channels_last(v))
        return TL_OK;
    if (want == v->layout && want != TL_LAYOUT_CONTIGUOUS && want != TL_LAYOUT_STRIDED)
        return TL_OK;
    if (want == TL_LAYOUT_CONTIGUOUS || want == TL_LAYOUT_STRIDED) {
        if (want == TL_LAYOUT_CONTIGUOUS && !(t->flags & T_CONTIGUOUS)) {
            bool was = tl_set_grad_enabled(false);
            t = tl_contiguous(t);
            tl_set_grad_enabled(was);
            if (!t)
                return tl_error_code();
        }
        tl_status s = tensor_canonical(t);
        if (s == TL_OK)
            tensor_view(t, v);
        return s;
    }
    size_t bytes = (size_t)t->numel * tl_dtype_size((tl_dtype)t->dtype);
    if (want >= TL_LAYOUT_PRIVATE) {
        const struct member *m = NULL;
        for (int k = 0; k < f->device->n_members; k++)
            if (f->device->members[k].device == b->device)
                m = &f->device->members[k];
        struct tl_view plain;
        tensor_view(t, &plain);
        bytes = m && m->backend->layout_size ? m->backend->layout_size(b->device, want, &plain) : 0;
        if (!bytes)
            return tl_fail(TL_ERR_PLUGIN, "%s: the kernel %s wants layout %u, which its backend does not know", f->entry->op->name,
                           b->kernel->maker ? b->kernel->maker : b->backend, want);
    } else if (t->ndim < 3) {
        return bring_input(f, b, i, TL_LAYOUT_CONTIGUOUS);
    }
    return tensor_make_native(t, want, bytes, v);
}

/* The tensor for output i: the given one, or a new one in the layout that the kernel gives. */
static tl_status make_output(struct frame *f, const struct bound_kernel *b, int i, uint32_t layout)
{
    const struct tl_meta *m = &f->meta[i];
    struct tl_view *v = &f->out_view[i];
    if (m->ndim < 0)
        return TL_OK;
    bool native = !f->out[i] && layout != TL_LAYOUT_CONTIGUOUS && !(layout == TL_LAYOUT_CHANNELS_LAST && m->ndim < 3);
    if (f->out[i]) {
        tl_status s = tensor_written(f->out[i]);
        if (s != TL_OK)
            return s;
    } else if (!(f->out[i] = tensor_new(f->device, m->dtype, m->ndim, m->shape, native))) {
        return tl_error_code();
    }
    tl_tensor *t = f->out[i];
    if (native) {
        size_t bytes = (size_t)t->numel * tl_dtype_size(m->dtype);
        v->layout = layout;
        if (layout == TL_LAYOUT_CHANNELS_LAST)
            channels_last_strides(v->ndim, v->shape, v->stride);
        else
            for (int k = 0; k < f->device->n_members; k++)
                if (f->device->members[k].device == b->device)
                    bytes = f->device->members[k].backend->layout_size(b->device, layout, v);
        return tensor_adopt_native(t, v, bytes, v);
    }
    struct tl_view canonical;
    tensor_view(t, &canonical);
    v->mem = canonical.mem;
    v->layout = canonical.layout;
    if (v->ndim == canonical.ndim)
        memcpy(v->stride, canonical.stride, sizeof v->stride);
    return TL_OK;
}

/* May the kernel write the given output i directly? Not if it cannot take its strides, wants a layout of its own, or the output is
 * also an input that the op does not allow to be overwritten while it is read. */
static bool writes_directly(const struct frame *f, const struct plan *plan, bool strided, int i, const tl_tensor *to)
{
    if ((!strided && !(to->flags & T_CONTIGUOUS)) || (plan && plan->out_layout[i] != TL_LAYOUT_CONTIGUOUS) ||
        ((f->entry->op->flags & TL_OP_REDUCTION) && !(to->flags & T_CONTIGUOUS)))
        return false;
    for (int k = 0; k < f->n_in; k++)
        if (!is_none(f->in[k]) && f->in[k]->storage == to->storage && !(f->entry->op->reuses[i] == k + 1 && f->in[k]->offset == to->offset))
            return false;
    return true;
}

static void fill_call(struct frame *f, struct tl_call *c, struct tl_residual *r)
{
    *c = (struct tl_call){.struct_size = sizeof *c,
                          .flags = f->want_residual ? TL_CALL_WANT_RESIDUAL : 0,
                          .op = f->entry->kernel_name,
                          .attrs = f->entry->op->attrs_size ? f->attrs : NULL,
                          .n_in = f->n_in,
                          .n_out = f->n_out,
                          .in = f->in_views,
                          .out = f->out_view,
                          .residual = r,
                          .math = (uint32_t)tl_get_math()};
}

static tl_status run_bound(struct frame *f, const struct bound_kernel *b, struct tl_call *c, struct tl_residual *r)
{
    const struct tl_kernel *k = b->kernel;
    struct plan *plan = NULL;
    bool own = false;
    if (k->prepare && !(plan = plan_for(f->entry, b, c, &own)))
        return tl_error_code();
    bool strided = !k->prepare && (k->flags & TL_KERNEL_STRIDED);
    tl_tensor *given[8];
    memcpy(given, f->out, (size_t)f->n_out * sizeof *given);
    tl_status s = TL_OK;
    for (int i = 0; i < f->n_in && s == TL_OK; i++)
        s = bring_input(f, b, i, plan ? plan->in_layout[i] : strided ? TL_LAYOUT_STRIDED : TL_LAYOUT_CONTIGUOUS);
    tl_tensor *made[8] = {0};
    for (int i = 0; i < f->n_out && s == TL_OK; i++) {
        if (given[i] && !writes_directly(f, plan, strided, i, given[i]))
            f->out[i] = NULL; /* computed beside it, and copied after */
        s = make_output(f, b, i, plan ? plan->out_layout[i] : TL_LAYOUT_CONTIGUOUS);
        made[i] = f->out[i];
    }
    struct tl_mem workspace = {0};
    size_t workspace_capacity = 0;
    if (s == TL_OK && plan && plan->workspace)
        s = memory_alloc(f->device, plan->workspace, &workspace, &workspace_capacity);
    if (s == TL_OK && plan && plan->residual && f->residual) {
        f->residual->storage = storage_new(f->device, plan->residual, false);
        if (f->residual->storage) {
            f->residual->size = plan->residual;
            f->residual->maker = k->maker ? k->maker : b->backend;
            *r = (struct tl_residual){.maker = f->residual->maker, .size = plan->residual, .mem = f->residual->storage->mem};
        } else {
            s = tl_error_code();
        }
    }
    if (s == TL_OK) {
        device_lock(f->device);
        s = k->run(b->stream, plan ? plan->plan : NULL, c, workspace);
        device_unlock(f->device);
        if (s != TL_OK)
            s = tl_fail(s, "%s: the kernel %s failed", f->entry->op->name, k->maker ? k->maker : b->backend);
    }
    if (workspace_capacity)
        memory_free(f->device, workspace, workspace_capacity);
    for (int i = 0; i < f->n_out && s == TL_OK; i++)
        if (given[i] && made[i] != given[i]) {
            s = tensor_written(given[i]);
            if (s == TL_OK)
                s = copy_values(made[i], given[i]);
        }
    for (int i = 0; i < f->n_out; i++)
        if (given[i])
            f->out[i] = given[i];
    if (own)
        plan_free(plan);
    return s;
}

/* ---- What to do when no kernel takes a call ------------------------------------------------------------------------------------------ */

static bool is_half(const tl_tensor *t)
{
    return !is_none(t) && (t->dtype == TL_F16 || t->dtype == TL_BF16);
}

static bool any_half(struct frame *f)
{
    for (int i = 0; i < f->n_in; i++)
        if (is_half(f->in[i]))
            return true;
    return false;
}

/* Is r a tensor of its own, as a kernel would have made it: contiguous, and not the memory of an input? */
static bool stands_alone(const struct frame *f, const tl_tensor *r)
{
    for (int i = 0; i < f->n_in; i++)
        if (!is_none(f->in[i]) && f->in[i]->storage == r->storage)
            return false;
    return (r->flags & T_CONTIGUOUS) != 0;
}

/* Results of another route into the outputs that were asked for. */
static tl_status deliver(struct frame *f, tl_tensor *const *results)
{
    for (int i = 0; i < f->n_out; i++) {
        if (f->meta[i].ndim < 0)
            continue;
        tl_tensor *r = results[i];
        if (!r)
            return tl_error_code() != TL_OK ? tl_error_code()
                                            : tl_fail(TL_ERR_PLUGIN, "%s: its decomposition gave no output %d", f->entry->op->name, i);
        bool fits = r->dtype == (uint8_t)f->meta[i].dtype && r->ndim == f->meta[i].ndim && r->storage->device == f->device &&
                    memcmp(r->shape, f->meta[i].shape, (size_t)r->ndim * sizeof *r->shape) == 0;
        if (!f->out[i] && fits && stands_alone(f, r)) {
            history_forget_base(r); /* which nobody else has */
            f->out[i] = r;
            continue;
        }
        if (!f->out[i])
            f->out[i] = tensor_new(f->device, f->meta[i].dtype, f->meta[i].ndim, f->meta[i].shape, false);
        if (!f->out[i] || tensor_written(f->out[i]) != TL_OK)
            return tl_error_code();
        if (r->numel != f->out[i]->numel)
            return tl_fail(TL_ERR_PLUGIN, "%s: its decomposition gave output %d another shape than infer", f->entry->op->name, i);
        tl_tensor *same = tl_reshape(r, f->out[i]->ndim, f->out[i]->shape);
        if (!same || copy_values(same, f->out[i]) != TL_OK)
            return tl_error_code();
    }
    return TL_OK;
}

static tl_status compute_widened(struct frame *f)
{
    tl_tensor *wide[MAX_OPERANDS], *results[8] = {0};
    struct tl_meta meta[8];
    if (f->n_in > MAX_OPERANDS)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: more than %d half-precision inputs", f->entry->op->name, MAX_OPERANDS);
    for (int i = 0; i < f->n_in; i++) {
        wide[i] = is_half(f->in[i]) ? tl_cast(f->in[i], TL_F32) : f->in[i];
        if (!wide[i])
            return tl_error_code();
    }
    for (int i = 0; i < f->n_out; i++) {
        meta[i] = f->meta[i];
        if (meta[i].dtype == TL_F16 || meta[i].dtype == TL_BF16)
            meta[i].dtype = TL_F32;
    }
    fallback_note(f->entry->op->name, f->device->name, "widened to f32", 0);
    tl_status s = compute(f->entry, f->attrs, wide, f->n_in, meta, results, f->residual, f->want_residual);
    return s == TL_OK ? deliver(f, results) : s;
}

static tl_status compute_decomposed(struct frame *f, bool composite)
{
    tl_tensor *results[8] = {0};
    if (!composite)
        fallback_note(f->entry->op->name, f->device->name, "decomposed", 0);
    tl_tensor *given[8];
    memcpy(given, f->out, (size_t)f->n_out * sizeof *given);
    /* What is made on the way goes at once. */
    tl_scope scope = tl_scope_begin();
    tl_status s = f->entry->op->decompose(f->attrs, f->in, f->n_in, results);
    if (s == TL_OK)
        s = deliver(f, results);
    for (int i = 0; i < f->n_out && s == TL_OK; i++)
        if (f->out[i] && f->out[i] != given[i] && !tl_scope_return(f->out[i]))
            s = tl_error_code();
    tl_scope_end(&scope);
    return s;
}

static tl_status compute_on_host(struct frame *f, const char *why)
{
    const char *allowed = env_get("TELAR_FALLBACK", false);
    if (allowed && strcmp(allowed, "error") == 0)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: no kernel on %s (%s), and TELAR_FALLBACK=error forbids the host's", f->entry->op->name,
                       f->device->name, why);
    tl_tensor **moved = calloc((size_t)f->n_in + 1, sizeof *moved), *results[8] = {0};
    if (!moved)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", f->entry->op->name);
    uint64_t bytes = 0;
    tl_status s = TL_OK;
    for (int i = 0; i < f->n_in && s == TL_OK; i++) {
        moved[i] = f->in[i];
        if (is_none(f->in[i]))
            continue;
        moved[i] = tensor_new(device_host(), (tl_dtype)f->in[i]->dtype, f->in[i]->ndim, f->in[i]->shape, false);
        s = moved[i] ? copy_values(f->in[i], moved[i]) : tl_error_code();
        bytes += (uint64_t)f->in[i]->numel * tl_dtype_size((tl_dtype)f->in[i]->dtype);
    }
    if (s == TL_OK)
        s = compute(f->entry, f->attrs, moved, f->n_in, f->meta, results, NULL, false);
    for (int i = 0; i < f->n_out && s == TL_OK; i++)
        if (results[i])
            bytes += (uint64_t)results[i]->numel * tl_dtype_size((tl_dtype)results[i]->dtype);
    if (s == TL_OK)
        s = deliver(f, results);
    free(moved);
    fallback_note(f->entry->op->name, f->device->name, "host", bytes);
    return s;
}

/* Asked for at every refusal, so the answer is kept. */
static bool refusals_logged(void)
{
    static atomic_int answer = -1;
    int a = atomic_load_explicit(&answer, memory_order_relaxed);
    if (a < 0) {
        a = tl_log_enabled(TL_LOG_DEBUG, "kernel");
        atomic_store(&answer, a);
    }
    return a;
}

static tl_status compute_frame(struct frame *f)
{
    const tl_op *op = f->entry->op;
    if (op->flags & TL_OP_COMPOSITE) {
        /* A backend may still bring a fused kernel for a composite. */
        const struct bound_kernel *fused = device_kernels(f->device, f->entry->kernel_id, f->entry->kernel_name);
        if (!fused)
            return tl_error_code();
        if (!fused->kernel)
            return compute_decomposed(f, true);
    }
    const struct bound_kernel *b = device_kernels(f->device, f->entry->kernel_id, f->entry->kernel_name);
    if (!b)
        return tl_error_code();
    offer_inputs(f);
    describe_outputs(f);
    struct tl_residual r = {0};
    if (f->residual && f->residual->storage)
        r = (struct tl_residual){.maker = f->residual->maker, .size = f->residual->size, .mem = f->residual->storage->mem};
    struct tl_call c;
    fill_call(f, &c, &r);
    const char *why = "it has none";
    for (; b->kernel; b++) {
        const char *refused = b->kernel->refuses ? b->kernel->refuses(b->device, &c) : NULL;
        if (!refused)
            return run_bound(f, b, &c, &r);
        why = refused;
        if (UNLIKELY(refusals_logged()))
            tl_log_message(TL_LOG_DEBUG, "kernel", "%s: %s passed over: %s", op->name, b->kernel->maker ? b->kernel->maker : b->backend, refused);
    }
    if (any_half(f))
        return compute_widened(f);
    if (op->decompose)
        return compute_decomposed(f, (op->flags & TL_OP_COMPOSITE) != 0);
    if (!f->device->host)
        return compute_on_host(f, why);
    const tl_tensor *x = f->n_in ? f->in[0] : NULL;
    return tl_fail(TL_ERR_DTYPE, "%s: not done for %s on %s: %s", op->name, x && !is_none(x) ? tl_dtype_name((tl_dtype)x->dtype) : "these types",
                   f->device->name, why);
}

/* ---- Entry ------------------------------------------------------------------------------------------------------------------------------ */

static device *device_of(tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    for (int i = 0; i < n_in; i++)
        if (!is_none(in[i]))
            return in[i]->storage->device;
    for (int i = 0; i < n_out; i++)
        if (out[i])
            return out[i]->storage->device;
    return device_default();
}

tl_status compute(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, tl_tensor **out,
                  struct residual *residual, bool want_residual)
{
    struct frame f;
    f.entry = e;
    f.attrs = attrs;
    f.in = in;
    f.n_in = n_in;
    f.n_out = e->op->n_out;
    f.meta = meta;
    f.out = out;
    f.residual = residual;
    f.want_residual = want_residual;
    f.device = device_of(in, n_in, out, f.n_out);
    if (!f.device)
        return tl_error_code();
    f.in_views = n_in <= MAX_OPERANDS ? f.in_view : malloc((size_t)n_in * sizeof *f.in_views);
    if (!f.in_views)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory for %d inputs", e->op->name, n_in);
    tl_status s;
    bool was = tl_set_grad_enabled(false);
    if ((e->op->flags & TL_OP_POINTWISE) && e->pointwise)
        s = pointwise_compute(e, attrs, in, n_in, meta[0].dtype, out);
    else
        s = compute_frame(&f);
    tl_set_grad_enabled(was);
    if (f.in_views != f.in_view)
        free(f.in_views);
    return s;
}
