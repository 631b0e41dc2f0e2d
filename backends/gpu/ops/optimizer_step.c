/* SPDX-License-Identifier: Apache-2.0
 *
 * optimizer_step: one launch for each parameter. It runs without a plan, since nothing of it depends on the shape but the size.
 */
#include "ops.h"

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status find_kernel(struct gpu *gpu, const struct tl_call *call, bool small, const struct gpu_kernel **kernel)
{
    const struct tl_optimizer_attrs *a = call->attrs;
    const struct {
        const char *name;
        bool on;
    } flags[] = {{"DECAY", a->decay},       {"MOMENTUM", a->momentum}, {"NESTEROV", a->nesterov},   {"FIRST", a->first},
                 {"MAXIMIZE", a->maximize}, {"AMSGRAD", a->amsgrad},   {"DECOUPLED", a->decoupled}, {"CENTERED", a->centered}};
    const tl_dtype type = call->out[0].dtype;
    uint64_t key = (uint64_t)0x0b << 8 | (uint64_t)a->algorithm;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        key = key << 1 | flags[i].on;
    key = key << 8 | (uint64_t)type << 1 | small;
    if ((*kernel = gpu_quick_get(gpu, key)))
        return TL_OK;
    struct gpu_defines d = {0};
    gpu_define_index(&d, small);
    gpu_define_real(&d, type);
    gpu_define(&d, "T %s", tl_dtype_name(type));
    gpu_define(&d, "ALGORITHM %d", (int)a->algorithm);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        gpu_define(&d, "%s %d", flags[i].name, flags[i].on);
    tl_status s = gpu_kernel(gpu, "optimizer", "optimizer", d.text, kernel);
    if (s == TL_OK)
        gpu_quick_put(gpu, key, *kernel);
    return s;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)plan, (void)workspace;
    const int64_t n = tl_view_numel(&call->out[0]);
    if (n == 0)
        return TL_OK;
    const bool small = gpu_small(call->out, 1);
    const struct gpu_kernel *kernel;
    tl_status s = find_kernel(stream->gpu, call, small, &kernel);
    if (s != TL_OK)
        return s;
    struct gpu_index count = gpu_index(small, n);
    struct gpu_arg args[11];
    /* A moment that is not there is given the parameter in its place: a buffer must be something. */
    for (int i = 0; i < 6; i++)
        args[i] = GPU_VIEW(&call->in[tl_view_present(&call->in[i]) ? i : 0]);
    for (int i = 0; i < 4; i++)
        args[6 + i] = GPU_VIEW(&call->out[tl_view_present(&call->out[i]) ? i : 0]);
    args[10] = GPU_INDEX(count);
    return gpu_launch(stream, kernel, call->op, gpu_grid_for(stream->gpu, n, 1, 256), 11, args);
}

const struct tl_kernel gpu_optimizer_step_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "optimizer_step", .maker = "gpu:optimizer",
                                                    .refuses = refuses, .run = run};
