/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling: max_pool2d, avg_pool2d, adaptive_avg_pool2d, and their gradients. One launch each (two for max_pool2d_grad where it has to find the maxima
 * again), which reads operands as they lie and gives channels-last for channels-last. A maximum's place is kept as its number in the window,
 * mostly one byte: an element of dx asks each window that holds it whether it is the one.
 */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>

enum kind { MAX, MAX_GRAD, PICK, AVG, AVG_GRAD };

/* One launch. Views are in the layouts that they will have. */
struct task {
    enum kind kind;
    bool values, places;                      /* MAX: what it gives */
    const struct tl_pool2d_attrs *attrs;      /* NULL: adaptive */
    const struct tl_view *x, *y;              /* the two sides' sizes */
    const struct tl_view *result, *a, *b;     /* b: NULL if there is none */
    tl_dtype place;
};

/* What a launch needs beside memory. */
struct form {
    const struct gpu_kernel *kernel;
    struct gpu_fields fields;
    struct gpu_grid grid;
    int pack;
};

struct plan {
    struct form form, places; /* places: of max_pool2d_grad without a residual */
    bool finds_places;
};

static const char row_major_maker[] = "gpu:pool", channels_last_maker[] = "gpu:pool_channels_last";

static enum kind kind_of(const struct tl_call *call)
{
    static const struct {
        const char *op;
        enum kind kind;
    } kinds[] = {{"max_pool2d", MAX}, {"max_pool2d_grad", MAX_GRAD}, {"max_pool2d_pick", PICK}, {"avg_pool2d", AVG}, {"adaptive_avg_pool2d", AVG}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(call->kernel->op, kinds[i].op) == 0)
            return kinds[i].kind;
    return AVG_GRAD;
}

static bool is_adaptive(const struct tl_call *call)
{
    return call->kernel->op[1] == 'd'; /* adaptive_…, not avg_ or max_ */
}

/* Numbers within a window: bytes where they fit. */
static tl_dtype place_type(const struct tl_pool2d_attrs *a)
{
    const int64_t n = a->kernel[0] * a->kernel[1];
    return n < 255 ? TL_U8 : n < INT32_MAX ? TL_I32 : TL_I64;
}

static struct tl_view places_like(const struct tl_view *y, const struct tl_pool2d_attrs *attrs, uint32_t layout)
{
    struct tl_view places = *y;
    places.dtype = place_type(attrs);
    gpu_lay_out(&places, layout);
    return places;
}

static size_t bytes_of(const struct tl_view *v)
{
    return (size_t)tl_view_numel(v) * tl_dtype_size(v->dtype);
}

/* ---- Forms ------------------------------------------------------------------------------------------------------------------------------- */

/* Products of an index of one side and a size of the other must fit, too. */
static bool is_small(const struct task *t)
{
    const struct tl_view views[4] = {*t->result, *t->a, t->b ? *t->b : *t->a, *t->y};
    bool small = gpu_small(views, 4);
    for (int d = 2; d < 4 && !t->attrs; d++)
        small &= t->x->shape[d] < INT32_MAX / 4 && (t->x->shape[d] + 1) * (t->y->shape[d] + 1) < INT32_MAX / 2;
    return small;
}

static bool packs(const struct tl_view *v, int pack)
{
    bool fits = v->shape[1] % pack == 0 && (v->stride[1] == 1 || v->shape[1] == 1);
    for (int d = 0; d < 4; d++)
        fits &= d == 1 || v->shape[d] == 1 || v->stride[d] % pack == 0;
    return fits;
}

/* Channels that make 16 bytes, if all operands have them side by side. */
static int pack_of(const struct task *t)
{
    const int pack = 16 / (int)tl_dtype_size(t->a->dtype);
    const bool last = t->result->layout == TL_LAYOUT_CHANNELS_LAST;
    return last && packs(t->result, pack) && packs(t->a, pack) && (!t->b || packs(t->b, pack)) ? pack : 1;
}

/* How many items share in a window's average: decided by the windows' size alone. */
static int lanes_of(const struct task *t)
{
    int64_t area = 1;
    for (int d = 0; d < 2; d++) {
        int64_t size = t->x->shape[2 + d], n = t->y->shape[2 + d] < 1 ? 1 : t->y->shape[2 + d];
        int64_t window = t->attrs ? t->attrs->kernel[d] : (size + n - 1) / n;
        area *= window < size ? window : size;
        area = area < 1 << 20 ? area : 1 << 20;
    }
    return area < 32 ? 1 : t->result->layout == TL_LAYOUT_CHANNELS_LAST ? (area < 512 ? 8 : 32) : area < 4096 ? 32 : 256;
}

static void define_windows(struct gpu_defines *d, const struct task *t)
{
    const struct tl_pool2d_attrs *a = t->attrs;
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "S" : "R";
        const int64_t reach = (a->kernel[i] - 1) * a->dilation[i], most = t->x->shape[2 + i] + a->padding[i];
        gpu_define(d, "K%s %lld", name, (long long)a->kernel[i]);
        gpu_define(d, "S%s %lld", name, (long long)a->stride[i]);
        gpu_define(d, "P%s %lld", name, (long long)a->padding[i]);
        gpu_define(d, "D%s %lld", name, (long long)a->dilation[i]);
        gpu_define(d, "REACH_%s %lld", name, (long long)(reach < most ? reach : most));
    }
    if (a->divisor)
        gpu_define(d, "DIVISOR %lld", (long long)a->divisor);
    if (a->exclude_pad)
        gpu_define(d, "EXCLUDE_PAD");
}

static void define_places(struct gpu_defines *d, const struct task *t)
{
    gpu_define(d, "PLACE %s", tl_dtype_name(t->place));
    gpu_define(d, "WHERE %s", t->place == TL_I64 ? "long" : "int");
    gpu_define(d, "NOWHERE %s", t->place == TL_U8 ? "255" : "(-1)");
    if (t->kind == PICK)
        gpu_define(d, "PICK");
    if (t->values)
        gpu_define(d, "VALUES");
    if (t->places)
        gpu_define(d, "PLACES");
}

static void put_strides(struct gpu_fields *f, const struct tl_view *v, int pack)
{
    gpu_put(f, v ? v->stride[0] : 0);
    gpu_put(f, v ? v->stride[1] * pack : 0);
    gpu_put(f, v ? v->stride[2] : 0);
    gpu_put(f, v ? v->stride[3] : 0);
}

static tl_status make_form(struct gpu *gpu, const struct task *t, int pack, struct form *f)
{
    static const char *const entries[] = {[MAX] = "max_pool", [MAX_GRAD] = "max_pool_grad", [PICK] = "max_pool", [AVG] = "avg_pool",
                                          [AVG_GRAD] = "avg_pool_grad"};
    const struct tl_view *r = t->result;
    const int64_t n = tl_view_numel(r) / pack;
    const int lanes = t->kind == AVG ? lanes_of(t) : 1;
    struct gpu_defines d = {0};
    *f = (struct form){.pack = pack, .fields.small = is_small(t)};
    gpu_define_index(&d, f->fields.small);
    gpu_define_real(&d, t->a->dtype);
    gpu_define(&d, "T %s", tl_dtype_name(t->a->dtype));
    gpu_define(&d, "V %d", pack);
    if (r->layout == TL_LAYOUT_CHANNELS_LAST)
        gpu_define(&d, "CHANNELS_LAST");
    if (t->attrs)
        define_windows(&d, t);
    else
        gpu_define(&d, "ADAPTIVE");
    if (t->kind == AVG || t->kind == AVG_GRAD)
        gpu_define(&d, "LANES %d", lanes);
    else
        define_places(&d, t);
    gpu_put(&f->fields, n);
    for (int i = 2; i < 4; i++)
        gpu_put(&f->fields, t->x->shape[i]);
    for (int i = 2; i < 4; i++)
        gpu_put(&f->fields, t->y->shape[i]);
    gpu_put_divisor(&f->fields, r->shape[1] / pack);
    for (int i = 2; i < 4; i++)
        gpu_put_divisor(&f->fields, r->shape[i]);
    for (int i = 2; i < 4; i++)
        gpu_put_divisor(&f->fields, t->y->shape[i]);
    put_strides(&f->fields, t->a, pack);
    put_strides(&f->fields, t->b, pack);
    f->grid = gpu_grid_for(gpu, n * lanes, 1, 256);
    return gpu_kernel(gpu, "pool", entries[t->kind], d.text, &f->kernel);
}

/* ---- Tasks ---------------------------------------------------------------------------------------------------------------------------------- */

/* The views of a call in the layouts that they will have, and what it launches. */
struct tasks {
    struct tl_view result, places;
    struct task main, find; /* find: the maxima, before main */
    bool finds_places;
};

/* Is what the forward left ours, and in which layout? */
static bool has_places(const struct tl_call *call, size_t size, uint32_t *layout)
{
    const struct tl_residual *r = call->residual;
    if (!r || !r->maker || r->size != size)
        return false;
    *layout = strcmp(r->maker, channels_last_maker) == 0 ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    return *layout == TL_LAYOUT_CHANNELS_LAST || strcmp(r->maker, row_major_maker) == 0;
}

static void tasks_of(const struct tl_call *call, bool wanted, struct tasks *t)
{
    const enum kind kind = kind_of(call);
    const bool adaptive = is_adaptive(call), gradient = kind == MAX_GRAD || kind == AVG_GRAD;
    const struct tl_view *main = &call->in[kind == MAX_GRAD ? 2 : 0];
    uint32_t layout = main->layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    *t = (struct tasks){.result = call->out[0]};
    t->main = (struct task){.kind = kind,
                            .values = true,
                            .places = kind == MAX && wanted,
                            .attrs = adaptive ? NULL : call->attrs,
                            .x = gradient ? &call->out[0] : &call->in[0],
                            .y = gradient ? main : &call->out[0],
                            .result = &t->result,
                            .a = main,
                            .b = kind == PICK ? &call->in[2] : NULL};
    if (kind == MAX_GRAD) {
        uint32_t of_places = layout;
        t->places = places_like(main, call->attrs, layout);
        t->finds_places = !has_places(call, bytes_of(&t->places), &of_places);
        gpu_lay_out(&t->places, of_places);
        t->main.b = &t->places;
        t->find = (struct task){.kind = MAX, .places = true, .attrs = call->attrs, .x = &call->in[0], .y = main, .result = &t->places, .a = &call->in[0]};
        t->find.place = t->places.dtype;
    }
    if (!adaptive)
        t->main.place = place_type(call->attrs);
    gpu_lay_out(&t->result, layout);
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    if (call->kernel->maker == channels_last_maker && call->in[0].layout != TL_LAYOUT_CHANNELS_LAST)
        return "x is not channels-last";
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const bool wanted = (call->flags & TL_CALL_WANT_RESIDUAL) != 0;
    struct tasks t;
    tasks_of(call, wanted, &t);
    for (int i = 0; i < call->n_in; i++)
        prep->in_layout[i] = TL_LAYOUT_STRIDED;
    prep->out_layout[0] = t.result.layout;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: out of memory for a plan", call->op);
    if (t.main.places) {
        const struct tl_view places = places_like(&call->out[0], call->attrs, t.result.layout);
        prep->residual = bytes_of(&places);
    }
    plan->finds_places = t.finds_places;
    tl_status s = make_form(gpu, &t.main, pack_of(&t.main), &plan->form);
    if (s == TL_OK && t.finds_places) {
        prep->workspace = bytes_of(&t.places);
        s = make_form(gpu, &t.find, pack_of(&t.find), &plan->places);
    }
    if (s != TL_OK) {
        free(plan);
        return s;
    }
    prep->plan = plan;
    return TL_OK;
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------------------------- */

struct buffers {
    int n;
    struct gpu_arg args[5];
};

static void add_buffer(struct buffers *b, struct tl_mem mem, tl_dtype type)
{
    b->args[b->n++] = GPU_MEMORY(mem, tl_dtype_size(type));
}

/* Views may begin at any element; packs may not. */
static tl_status launch(struct tl_stream *stream, const struct tl_call *call, const struct form *f, const struct task *t, struct buffers *b)
{
    struct form single;
    bool aligned = true;
    for (int i = 0; i < b->n; i++)
        aligned &= b->args[i].mem.offset % ((size_t)f->pack * b->args[i].size) == 0;
    if (!aligned) {
        tl_status s = make_form(stream->gpu, t, 1, &single);
        if (s != TL_OK)
            return s;
        f = &single;
    }
    b->args[b->n] = GPU_FIELDS(f->fields);
    return gpu_launch(stream, f->kernel, call->op, f->grid, b->n + 1, b->args);
}

/* x, v, y, places: those that a kernel has no use for are x. */
static tl_status launch_max(struct tl_stream *stream, const struct tl_call *call, const struct form *f, const struct task *t, const struct tl_mem *v,
                            const struct tl_mem *y, const struct tl_mem *places)
{
    struct buffers b = {0};
    const struct tl_mem x = call->in[0].mem;
    const tl_dtype type = call->in[0].dtype;
    add_buffer(&b, x, type);
    add_buffer(&b, v ? *v : x, type);
    add_buffer(&b, y ? *y : x, type);
    add_buffer(&b, places ? *places : x, places ? t->place : type);
    return launch(stream, call, f, t, &b);
}

static tl_status run(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *plan = p;
    const struct tl_residual *left = call->residual;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    struct tasks t;
    tasks_of(call, (call->flags & TL_CALL_WANT_RESIDUAL) != 0, &t);
    if (t.main.kind == MAX || t.main.kind == PICK)
        return launch_max(stream, call, &plan->form, &t.main, t.main.kind == PICK ? &call->in[2].mem : NULL, &call->out[0].mem,
                          t.main.places ? &left->mem : NULL);
    struct buffers b = {0};
    add_buffer(&b, t.main.a->mem, t.main.a->dtype);
    if (t.main.kind == MAX_GRAD)
        add_buffer(&b, plan->finds_places ? workspace : left->mem, t.main.place);
    add_buffer(&b, call->out[0].mem, call->out[0].dtype);
    tl_status s = plan->finds_places ? launch_max(stream, call, &plan->places, &t.find, NULL, NULL, &workspace) : TL_OK;
    return s == TL_OK ? launch(stream, call, &plan->form, &t.main, &b) : s;
}

static void release(void *plan)
{
    free(plan);
}

#define POOL_KERNEL(name, op_name, maker_name)                                                                                        \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = op_name, .maker = maker_name,        \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = release}
POOL_KERNEL(max_pool2d_channels_last, "max_pool2d", channels_last_maker); /* its maker tells the gradient how the residual lies */
POOL_KERNEL(max_pool2d, "max_pool2d", row_major_maker);
POOL_KERNEL(max_pool2d_grad, "max_pool2d_grad", row_major_maker);
POOL_KERNEL(max_pool2d_pick, "max_pool2d_pick", row_major_maker);
POOL_KERNEL(avg_pool2d, "avg_pool2d", row_major_maker);
POOL_KERNEL(avg_pool2d_grad, "avg_pool2d_grad", row_major_maker);
POOL_KERNEL(adaptive_avg_pool2d, "adaptive_avg_pool2d", row_major_maker);
POOL_KERNEL(adaptive_avg_pool2d_grad, "adaptive_avg_pool2d_grad", row_major_maker);
