/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference backend: plain C, every op, one device, which is the host's memory. It is the oracle that
 * other backends are judged by, and the last resort where they have no kernel.
 */
#include "reference.h"
#include <unistd.h>

const struct tl_host *reference_host;
const char unknown_type[] = "this element type is not computed directly";

static tl_status device_count(int *count)
{
    *count = 1;
    return TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    if (index != 0)
        return reference_host->fail(TL_ERR_DEVICE, "reference: there is no device %d: the only one is 0", index);
    struct tl_device *made = calloc(1, sizeof *made);
    if (!made)
        return reference_host->fail(TL_ERR_NOMEM, "reference: no memory to open the device");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    made->struct_size = sizeof *made;
    made->flags = TL_DEVICE_HOST_MEMORY;
    made->alignment = 64;
    made->memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    made->description = "plain C on one thread";
    *device = made;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    free(device);
}

void *wanted_residual(const struct tl_call *call, size_t size)
{
    const struct tl_residual *r = call->residual;
    bool wanted = (call->flags & TL_CALL_WANT_RESIDUAL) && r && r->mem.handle && r->size >= size;
    return wanted ? tl_mem_ptr(r->mem) : NULL;
}

const void *own_residual(const struct tl_call *call, size_t size)
{
    const struct tl_residual *r = call->residual;
    bool own = r && r->maker && r->mem.handle && r->size >= size && !strcmp(r->maker, "reference");
    return own ? tl_mem_ptr(r->mem) : NULL;
}

tl_status bad_index(const struct tl_call *call, const char *what, int64_t value, int64_t position, int64_t size)
{
    if (size == 0)
        return reference_host->fail(TL_ERR_INDEX, "%s: %s %lld at position %lld: there is nothing to choose from",
                                    call->op, what, (long long)value, (long long)position);
    return reference_host->fail(TL_ERR_INDEX, "%s: %s %lld at position %lld is out of range: expected 0 to %lld",
                                call->op, what, (long long)value, (long long)position, (long long)(size - 1));
}

struct axes axes_around(const struct tl_view *view, int64_t dim)
{
    struct axes a = {1, 1, 1};
    for (int d = 0; d < view->ndim; d++)
        *(d < dim ? &a.outer : d == dim ? &a.n : &a.inner) *= view->shape[d];
    return a;
}

static struct tl_backend backend = {
    .struct_size = sizeof(struct tl_backend),
    .device_count = device_count,
    .device_open = device_open,
    .device_close = device_close,
};

/** The table of kernels is put together here, once, because the pointwise ones come from a list of texts. */
static tl_status open_plugin(const struct tl_host *host, const void **iface, struct tl_error *err)
{
#define POINTER(name) &reference_##name,
    static const struct tl_kernel *const kernels[] = {REFERENCE_KERNELS(POINTER)};
#undef POINTER
    const size_t n = sizeof kernels / sizeof *kernels, n_pointwise = reference_pointwise(NULL, 0);
    if (!backend.kernels) {
        const struct tl_kernel **table = calloc(n + n_pointwise + 1, sizeof *table);
        if (!table) {
            err->code = TL_ERR_NOMEM;
            strcpy(err->message, "reference: no memory for the table of kernels");
            return TL_ERR_NOMEM;
        }
        memcpy(table, kernels, sizeof kernels);
        reference_pointwise(table + n, n_pointwise);
        backend.kernels = table;
    }
    reference_host = host;
    *iface = &backend;
    return TL_OK;
}

static void close_plugin(const void *iface)
{
    (void)iface;
    free((void *)(uintptr_t)backend.kernels);
    backend.kernels = NULL;
}

TL_PUBLIC extern const struct tl_plugin telar_plugin;
const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = "reference",
    .version = "1.0",
    .summary = "plain C, every op, written to be read; the oracle of the tests",
    .open = open_plugin,
    .close = close_plugin,
};
