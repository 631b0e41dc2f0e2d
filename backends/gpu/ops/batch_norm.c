/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm and its gradient, row-major and channels-last: what is done in one launch, what in two or three. The residual has mean and
 * 1/deviation of each channel, in the computing type.
 */
#include "team.h"

#include <stdlib.h>

static const char maker[] = "gpu:batch_norm";

/* As in kernels/batch_norm.cl. */
enum { HAS_WEIGHT = 1, HAS_BIAS = 2, HAS_RUNNING = 4, UPDATES = 8, KEEPS_TABLE = 16, TRAINS = 32, HAS_GRADIENTS = 64 };
enum { FROM_PARTS = 0, FROM_FINISHED = 1, FROM_RUNNING = 2 };

/* Parts of so many channels are put together by every group, rather than in a launch. */
enum { FEW_PARTS = 1024 };

struct form {
    bool across; /* channels are neighbours */
    int width;
    int64_t channels, outputs, n, plane, far, span, parts;
    struct gpu_team team;
};

struct plan {
    const struct gpu_kernel *parts, *finish, *apply; /* NULL: not launched */
    struct gpu_grid grid, finish_grid;
    struct gpu_fields fields, finish_fields;
    struct gpu_real eps, momentum, keep;
    int32_t has, source;
    size_t pack, real, sums_at, table_at; /* bytes; places in the workspace, after the parts */
    bool own_table;                       /* mean and scale are in the workspace */
    struct plan *statistics;              /* gradient: makes them, where the forward has left none */
};

static void release(void *plan)
{
    struct plan *p = plan;
    if (p && p->statistics)
        free(p->statistics);
    free(p);
}

static struct form form_of(const struct tl_view *x, uint32_t layout)
{
    struct form f = {.width = 1, .channels = x->shape[1]};
    int64_t images = x->shape[0], inner = 1;
    const int width = (int)(16 / tl_dtype_size(x->dtype));
    for (int d = 2; d < x->ndim; d++)
        inner *= x->shape[d];
    f.across = layout == TL_LAYOUT_CHANNELS_LAST || inner == 1;
    if ((f.across ? f.channels : inner) % width == 0)
        f.width = width;
    f.outputs = f.across ? f.channels / f.width : f.channels;
    f.plane = f.across ? 1 : inner / f.width;
    f.plane += f.plane == 0;
    f.far = f.across ? f.outputs : f.channels * f.plane;
    f.n = f.across ? images * inner : images * (inner / f.width);
    f.team = f.across ? gpu_team_across(f.outputs, f.n, (size_t)f.width * tl_dtype_size(x->dtype)) : gpu_team_side_by_side(f.outputs, f.n);
    f.parts = gpu_team_parts(f.team, f.outputs, f.n, f.width > 4 ? 2 : 4, &f.span);
    return f;
}

/* struct norm of the text. */
static void put_norm(struct gpu_fields *fields, const struct form *f, struct gpu_team team, int64_t outputs)
{
    gpu_put(fields, team.step);
    gpu_put(fields, team.lanes);
    gpu_put(fields, outputs);
    gpu_put(fields, f->channels);
    gpu_put(fields, f->n);
    gpu_put(fields, f->span);
    gpu_put(fields, f->parts);
    gpu_put(fields, f->plane);
    gpu_put(fields, f->far);
}

/* Which kernels run, for x in this form. needs: are the batch's statistics (or the gradient's sums) needed? apply: is y or dx made? */
static tl_status plan_kernels(struct gpu *gpu, const struct tl_view *x, struct form *f, bool gradient, bool needs, bool apply, struct plan *p)
{
    struct gpu_defines d = {0};
    const bool none = f->n == 0;
    if (none)
        f->parts = 0;
    const int64_t outs = f->across ? f->width : 1, channels_of_group = GPU_GROUP / f->team.lanes * outs;
    const bool once = needs && apply && f->parts == 1, finish = needs && !once && (!apply || none || f->parts * channels_of_group > FEW_PARTS);
    p->fields.small = p->finish_fields.small = gpu_small(x, 1);
    p->pack = (size_t)f->width * tl_dtype_size(x->dtype);
    p->real = gpu_real_size(x->dtype);
    put_norm(&p->fields, f, f->team, f->outputs);
    p->grid = (struct gpu_grid){.groups = {gpu_groups(gpu_team_groups(f->team, f->outputs)), (uint32_t)f->parts}, .size = {GPU_GROUP}};
    if (needs && !once)
        p->sums_at = p->table_at = (size_t)(f->parts * f->channels) * p->real * (gradient ? 4 : 3);
    if (finish)
        p->table_at += gradient ? (size_t)f->channels * 2 * p->real : 0;
    p->source = needs ? (finish ? FROM_FINISHED : FROM_PARTS) : FROM_RUNNING;
    gpu_define_index(&d, p->fields.small);
    gpu_define_real(&d, x->dtype);
    gpu_define(&d, "TX %s", tl_dtype_name(x->dtype));
    gpu_define(&d, "W %d", f->width);
    if (f->across)
        gpu_define(&d, "ACROSS");
    if (gradient)
        gpu_define(&d, "GRADIENT");
    tl_status s = TL_OK;
    if (needs && !once && !none)
        s = gpu_kernel(gpu, "batch_norm", "norm_parts", d.text, &p->parts);
    if (s == TL_OK && apply && !none)
        s = gpu_kernel(gpu, "batch_norm", once ? "norm_once" : "norm_apply", d.text, &p->apply);
    if (s == TL_OK && finish) {
        struct gpu_team team = gpu_team_of_parts(f->parts);
        put_norm(&p->finish_fields, f, team, f->channels);
        p->finish_grid = (struct gpu_grid){.groups = {gpu_groups(gpu_team_groups(team, f->channels))}, .size = {GPU_GROUP}};
        s = gpu_kernel(gpu, "batch_norm", "norm_finish", d.text, &p->finish);
    }
    return s;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    return gpu_refuses_type(device, call->in[0].dtype);
}

static size_t table_size(const struct tl_view *x)
{
    return (size_t)x->shape[1] * 2 * gpu_real_size(x->dtype);
}

static struct tl_mem memory_at(struct tl_mem m, size_t offset)
{
    m.offset += offset;
    return m;
}

/* The kernels of a plan, one after the other; args[tail] and the two that follow are source, aligned, and the sizes. */
static tl_status launch_all(struct tl_stream *stream, const struct plan *p, const char *op, struct gpu_arg *args, int tail, int32_t aligned)
{
    tl_status s = TL_OK;
    args[tail] = GPU_VALUE(p->source);
    args[tail + 1] = GPU_VALUE(aligned);
    args[tail + 2] = GPU_FIELDS(p->fields);
    if (p->parts)
        s = gpu_launch(stream, p->parts, op, p->grid, tail + 3, args);
    if (s == TL_OK && p->finish) {
        args[tail + 2] = GPU_FIELDS(p->finish_fields);
        s = gpu_launch(stream, p->finish, op, p->finish_grid, tail + 3, args);
        args[tail + 2] = GPU_FIELDS(p->fields);
    }
    if (s == TL_OK && p->apply)
        s = gpu_launch(stream, p->apply, op, p->grid, tail + 3, args);
    return s;
}

/* ---- Forward ----------------------------------------------------------------------------------------------------------------------------- */

static void set_numbers(struct plan *p, const struct tl_view *x, const struct tl_batch_norm_attrs *a)
{
    p->eps = gpu_real(x->dtype, a->eps);
    p->momentum = gpu_real(x->dtype, a->momentum);
    p->keep = gpu_real(x->dtype, 1 - a->momentum);
}

static struct plan *new_plan(struct gpu *gpu)
{
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", gpu->component);
    return p;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_batch_norm_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    struct plan *p = new_plan(gpu);
    if (!p)
        return TL_ERR_NOMEM;
    if (x->layout == TL_LAYOUT_CHANNELS_LAST)
        prep->in_layout[0] = prep->out_layout[0] = TL_LAYOUT_CHANNELS_LAST;
    struct form f = form_of(x, prep->in_layout[0]);
    set_numbers(p, x, a);
    p->has = (tl_view_present(&call->in[3]) ? HAS_WEIGHT : 0) | (tl_view_present(&call->in[4]) ? HAS_BIAS : 0) |
             (a->training ? TRAINS : HAS_RUNNING) | (a->update && tl_view_present(&call->out[1]) ? UPDATES : 0);
    tl_status s = f.channels > 0 ? plan_kernels(gpu, x, &f, false, a->training, true, p) : TL_OK;
    if (s != TL_OK) {
        release(p);
        return s;
    }
    if (a->training && (call->flags & TL_CALL_WANT_RESIDUAL))
        prep->residual = table_size(x);
    p->own_table = p->finish && prep->residual == 0;
    if (p->own_table || prep->residual)
        p->has |= KEEPS_TABLE;
    prep->workspace = p->table_at + (p->own_table ? table_size(x) : 0);
    prep->plan = p;
    return TL_OK;
}

/* Statistics, and y unless `to` is absent. */
static tl_status run_forward(struct tl_stream *stream, const struct plan *p, const struct tl_call *call, const struct tl_view *to, struct tl_mem table,
                             struct tl_mem parts)
{
    const struct tl_view *x = &call->in[0];
    const size_t size = tl_dtype_size(x->dtype);
    const int32_t aligned = x->mem.offset % p->pack == 0 && (!to || to->mem.offset % p->pack == 0);
    struct tl_mem none = {0};
    struct gpu_arg args[17] = {GPU_VIEW(x)};
    int n = 1;
    args[n++] = GPU_MEMORY(to ? to->mem : none, size);
    args[n++] = GPU_MEMORY(p->has & HAS_WEIGHT ? call->in[3].mem : none, size);
    args[n++] = GPU_MEMORY(p->has & HAS_BIAS ? call->in[4].mem : none, size);
    for (int i = 1; i <= 2; i++)
        args[n++] = GPU_MEMORY(p->has & (HAS_RUNNING | UPDATES) ? call->in[i].mem : none, size);
    for (int i = 1; i <= 2; i++)
        args[n++] = GPU_MEMORY(p->has & UPDATES ? call->out[i].mem : none, size);
    args[n++] = GPU_MEMORY(table, p->real);
    args[n++] = GPU_MEMORY(parts, p->real);
    args[n++] = GPU_REAL(p->eps);
    args[n++] = GPU_REAL(p->momentum);
    args[n++] = GPU_REAL(p->keep);
    args[n++] = GPU_VALUE(p->has);
    return launch_all(stream, p, call->op, args, n, aligned);
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *p = plan;
    struct tl_mem table = p->own_table ? memory_at(workspace, p->table_at) : call->residual->mem;
    return run_forward(stream, p, call, &call->out[0], table, workspace);
}

const struct tl_kernel gpu_batch_norm_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "batch_norm", .maker = maker, .refuses = refuses,
                                                .prepare = prepare, .run = run, .release = release};

/* ---- Gradient ----------------------------------------------------------------------------------------------------------------------------- */

/* Mean and scale of each channel, which the forward has not left. */
static tl_status plan_statistics(struct gpu *gpu, const struct tl_view *x, uint32_t layout, const struct tl_batch_norm_attrs *a, struct plan *p)
{
    struct form f = form_of(x, layout);
    if (!(p->statistics = new_plan(gpu)))
        return TL_ERR_NOMEM;
    set_numbers(p->statistics, x, a);
    p->statistics->has = KEEPS_TABLE;
    return plan_kernels(gpu, x, &f, false, true, false, p->statistics);
}

static tl_status prepare_grad(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_batch_norm_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    const struct tl_residual *left = call->residual;
    struct plan *p = new_plan(gpu);
    if (!p)
        return TL_ERR_NOMEM;
    if (x->layout == TL_LAYOUT_CHANNELS_LAST || call->in[1].layout == TL_LAYOUT_CHANNELS_LAST)
        prep->in_layout[0] = prep->in_layout[1] = prep->out_layout[0] = TL_LAYOUT_CHANNELS_LAST;
    struct form f = form_of(x, prep->in_layout[0]);
    set_numbers(p, x, a);
    p->has = (tl_view_present(&call->in[2]) ? HAS_WEIGHT : 0) | (a->training ? TRAINS : HAS_RUNNING) |
             (tl_view_present(&call->out[1]) ? HAS_GRADIENTS : 0);
    tl_status s = f.channels > 0 ? plan_kernels(gpu, x, &f, true, true, tl_view_present(&call->out[0]), p) : TL_OK;
    p->own_table = a->training && f.n > 0 && f.channels > 0 && !(left->size == table_size(x) && strcmp(left->maker, maker) == 0);
    prep->workspace = p->table_at;
    if (s == TL_OK && p->own_table) {
        s = plan_statistics(gpu, x, prep->in_layout[0], a, p);
        /* The table comes after what both use of the workspace, one after the other. */
        if (p->statistics && p->statistics->table_at > p->table_at)
            p->table_at = p->statistics->table_at;
        p->table_at += (p->real - p->table_at % p->real) % p->real;
        prep->workspace = p->table_at + table_size(x);
    }
    if (s != TL_OK) {
        release(p);
        return s;
    }
    prep->plan = p;
    return TL_OK;
}

static tl_status run_grad(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *p = plan;
    const struct tl_view *x = &call->in[0], *dy = &call->in[1], *dx = &call->out[0];
    const size_t size = tl_dtype_size(x->dtype);
    struct tl_mem none = {0}, table = p->own_table ? memory_at(workspace, p->table_at) : call->residual->mem;
    tl_status s = p->statistics ? run_forward(stream, p->statistics, call, NULL, table, workspace) : TL_OK;
    if (s != TL_OK)
        return s;
    const int32_t aligned = x->mem.offset % p->pack == 0 && dy->mem.offset % p->pack == 0 && dx->mem.offset % p->pack == 0;
    struct gpu_arg args[16] = {GPU_VIEW(x), GPU_VIEW(dy)};
    int n = 2;
    args[n++] = GPU_MEMORY(tl_view_present(dx) ? dx->mem : none, size);
    args[n++] = GPU_MEMORY(p->has & HAS_WEIGHT ? call->in[2].mem : none, size);
    for (int i = 3; i <= 4; i++)
        args[n++] = GPU_MEMORY(p->has & HAS_RUNNING ? call->in[i].mem : none, size);
    for (int i = 1; i <= 2; i++)
        args[n++] = GPU_MEMORY(p->has & HAS_GRADIENTS ? call->out[i].mem : none, size);
    args[n++] = GPU_MEMORY(p->has & HAS_RUNNING ? none : table, p->real);
    args[n++] = GPU_MEMORY(memory_at(workspace, p->sums_at), p->real);
    args[n++] = GPU_MEMORY(workspace, p->real);
    args[n++] = GPU_REAL(p->eps);
    args[n++] = GPU_VALUE(p->has);
    return launch_all(stream, p, call->op, args, n, aligned);
}

const struct tl_kernel gpu_batch_norm_grad_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "batch_norm_grad", .maker = maker,
                                                     .refuses = refuses, .prepare = prepare_grad, .run = run_grad, .release = release};
