/* SPDX-License-Identifier: Apache-2.0
 *
 * mse_loss, a sum of squares or each for itself, and its gradient.
 */
#include "reduce.h"

#include <stdlib.h>

struct plan {
    struct gpu_reduction_plan *sum; /* NULL: element by element */
    const struct gpu_kernel *kernel;
    struct gpu_grid grid;
    struct gpu_index n;
    struct gpu_real factor;
    int32_t each;
};

static void release(void *plan)
{
    struct plan *p = plan;
    if (p)
        free(p->sum);
    free(p);
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status plan_elements(struct gpu *gpu, const struct tl_view *x, const char *entry, struct plan *p)
{
    struct gpu_defines d = {0};
    const bool small = gpu_small(x, 1);
    const int64_t n = tl_view_numel(x);
    p->n = gpu_index(small, n);
    p->grid = gpu_grid_for(gpu, n, 4, GPU_GROUP);
    gpu_define_index(&d, small);
    gpu_define_real(&d, x->dtype);
    gpu_define(&d, "TX %s", tl_dtype_name(x->dtype));
    return gpu_kernel(gpu, "mse_loss", entry, d.text, &p->kernel);
}

static tl_status prepare_with(struct gpu *gpu, const struct tl_call *call, const struct tl_view *x, bool gradient, struct plan *p, size_t *workspace)
{
    const struct tl_loss_attrs *a = call->attrs;
    const double n = (double)tl_view_numel(x);
    p->each = a->reduction == TL_NO_REDUCTION;
    p->factor = gpu_real(x->dtype, a->reduction == TL_MEAN ? 2 / n : 2);
    if (gradient || p->each)
        return plan_elements(gpu, x, gradient ? "mse_loss_grad" : "mse_loss_each", p);
    struct tl_view rows = *x; /* as it will come, however it is offered */
    gpu_lay_out(&rows, TL_LAYOUT_CONTIGUOUS);
    struct gpu_reduction what = {.op = "sum", .x = &rows, .squares = true, .y = &call->out[0], .divisor = a->reduction == TL_MEAN ? n : 1};
    for (int d = 0; d < x->ndim; d++)
        what.goes[d] = true;
    return gpu_reduction_prepare(gpu, &what, &p->sum, workspace);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const bool gradient = call->n_in == 3;
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
    tl_status s = prepare_with(gpu, call, gradient ? &call->out[0] : &call->in[0], gradient, p, &prep->workspace);
    if (s != TL_OK) {
        release(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *p = plan;
    if (p->sum)
        return gpu_reduction_run(stream, p->sum, call->op, call->in[0].mem, call->in[1].mem, call->out[0].mem, workspace);
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    return gpu_launch(stream, p->kernel, call->op, p->grid, 4,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), GPU_VIEW(&call->in[1]), GPU_VIEW(&call->out[0]), GPU_INDEX(p->n)});
}

static tl_status run_grad(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *p = plan;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    return gpu_launch(stream, p->kernel, call->op, p->grid, 7,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), GPU_VIEW(&call->in[1]), GPU_VIEW(&call->in[2]), GPU_VIEW(&call->out[0]),
                                         GPU_REAL(p->factor), GPU_VALUE(p->each), GPU_INDEX(p->n)});
}

const struct tl_kernel gpu_mse_loss_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "mse_loss", .maker = "gpu:mse_loss", .refuses = refuses,
                                              .prepare = prepare, .run = run, .release = release};
const struct tl_kernel gpu_mse_loss_grad_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "mse_loss_grad", .maker = "gpu:mse_loss",
                                                   .refuses = refuses, .prepare = prepare, .run = run_grad, .release = release};
