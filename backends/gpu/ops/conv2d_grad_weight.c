/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d_grad_weight, row-major, of any stride, padding, dilation and groups; the bias's gradient comes with it. Where dw is too small to keep a
 * device busy the pixels are split into parts, by shapes alone, and a second launch adds these up.
 */
#include "ops.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel, *sum; /* sum: NULL if there is one part */
    struct gpu_fields fields;
    struct gpu_grid grid, sum_grid;
    struct gpu_index parts;
};

struct sizes {
    const struct tl_conv2d_attrs *attrs;
    const struct tl_view *x, *dy, *dw;
    bool bias;
    int64_t groups, filters, m, c; /* m, c: filters and channels of a group */
    int64_t taps, width, pixels;   /* width: of a filter's row of sums */
};

/* How the work is cut. */
struct cut {
    bool direct;
    int tile_m, tile_n, rows, columns;
    int64_t chunks, chunk_taps; /* direct: of the taps */
    int64_t parts, part;        /* of the pixels */
};

static int64_t up(int64_t n, int64_t of)
{
    return (n + of - 1) / of;
}

static struct sizes sizes_of(const struct tl_call *call)
{
    struct sizes z = {.attrs = call->attrs, .x = &call->in[0], .dy = &call->in[1], .dw = &call->out[0]};
    z.bias = tl_view_present(&call->out[1]);
    z.groups = z.attrs->groups;
    z.filters = z.dw->shape[0];
    z.m = z.filters / z.groups;
    z.c = z.dw->shape[1];
    z.taps = z.dw->shape[2] * z.dw->shape[3];
    z.width = z.c * z.taps + z.bias;
    z.pixels = z.dy->shape[0] * z.dy->shape[2] * z.dy->shape[3];
    return z;
}

/* As many parts as give some 500 groups of items, if they have enough to do and their sums take no more than 64 MiB. */
static struct cut cut_of(const struct sizes *z)
{
    struct cut t = {.direct = z->groups > 1 && z->c > 0 && (z->m < 16 || z->groups > 65535)};
    const int64_t row = z->width < 1 ? 1 : z->width, size = z->dw->dtype == TL_F64 ? 8 : 4;
    const int64_t room = (INT64_C(64) << 20) / size / (row * (z->filters < 1 ? 1 : z->filters));
    int64_t groups, least;
    if (t.direct) {
        t.chunks = up(z->taps, 16);
        t.chunk_taps = up(z->taps, t.chunks);
        groups = z->filters * z->c * t.chunks;
        least = 4096;
    } else {
        const bool narrow = z->width <= 32, few = !narrow && z->m <= 16, some = !narrow && !few && z->m <= 32;
        t.tile_m = few ? 16 : some ? 32 : 64;
        t.tile_n = narrow ? 32 : few || some ? 128 : 64;
        t.rows = few ? 2 : 4;
        t.columns = narrow ? 2 : 4;
        groups = z->groups * up(z->m, t.tile_m) * up(row, t.tile_n);
        least = 1024;
    }
    const int64_t most = t.direct ? 65535 : 65535 / z->groups, wanted = up(528, groups < 1 ? 1 : groups), useful = up(z->pixels, least);
    int64_t parts = wanted < useful ? wanted : useful;
    parts = parts < room ? parts : room;
    parts = parts < most ? parts : most;
    t.part = up(up(z->pixels, parts < 1 ? 1 : parts), 256) * 256; /* whole rows of sums of sums */
    t.parts = t.part ? up(z->pixels, t.part) : 1;
    return t;
}

static void define_sizes(struct gpu_defines *d, const struct sizes *z)
{
    const struct tl_conv2d_attrs *a = z->attrs;
    gpu_define_real(d, z->dw->dtype);
    gpu_define(d, "T %s", tl_dtype_name(z->dw->dtype));
    for (int i = 0; i < 2; i++) {
        const char name = "RS"[i];
        gpu_define(d, "K%c %lld", name, (long long)z->dw->shape[2 + i]);
        gpu_define(d, "S%c %lld", name, (long long)a->stride[i]);
        gpu_define(d, "P%c %lld", name, (long long)a->padding[i]);
        gpu_define(d, "D%c %lld", name, (long long)a->dilation[i]);
    }
    if (z->bias)
        gpu_define(d, "BIAS");
}

static void put_sizes(struct gpu_fields *f, const struct sizes *z, const struct cut *t)
{
    const int64_t *x = z->x->shape, *dy = z->dy->shape;
    gpu_put(f, z->pixels);
    gpu_put(f, t->part);
    gpu_put_divisor(f, dy[2]);
    gpu_put_divisor(f, dy[3]);
    gpu_put(f, x[2]);
    gpu_put(f, x[3]);
    gpu_put(f, z->filters);
    gpu_put(f, z->m);
    gpu_put(f, z->c);
    gpu_put(f, x[1] * x[2] * x[3]);
    gpu_put(f, dy[1] * dy[2] * dy[3]);
}

static tl_status make(struct gpu *gpu, const struct sizes *z, const struct cut *t, struct plan *plan)
{
    const struct tl_view views[3] = {*z->x, *z->dy, *z->dw};
    const int64_t results = z->filters * z->width;
    struct gpu_defines d = {0};
    plan->fields.small = gpu_small(views, 3) && results * t->parts < INT32_MAX / 2;
    plan->parts = gpu_index(plan->fields.small, t->parts);
    put_sizes(&plan->fields, z, t);
    gpu_define_index(&d, plan->fields.small);
    define_sizes(&d, z);
    struct gpu_defines of_sum = d;
    if (t->parts > 1)
        gpu_define(&d, "PARTS");
    if (t->direct) {
        gpu_define(&d, "TAPS %lld", (long long)t->chunk_taps);
        plan->grid = (struct gpu_grid){.groups = {(uint32_t)(z->filters * z->c * t->chunks), (uint32_t)t->parts}, .size = {256}};
    } else {
        gpu_define(&d, "TM %d", t->tile_m);
        gpu_define(&d, "TN %d", t->tile_n);
        gpu_define(&d, "TK 16");
        gpu_define(&d, "RM %d", t->rows);
        gpu_define(&d, "RN %d", t->columns);
        plan->grid = (struct gpu_grid){.groups = {(uint32_t)up(z->width, t->tile_n), (uint32_t)up(z->m, t->tile_m), (uint32_t)(z->groups * t->parts)},
                                       .size = {256}};
    }
    tl_status s = gpu_kernel(gpu, "conv_weight", t->direct ? "weight_direct" : "weight_tiled", d.text, &plan->kernel);
    if (s == TL_OK && t->parts > 1)
        s = gpu_kernel(gpu, "conv_weight", "weight_sum", of_sum.text, &plan->sum);
    plan->sum_grid = gpu_grid_for(gpu, results, 1, 256);
    return s;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct sizes z = sizes_of(call);
    const struct cut t = cut_of(&z);
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: out of memory for a plan", call->op);
    tl_status s = make(gpu, &z, &t, plan);
    if (s != TL_OK) {
        free(plan);
        return s;
    }
    if (t.parts > 1)
        prep->workspace = (size_t)(t.parts * z.filters * z.width) * (z.dw->dtype == TL_F64 ? 8 : 4);
    prep->plan = plan;
    return TL_OK;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    const struct sizes z = sizes_of(call);
    if (z.filters * (z.width < 1 ? 1 : z.width) > INT32_MAX || z.groups > INT32_MAX || (z.groups > 65535 && z.c == 0) || up(z.m, 16) > 65535)
        return "a gradient of 2^31 weights or more";
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status run(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *plan = p;
    const struct tl_view *x = &call->in[0], *dy = &call->in[1], *dw = &call->out[0], *db = &call->out[1];
    const size_t real = dw->dtype == TL_F64 ? 8 : 4;
    if (dw->shape[0] == 0 || (tl_view_numel(dw) == 0 && !tl_view_present(db)))
        return TL_OK;
    /* Where one is absent, or empty, the kernel does not touch it. */
    const struct gpu_arg to_db = tl_view_present(db) ? GPU_VIEW(db) : GPU_VIEW(dw);
    const struct gpu_arg partial = plan->sum ? GPU_MEMORY(workspace, real) : GPU_MEMORY(dw->mem, real);
    tl_status s = gpu_launch(stream, plan->kernel, call->op, plan->grid, 6,
                             (struct gpu_arg[]){GPU_VIEW(x), GPU_VIEW(dy), GPU_VIEW(dw), to_db, partial, GPU_FIELDS(plan->fields)});
    if (s != TL_OK || !plan->sum)
        return s;
    return gpu_launch(stream, plan->sum, call->op, plan->sum_grid, 5,
                      (struct gpu_arg[]){partial, GPU_VIEW(dw), to_db, GPU_FIELDS(plan->fields), GPU_INDEX(plan->parts)});
}

static void release(void *plan)
{
    free(plan);
}

const struct tl_kernel gpu_conv2d_grad_weight_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "conv2d_grad_weight", .maker = "gpu:conv",
                                                        .refuses = refuses, .prepare = prepare, .run = run, .release = release};
