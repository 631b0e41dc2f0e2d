/* SPDX-License-Identifier: Apache-2.0
 *
 * sort and topk: of sorted lines, all or the first k.
 */
#include "../sorting.h"

#include <stdlib.h>

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->in[0].dtype);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    const struct tl_order_attrs *attrs = call->attrs;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    struct gpu *gpu = gpu_of(device);
    if (tl_view_numel(y) == 0)
        return TL_OK;
    struct gpu_sorting what = {.type = x->dtype, .outer = 1, .n = 1, .inner = 1, .keep = 1, .descending = attrs->descending,
                               .small = gpu_small(x, 1) && tl_view_numel(x) < GPU_SORT_SMALL};
    for (int d = 0; d < x->ndim; d++)
        *(d < attrs->dim ? &what.outer : d == attrs->dim ? &what.n : &what.inner) *= x->shape[d];
    if (x->ndim)
        what.keep = y->shape[attrs->dim];
    struct gpu_sort *sort = malloc(sizeof *sort);
    if (!sort)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    tl_status s = gpu_sort_prepare(gpu, call->op, &what, sort);
    if (s != TL_OK) {
        free(sort);
        return s;
    }
    prep->plan = sort;
    prep->workspace = sort->workspace;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    if (!plan)
        return TL_OK;
    return gpu_sort_run(stream, call->op, plan, call->in[0].mem, call->out[0].mem, call->out[1].mem, workspace);
}

const struct tl_kernel gpu_sort_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "sort", .maker = "gpu:sort", .refuses = refuses,
                                          .prepare = prepare, .run = run, .release = free};
const struct tl_kernel gpu_topk_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "topk", .maker = "gpu:sort", .refuses = refuses,
                                          .prepare = prepare, .run = run, .release = free};
