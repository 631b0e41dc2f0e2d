/* SPDX-License-Identifier: Apache-2.0
 *
 * What a backend's table and its devices must have, judged before any of it is used. The loader asks about the table, so that every
 * listing tells of a flaw; device.c asks about what a device needs besides.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/internal.h"
#include "core/plugin/loader.h"

struct slot {
    const char *name;
    bool there;
};

static bool flaw(char *why, size_t size, const char *format, ...) TL_PRINTF(3, 4);
static bool flaw(char *why, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return true;
}

static bool lacks(const struct slot *slots, size_t n, const char *whose, char *why, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (!slots[i].there)
            return flaw(why, size, "table: required slot %s is NULL%s", slots[i].name, whose);
    return false;
}

/* The kernels that the core calls without plans, with whatever strides the operands have. */
static bool called_as_it_comes(const char *op)
{
    struct op_entry *e = op_entry_named(op);
    return strcmp(op, "copy") == 0 || strcmp(op, "fill") == 0 || (e && (e->op->flags & TL_OP_POINTWISE));
}

static bool kernel_flaw(const struct tl_kernel *k, size_t i, char *why, size_t size)
{
    const size_t needed = offsetof(struct tl_kernel, release) + sizeof k->release;
    if (k->struct_size < needed)
        return flaw(why, size, "kernel %zu: its struct_size is %u, %zu are needed; set it to sizeof(struct tl_kernel)", i, k->struct_size,
                    needed);
    if (!k->op)
        return flaw(why, size, "kernel %zu: op is NULL", i);
    if (!k->run)
        return flaw(why, size, "kernel %zu (%s): run is NULL", i, k->op);
    if (!k->maker || !*k->maker)
        return flaw(why, size, "kernel %zu (%s): maker is NULL or empty; it names the kernel in messages and tags its residuals", i, k->op);
    if (!called_as_it_comes(k->op))
        return false;
    if (k->prepare)
        return flaw(why, size, "kernel %zu (%s): it has a prepare(), but pointwise ops, copy and fill are run without plans", i, k->op);
    if (!(k->flags & TL_KERNEL_STRIDED))
        return flaw(why, size, "kernel %zu (%s): it lacks TL_KERNEL_STRIDED, but operands of pointwise ops, copy and fill come with any "
                    "strides, 0 among them", i, k->op);
    return false;
}

bool backend_flaw(const void *iface, char *why, size_t size)
{
    const struct tl_backend *b = iface;
    const size_t needed = offsetof(struct tl_backend, kernels) + sizeof b->kernels;
    if (b->struct_size < needed)
        return flaw(why, size, "table: it has %u bytes, %zu are needed; set struct_size to sizeof(struct tl_backend)", b->struct_size, needed);
    const struct slot required[] = {{"device_count", b->device_count}, {"device_open", b->device_open},
                                    {"device_close", b->device_close}, {"kernels", b->kernels}};
    if (lacks(required, sizeof required / sizeof *required, "", why, size))
        return true;
    if ((b->layout_size == NULL) != (b->reorder == NULL))
        return flaw(why, size, "table: layout_size and reorder go together");
    if (!b->stream_open != !b->stream_close || !b->stream_open != !b->sync)
        return flaw(why, size, "table: stream_open, stream_close and sync go together");
    registry_init();
    for (size_t i = 0; b->kernels[i]; i++)
        if (kernel_flaw(b->kernels[i], i, why, size))
            return true;
    return false;
}

bool device_flaw(const struct tl_device *d, const struct tl_backend *b, char *why, size_t size)
{
    const char *said = tl_device_flaw(d);
    if (said)
        return flaw(why, size, "%s", said);
    const struct slot required[] = {{"alloc", b->alloc},     {"free", b->free},         {"stream_open", b->stream_open},
                                    {"copy_in", b->copy_in}, {"copy_out", b->copy_out}, {"copy", b->copy}};
    return !(d->flags & TL_DEVICE_HOST_MEMORY) &&
           lacks(required, sizeof required / sizeof *required, ", but its device has memory of its own", why, size);
}

/* "add_da" of an op whose gradient needs no kernel: whoever makes kernels of the whole table has such, rightly. */
static bool is_plain_gradient(const char *op)
{
    char base[64];
    size_t n = strlen(op);
    if (n < 4 || n >= sizeof base || strncmp(op + n - 3, "_d", 2) != 0)
        return false;
    snprintf(base, sizeof base, "%.*s", (int)(n - 3), op);
    const struct op_entry *e = op_entry_named(base);
    return e && (e->op->flags & TL_OP_POINTWISE);
}

void backend_warn_of_idle_kernels(const struct tl_backend *b, const char *name)
{
    for (size_t i = 0; b->kernels[i]; i++) {
        const struct tl_kernel *k = b->kernels[i];
        const struct op_entry *named = op_entry_named(k->op), *e = NULL;
        for (int id = 0; (e = op_entry_at(id)) && strcmp(e->kernel_name, k->op) != 0; id++) {
        }
        if (e || is_plain_gradient(k->op))
            continue;
        if (named)
            tl_log_message(TL_LOG_WARN, "device", "backend \"%s\": kernel %zu (%s) is never called: the op %s comes to kernels as %s", name, i,
                           k->maker, k->op, named->kernel_name);
        else
            tl_log_message(TL_LOG_WARN, "device", "backend \"%s\": kernel %zu (%s) is never called: there is no op \"%s\"", name, i, k->maker,
                           k->op);
    }
}
