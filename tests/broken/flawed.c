/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend whose table, device or kernel has the flaw that FLAW in the environment names; without it, it is whole. For flaws that the
 * loader finds before it calls anything there is broken.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/backend.h>

static const struct tl_host *host;

static bool has(const char *flaw)
{
    const char *wanted = getenv("FLAW");
    return wanted && strcmp(wanted, flaw) == 0;
}

static tl_status device_count(int *count)
{
    *count = has("negative") ? -1 : 1;
    return has("uncounted") ? TL_ERR_DEVICE : TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    static struct tl_device one;
    one = (struct tl_device){.struct_size = has("device-size") ? 0 : sizeof one,
                             .index = index,
                             .flags = has("no-handle") || has("largest") ? 0 : TL_DEVICE_HOST_MEMORY,
                             .alignment = has("alignment-0") ? 0 : has("alignment-48") ? 48 : has("alignment-4096") ? 4096 : 64,
                             .max_allocation = has("largest") ? 1000 : 0};
    if (has("unopened"))
        return TL_ERR_DEVICE;
    if (!has("no-device"))
        *device = &one;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    (void)device;
    if (has("closes"))
        fputs("flawed: device closed\n", stderr);
}

static void close_plugin(const void *iface)
{
    (void)iface;
    if (has("closes"))
        fputs("flawed: closed\n", stderr);
}

static tl_status alloc_memory(const struct tl_device *device, size_t bytes, struct tl_mem *mem)
{
    (void)device;
    mem->handle = has("no-handle") ? NULL : malloc(bytes);
    return TL_OK;
}

static void free_memory(const struct tl_device *device, struct tl_mem mem)
{
    (void)device;
    free(mem.handle);
}

static tl_status stream_open(const struct tl_device *device, struct tl_stream **stream)
{
    (void)device, (void)stream;
    return TL_OK;
}

static void stream_close(struct tl_stream *stream)
{
    (void)stream;
}

static tl_status sync_stream(struct tl_stream *stream)
{
    (void)stream;
    return TL_OK;
}

static tl_status copy_in(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes)
{
    (void)stream;
    memcpy(tl_mem_ptr(to), from, bytes);
    return TL_OK;
}

static tl_status copy_out(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes)
{
    (void)stream;
    memcpy(to, tl_mem_ptr(from), bytes);
    return TL_OK;
}

static tl_status copy_within(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes)
{
    (void)stream;
    memcpy(tl_mem_ptr(to), tl_mem_ptr(from), bytes);
    return TL_OK;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->kernel->struct_size && call->in[0].dtype == TL_F32 && call->in[0].ndim == 1 ? NULL : "only f32 vectors";
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device, (void)call;
    prep->workspace = 100;
    return TL_OK;
}

/* cumsum */
static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    const float *x = tl_mem_ptr(call->in[0].mem);
    float sum = 0, *y = tl_mem_ptr(call->out[0].mem);
    int64_t n = call->in[0].shape[0];
    for (int64_t i = 0; i < n; i++)
        y[i] = sum += x[i];
    if (has("overrun-output"))
        y[n] = sum;
    if (has("overrun-workspace"))
        ((char *)tl_mem_ptr(workspace))[100] = 1;
    if (has("underrun-workspace"))
        ((char *)tl_mem_ptr(workspace))[-1] = 1;
    if (has("fails-but-ok"))
        host->fail(TL_ERR_DEVICE, "it does not feel well");
    if (strcmp(call->kernel->maker, "flawed:cumsum") != 0 || call->attrs_size == 0)
        return host->fail(TL_ERR_PLUGIN, "flawed: run() is told nothing of its kernel");
    return has("status-77") ? (tl_status)77 : has("wordless") ? TL_ERR_DEVICE : TL_OK;
}

static struct tl_kernel kernel = {.struct_size = sizeof kernel, .op = "cumsum", .maker = "flawed:cumsum", .refuses = refuses,
                                  .prepare = prepare, .run = run};
static const struct tl_kernel *const kernels[] = {&kernel, NULL};
static struct tl_backend backend = {.struct_size = sizeof backend, .device_count = device_count, .device_open = device_open,
                                    .device_close = device_close, .alloc = alloc_memory, .free = free_memory,
                                    .stream_open = stream_open, .stream_close = stream_close, .sync = sync_stream,
                                    .copy_in = copy_in, .copy_out = copy_out, .copy = copy_within, .kernels = kernels};

static tl_status open_plugin(const struct tl_host *h, const void **iface, struct tl_error *err)
{
    (void)err;
    host = h;
    kernel.op = has("op-typo") ? "cumsumm" : has("op-alias") ? "mm" : has("op-null") ? NULL : has("with-plan") || has("unstrided") ? "add" : "cumsum";
    if (has("maker-null"))
        kernel.maker = NULL;
    if (has("run-null"))
        kernel.run = NULL;
    if (has("kernel-size"))
        kernel.struct_size = 0;
    if (has("unstrided"))
        kernel.prepare = NULL;
    if (has("half-a-stream"))
        backend.sync = NULL;
    *iface = &backend;
    return TL_OK;
}

const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = "flawed",
    .version = "1",
    .summary = "as wrong as it is told to be, for tests",
    .open = open_plugin,
    .close = close_plugin,
};
