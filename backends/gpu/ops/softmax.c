/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax, log_softmax and their gradients: who makes a line.
 */
#include "team.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel;
    struct gpu_grid grid;
    struct gpu_fields lines;
};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_view *y = &call->out[0];
    const struct tl_along_attrs *attrs = call->attrs;
    const int64_t all = tl_view_numel(y), n = y->ndim ? y->shape[attrs->dim] : 1;
    int64_t inner = 1;
    for (int d = (int)attrs->dim + 1; d < y->ndim; d++)
        inner *= y->shape[d];
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
    const int64_t lines = n ? all / n : 0;
    struct gpu_team team = inner == 1 ? gpu_team_side_by_side(lines, n) : gpu_team_across(lines, n, tl_dtype_size(y->dtype));
    const int each = gpu_team_held(team, n);
    struct gpu_defines d = {0};
    p->lines.small = gpu_small(y, 1);
    gpu_put(&p->lines, team.step);
    gpu_put(&p->lines, team.lanes);
    gpu_put(&p->lines, lines);
    gpu_put(&p->lines, n);
    gpu_put(&p->lines, inner);
    p->grid = (struct gpu_grid){.groups = {gpu_groups(gpu_team_groups(team, lines))}, .size = {GPU_GROUP}};
    gpu_define_index(&d, p->lines.small);
    gpu_define_real(&d, y->dtype);
    gpu_define(&d, "OP_%s", call->op);
    gpu_define(&d, "TX %s", tl_dtype_name(y->dtype));
    if (each)
        gpu_define(&d, "HELD %d", each);
    tl_status s = gpu_kernel(gpu, "softmax", "softmax", d.text, &p->kernel);
    if (s != TL_OK) {
        free(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *p = plan;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    const struct tl_view *second = call->n_in > 1 ? &call->in[1] : &call->in[0];
    return gpu_launch(stream, p->kernel, call->op, p->grid, 4,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), GPU_VIEW(second), GPU_VIEW(&call->out[0]), GPU_FIELDS(p->lines)});
}

#define SOFTMAX(name)                                                                                                          \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "gpu:softmax", \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = free};
SOFTMAX(softmax)
SOFTMAX(log_softmax)
SOFTMAX(softmax_grad)
SOFTMAX(log_softmax_grad)
