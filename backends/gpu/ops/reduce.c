/* SPDX-License-Identifier: Apache-2.0
 *
 * sum, mean, prod, amax, amin, var, argmax, argmin over any dimensions of an operand with any strides: how the dimensions are merged, who
 * reads what, and whether each result is made at once or in parts. kernels/reduce.cl does the work.
 */
#include "reduce.h"

#include <stdlib.h>

/* Dimensions with their steps in x and y, outermost first. */
struct dims {
    int n;
    int64_t shape[TL_MAX_DIMS], x[TL_MAX_DIMS], y[TL_MAX_DIMS];
};

struct gpu_reduction_plan {
    const struct gpu_kernel *first, *join; /* join: NULL where each result is made at once */
    struct gpu_grid grid, join_grid;
    struct gpu_fields fields, join_fields;
    struct gpu_real divisor;
    size_t x_size, y_size, real_size;
    bool second;
    int width; /* elements of a pack */
};

/* ---- Dimensions ----------------------------------------------------------------------------------------------------------------------- */

static void add_dim(struct dims *d, int64_t shape, int64_t x, int64_t y)
{
    if (shape == 1)
        return;
    d->shape[d->n] = shape;
    d->x[d->n] = x;
    d->y[d->n++] = y;
}

/* A dimension along which x stays where it is goes outside: neighbours should differ. */
static int64_t far_out(int64_t stride)
{
    return stride ? stride : INT64_MAX;
}

static void sort_dims(struct dims *d)
{
    for (int i = 1; i < d->n; i++)
        for (int j = i; j > 0 && far_out(d->x[j]) > far_out(d->x[j - 1]); j--) {
            const int64_t shape = d->shape[j], x = d->x[j], y = d->y[j];
            d->shape[j] = d->shape[j - 1], d->x[j] = d->x[j - 1], d->y[j] = d->y[j - 1];
            d->shape[j - 1] = shape, d->x[j - 1] = x, d->y[j - 1] = y;
        }
}

static void merge_dims(struct dims *d)
{
    int at = 0;
    for (int i = 1; i < d->n; i++) {
        const bool joins = d->x[at] == d->x[i] * d->shape[i] && d->y[at] == d->y[i] * d->shape[i];
        at += !joins;
        d->shape[at] = joins ? d->shape[at] * d->shape[i] : d->shape[i];
        d->x[at] = d->x[i];
        d->y[at] = d->y[i];
    }
    d->n = d->n ? at + 1 : 0;
}

static int64_t count(const struct dims *d)
{
    int64_t n = 1;
    for (int i = 0; i < d->n; i++)
        n *= d->shape[i];
    return n;
}

/* ---- How they are walked over ------------------------------------------------------------------------------------------------------------- */

struct shape {
    struct dims kept, gone;
    bool across; /* neighbouring items make neighbouring results */
    int width;
    int64_t y_step;
    struct gpu_team team;
};

static bool places_matter(const char *op)
{
    return strncmp(op, "arg", 3) == 0;
}

static bool divisible(const struct dims *d, bool has_inner, int width)
{
    for (int i = 0; i < d->n; i++) {
        const bool inner = has_inner && i == d->n - 1;
        if (inner ? d->x[i] != 1 || d->shape[i] % width != 0 : d->x[i] % width != 0)
            return false;
    }
    return !has_inner || d->n > 0;
}

static void count_in_packs(struct dims *d, bool has_inner, int width)
{
    for (int i = 0; i < d->n; i++) {
        const bool inner = has_inner && i == d->n - 1;
        d->shape[i] /= inner ? width : 1;
        d->x[i] /= inner ? 1 : width;
    }
}

static struct shape shape_of(const struct gpu_reduction *what)
{
    struct shape s = {.width = 1};
    const size_t size = tl_dtype_size(what->x->dtype);
    for (int d = 0; d < what->x->ndim; d++)
        if (what->goes[d])
            add_dim(&s.gone, what->x->shape[d], what->x->stride[d], 0);
        else
            add_dim(&s.kept, what->x->shape[d], what->x->stride[d], what->y->stride[d]);
    sort_dims(&s.kept);
    if (!places_matter(what->op))
        sort_dims(&s.gone);
    merge_dims(&s.kept);
    merge_dims(&s.gone);
    if (s.gone.n == 0)
        s.gone = (struct dims){.n = 1, .shape = {1}};
    int64_t nearest = INT64_MAX;
    for (int d = 0; d < s.gone.n; d++)
        if (s.gone.shape[d] > 1 && far_out(s.gone.x[d]) < nearest)
            nearest = s.gone.x[d];
    s.across = s.kept.n > 0 && s.kept.x[s.kept.n - 1] > 0 && s.kept.x[s.kept.n - 1] < nearest;
    const int width = size > 1 ? (int)(16 / size) : 8;
    if (divisible(&s.kept, s.across, width) && divisible(&s.gone, !s.across, width)) {
        s.width = width;
        count_in_packs(&s.kept, s.across, width);
        count_in_packs(&s.gone, !s.across, width);
    }
    if (s.across) {
        s.y_step = s.kept.y[s.kept.n - 1];
        s.kept.y[s.kept.n - 1] *= s.width;
    }
    const int64_t results = count(&s.kept), n = count(&s.gone);
    s.team = s.across ? gpu_team_across(results, n, size * (size_t)s.width) : gpu_team_side_by_side(results, n);
    return s;
}

/* ---- Plans ------------------------------------------------------------------------------------------------------------------------------- */

static void put_dims(struct gpu_fields *f, const int64_t *values, int n, int64_t rest)
{
    for (int i = 0; i < TL_MAX_DIMS; i++)
        gpu_put(f, i < n ? values[i] : rest);
}

/* struct reduction of the text, in its order. */
static void put_reduction(struct gpu_fields *f, const struct dims *kept, const struct dims *gone, struct gpu_team team, int64_t span, int64_t y_step)
{
    int64_t digit[TL_MAX_DIMS] = {0}, carry[TL_MAX_DIMS] = {0}, jump = 0, rest = team.lanes;
    for (int d = gone->n - 1; d >= 0; d--) {
        const int64_t whole = d > 0 && gone->shape[d] > 0 ? rest / gone->shape[d] : 0;
        digit[d] = rest - whole * gone->shape[d];
        if (d == 0)
            digit[d] = rest;
        jump += digit[d] * gone->x[d];
        carry[d] = d > 0 ? gone->x[d - 1] - gone->shape[d] * gone->x[d] : 0;
        rest = whole;
    }
    gpu_put(f, team.step);
    gpu_put(f, team.lanes);
    gpu_put(f, count(kept));
    gpu_put(f, count(gone));
    gpu_put(f, span);
    gpu_put(f, jump);
    gpu_put(f, y_step);
    gpu_put(f, kept->n);
    put_dims(f, kept->shape, kept->n, 1);
    put_dims(f, kept->x, kept->n, 0);
    put_dims(f, kept->y, kept->n, 0);
    put_dims(f, gone->shape, gone->n, 1);
    put_dims(f, gone->x, gone->n, 0);
    put_dims(f, digit, gone->n, 0);
    put_dims(f, carry, gone->n, 0);
}

/* Bytes of an acc of the text. */
static size_t part_size(const char *op, tl_dtype type, bool small)
{
    const size_t real = gpu_real_size(type);
    if (places_matter(op))
        return real == 8 || !small ? 16 : 8;
    if (strcmp(op, "var") == 0)
        return 3 * real;
    return strcmp(op, "sum") == 0 && tl_dtype_is_float(type) ? 2 * real : real;
}

static void define_all(struct gpu_defines *d, const struct gpu_reduction *what, const struct shape *s, bool small)
{
    gpu_define_index(d, small);
    gpu_define_real(d, what->x->dtype);
    gpu_define(d, "OP_%s", what->op);
    gpu_define(d, "TX %s", tl_dtype_name(what->x->dtype));
    gpu_define(d, "TY %s", tl_dtype_name(what->y->dtype));
    gpu_define(d, "W %d", s->width);
    gpu_define(d, "DIMS %d", s->gone.n < 3 ? s->gone.n : s->gone.n < 5 ? 4 : 8);
    if (s->across)
        gpu_define(d, "ACROSS");
    if (what->squares)
        gpu_define(d, "SQUARES");
}

/* Results in parts: who puts them together. */
static tl_status prepare_join(struct gpu *gpu, struct shape *s, int64_t parts, const char *defines,
                              struct gpu_reduction_plan *p)
{
    const int outs = s->across ? s->width : 1;
    struct dims single = {.n = 1, .shape = {parts}, .x = {0}};
    if (s->across) {
        s->kept.shape[s->kept.n - 1] *= outs;
        s->kept.y[s->kept.n - 1] = s->y_step;
    }
    const int64_t results = count(&s->kept);
    struct gpu_team team = gpu_team_of_parts(parts);
    p->join_fields.small = p->fields.small;
    put_reduction(&p->join_fields, &s->kept, &single, team, parts, 0);
    p->join_grid = (struct gpu_grid){.groups = {gpu_groups(gpu_team_groups(team, results))}, .size = {GPU_GROUP}};
    return gpu_kernel(gpu, "reduce", "reduce_join", defines, &p->join);
}

tl_status gpu_reduction_prepare(struct gpu *gpu, const struct gpu_reduction *what, struct gpu_reduction_plan **plan, size_t *workspace)
{
    const tl_dtype type = what->x->dtype;
    struct gpu_reduction_plan *p = calloc(1, sizeof *p);
    if (!p)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
    struct shape s = shape_of(what);
    struct gpu_defines d = {0};
    const bool small = gpu_small(what->x, 1) && gpu_small(what->y, 1);
    const int64_t results = count(&s.kept), outs = s.across ? s.width : 1;
    int64_t span;
    const int64_t parts = gpu_team_parts(s.team, results, count(&s.gone), s.width > 4 ? 2 : 4, &span);
    *p = (struct gpu_reduction_plan){.fields.small = small,
                                     .divisor = gpu_real(type, what->divisor),
                                     .x_size = tl_dtype_size(type),
                                     .y_size = tl_dtype_size(what->y->dtype),
                                     .real_size = gpu_real_size(type),
                                     .second = what->squares,
                                     .width = s.width};
    put_reduction(&p->fields, &s.kept, &s.gone, s.team, span, s.y_step);
    p->grid = (struct gpu_grid){.groups = {gpu_groups(gpu_team_groups(s.team, results)), (uint32_t)parts}, .size = {GPU_GROUP}};
    define_all(&d, what, &s, small);
    tl_status status = gpu_kernel(gpu, "reduce", parts > 1 ? "reduce_parts" : "reduce_whole", d.text, &p->first);
    *workspace = parts > 1 ? (size_t)(parts * results * outs) * part_size(what->op, type, small) : 0;
    if (status == TL_OK && parts > 1)
        status = prepare_join(gpu, &s, parts, d.text, p);
    if (status != TL_OK) {
        free(p);
        return status;
    }
    *plan = p;
    return TL_OK;
}

tl_status gpu_reduction_run(struct tl_stream *stream, const struct gpu_reduction_plan *p, const char *name, struct tl_mem x, struct tl_mem second,
                            struct tl_mem y, struct tl_mem workspace)
{
    const size_t pack = p->x_size * (size_t)p->width;
    const int32_t aligned = x.offset % pack == 0 && (!p->second || second.offset % pack == 0);
    struct gpu_arg args[6] = {GPU_MEMORY(x, p->x_size)};
    int n = 1;
    if (p->second)
        args[n++] = GPU_MEMORY(second, p->x_size);
    args[n++] = p->join ? GPU_MEMORY(workspace, p->real_size) : GPU_MEMORY(y, p->y_size);
    if (!p->join)
        args[n++] = GPU_REAL(p->divisor);
    args[n++] = GPU_VALUE(aligned);
    args[n++] = GPU_FIELDS(p->fields);
    tl_status s = gpu_launch(stream, p->first, name, p->grid, n, args);
    if (s == TL_OK && p->join)
        s = gpu_launch(stream, p->join, name, p->join_grid, 4,
                       (struct gpu_arg[]){GPU_MEMORY(workspace, p->real_size), GPU_MEMORY(y, p->y_size), GPU_REAL(p->divisor),
                                          GPU_FIELDS(p->join_fields)});
    return s;
}

/* ---- The ops ------------------------------------------------------------------------------------------------------------------------------ */

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->in[0].dtype);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_reduce_attrs *attrs = call->attrs;
    struct tl_view x = call->in[0];
    struct gpu_reduction what = {.op = call->op, .x = &x, .y = &call->out[0], .divisor = 1};
    struct gpu_reduction_plan *plan;
    int64_t n = 1;
    /* What comes in a layout that has no strides is asked for row-major. */
    prep->in_layout[0] = x.layout < TL_LAYOUT_PRIVATE ? TL_LAYOUT_STRIDED : TL_LAYOUT_CONTIGUOUS;
    if (x.layout >= TL_LAYOUT_PRIVATE)
        gpu_lay_out(&x, TL_LAYOUT_CONTIGUOUS);
    for (int d = 0; d < x.ndim; d++) {
        what.goes[d] = attrs->dims.n == 0;
        for (int64_t i = 0; i < attrs->dims.n; i++)
            what.goes[d] |= attrs->dims.v[i] == d;
        n *= what.goes[d] ? x.shape[d] : 1;
    }
    const bool extreme = places_matter(call->op) || strncmp(call->op, "am", 2) == 0;
    if (extreme && n == 0 && tl_view_numel(&call->out[0]) > 0)
        return gpu->host->fail(TL_ERR_SHAPE, "%s: there is no element to choose from: expected at least one in each reduced dimension", call->op);
    if (strcmp(call->op, "mean") == 0) {
        what.op = "sum";
        what.divisor = (double)n;
    } else if (strcmp(call->op, "var") == 0) {
        what.divisor = (double)n - (attrs->biased ? 0 : 1);
    }
    tl_status s = gpu_reduction_prepare(gpu, &what, &plan, &prep->workspace);
    if (s == TL_OK)
        prep->plan = plan;
    return s;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    return gpu_reduction_run(stream, plan, call->op, call->in[0].mem, (struct tl_mem){0}, call->out[0].mem, workspace);
}

#define REDUCTION(name)                                                                                                       \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "gpu:reduce", \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = free};
REDUCTION(sum)
REDUCTION(mean)
REDUCTION(prod)
REDUCTION(amax)
REDUCTION(amin)
REDUCTION(var)
REDUCTION(argmax)
REDUCTION(argmin)
