/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend that computes wrongly: the reference's kernels, but relu and addmm give every seventh result a hundredth too large.
 * For tests of what finds such a kernel: the conformance suite, and TELAR_CHECK=reference.
 */
#include <stdio.h>
#include <string.h>
#include <telar/attrs.h>
#include <telar/backend.h>

/* The reference's description was compiled under this other name. */
#undef telar_plugin
extern const struct tl_plugin reference_plugin;

enum { MOST = 512 };

static const struct tl_kernel *right[2], *table[MOST + 1];
static struct tl_kernel wrong[2];
static struct tl_backend backend;

static tl_status spoil(const struct tl_kernel *kernel, struct tl_stream *stream, const void *plan, const struct tl_call *call,
                       struct tl_mem workspace)
{
    tl_status s = kernel->run(stream, plan, call, workspace);
    const struct tl_view *y = &call->out[0];
    float *data = tl_mem_ptr(y->mem);
    for (int64_t i = 6; s == TL_OK && y->dtype == TL_F32 && y->layout == TL_LAYOUT_CONTIGUOUS && i < tl_view_numel(y); i += 7)
        data[i] *= 1.01f;
    return s;
}

static tl_status run_relu(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    return spoil(right[0], stream, plan, call, workspace);
}

static tl_status run_addmm(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    return spoil(right[1], stream, plan, call, workspace);
}

static tl_status open_wrong(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    static const char *const name[2] = {"relu", "addmm"};
    const void *reference;
    tl_status s = reference_plugin.open(host, &reference, err);
    if (s != TL_OK)
        return s;
    backend = *(const struct tl_backend *)reference;
    int n = 0;
    for (const struct tl_kernel *const *k = backend.kernels; *k && n < MOST; k++) {
        table[n] = *k;
        for (int i = 0; i < 2; i++)
            if (strcmp((*k)->op, name[i]) == 0) {
                right[i] = *k;
                wrong[i] = **k;
                if (i == 1) /* row-major operands; relu must take them as they come */
                    wrong[i].flags &= ~(uint32_t)TL_KERNEL_STRIDED;
                wrong[i].maker = "wrong";
                wrong[i].run = i == 0 ? run_relu : run_addmm;
                table[n] = &wrong[i];
            }
        n++;
    }
    backend.kernels = table;
    *iface = &backend;
    return TL_OK;
}

static void close_wrong(const void *iface)
{
    (void)iface;
    if (reference_plugin.close)
        reference_plugin.close(NULL);
}

TL_PUBLIC extern const struct tl_plugin telar_plugin;
const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC, .struct_size = sizeof(struct tl_plugin), .abi = TL_BACKEND_ABI,
    .kind = "backend", .name = "wrong", .version = "1", .summary = "computes relu and addmm wrongly, for tests",
    .open = open_wrong, .close = close_wrong,
};
