/* SPDX-License-Identifier: Apache-2.0
 *
 * The opaque backend: the reference's kernels behind everything that a GPU does differently. Memory is a handle that no
 * pointer arithmetic survives; work runs on a thread of its own, later; errors show at sync; memory is small; convolutions
 * keep weights and results in private layouts. It keeps the ABI, and the core, honest where there is no GPU.
 * OPAQUE_FLAW in the environment gives it one flaw, for the conformance suite to find.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/attrs.h>
#include <telar/backend.h>

/* The reference's description was compiled under this other name. */
#undef telar_plugin
extern const struct tl_plugin reference_plugin;
static const struct tl_host *host;
static const struct tl_backend *inner;
static struct tl_device *inner_device;

enum { REVERSED = TL_LAYOUT_PRIVATE, MEMORY = 256 << 20, OPERANDS = 64 };

static bool has_flaw(const char *flaw)
{
    const char *wanted = getenv("OPAQUE_FLAW");
    return wanted && strcmp(wanted, flaw) == 0;
}

/* ---- Memory: a handle is the address of a header, with a secret between it and the bytes ------------------------------------- */

struct buffer {
    uint64_t secret;
    size_t size;
    unsigned char *bytes;
};
#define SECRET UINT64_C(0x5bd1e9955bd1e995)

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t memory_used;

static unsigned char *bytes_of(struct tl_mem m)
{
    struct buffer *b = m.handle;
    return b && b->secret == SECRET && m.offset <= b->size ? b->bytes + m.offset : NULL;
}

static tl_status alloc_memory(const struct tl_device *device, size_t bytes, struct tl_mem *mem)
{
    pthread_mutex_lock(&memory_lock);
    bool fits = bytes <= device->max_allocation && bytes <= MEMORY - memory_used;
    if (fits)
        memory_used += bytes;
    pthread_mutex_unlock(&memory_lock);
    if (!fits)
        return host->fail(TL_ERR_NOMEM, "opaque: %zu bytes do not fit; the device has %d in all", bytes, MEMORY);
    struct buffer *b = malloc(sizeof *b);
    if (b)
        *b = (struct buffer){.secret = SECRET, .size = bytes, .bytes = aligned_alloc(64, (bytes + 63) / 64 * 64)};
    if (!b || !b->bytes) {
        free(b);
        return host->fail(TL_ERR_NOMEM, "opaque: the host has no memory for the device's");
    }
    memset(b->bytes, 0xa5, bytes); /* fresh memory is garbage here, visibly */
    *mem = (struct tl_mem){.handle = b};
    return TL_OK;
}

static void free_memory(const struct tl_device *device, struct tl_mem mem)
{
    (void)device;
    struct buffer *b = mem.handle;
    pthread_mutex_lock(&memory_lock);
    memory_used -= b->size;
    pthread_mutex_unlock(&memory_lock);
    b->secret = 0;
    free(b->bytes);
    free(b);
}

/* ---- The queue ------------------------------------------------------------------------------------------------------------------ */

enum job_kind { RUN, REORDER, COPY };

struct job {
    struct job *next;
    enum job_kind kind;
    const struct tl_kernel *kernel;
    const void *plan;
    char attrs[512];
    struct tl_call call;
    struct tl_view in[OPERANDS], out[8];
    struct tl_residual residual;
    struct tl_mem workspace, from, to;
    size_t bytes;
};

struct tl_stream {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **last;
    bool busy, ending;
    struct tl_error error;
};

static _Thread_local struct tl_error *worker_error; /* where the reference's fail() writes on the worker */

static tl_status fail_later(tl_status code, const char *format, ...)
{
    if (worker_error && worker_error->code == TL_OK) {
        va_list args;
        va_start(args, format);
        worker_error->code = code;
        vsnprintf(worker_error->message, sizeof worker_error->message, format, args);
        va_end(args);
    }
    return code;
}

/* Elements in reverse order: a layout that nobody can mistake for a strided one. */
static void reverse(const struct tl_view *from, const unsigned char *source, unsigned char *target)
{
    size_t size = tl_dtype_size(from->dtype);
    int64_t n = tl_view_numel(from);
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = i, rest = i;
        if (from->layout == TL_LAYOUT_STRIDED || from->layout == TL_LAYOUT_CHANNELS_LAST) {
            offset = 0;
            for (int d = from->ndim - 1; d >= 0; d--) {
                offset += rest % from->shape[d] * from->stride[d];
                rest /= from->shape[d];
            }
        }
        memcpy(target + (size_t)(n - 1 - i) * size, source + (size_t)offset * size, size);
    }
}

static void do_reorder(const struct job *j)
{
    struct tl_view from = j->in[0];
    reverse(&from, bytes_of(j->in[0].mem), bytes_of(j->out[0].mem)); /* undoing is doing again */
    if (has_flaw("one-way") && from.layout == REVERSED)
        memset(bytes_of(j->out[0].mem), 0, 1);
}

/* Operands as the reference wants them: plain pointers, plain layouts. */
static void do_run(struct job *j, struct tl_error *error)
{
    unsigned char *temporary[OPERANDS + 8] = {0};
    int n = 0;
    for (int i = 0; i < j->call.n_in; i++) {
        struct tl_view *v = &j->in[i];
        if (!tl_view_present(v))
            continue;
        unsigned char *p = bytes_of(v->mem);
        if (v->layout == REVERSED) {
            struct tl_view plain = *v;
            plain.layout = TL_LAYOUT_CONTIGUOUS;
            temporary[n] = malloc((size_t)tl_view_numel(v) * tl_dtype_size(v->dtype) + 1);
            reverse(&plain, p, temporary[n]);
            p = temporary[n++];
            v->layout = TL_LAYOUT_CONTIGUOUS;
            int64_t s = 1;
            for (int d = v->ndim - 1; d >= 0; d--) {
                v->stride[d] = s;
                s *= v->shape[d];
            }
        }
        v->mem = (struct tl_mem){.handle = p};
    }
    struct tl_view reversed[8];
    for (int i = 0; i < j->call.n_out; i++) {
        struct tl_view *v = &j->out[i];
        reversed[i] = *v;
        if (!tl_view_present(v))
            continue;
        unsigned char *p = bytes_of(v->mem);
        if (v->layout == REVERSED) {
            temporary[n] = malloc((size_t)tl_view_numel(v) * tl_dtype_size(v->dtype) + 1);
            p = temporary[n++];
            v->layout = TL_LAYOUT_CONTIGUOUS;
        }
        v->mem = (struct tl_mem){.handle = p};
    }
    if (j->residual.size)
        j->residual.mem = (struct tl_mem){.handle = bytes_of(j->residual.mem)};
    /* The reference knows its residual by its own name. */
    if (j->residual.maker)
        j->residual.maker = "reference";
    struct tl_mem workspace = {.handle = j->workspace.handle ? bytes_of(j->workspace) : NULL};
    worker_error = error;
    tl_status s = j->kernel->run(NULL, j->plan, &j->call, workspace);
    if (s != TL_OK && error->code == TL_OK)
        error->code = s;
    worker_error = NULL;
    if (has_flaw("threads") && strcmp(j->call.op, "sum") == 0 && j->out[0].dtype == TL_F32 && host->num_threads() > 1)
        *(float *)j->out[0].mem.handle *= 1.000001f;
    for (int i = 0; i < j->call.n_out; i++)
        if (tl_view_present(&reversed[i]) && reversed[i].layout == REVERSED) {
            struct tl_view plain = reversed[i];
            plain.layout = TL_LAYOUT_CONTIGUOUS;
            reverse(&plain, j->out[i].mem.handle, bytes_of(reversed[i].mem));
        }
    while (n)
        free(temporary[--n]);
}

static void *work(void *p)
{
    struct tl_stream *s = p;
    pthread_mutex_lock(&s->lock);
    while (!s->ending || s->first) {
        struct job *j = s->first;
        if (!j) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->first = j->next;
        if (!s->first)
            s->last = &s->first;
        s->busy = true;
        struct tl_error error = {0};
        pthread_mutex_unlock(&s->lock);
        if (j->kind == RUN)
            do_run(j, &error);
        else if (j->kind == REORDER)
            do_reorder(j);
        else
            memmove(bytes_of(j->to), bytes_of(j->from), j->bytes);
        free(j);
        pthread_mutex_lock(&s->lock);
        if (s->error.code == TL_OK)
            s->error = error;
        s->busy = false;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void enqueue(struct tl_stream *s, struct job *j)
{
    pthread_mutex_lock(&s->lock);
    *s->last = j;
    s->last = &j->next;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void drain(struct tl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->first || s->busy)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static tl_status sync_stream(struct tl_stream *s)
{
    drain(s);
    pthread_mutex_lock(&s->lock);
    struct tl_error e = s->error;
    s->error = (struct tl_error){0};
    pthread_mutex_unlock(&s->lock);
    return e.code == TL_OK || has_flaw("forgetful") ? TL_OK : host->fail(e.code, "%s", e.message);
}

static tl_status stream_open(const struct tl_device *device, struct tl_stream **stream)
{
    (void)device;
    struct tl_stream *s = calloc(1, sizeof *s);
    if (!s)
        return host->fail(TL_ERR_NOMEM, "opaque: no memory for a stream");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->last = &s->first;
    if (pthread_create(&s->thread, NULL, work, s) != 0) {
        free(s);
        return host->fail(TL_ERR_DEVICE, "opaque: cannot start its thread");
    }
    *stream = s;
    return TL_OK;
}

static void stream_close(struct tl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static tl_status copy_in(struct tl_stream *s, struct tl_mem to, const void *from, size_t bytes)
{
    drain(s);
    memcpy(bytes_of(to), from, bytes);
    return TL_OK;
}

static tl_status copy_out(struct tl_stream *s, void *to, struct tl_mem from, size_t bytes)
{
    drain(s); /* late errors are sync's business: the core has asked it */
    memcpy(to, bytes_of(from), bytes);
    return TL_OK;
}

static struct job *job_new(enum job_kind kind)
{
    struct job *j = calloc(1, sizeof *j);
    if (j)
        j->kind = kind;
    else
        host->fail(TL_ERR_NOMEM, "opaque: no memory for a job");
    return j;
}

static tl_status copy_within(struct tl_stream *s, struct tl_mem to, struct tl_mem from, size_t bytes)
{
    struct job *j = job_new(COPY);
    if (!j)
        return TL_ERR_NOMEM;
    j->to = to;
    j->from = from;
    j->bytes = bytes;
    enqueue(s, j);
    return TL_OK;
}

static size_t layout_size(const struct tl_device *device, uint32_t layout, const struct tl_view *view)
{
    (void)device;
    return layout == REVERSED ? (size_t)tl_view_numel(view) * tl_dtype_size(view->dtype) - has_flaw("small-layout") : 0;
}

static tl_status reorder(struct tl_stream *s, const struct tl_view *from, const struct tl_view *to)
{
    struct job *j = job_new(REORDER);
    if (!j)
        return TL_ERR_NOMEM;
    j->in[0] = *from;
    j->out[0] = *to;
    if (to->layout == TL_LAYOUT_CHANNELS_LAST || from->layout == to->layout) {
        free(j);
        return host->fail(TL_ERR_UNSUPPORTED, "opaque: reorder from %u to %u", from->layout, to->layout);
    }
    enqueue(s, j);
    return TL_OK;
}

/* ---- Kernels: those of the reference, one wrapper for all ---------------------------------------------------------------------------- */

static const struct tl_kernel *find(const struct tl_call *call, const char **why)
{
    *why = "the reference has no such op";
    for (const struct tl_kernel *const *k = inner->kernels; *k; k++)
        if (strcmp((*k)->op, call->op) == 0) {
            const char *refused = (*k)->refuses ? (*k)->refuses(inner_device, call) : NULL;
            if (!refused)
                return *k;
            *why = refused;
        }
    return NULL;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const char *why;
    if (call->n_in > OPERANDS)
        return "more than 64 inputs";
    return find(call, &why) ? NULL : why;
}

static const char *refuses_f16(const struct tl_device *device, const struct tl_call *call)
{
    return call->in[0].dtype == TL_F16 || call->out[0].dtype == TL_F16 ? "no f16" : refuses(device, call);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    if (has_flaw("no-plan") && strcmp(call->op, "sort") == 0)
        return host->fail(TL_ERR_PLUGIN, "sort: the plan does not compile");
    (void)device;
    const char *why;
    const struct tl_kernel *k = find(call, &why);
    if (k->prepare) {
        tl_status s = k->prepare(inner_device, call, prep);
        if (s != TL_OK)
            return s;
    } else if (k->flags & TL_KERNEL_STRIDED) {
        for (int i = 0; i < call->n_in; i++)
            prep->in_layout[i] = TL_LAYOUT_STRIDED;
    }
    if (strcmp(call->op, "conv2d") == 0)
        prep->in_layout[1] = prep->out_layout[0] = REVERSED;
    if (strcmp(call->op, "max_pool2d") == 0 && call->in[0].layout == REVERSED)
        prep->in_layout[0] = REVERSED;
    return TL_OK;
}

static tl_status run(struct tl_stream *s, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const char *why;
    struct job *j = job_new(RUN);
    if (!j)
        return TL_ERR_NOMEM;
    j->kernel = find(call, &why);
    j->plan = plan;
    j->call = *call;
    j->workspace = workspace;
    j->residual = *call->residual;
    for (int i = 0; i < call->n_in; i++)
        j->in[i] = call->in[i];
    for (int i = 0; i < call->n_out; i++)
        j->out[i] = call->out[i];
    if (call->attrs)
        memcpy(j->attrs, call->attrs, *(const size_t *)call->attrs);
    j->call.attrs = call->attrs ? j->attrs : NULL;
    j->call.in = j->in;
    j->call.out = j->out;
    j->call.residual = &j->residual;
    enqueue(s, j);
    return TL_OK;
}

/* ---- The plugin ------------------------------------------------------------------------------------------------------------------------ */

static tl_status device_count(int *count)
{
    *count = 1;
    return TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    static struct tl_device one = {.struct_size = sizeof one,
                                   .alignment = 64,
                                   .memory = MEMORY,
                                   .max_allocation = MEMORY / 2,
                                   .description = "the reference's kernels behind handles, a thread and late errors"};
    one.index = index;
    *device = &one;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    (void)device;
}

static struct tl_kernel wrappers[512];
static const struct tl_kernel *table[512 + 1];

static struct tl_backend backend = {
    .struct_size = sizeof(struct tl_backend),
    .device_count = device_count,
    .device_open = device_open,
    .device_close = device_close,
    .alloc = alloc_memory,
    .free = free_memory,
    .stream_open = stream_open,
    .stream_close = stream_close,
    .sync = sync_stream,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy_within,
    .layout_size = layout_size,
    .reorder = reorder,
    .kernels = table,
};

static tl_status open_plugin(const struct tl_host *h, const void **iface, struct tl_error *err)
{
    static struct tl_host for_reference;
    const void *reference;
    host = h;
    for_reference = *h;
    for_reference.fail = fail_later;
    tl_status s = reference_plugin.open(&for_reference, &reference, err);
    if (s != TL_OK)
        return s;
    inner = reference;
    if (inner->device_open(0, &inner_device) != TL_OK) {
        snprintf(err->message, sizeof err->message, "the reference's device does not open");
        return err->code = TL_ERR_PLUGIN;
    }
    size_t n = 0;
    for (const struct tl_kernel *const *k = inner->kernels; *k && n < 512; k++) {
        /* Left out, so that the core's other ways are walked: decomposition, and the host. */
        if (strcmp((*k)->op, "layer_norm") == 0 || strcmp((*k)->op, "nll_loss") == 0 || strcmp((*k)->op, "topk") == 0)
            continue;
        bool planned = (*k)->prepare || strcmp((*k)->op, "conv2d") == 0;
        wrappers[n] = (struct tl_kernel){.struct_size = sizeof **k, .flags = (*k)->flags, .op = (*k)->op, .maker = "opaque",
                                         .refuses = refuses, .prepare = planned ? prepare : NULL, .run = run,
                                         .release = (*k)->release};
        table[n] = &wrappers[n];
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        if (has_flaw("idle-kernel") && strcmp(wrappers[i].op, "cumsum") == 0)
            wrappers[i].op = "cumsumm";
        if (has_flaw("no-f16-copy") && strcmp(wrappers[i].op, "copy") == 0)
            wrappers[i].refuses = refuses_f16;
    }
    *iface = &backend;
    return TL_OK;
}

static void close_plugin(const void *iface)
{
    (void)iface;
    inner->device_close(inner_device);
}

const struct tl_plugin telar_plugin __attribute__((visibility("default"))) = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = "opaque",
    .version = "1",
    .summary = "a device that hides everything, for tests",
    .open = open_plugin,
    .close = close_plugin,
};
