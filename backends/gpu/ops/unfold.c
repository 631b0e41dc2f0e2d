/* SPDX-License-Identifier: Apache-2.0
 *
 * unfold and fold, an item for each result: fold gathers from the windows that have it.
 */
#include "ops.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel;
    struct gpu_fields fields;
    struct gpu_grid grid;
};

static void define_sizes(struct gpu_defines *d, const struct tl_unfold_attrs *a, tl_dtype type)
{
    gpu_define_real(d, type);
    gpu_define(d, "T %s", tl_dtype_name(type));
    for (int i = 0; i < 2; i++) {
        const char name = "RS"[i];
        gpu_define(d, "K%c %lld", name, (long long)a->kernel[i]);
        gpu_define(d, "S%c %lld", name, (long long)a->stride[i]);
        gpu_define(d, "P%c %lld", name, (long long)a->padding[i]);
        gpu_define(d, "D%c %lld", name, (long long)a->dilation[i]);
    }
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_unfold_attrs *a = call->attrs;
    const bool unfold = strcmp(call->kernel->op, "unfold") == 0;
    const struct tl_view *pictures = unfold ? &call->in[0] : &call->out[0], views[2] = {call->in[0], call->out[0]};
    const int64_t *size = pictures->shape + 2;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: out of memory for a plan", call->op);
    struct gpu_defines d = {0};
    int64_t windows[2];
    for (int i = 0; i < 2; i++)
        windows[i] = (size[i] + 2 * a->padding[i] - a->dilation[i] * (a->kernel[i] - 1) - 1) / a->stride[i] + 1;
    plan->fields.small = gpu_small(views, 2);
    gpu_define_index(&d, plan->fields.small);
    define_sizes(&d, a, call->out[0].dtype);
    gpu_put(&plan->fields, tl_view_numel(&call->out[0]));
    gpu_put(&plan->fields, size[0]);
    gpu_put(&plan->fields, size[1]);
    gpu_put(&plan->fields, windows[0]);
    gpu_put(&plan->fields, windows[1]);
    for (int i = 0; i < 2; i++)
        gpu_put_divisor(&plan->fields, unfold ? windows[i] : size[i]);
    plan->grid = gpu_grid_for(gpu, tl_view_numel(&call->out[0]), 1, 256);
    tl_status s = gpu_kernel(gpu, "unfold", call->kernel->op, d.text, &plan->kernel);
    if (s == TL_OK)
        prep->plan = plan;
    else
        free(plan);
    return s;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status run(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = p;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    return gpu_launch(stream, plan->kernel, call->op, plan->grid, 3,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), GPU_VIEW(&call->out[0]), GPU_FIELDS(plan->fields)});
}

static void release(void *plan)
{
    free(plan);
}

#define UNFOLD_KERNEL(name)                                                                                                            \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "gpu:unfold",         \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = release}
UNFOLD_KERNEL(unfold);
UNFOLD_KERNEL(fold);
