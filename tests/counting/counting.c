/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend that counts its plans, for the tests of the plan cache: a kernel, cumsum of f32 vectors, whose plan knows the length that
 * it was made for, and before it one that is asked for long vectors only, and declines when it prepares. Built twice: as "counting", a host backend with no more than the slots that such a one needs, and with
 * -DLAZY as "lazy", a device with memory of its own whose queue does nothing before it is waited for.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <telar/attrs.h>
#include <telar/backend.h>

TL_PUBLIC extern atomic_int counting_prepared, counting_released, counting_stale, counting_declined;
atomic_int counting_prepared, counting_released, counting_stale, counting_declined;

static const struct tl_host *host;

#define ALIVE UINT64_C(0x616c6976652e2e2e)

struct length {
    uint64_t alive;
    int64_t n;
};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[0].dtype == TL_F32 && call->in[0].ndim == 1 ? NULL : "only f32 vectors";
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct length *plan = malloc(sizeof *plan);
    if (!plan)
        return host->fail(TL_ERR_NOMEM, "counting: no memory for a plan");
    *plan = (struct length){.alive = ALIVE, .n = call->in[0].shape[0]};
    prep->plan = plan;
    atomic_fetch_add(&counting_prepared, 1);
    return TL_OK;
}

enum { LONG = 10000, LONGER = 20000 };

static const char *refuses_short(const struct tl_device *device, const struct tl_call *call)
{
    const char *why = refuses(device, call);
    return why ? why : call->in[0].shape[0] > LONG ? NULL : "too short for it";
}

static tl_status decline(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    atomic_fetch_add(&counting_declined, 1);
    if (call->in[0].shape[0] > LONGER)
        return host->fail(TL_ERR_UNSUPPORTED, "the kernel says that this is an error");
    prep->declined = "it found nothing for this length";
    return TL_ERR_UNSUPPORTED;
}

static void release(void *p)
{
    struct length *plan = p;
    plan->alive = 0;
    free(plan);
    atomic_fetch_add(&counting_released, 1);
}

static void add_up(const struct length *plan, int64_t n, const float *x, float *y)
{
    if (plan->alive != ALIVE || plan->n != n) {
        atomic_fetch_add(&counting_stale, 1);
        return;
    }
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        y[i] = sum += x[i];
}

#ifndef LAZY

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    if (stream)
        return host->fail(TL_ERR_PLUGIN, "counting: a stream that it did not open");
    add_up(plan, call->in[0].shape[0], tl_mem_ptr(call->in[0].mem), tl_mem_ptr(call->out[0].mem));
    return TL_OK;
}

#define NAME "counting"
#define FLAGS TL_DEVICE_HOST_MEMORY
#define OWN_MEMORY

#else

struct job {
    struct job *next;
    const struct length *plan;
    int64_t n;
    const float *x;
    float *y;
};

struct tl_stream {
    struct job *first, **last;
};

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    struct job *j = malloc(sizeof *j);
    if (!j)
        return host->fail(TL_ERR_NOMEM, "lazy: no memory for a job");
    *j = (struct job){.plan = plan, .n = call->in[0].shape[0], .x = tl_mem_ptr(call->in[0].mem), .y = tl_mem_ptr(call->out[0].mem)};
    *stream->last = j;
    stream->last = &j->next;
    return TL_OK;
}

static tl_status sync_stream(struct tl_stream *stream)
{
    while (stream->first) {
        struct job *j = stream->first;
        stream->first = j->next;
        add_up(j->plan, j->n, j->x, j->y);
        free(j);
    }
    stream->last = &stream->first;
    return TL_OK;
}

static tl_status stream_open(const struct tl_device *device, struct tl_stream **stream)
{
    (void)device;
    if (!(*stream = calloc(1, sizeof **stream)))
        return host->fail(TL_ERR_NOMEM, "lazy: no memory for a stream");
    (*stream)->last = &(*stream)->first;
    return TL_OK;
}

static void stream_close(struct tl_stream *stream)
{
    sync_stream(stream);
    free(stream);
}

static tl_status alloc_memory(const struct tl_device *device, size_t bytes, struct tl_mem *mem)
{
    (void)device;
    *mem = (struct tl_mem){.handle = malloc(bytes)};
    return mem->handle ? TL_OK : host->fail(TL_ERR_NOMEM, "lazy: no memory");
}

static void free_memory(const struct tl_device *device, struct tl_mem mem)
{
    (void)device;
    free(mem.handle);
}

static tl_status copy_in(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes)
{
    sync_stream(stream);
    memcpy(tl_mem_ptr(to), from, bytes);
    return TL_OK;
}

static tl_status copy_out(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes)
{
    sync_stream(stream);
    memcpy(to, tl_mem_ptr(from), bytes);
    return TL_OK;
}

static tl_status copy_within(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes)
{
    sync_stream(stream);
    memcpy(tl_mem_ptr(to), tl_mem_ptr(from), bytes);
    return TL_OK;
}

#define NAME "lazy"
#define FLAGS 0
#define OWN_MEMORY                                                                                                                 \
    .alloc = alloc_memory, .free = free_memory, .stream_open = stream_open, .stream_close = stream_close, .sync = sync_stream, \
    .copy_in = copy_in, .copy_out = copy_out, .copy = copy_within,

#endif

static tl_status device_count(int *count)
{
    *count = 1;
    return TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    static struct tl_device one = {.struct_size = sizeof one, .flags = FLAGS, .alignment = 64, .description = "it counts"};
    one.index = index;
    *device = &one;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    (void)device;
}

static const struct tl_kernel cumsum = {.struct_size = sizeof cumsum, .op = "cumsum", .maker = NAME, .refuses = refuses,
                                        .prepare = prepare, .run = run, .release = release};
static const struct tl_kernel long_cumsum = {.struct_size = sizeof cumsum, .op = "cumsum", .maker = NAME ":long", .refuses = refuses_short,
                                             .prepare = decline, .run = run, .release = release};
static const struct tl_kernel *const kernels[] = {&long_cumsum, &cumsum, NULL};

static const struct tl_backend backend = {.struct_size = sizeof backend, .device_count = device_count, .device_open = device_open,
                                          .device_close = device_close, OWN_MEMORY .kernels = kernels};

static tl_status open_plugin(const struct tl_host *h, const void **iface, struct tl_error *err)
{
    (void)err;
    host = h;
    *iface = &backend;
    return TL_OK;
}

const struct tl_plugin telar_plugin __attribute__((visibility("default"))) = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = NAME,
    .version = "1",
    .summary = "counts its plans, for tests",
    .open = open_plugin,
};
