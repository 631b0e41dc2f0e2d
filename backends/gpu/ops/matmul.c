/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul and addmm: which kernel of kernels/matmul.cl, and with tiles of which size, is decided by the shapes alone, so that results do not depend on
 * the device's size.
 */
#include "ops.h"

#include <stdlib.h>

/* The text's struct product. */
enum { M, N, K, A_ROW, A_COLUMN, A_BATCH, B_ROW, B_COLUMN, B_BATCH, C_ROW, C_COLUMN, TILES_M, TILES_N, PARTS, PART, NUMBERS };

/* As many groups keep the largest device busy that is thought of. */
enum { MANY = 264 };

struct tile {
    int m, n, k, item_m, item_n;
};

union scale {
    float f32;
    double f64;
};

struct plan {
    const struct gpu_kernel *kernel, *finish; /* finish: adds up the parts of k, if it is split */
    struct gpu_grid grid, finish_grid;
    struct gpu_numbers product;
    struct gpu_index batches;
    bool swapped; /* the matrix, of a vector times a matrix, is the right operand */
    int addend;   /* ADDEND of the text */
    union scale alpha, beta;
    size_t sum_size;
};

/* A product as the kernels see it. */
struct problem {
    int64_t p[NUMBERS], batches;
    tl_dtype type;
    bool small, vector, swapped, a_along_k, b_along_k;
    int addend, lanes;
    struct tile tile;
};

static bool is_addmm(const struct tl_call *call)
{
    return call->n_in == 3;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    tl_dtype type = call->out[0].dtype;
    if (type == TL_BOOL || (is_addmm(call) && !tl_dtype_is_float(type)))
        return "not for this type";
    return gpu_refuses_type(device, type);
}

/* ---- What is multiplied ------------------------------------------------------------------------------------------------------------------- */

/* Of a dimension with one element it does not matter. */
static int64_t stride(const struct tl_view *v, int d)
{
    return d >= 0 && v->shape[d] > 1 ? v->stride[d] : 0;
}

static bool runs_along(int64_t along, int64_t across)
{
    return along == 1 || (across != 1 && along <= across);
}

static void swap(int64_t *p, int i, int j)
{
    int64_t t = p[i];
    p[i] = p[j];
    p[j] = t;
}

/* A row times a matrix is the transposed matrix times a column. */
static void turn(int64_t *p)
{
    swap(p, M, N);
    swap(p, A_ROW, B_COLUMN);
    swap(p, A_COLUMN, B_ROW);
    swap(p, A_BATCH, B_BATCH);
    swap(p, C_ROW, C_COLUMN);
}

static struct problem problem_of(const struct tl_call *call)
{
    const struct tl_view *a = &call->in[call->n_in - 2], *b = &call->in[call->n_in - 1], *y = &call->out[0];
    const int row = y->ndim - 2, column = y->ndim - 1;
    struct problem x = {.type = y->dtype,
                        .batches = row > 0 ? y->shape[0] : 1,
                        .small = gpu_small(call->in, call->n_in) && gpu_small(y, 1),
                        .p = {[M] = y->shape[row],
                              [N] = y->shape[column],
                              [K] = a->shape[column],
                              [A_ROW] = stride(a, row),
                              [A_COLUMN] = stride(a, column),
                              [A_BATCH] = stride(a, row - 1),
                              [B_ROW] = stride(b, row),
                              [B_COLUMN] = stride(b, column),
                              [B_BATCH] = stride(b, row - 1)}};
    if (is_addmm(call)) {
        const struct tl_addmm_attrs *attrs = call->attrs;
        const struct tl_view *c = &call->in[0];
        x.p[C_COLUMN] = stride(c, c->ndim - 1);
        x.p[C_ROW] = stride(c, c->ndim - 2);
        x.addend = attrs->beta != 0 ? 2 : attrs->alpha != 1 ? 1 : 0;
        if (attrs->alpha == 0)
            x.p[K] = 0; /* a and b are not looked at */
    }
    x.vector = x.p[M] == 1 || x.p[N] == 1;
    x.swapped = x.vector && x.p[N] != 1;
    if (x.swapped)
        turn(x.p);
    x.a_along_k = runs_along(x.p[A_COLUMN], x.p[A_ROW]);
    x.b_along_k = runs_along(x.p[B_ROW], x.p[B_COLUMN]);
    return x;
}

/* ---- How ------------------------------------------------------------------------------------------------------------------------------------ */

static int64_t divided(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

static int64_t tiles(const struct problem *x, struct tile t)
{
    return divided(x->p[M], t.m) * divided(x->p[N], t.n) * x->batches;
}

static struct tile choose_tile(const struct problem *x)
{
    static const struct tile large = {128, 64, 16, 8, 4}, middle = {64, 64, 16, 4, 4}, small = {32, 32, 32, 2, 2}, narrow = {256, 8, 8, 8, 1},
                             flat = {8, 256, 8, 1, 8};
    const int64_t m = x->p[M], n = x->p[N];
    if (n <= 8 || m <= 8)
        return n <= 8 ? narrow : flat;
    if (n <= 32 || m <= 32)
        return small;
    return tiles(x, large) >= MANY ? large : tiles(x, middle) >= MANY / 2 || x->p[K] >= 1024 ? middle : small;
}

/* How many items share a row of a matrix that is multiplied by a vector. */
static int choose_lanes(const struct problem *x)
{
    const int64_t rows = x->p[M];
    int lanes = 8;
    if (x->a_along_k)
        while (lanes < 256 && lanes * 8 < x->p[K] && (lanes < 32 || rows * x->batches * lanes < MANY * 256))
            lanes *= 2;
    else
        while (lanes < 64 && 128 / lanes >= rows)
            lanes *= 2;
    return lanes;
}

/* Few groups with long sums are shared by more, so that parts have at least `least` products. */
static void split(struct problem *x, int64_t groups, int64_t least, int64_t step)
{
    const int64_t k = x->p[K];
    int64_t parts = groups < MANY / 2 ? MANY / groups : 1;
    parts = parts < k / least ? parts : k / least;
    x->p[PART] = parts > 1 ? divided(divided(k, parts), step) * step : k;
    x->p[PARTS] = parts > 1 ? divided(k, x->p[PART]) : 1;
}

/* Returns how many groups there are. */
static int64_t lay_out(struct problem *x)
{
    x->p[TILES_N] = 1;
    if (x->vector) {
        x->lanes = choose_lanes(x);
        x->p[TILES_M] = divided(x->p[M], 256 / x->lanes);
        split(x, x->p[TILES_M] * x->batches, x->lanes * 16, x->lanes);
    } else {
        x->tile = choose_tile(x);
        x->p[TILES_M] = divided(x->p[M], x->tile.m);
        x->p[TILES_N] = divided(x->p[N], x->tile.n);
        split(x, tiles(x, x->tile), 128, 32);
    }
    return x->p[TILES_M] * x->p[TILES_N] * x->p[PARTS] * x->batches;
}

/* ---- Kernels ------------------------------------------------------------------------------------------------------------------------------ */

static void define_types(struct gpu_defines *d, const struct problem *x)
{
    const char *whole = x->type == TL_I64 ? "ulong" : "uint";
    gpu_define_index(d, x->small);
    gpu_define(d, "T %s", tl_dtype_name(x->type));
    gpu_define(d, "SUM %s", tl_dtype_is_float(x->type) ? gpu_computing_type(x->type) : whole);
    if (tl_dtype_is_float(x->type) && x->type != TL_F64)
        gpu_define(d, "FOLDED");
}

static tl_status find_kernel(struct gpu *gpu, const struct problem *x, const struct gpu_kernel **kernel)
{
    struct gpu_defines d = {0};
    define_types(&d, x);
    if (x->p[PARTS] > 1)
        gpu_define(&d, "PARTIAL");
    else
        gpu_define(&d, "ADDEND %d", x->addend);
    gpu_define(&d, "A_ALONG_K %d", x->a_along_k);
    if (x->vector) {
        gpu_define(&d, "LANES %d", x->lanes);
        return gpu_kernel(gpu, "matmul", "matmul_vector", d.text, kernel);
    }
    gpu_define(&d, "B_ALONG_K %d", x->b_along_k);
    gpu_define(&d, "BM %d", x->tile.m);
    gpu_define(&d, "BN %d", x->tile.n);
    gpu_define(&d, "BK %d", x->tile.k);
    gpu_define(&d, "TM %d", x->tile.item_m);
    gpu_define(&d, "TN %d", x->tile.item_n);
    return gpu_kernel(gpu, "matmul", "matmul_tiled", d.text, kernel);
}

static tl_status find_finish(struct gpu *gpu, const char *op, const struct problem *x, struct plan *plan)
{
    struct gpu_defines d = {0};
    const int64_t n = x->p[M] * x->p[N] * x->batches;
    int lanes = 1;
    while (lanes < 32 && lanes * 2 <= x->p[PARTS] && n * lanes < MANY * 256)
        lanes *= 2;
    define_types(&d, x);
    gpu_define(&d, "ADDEND %d", x->addend);
    gpu_define(&d, "A_ALONG_K 0");
    gpu_define(&d, "LANES %d", lanes);
    tl_status s = gpu_grid_of(gpu, op, divided(n, 256 / lanes), 256, &plan->finish_grid);
    return s == TL_OK ? gpu_kernel(gpu, "matmul", "matmul_finish", d.text, &plan->finish) : s;
}

static void set_scales(const struct tl_call *call, struct plan *plan)
{
    const struct tl_addmm_attrs *attrs = call->attrs;
    if (!is_addmm(call))
        return;
    if (call->out[0].dtype == TL_F64) {
        plan->alpha.f64 = attrs->alpha;
        plan->beta.f64 = attrs->beta;
    } else {
        plan->alpha.f32 = (float)attrs->alpha;
        plan->beta.f32 = (float)attrs->beta;
    }
}

static tl_status make_plan(struct gpu *gpu, const struct tl_call *call, struct plan *plan, size_t *workspace)
{
    struct problem x = problem_of(call);
    tl_status s = gpu_grid_of(gpu, call->op, lay_out(&x), 256, &plan->grid);
    plan->product = gpu_numbers(x.small, NUMBERS, x.p);
    plan->batches = gpu_index(x.small, x.batches);
    plan->swapped = x.swapped;
    plan->addend = x.addend;
    plan->sum_size = x.type == TL_F64 || x.type == TL_I64 ? 8 : 4;
    set_scales(call, plan);
    if (s == TL_OK)
        s = find_kernel(gpu, &x, &plan->kernel);
    if (s == TL_OK && x.p[PARTS] > 1) {
        *workspace = (size_t)(x.batches * x.p[PARTS] * x.p[M] * x.p[N]) * plan->sum_size;
        s = find_finish(gpu, call->op, &x, plan);
    }
    return s;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    for (int i = 0; i < call->n_in; i++)
        prep->in_layout[i] = TL_LAYOUT_STRIDED;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    tl_status s = make_plan(gpu, call, plan, &prep->workspace);
    if (s == TL_OK)
        prep->plan = plan;
    else
        free(plan);
    return s;
}

/* What addmm's kernels take at the end. Returns how many arguments there are then. */
static int add_addend(const struct plan *plan, const struct tl_call *call, struct gpu_arg *args, int n)
{
    if (plan->addend >= 1)
        args[n++] = (struct gpu_arg){.value = &plan->alpha, .size = plan->sum_size};
    if (plan->addend == 2) {
        args[n++] = (struct gpu_arg){.value = &plan->beta, .size = plan->sum_size};
        args[n++] = GPU_VIEW(&call->in[0]);
    }
    return n;
}

static tl_status run(struct tl_stream *stream, const void *prepared, const struct tl_call *call, struct tl_mem workspace)
{
    const struct plan *plan = prepared;
    if (!plan)
        return TL_OK;
    const struct tl_view *a = &call->in[call->n_in - 2], *b = &call->in[call->n_in - 1], *y = &call->out[0];
    const struct gpu_arg partial = GPU_MEMORY(workspace, plan->sum_size);
    struct gpu_arg args[8] = {GPU_VIEW(plan->swapped ? b : a), GPU_VIEW(plan->swapped ? a : b), plan->finish ? partial : GPU_VIEW(y),
                              GPU_NUMBERS(plan->product)};
    tl_status s = gpu_launch(stream, plan->kernel, call->op, plan->grid, plan->finish ? 4 : add_addend(plan, call, args, 4), args);
    if (s != TL_OK || !plan->finish)
        return s;
    struct gpu_arg finish[8] = {partial, GPU_VIEW(y), GPU_NUMBERS(plan->product), GPU_INDEX(plan->batches)};
    return gpu_launch(stream, plan->finish, call->op, plan->finish_grid, add_addend(plan, call, finish, 4), finish);
}

#define KERNEL(name)                                                                                                                     \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "gpu:matmul",           \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = free};
KERNEL(matmul)
KERNEL(addmm)
