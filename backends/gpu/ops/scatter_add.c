/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add, index_add, embedding_grad. Destinations are sorted, stably, so that what goes to one of them is added up in order, without atomics.
 */
#include "../sorting.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *keys, *rows;
    struct gpu_grid rows_grid;
    struct gpu_sort sort;
    struct gpu_numbers numbers; /* the text's struct rows */
    union gpu_walk walk;
    size_t walk_size;
    int64_t n, step, choices, padding;
    size_t list; /* bytes of a list of n in the workspace: keys, sorted keys, places */
    bool small, added;
    int32_t site;
};

/* What is added where, as the kernels see it: [outer, destinations, inner] += [outer, n, inner]. */
struct problem {
    tl_dtype type;
    int64_t outer, destinations, inner, n;
    int ndim; /* of the walk; 0: a list of rows */
};

/* Which operand is what: embedding_grad has no x. */
static const struct tl_view *index_of(const struct tl_call *call)
{
    return &call->in[1];
}
static const struct tl_view *source_of(const struct tl_call *call)
{
    return &call->in[call->n_in == 3 ? 2 : 0];
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    if (call->n_in == 2 && !tl_dtype_is_float(call->out[0].dtype))
        return "not for this type";
    return gpu_refuses_type(device, call->out[0].dtype);
}

/* ---- Planning -------------------------------------------------------------------------------------------------------------------------------- */

static void describe_rows(const struct tl_call *call, int dim, struct plan *plan, struct problem *p)
{
    const struct tl_view *y = &call->out[0];
    for (int d = 0; d < y->ndim; d++)
        *(d < dim ? &p->outer : d == dim ? &p->destinations : &p->inner) *= y->shape[d];
    plan->choices = p->destinations;
    plan->step = 1;
    struct tl_view none = {.ndim = 0};
    plan->walk_size = gpu_walk_fill(&plan->walk, plan->small, &none, NULL, 0);
}

/* Each element has a destination of its own. The index will come row-major, however it is offered. */
static void describe_elements(const struct tl_call *call, int dim, struct plan *plan, struct problem *p)
{
    struct tl_view index = *index_of(call), y = call->out[0];
    p->destinations = tl_view_numel(&y);
    plan->choices = y.shape[dim];
    plan->step = y.stride[dim];
    y.stride[dim] = 0;
    memcpy(y.shape, index.shape, sizeof y.shape);
    for (int64_t d = index.ndim - 1, step = 1; d >= 0; step *= index.shape[d--])
        index.stride[d] = step;
    gpu_coalesce(&index, &y, 1);
    p->ndim = index.ndim;
    plan->walk_size = gpu_walk_fill(&plan->walk, plan->small, &index, &y, 1);
}

static int64_t divided(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

static tl_status plan_rows(struct gpu *gpu, const char *op, const struct problem *p, struct plan *plan)
{
    enum { MANY = 1024 };
    int64_t columns = 1, block, width = p->inner;
    while (columns < 32 && columns < p->inner)
        columns *= 2;
    const int64_t units = 256 / columns, groups = divided(p->destinations, units) * p->outer;
    for (block = units; block < 16 * units && groups / (block / units) > 4 * MANY;)
        block *= 2;
    while (width > columns && groups * divided(p->inner, width) < MANY)
        width = divided(divided(width, 2), columns) * columns;
    const int64_t blocks = divided(p->destinations, block), widths = divided(p->inner, width);
    plan->numbers = gpu_numbers(plan->small, 7, (const int64_t[]){p->n, p->destinations, p->inner, block, blocks, width, widths});
    struct gpu_defines d = {0};
    gpu_define_index(&d, plan->small);
    gpu_define(&d, "T %s", tl_dtype_name(p->type));
    gpu_define(&d, "SUM %s", tl_dtype_is_float(p->type) ? gpu_computing_type(p->type) : p->type == TL_I64 ? "ulong" : "uint");
    gpu_define(&d, "COLUMNS %d", (int)columns);
    if (plan->added)
        gpu_define(&d, "ADDED");
    tl_status s = gpu_grid_of(gpu, op, p->outer * blocks * widths, 256, &plan->rows_grid);
    return s == TL_OK ? gpu_kernel(gpu, "scatter", "scatter_rows", d.text, &plan->rows) : s;
}

static tl_status plan_keys(struct gpu *gpu, const char *op, const struct problem *p, struct plan *plan)
{
    const struct gpu_sorting what = {.type = plan->small ? TL_I32 : TL_I64, .outer = 1, .n = p->n, .inner = 1, .keep = p->n, .small = plan->small,
                                     .index_places = true};
    struct gpu_defines d = {0};
    gpu_define_index(&d, plan->small);
    gpu_define(&d, "NDIM %d", p->ndim);
    tl_status s = gpu_kernel(gpu, "scatter", "scatter_keys", d.text, &plan->keys);
    return s == TL_OK ? gpu_sort_prepare(gpu, op, &what, &plan->sort) : s;
}

static tl_status make_plan(struct gpu *gpu, const struct tl_call *call, struct plan *plan)
{
    struct problem p = {.type = call->out[0].dtype, .outer = 1, .destinations = 1, .inner = 1, .n = tl_view_numel(index_of(call))};
    plan->small = gpu_small(call->in, call->n_in) && gpu_small(call->out, 1) && p.n < GPU_SORT_SMALL;
    plan->added = call->n_in == 3;
    plan->site = gpu_report_site(call->op);
    plan->n = p.n;
    plan->padding = -1;
    if (plan->added) {
        const struct tl_along_attrs *attrs = call->attrs;
        (strcmp(call->op, "index_add") == 0 ? describe_rows : describe_elements)(call, (int)attrs->dim, plan, &p);
    } else {
        const struct tl_embedding_attrs *attrs = call->attrs;
        plan->padding = attrs->padding ? attrs->padding_idx : -1;
        describe_rows(call, 0, plan, &p);
    }
    plan->list = ((size_t)p.n * (plan->small ? 4 : 8) + 15) / 16 * 16;
    tl_status s = p.n ? plan_keys(gpu, call->op, &p, plan) : TL_OK;
    return s == TL_OK && tl_view_numel(&call->out[0]) ? plan_rows(gpu, call->op, &p, plan) : s;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    tl_status s = make_plan(gpu, call, plan);
    if (s != TL_OK) {
        free(plan);
        return s;
    }
    prep->plan = plan;
    prep->workspace = 3 * plan->list + plan->sort.workspace;
    return TL_OK;
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------------------------- */

static tl_status sort_keys(struct tl_stream *stream, const struct plan *plan, const struct tl_call *call, const struct tl_mem part[4])
{
    struct gpu_index n = gpu_index(plan->small, plan->n), step = gpu_index(plan->small, plan->step), choices = gpu_index(plan->small, plan->choices);
    const struct gpu_arg args[] = {GPU_VIEW(index_of(call)), GPU_MEMORY(part[0], n.size), GPU_INDEX(n), GPU_INDEX(step), GPU_INDEX(choices),
                                   GPU_VALUE(plan->padding), {.value = &plan->walk, .size = plan->walk_size}, GPU_REPORT_ARG(stream->gpu),
                                   GPU_VALUE(plan->site)};
    tl_status s = gpu_launch(stream, plan->keys, call->op, gpu_grid_for(stream->gpu, plan->n, 1, 256), 9, args);
    if (s != TL_OK || !plan->rows)
        return s;
    return gpu_sort_run(stream, call->op, &plan->sort, part[0], part[1], part[2], part[3]);
}

static tl_status run(struct tl_stream *stream, const void *prepared, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *plan = prepared;
    const size_t element = plan->small ? 4 : 8;
    struct tl_mem part[4]; /* of the workspace: keys, sorted keys, places, and what sorting needs */
    for (int i = 0; i < 4; i++)
        part[i] = (struct tl_mem){workspace.handle, workspace.offset + (size_t)i * plan->list};
    tl_status s = plan->n ? sort_keys(stream, plan, call, part) : TL_OK;
    if (s != TL_OK || !plan->rows)
        return s;
    struct gpu_arg args[6];
    int n = 0;
    if (plan->added)
        args[n++] = GPU_VIEW(&call->in[0]);
    args[n++] = GPU_MEMORY(part[1], element);
    args[n++] = GPU_MEMORY(part[2], element);
    args[n++] = GPU_VIEW(source_of(call));
    args[n++] = GPU_VIEW(&call->out[0]);
    args[n++] = GPU_NUMBERS(plan->numbers);
    return gpu_launch(stream, plan->rows, call->op, plan->rows_grid, n, args);
}

#define KERNEL(name)                                                                                                            \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "gpu:scatter", \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = free};
KERNEL(scatter_add)
KERNEL(index_add)
KERNEL(embedding_grad)
