/* SPDX-License-Identifier: Apache-2.0
 *
 * nll_loss and its gradient: labels are checked where they are read.
 */
#include "team.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel, *join; /* join: NULL where one group sums all */
    struct gpu_grid grid;
    struct gpu_fields labels;
    int64_t ignored;
    int32_t site, reduction, weighted;
};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->out[0].dtype);
}

/* x: [n, classes], [n, classes, d], or what is like it. */
static struct plan *new_plan(struct gpu *gpu, const struct tl_call *call, const struct tl_view *x, int64_t parts)
{
    const struct tl_nll_attrs *a = call->attrs;
    struct plan *p = calloc(1, sizeof *p);
    if (!p) {
        gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
        return NULL;
    }
    const int64_t d = x->ndim > 2 ? x->shape[2] : 1;
    p->ignored = a->ignore ? a->ignore_index : -100;
    p->reduction = (int32_t)a->reduction;
    p->weighted = tl_view_present(&call->in[2]);
    p->site = gpu_report_site(call->op);
    p->labels.small = gpu_small(x, 1) && gpu_small(&call->in[1], 1);
    gpu_put(&p->labels, x->shape[0] * d);
    gpu_put(&p->labels, x->shape[1]);
    gpu_put(&p->labels, d ? d : 1);
    gpu_put(&p->labels, parts);
    return p;
}

static tl_status find_kernel(struct gpu *gpu, const struct plan *p, const struct tl_view *x, const char *entry, const struct gpu_kernel **kernel)
{
    struct gpu_defines d = {0};
    gpu_define_index(&d, p->labels.small);
    gpu_define_real(&d, x->dtype);
    gpu_define(&d, "TX %s", tl_dtype_name(x->dtype));
    return gpu_kernel(gpu, "nll_loss", entry, d.text, kernel);
}

static struct gpu_arg weight_of(const struct tl_call *call, size_t size)
{
    return tl_view_present(&call->in[2]) ? GPU_VIEW(&call->in[2]) : GPU_MEMORY((struct tl_mem){0}, size);
}

/* ---- Forward ------------------------------------------------------------------------------------------------------------------------------ */

enum { LABELS_AT_ONCE = 4096, LABELS_OF_GROUP = 2048 };

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const int64_t count = tl_view_numel(&call->in[1]);
    int64_t parts = count <= LABELS_AT_ONCE ? 1 : (count + LABELS_OF_GROUP - 1) / LABELS_OF_GROUP;
    parts = parts < GPU_GROUPS_AT_ONCE ? parts : GPU_GROUPS_AT_ONCE;
    struct plan *p = new_plan(gpu, call, &call->in[0], parts);
    if (!p)
        return TL_ERR_NOMEM;
    p->grid = (struct gpu_grid){.groups = {(uint32_t)parts}, .size = {GPU_GROUP}};
    tl_status s = find_kernel(gpu, p, &call->in[0], "nll_loss", &p->kernel);
    if (s == TL_OK && parts > 1)
        s = find_kernel(gpu, p, &call->in[0], "nll_loss_join", &p->join);
    if (s != TL_OK) {
        free(p);
        return s;
    }
    prep->workspace = parts > 1 ? (size_t)parts * 4 * gpu_real_size(call->in[0].dtype) : 0;
    prep->plan = p;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *p = plan;
    const struct tl_view *x = &call->in[0];
    const struct gpu_arg y = GPU_VIEW(&call->out[0]), total = GPU_VIEW(&call->out[1]), parts = GPU_MEMORY(workspace, gpu_real_size(x->dtype));
    tl_status s = gpu_launch(stream, p->kernel, call->op, p->grid, 12,
                             (struct gpu_arg[]){GPU_VIEW(x), GPU_VIEW(&call->in[1]), weight_of(call, tl_dtype_size(x->dtype)), y, total, parts,
                                                GPU_REPORT_ARG(stream->gpu), GPU_VALUE(p->site), GPU_VALUE(p->reduction), GPU_VALUE(p->weighted),
                                                GPU_VALUE(p->ignored), GPU_FIELDS(p->labels)});
    if (s == TL_OK && p->join)
        s = gpu_launch(stream, p->join, call->op, (struct gpu_grid){.groups = {1}, .size = {GPU_GROUP}}, 5,
                       (struct gpu_arg[]){parts, y, total, GPU_VALUE(p->reduction), GPU_FIELDS(p->labels)});
    return s;
}

const struct tl_kernel gpu_nll_loss_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "nll_loss", .maker = "gpu:nll_loss", .refuses = refuses,
                                              .prepare = prepare, .run = run, .release = free};

/* ---- Gradient ------------------------------------------------------------------------------------------------------------------------------- */

static tl_status prepare_grad(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_view *dx = &call->out[0];
    struct plan *p = new_plan(gpu, call, dx, 1);
    if (!p)
        return TL_ERR_NOMEM;
    const int64_t labels = tl_view_numel(&call->in[1]), elements = tl_view_numel(dx);
    p->grid = gpu_grid_for(gpu, labels > elements ? labels : elements, 1, GPU_GROUP);
    tl_status s = find_kernel(gpu, p, dx, "nll_loss_grad", &p->kernel);
    if (s != TL_OK) {
        free(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static tl_status run_grad(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *p = plan;
    const struct tl_view *dx = &call->out[0];
    return gpu_launch(stream, p->kernel, call->op, p->grid, 11,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), GPU_VIEW(&call->in[1]), weight_of(call, tl_dtype_size(dx->dtype)), GPU_VIEW(&call->in[3]),
                                         GPU_VIEW(dx), GPU_REPORT_ARG(stream->gpu), GPU_VALUE(p->site), GPU_VALUE(p->reduction),
                                         GPU_VALUE(p->weighted), GPU_VALUE(p->ignored), GPU_FIELDS(p->labels)});
}

const struct tl_kernel gpu_nll_loss_grad_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "nll_loss_grad", .maker = "gpu:nll_loss",
                                                   .refuses = refuses, .prepare = prepare_grad, .run = run_grad, .release = free};
