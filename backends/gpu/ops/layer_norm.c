/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm and its gradient: rows for y and dx, then columns for dweight and dbias.
 */
#include "team.h"

#include <stdlib.h>

/* As in kernels/layer_norm.cl. */
enum { HAS_WEIGHT = 1, HAS_BIAS = 2, KEEPS_TABLE = 4 };

struct plan {
    const struct gpu_kernel *rows, *columns, *join; /* NULL: not launched */
    struct gpu_grid rows_grid, columns_grid, join_grid;
    struct gpu_fields rows_fields, columns_fields, join_fields;
    struct gpu_real eps;
    int32_t has;
    size_t real, parts_at; /* the workspace: the table of rows, then the parts of columns */
};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->in[0].dtype);
}

/* struct rows of the text. */
static void put_rows(struct gpu_fields *f, bool small, struct gpu_team team, int64_t rows, int64_t n, int64_t span, int64_t parts)
{
    f->small = small;
    gpu_put(f, team.step);
    gpu_put(f, team.lanes);
    gpu_put(f, rows);
    gpu_put(f, n);
    gpu_put(f, span);
    gpu_put(f, parts);
}

static struct gpu_grid grid_of(struct gpu_team team, int64_t results, int64_t parts)
{
    return (struct gpu_grid){.groups = {gpu_groups(gpu_team_groups(team, results)), (uint32_t)parts}, .size = {GPU_GROUP}};
}

static void sizes(const struct tl_call *call, int64_t *rows, int64_t *n)
{
    const struct tl_layer_norm_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    *rows = *n = 1;
    for (int d = 0; d < x->ndim; d++)
        *(d < x->ndim - a->ndim ? rows : n) *= x->shape[d];
}

static tl_status plan_rows(struct gpu *gpu, const struct tl_call *call, const char *entry, struct gpu_defines *d, struct plan *p)
{
    const struct tl_layer_norm_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    int64_t rows, n;
    sizes(call, &rows, &n);
    const struct gpu_team team = gpu_team_side_by_side(rows, n);
    const int held = gpu_team_held(team, n);
    const bool small = gpu_small(x, 1);
    put_rows(&p->rows_fields, small, team, rows, n, 0, 0);
    p->rows_grid = grid_of(team, rows, 1);
    p->eps = gpu_real(x->dtype, a->eps);
    p->real = gpu_real_size(x->dtype);
    gpu_define_index(d, small);
    gpu_define_real(d, x->dtype);
    gpu_define(d, "TX %s", tl_dtype_name(x->dtype));
    if (held)
        gpu_define(d, "HELD %d", held);
    return rows * n > 0 ? gpu_kernel(gpu, "layer_norm", entry, d->text, &p->rows) : TL_OK;
}

static struct plan *new_plan(struct gpu *gpu)
{
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
    return p;
}

/* ---- Forward --------------------------------------------------------------------------------------------------------------------------- */

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    struct gpu_defines d = {0};
    struct plan *p = new_plan(gpu);
    if (!p)
        return TL_ERR_NOMEM;
    p->has = (tl_view_present(&call->in[1]) ? HAS_WEIGHT : 0) | (tl_view_present(&call->in[2]) ? HAS_BIAS : 0);
    tl_status s = plan_rows(gpu, call, "layer_norm", &d, p);
    if (s != TL_OK) {
        free(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static struct gpu_arg optional(const struct tl_view *v, size_t size)
{
    return tl_view_present(v) ? GPU_VIEW(v) : GPU_MEMORY((struct tl_mem){0}, size);
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *p = plan;
    const size_t size = tl_dtype_size(call->in[0].dtype);
    if (!p->rows)
        return TL_OK;
    return gpu_launch(stream, p->rows, call->op, p->rows_grid, 7,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), optional(&call->in[1], size), optional(&call->in[2], size), GPU_VIEW(&call->out[0]),
                                         GPU_REAL(p->eps), GPU_VALUE(p->has), GPU_FIELDS(p->rows_fields)});
}

const struct tl_kernel gpu_layer_norm_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "layer_norm", .maker = "gpu:layer_norm",
                                                .refuses = refuses, .prepare = prepare, .run = run, .release = free};

/* ---- Gradient ------------------------------------------------------------------------------------------------------------------------------ */

static tl_status plan_columns(struct gpu *gpu, const struct tl_call *call, const char *defines, struct plan *p, size_t *workspace)
{
    int64_t rows, n, span;
    sizes(call, &rows, &n);
    const bool small = p->rows_fields.small;
    struct gpu_team team = gpu_team_across(n, rows, tl_dtype_size(call->in[0].dtype));
    const int64_t parts = gpu_team_parts(team, n, rows, 4, &span);
    p->has |= KEEPS_TABLE;
    put_rows(&p->columns_fields, small, team, rows, n, span, parts);
    p->columns_grid = grid_of(team, n, parts);
    p->parts_at = ((size_t)rows * 2 * p->real + 15) / 16 * 16;
    *workspace = p->parts_at + (parts > 1 ? (size_t)(parts * n) * 4 * p->real : 0);
    if (n == 0)
        return TL_OK;
    tl_status s = gpu_kernel(gpu, "layer_norm", "layer_norm_columns", defines, &p->columns);
    if (s != TL_OK || parts == 1)
        return s;
    team = gpu_team_of_parts(parts);
    put_rows(&p->join_fields, small, team, rows, n, span, parts);
    p->join_grid = grid_of(team, n, 1);
    return gpu_kernel(gpu, "layer_norm", "layer_norm_join", defines, &p->join);
}

static tl_status prepare_grad(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    struct gpu_defines d = {0};
    struct plan *p = new_plan(gpu);
    if (!p)
        return TL_ERR_NOMEM;
    p->has = tl_view_present(&call->in[2]) ? HAS_WEIGHT : 0;
    tl_status s = plan_rows(gpu, call, "layer_norm_rows", &d, p);
    if (s == TL_OK && tl_view_present(&call->out[1]))
        s = plan_columns(gpu, call, d.text, p, &prep->workspace);
    if (s != TL_OK) {
        free(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static tl_status run_grad(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *p = plan;
    const struct tl_view *x = &call->in[0], *dy = &call->in[1];
    const size_t size = tl_dtype_size(x->dtype);
    const struct gpu_arg table = GPU_MEMORY(workspace, p->real), dweight = optional(&call->out[1], size), dbias = optional(&call->out[2], size);
    struct tl_mem after = workspace;
    after.offset += p->parts_at;
    tl_status s = TL_OK;
    if (p->rows)
        s = gpu_launch(stream, p->rows, call->op, p->rows_grid, 8,
                       (struct gpu_arg[]){GPU_VIEW(x), GPU_VIEW(dy), optional(&call->in[2], size), GPU_VIEW(&call->out[0]), table, GPU_REAL(p->eps),
                                          GPU_VALUE(p->has), GPU_FIELDS(p->rows_fields)});
    if (s == TL_OK && p->columns)
        s = gpu_launch(stream, p->columns, call->op, p->columns_grid, 7,
                       (struct gpu_arg[]){GPU_VIEW(x), GPU_VIEW(dy), table, dweight, dbias, GPU_MEMORY(after, p->real), GPU_FIELDS(p->columns_fields)});
    if (s == TL_OK && p->join)
        s = gpu_launch(stream, p->join, call->op, p->join_grid, 4,
                       (struct gpu_arg[]){GPU_MEMORY(after, p->real), dweight, dbias, GPU_FIELDS(p->join_fields)});
    return s;
}

const struct tl_kernel gpu_layer_norm_grad_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "layer_norm_grad", .maker = "gpu:layer_norm",
                                                     .refuses = refuses, .prepare = prepare_grad, .run = run_grad, .release = free};
