/* SPDX-License-Identifier: Apache-2.0
 *
 * A host backend with a private layout: bits turned over by KEY. Built twice, as "alpha" and "beta", with two keys and one layout id,
 * so that whoever confuses their layouts gets numbers that are nothing like the right ones. Kernels: cumsum and flip of f32 vectors;
 * each takes and gives its own layout.
 */
#include <string.h>
#include <telar/attrs.h>
#include <telar/backend.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum { TURNED = TL_LAYOUT_PRIVATE };

static float turned(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= KEY;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static size_t layout_size(const struct tl_device *device, uint32_t layout, const struct tl_view *view)
{
    (void)device;
    return layout == TURNED && view->dtype == TL_F32 && view->ndim == 1 ? (size_t)tl_view_numel(view) * sizeof(float) : 0;
}

static float read_at(const struct tl_view *v, int64_t i)
{
    const float *x = tl_mem_ptr(v->mem);
    return v->layout == TURNED ? turned(x[i]) : x[i * v->stride[0]];
}

static void write_at(const struct tl_view *v, int64_t i, float value)
{
    float *y = tl_mem_ptr(v->mem);
    y[i] = v->layout == TURNED ? turned(value) : value;
}

static tl_status reorder(struct tl_stream *stream, const struct tl_view *from, const struct tl_view *to)
{
    (void)stream;
    for (int64_t i = 0; i < from->shape[0]; i++)
        write_at(to, i, read_at(from, i));
    return TL_OK;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[0].dtype == TL_F32 && call->in[0].ndim == 1 ? NULL : "only f32 vectors";
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device, (void)call;
    prep->in_layout[0] = prep->out_layout[0] = TURNED;
    return TL_OK;
}

static tl_status cumsum(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    float sum = 0;
    for (int64_t i = 0; i < call->in[0].shape[0]; i++)
        write_at(&call->out[0], i, sum += read_at(&call->in[0], i));
    return TL_OK;
}

static tl_status flip(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    int64_t n = call->in[0].shape[0];
    for (int64_t i = 0; i < n; i++)
        write_at(&call->out[0], i, read_at(&call->in[0], n - 1 - i));
    return TL_OK;
}

static tl_status device_count(int *count)
{
    *count = 1;
    return TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    static struct tl_device one = {.struct_size = sizeof one, .flags = TL_DEVICE_HOST_MEMORY, .alignment = 64, .description = "turned bits"};
    one.index = index;
    *device = &one;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    (void)device;
}

static const struct tl_kernel only = {.struct_size = sizeof only, .op = TEXT(KERNEL), .maker = TEXT(NAME), .refuses = refuses,
                                      .prepare = prepare, .run = KERNEL};
static tl_status (*const unused[])(struct tl_stream *, const void *, const struct tl_call *, struct tl_mem) = {cumsum, flip};
static const struct tl_kernel *const kernels[] = {&only, NULL};
static const struct tl_backend backend = {.struct_size = sizeof backend, .device_count = device_count, .device_open = device_open,
                                          .device_close = device_close, .layout_size = layout_size, .reorder = reorder, .kernels = kernels};

static tl_status open_plugin(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    (void)host, (void)err, (void)unused;
    *iface = &backend;
    return TL_OK;
}

const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = TEXT(NAME),
    .version = "1",
    .summary = "keeps its results to itself, for tests",
    .open = open_plugin,
};
