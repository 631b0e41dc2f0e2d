/* SPDX-License-Identifier: Apache-2.0
 *
 * cumsum: whether lines are gone through side by side or one by a group, and in how many parts.
 */
#include "team.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *parts, *lines; /* parts: NULL where lines are whole */
    struct gpu_grid grid;
    struct gpu_fields fields;
    size_t real;
};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->in[0].dtype);
}

/* As many parts as keep the device busy, of `least` elements or more. Every part sums up what is before it, so they are few. */
static int64_t parts_of(int64_t groups, int64_t n, int64_t least, int64_t *span)
{
    int64_t parts = (GPU_GROUPS_AT_ONCE / 2 + groups - 1) / (groups ? groups : 1);
    parts = parts < n / least ? parts : n / least;
    parts = parts < 1 ? 1 : parts;
    *span = (n + parts - 1) / parts;
    *span += (least - *span % least) % least;
    return *span && n ? (n + *span - 1) / *span : 1;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_along_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    const int64_t n = x->ndim ? x->shape[a->dim] : 1, lines = n ? tl_view_numel(x) / n : 0;
    int64_t inner = 1, span;
    for (int d = (int)a->dim + 1; d < x->ndim; d++)
        inner *= x->shape[d];
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
    const bool across = inner > 1;
    const int64_t groups = across ? (lines + GPU_GROUP - 1) / GPU_GROUP : lines;
    const int64_t parts = parts_of(groups, n, across ? 64 : 4 * 1024, &span);
    struct gpu_defines d = {0};
    p->real = gpu_real_size(x->dtype);
    p->fields.small = gpu_small(x, 1);
    gpu_put(&p->fields, lines);
    gpu_put(&p->fields, n);
    gpu_put(&p->fields, inner);
    gpu_put(&p->fields, span);
    gpu_put(&p->fields, parts);
    p->grid = (struct gpu_grid){.groups = {gpu_groups(groups), (uint32_t)parts}, .size = {GPU_GROUP}};
    prep->workspace = parts > 1 ? (size_t)(parts * lines) * 2 * p->real : 0;
    gpu_define_index(&d, p->fields.small);
    gpu_define_real(&d, x->dtype);
    gpu_define(&d, "TX %s", tl_dtype_name(x->dtype));
    gpu_define(&d, "TY %s", tl_dtype_name(y->dtype));
    tl_status s = gpu_kernel(gpu, "cumsum", across ? "cumsum_across" : "cumsum_along", d.text, &p->lines);
    if (s == TL_OK && parts > 1)
        s = gpu_kernel(gpu, "cumsum", across ? "cumsum_parts_across" : "cumsum_parts_along", d.text, &p->parts);
    if (s != TL_OK) {
        free(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *p = plan;
    const struct gpu_arg x = GPU_VIEW(&call->in[0]), parts = GPU_MEMORY(workspace, p->real), fields = GPU_FIELDS(p->fields);
    tl_status s = TL_OK;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    if (p->parts)
        s = gpu_launch(stream, p->parts, call->op, p->grid, 3, (struct gpu_arg[]){x, parts, fields});
    if (s == TL_OK)
        s = gpu_launch(stream, p->lines, call->op, p->grid, 4, (struct gpu_arg[]){x, GPU_VIEW(&call->out[0]), parts, fields});
    return s;
}

const struct tl_kernel gpu_cumsum_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "cumsum", .maker = "gpu:cumsum", .refuses = refuses,
                                            .prepare = prepare, .run = run, .release = free};
