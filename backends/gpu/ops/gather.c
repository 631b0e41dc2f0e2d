/* SPDX-License-Identifier: Apache-2.0
 *
 * gather, index_select and embedding: what an index chooses is moved, as bytes, whatever it stands for.
 */
#include "ops.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel;
    int bytes; /* that it moves at once */
    bool small;
    int32_t site;
    int64_t n, inner_bytes, choices; /* rows: of y, bytes of one, of x */
    int64_t outer, step;             /* step: gather's, through x */
    union gpu_walk walk;
    size_t walk_size;
};

static tl_status find_kernel(struct gpu *gpu, const char *entry, bool small, int bytes, int ndim, const struct gpu_kernel **kernel)
{
    struct gpu_defines d = {0};
    gpu_define_index(&d, small);
    gpu_define(&d, "BYTES %d", bytes);
    gpu_define(&d, "NDIM %d", ndim);
    return gpu_kernel(gpu, "gather", entry, d.text, kernel);
}

static tl_status new_plan(struct gpu *gpu, const struct tl_call *call, struct plan **plan)
{
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    (*plan)->small = gpu_small(call->in, call->n_in) && gpu_small(call->out, 1);
    (*plan)->site = gpu_report_site(call->op);
    return TL_OK;
}

static tl_status give_plan(tl_status s, struct plan *plan, struct tl_prep *prep)
{
    if (s == TL_OK)
        prep->plan = plan;
    else
        free(plan);
    return s;
}

static tl_status launch(struct tl_stream *stream, const struct gpu_kernel *kernel, const char *op, int64_t n, const struct plan *plan, int n_args,
                        struct gpu_arg *args)
{
    args[n_args++] = GPU_REPORT_ARG(stream->gpu);
    args[n_args++] = GPU_VALUE(plan->site);
    return gpu_launch(stream, kernel, op, gpu_grid_for(stream->gpu, n, 1, 256), n_args, args);
}

/* Nothing is moved, but indices are there. */
static tl_status check(struct tl_stream *stream, const struct plan *plan, const struct tl_call *call)
{
    const struct tl_view *index = &call->in[1];
    const int64_t count = tl_view_numel(index);
    const struct gpu_kernel *kernel;
    struct gpu_index n = gpu_index(plan->small, count), choices = gpu_index(plan->small, plan->choices);
    tl_status s = count ? find_kernel(stream->gpu, "index_check", plan->small, 1, 1, &kernel) : TL_OK;
    if (s != TL_OK || !count)
        return s;
    return launch(stream, kernel, call->op, count, plan, 3, (struct gpu_arg[5]){GPU_VIEW(index), GPU_INDEX(n), GPU_INDEX(choices)});
}

/* ---- Rows: index_select, embedding --------------------------------------------------------------------------------------------------------- */

static tl_status prepare_rows(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    const struct tl_view *x = &call->in[0];
    const struct tl_along_attrs *attrs = call->attrs;
    const int dim = strcmp(call->op, "embedding") == 0 ? 0 : (int)attrs->dim;
    struct gpu *gpu = gpu_of(device);
    struct plan *plan;
    tl_status s = new_plan(gpu, call, &plan);
    if (s != TL_OK)
        return s;
    plan->n = tl_view_numel(&call->in[1]);
    plan->choices = x->ndim ? x->shape[dim] : 1;
    plan->outer = 1;
    plan->inner_bytes = (int64_t)tl_dtype_size(x->dtype);
    for (int d = 0; d < x->ndim; d++)
        *(d < dim ? &plan->outer : &plan->inner_bytes) *= d == dim ? 1 : x->shape[d];
    plan->bytes = 16;
    while (plan->inner_bytes % plan->bytes != 0)
        plan->bytes /= 2;
    s = find_kernel(gpu, "index_rows", plan->small, plan->bytes, 1, &plan->kernel);
    return give_plan(s, plan, prep);
}

static tl_status run_rows(struct tl_stream *stream, const void *prepared, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = prepared;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    const struct gpu_kernel *kernel = plan->kernel;
    int bytes = plan->bytes;
    if (tl_view_numel(y) == 0)
        return check(stream, plan, call);
    while (x->mem.offset % (uint64_t)bytes != 0 || y->mem.offset % (uint64_t)bytes != 0)
        bytes /= 2;
    tl_status s = bytes == plan->bytes ? TL_OK : find_kernel(stream->gpu, "index_rows", plan->small, bytes, 1, &kernel);
    if (s != TL_OK)
        return s;
    const int64_t columns = plan->inner_bytes / bytes, all = plan->outer * plan->n * columns;
    struct gpu_index total = gpu_index(plan->small, all), n = gpu_index(plan->small, plan->n), inner = gpu_index(plan->small, columns),
                     choices = gpu_index(plan->small, plan->choices);
    return launch(stream, kernel, call->op, all, plan, 7,
                  (struct gpu_arg[9]){GPU_MEMORY(x->mem, (size_t)bytes), GPU_VIEW(&call->in[1]), GPU_MEMORY(y->mem, (size_t)bytes), GPU_INDEX(total),
                                      GPU_INDEX(n), GPU_INDEX(inner), GPU_INDEX(choices)});
}

const struct tl_kernel gpu_index_select_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "index_select", .maker = "gpu:gather",
                                                  .prepare = prepare_rows, .run = run_rows, .release = free};
const struct tl_kernel gpu_embedding_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "embedding", .maker = "gpu:gather",
                                               .prepare = prepare_rows, .run = run_rows, .release = free};

/* ---- Elements: gather ---------------------------------------------------------------------------------------------------------------------- */

static tl_status prepare_gather(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    const struct tl_along_attrs *attrs = call->attrs;
    struct gpu *gpu = gpu_of(device);
    struct tl_view x = call->in[0], y = call->out[0];
    struct plan *plan;
    tl_status s = new_plan(gpu, call, &plan);
    if (s != TL_OK)
        return s;
    prep->in_layout[0] = TL_LAYOUT_STRIDED;
    plan->choices = x.ndim ? x.shape[attrs->dim] : 1;
    plan->step = x.ndim ? x.stride[attrs->dim] : 0;
    plan->n = tl_view_numel(&y);
    if (x.ndim)
        x.stride[attrs->dim] = 0;
    memcpy(x.shape, y.shape, sizeof x.shape);
    gpu_coalesce(&y, &x, 1);
    plan->walk_size = gpu_walk_fill(&plan->walk, plan->small, &y, &x, 1);
    plan->bytes = (int)tl_dtype_size(x.dtype);
    s = find_kernel(gpu, "index_elements", plan->small, plan->bytes, y.ndim, &plan->kernel);
    return give_plan(s, plan, prep);
}

static tl_status run_gather(struct tl_stream *stream, const void *prepared, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = prepared;
    if (plan->n == 0)
        return TL_OK;
    struct gpu_index n = gpu_index(plan->small, plan->n), step = gpu_index(plan->small, plan->step), choices = gpu_index(plan->small, plan->choices);
    return launch(stream, plan->kernel, call->op, plan->n, plan, 7,
                  (struct gpu_arg[9]){GPU_VIEW(&call->in[0]), GPU_VIEW(&call->in[1]), GPU_VIEW(&call->out[0]), GPU_INDEX(n), GPU_INDEX(step),
                                      GPU_INDEX(choices), {.value = &plan->walk, .size = plan->walk_size}});
}

const struct tl_kernel gpu_gather_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "gather", .maker = "gpu:gather", .prepare = prepare_gather,
                                            .run = run_gather, .release = free};
