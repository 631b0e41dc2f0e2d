/* SPDX-License-Identifier: Apache-2.0
 *
 * 3 x 3 convolutions with stride 1 by Winograd's minimal filtering: a quarter of the products, for transforms of inputs and outputs that cost
 * a little. The gradient of the input is the same computation: dy convolved with the kernel turned by half a circle, its channels exchanged.
 * Weights come transformed, in a private layout that the core keeps with them until they change. Where there are many tiles, each thread has
 * blocks of its own; where there are few, all threads share the only block, and its transformed weights are read once.
 *
 * Its error is a few times that of the direct sum's, within the bounds of the conformance suite; strict mode does without.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../layouts.h"

enum {
    TILE = 4, PLACES = 36,
    FEWEST_CHANNELS = 32,
    FEWEST_TILES = 8,
    LEAST_BLOCK = 12, MOST_BLOCK = 96, /* tiles */
    BLOCK_BYTES = 2 << 20,             /* of transformed inputs and sums */
    FEWEST_PIXELS_TRAINING = 512,      /* of all outputs: weights that change at each step are transformed at each step */
    FEWEST_PRODUCTS = 1 << 20
};

/* in [n, h, w, c] convolved to out [n, out_h, out_w, k]. */
struct shape {
    int64_t n, c, h, w, k, out_h, out_w, padding[2];
    int64_t across, down, tiles, k_padded, block;
    int threads; /* with blocks of their own; 1: all share one at a time */
    bool turned;
};

static struct shape shape_of(const struct tl_call *call, bool turned)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    const struct tl_view *in = &call->in[0], *out = &call->out[0];
    struct shape s = {.n = in->shape[0], .c = in->shape[1], .h = in->shape[2], .w = in->shape[3], .k = out->shape[1],
                      .out_h = out->shape[2], .out_w = out->shape[3], .turned = turned};
    for (int d = 0; d < 2; d++)
        s.padding[d] = turned ? 2 - a->padding[d] : a->padding[d];
    s.across = (s.out_w + TILE - 1) / TILE;
    s.down = (s.out_h + TILE - 1) / TILE;
    s.tiles = s.n * s.across * s.down;
    s.k_padded = (s.k + cpu_vector->pair - 1) / cpu_vector->pair * cpu_vector->pair;
    s.threads = cpu_threads(s.tiles * s.c * s.k, FEWEST_PRODUCTS / PLACES);
    s.block = BLOCK_BYTES / (PLACES * (s.c + s.k_padded) * (int64_t)sizeof(float));
    s.block = s.block < LEAST_BLOCK ? LEAST_BLOCK : s.block > MOST_BLOCK ? MOST_BLOCK : s.block;
    if (s.tiles < 2 * s.threads * s.block) {
        s.block = s.threads * s.block < s.tiles ? s.threads * s.block : s.tiles;
        s.threads = 1;
    }
    return s;
}

/* ---- Epilogues --------------------------------------------------------------------------------------------------------- */

/* The link as one of the loops'; false: they have none such. */
static bool link_of(const struct tl_call *call, const struct tl_epilogue *link, struct cpu_winograd_link *to)
{
    const struct tl_pointwise_attrs *a = link->attrs;
    *to = (struct cpu_winograd_link){.kind = CPU_LINK_CLAMP, .low = 0, .high = INFINITY};
    if (strcmp(link->op, "add") == 0 && link->other >= 0) {
        to->kind = CPU_LINK_ADD;
        to->other = cpu_data(&call->in[link->other]);
        return true;
    }
    if (strcmp(link->op, "relu") == 0)
        return true;
    if (strcmp(link->op, "relu6") == 0) {
        to->high = 6;
        return true;
    }
    if (strcmp(link->op, "clamp") == 0) {
        to->low = (float)a->p;
        to->high = (float)a->q;
        return a->p <= a->q;
    }
    return false;
}

static const char *epilogue_refused(const struct tl_call *call)
{
    struct cpu_winograd_link link;
    const struct tl_view *y = &call->out[0];
    if (call->n_epilogue > CPU_WINOGRAD_LINKS)
        return "a long epilogue";
    for (int i = 0; i < call->n_epilogue; i++) {
        const struct tl_view *other = call->epilogue[i].other >= 0 ? &call->in[call->epilogue[i].other] : NULL;
        if (other && (other->ndim != y->ndim || memcmp(other->shape, y->shape, (size_t)y->ndim * sizeof *y->shape) != 0))
            return "an epilogue that broadcasts";
        struct tl_call without = *call;
        struct tl_view nowhere[1] = {0};
        struct tl_epilogue local = call->epilogue[i];
        without.in = nowhere;
        local.other = local.other >= 0 ? 0 : -1;
        if (!link_of(&without, &local, &link))
            return "an epilogue that its loops do not have";
    }
    return NULL;
}

/* ---- Which calls -------------------------------------------------------------------------------------------------------- */

static const char *refuses(const struct tl_call *call, bool turned)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    const struct tl_view *w = &call->in[1];
    for (int i = 0; i < call->n_in; i++)
        if (tl_view_present(&call->in[i]) && call->in[i].dtype != TL_F32)
            return "only f32";
    if (call->math == TL_MATH_STRICT)
        return "strict mode";
    if (!cpu_winograd_kind(a, w))
        return "not 3 x 3 with stride 1";
    struct shape s = shape_of(call, turned);
    if (s.padding[0] < 0 || s.padding[1] < 0 || s.padding[0] > 2 || s.padding[1] > 2)
        return "padding of more than 2";
    if (s.c < FEWEST_CHANNELS || s.k < FEWEST_CHANNELS)
        return "few channels";
    if (s.tiles < FEWEST_TILES || 2 * s.out_h * s.out_w < s.across * s.down * TILE * TILE)
        return "pictures that do not fill tiles";
    if ((turned || (call->flags & TL_CALL_WANT_RESIDUAL)) && s.n * s.out_h * s.out_w < FEWEST_PIXELS_TRAINING)
        return "few pixels for weights that change";
    return epilogue_refused(call);
}

/* ---- Weights -------------------------------------------------------------------------------------------------------------- */

static int64_t weights_size(int64_t inputs, int64_t outputs)
{
    int64_t pair = cpu_vector->pair;
    return PLACES * ((outputs + pair - 1) / pair * pair) * inputs;
}

size_t cpu_winograd_size(uint32_t layout, const struct tl_view *w)
{
    if (w->ndim != 4 || w->dtype != TL_F32 || w->shape[2] != 3 || w->shape[3] != 3)
        return 0;
    bool turned = layout == CPU_LAYOUT_WINOGRAD_TURNED;
    return (size_t)weights_size(w->shape[!turned], w->shape[turned]) * sizeof(float);
}

/* To [36][outputs / pair][inputs][pair]. */
void cpu_winograd_pack(const struct tl_view *w, uint32_t layout, float *to)
{
    bool turned = layout == CPU_LAYOUT_WINOGRAD_TURNED;
    int64_t pair = cpu_vector->pair, outputs = w->shape[turned], inputs = w->shape[!turned], blocks = (outputs + pair - 1) / pair;
    int64_t plane = blocks * inputs * pair, output = w->stride[turned], input = w->stride[!turned];
    int64_t row = turned ? -w->stride[2] : w->stride[2], column = turned ? -w->stride[3] : w->stride[3];
    const float *from = (const float *)cpu_data(w) + (turned ? 2 * (w->stride[2] + w->stride[3]) : 0);
    int threads = cpu_threads(blocks * inputs, 256);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < blocks * inputs; i++) {
        int64_t block = i / inputs, c = i % inputs;
        cpu_vector->winograd->weights(to + i * pair, plane, from + block * pair * output + c * input, output, row, column, outputs - block * pair);
    }
}

/* ---- The computation -------------------------------------------------------------------------------------------------------- */

/* Of the workspace: bias, transformed inputs, sums. */
static tl_status prepare(const struct tl_call *call, struct tl_prep *prep, bool turned)
{
    struct shape s = shape_of(call, turned);
    prep->in_layout[0] = prep->out_layout[0] = TL_LAYOUT_CHANNELS_LAST;
    prep->in_layout[1] = turned ? CPU_LAYOUT_WINOGRAD_TURNED : CPU_LAYOUT_WINOGRAD;
    for (int i = 0; i < call->n_epilogue; i++)
        if (call->epilogue[i].other >= 0)
            prep->in_layout[call->epilogue[i].other] = TL_LAYOUT_CHANNELS_LAST;
    prep->workspace = (size_t)(s.k_padded + s.threads * PLACES * s.block * (s.c + s.k_padded)) * sizeof(float);
    return TL_OK;
}

struct place {
    int64_t image, y, x; /* of the tile's first output */
};

static struct place place_of(const struct shape *s, int64_t tile)
{
    int64_t within = tile % (s->across * s->down);
    return (struct place){tile / (s->across * s->down), within / s->across * TILE, within % s->across * TILE};
}

static void transform_input(const struct shape *s, const float *x, int64_t tile, float *v, int64_t plane)
{
    struct place p = place_of(s, tile);
    int64_t top = p.y - s->padding[0], left = p.x - s->padding[1];
    const int in[4] = {(int)(top < 0 ? -top : 0), (int)(s->h - top < 6 ? s->h - top : 6), (int)(left < 0 ? -left : 0),
                       (int)(s->w - left < 6 ? s->w - left : 6)};
    /* The tile may begin before the picture. */
    cpu_vector->winograd->input(v, plane, x, ((p.image * s->h + top) * s->w + left) * s->c, s->w * s->c, s->c, in, s->c);
}

static void transform_output(const struct shape *s, float *y, int64_t tile, const float *m, int64_t plane, const float *bias,
                             const struct cpu_winograd_end *end)
{
    struct place p = place_of(s, tile);
    int64_t rows = s->out_h - p.y, columns = s->out_w - p.x;
    cpu_vector->winograd->output(y, ((p.image * s->out_h + p.y) * s->out_w + p.x) * s->k, s->out_w * s->k, s->k, m, plane,
                                 (int)(rows < TILE ? rows : TILE), (int)(columns < TILE ? columns : TILE), bias, end, s->k);
}

/* A call on its way. */
struct work {
    struct shape s;
    const float *x, *u, *bias;
    float *y;
    struct cpu_winograd_end end;
};

static void input_at(const struct work *w, int64_t first, int64_t t, float *v)
{
    transform_input(&w->s, w->x, first + t, v + t * w->s.c, w->s.block * w->s.c);
}

/* Product i of the 36 for each panel of outputs, over n tiles. */
static void product_at(const struct work *w, int64_t i, int64_t n, const float *v, float *m)
{
    const struct shape *s = &w->s;
    int64_t pair = cpu_vector->pair, panels = s->k_padded / pair;
    cpu_vector->winograd->product(m + i / panels * s->block * s->k_padded + i % panels * pair, s->k_padded, v + i / panels * s->block * s->c,
                                  w->u + i * s->c * pair, n, s->c);
}

static void output_at(const struct work *w, int64_t first, int64_t t, const float *m)
{
    transform_output(&w->s, w->y, first + t, m + t * w->s.k_padded, w->s.block * w->s.k_padded, w->bias, &w->end);
}

static void run_shared(const struct work *w, float *v, float *m)
{
    const struct shape *s = &w->s;
    int64_t products = PLACES * s->k_padded / cpu_vector->pair;
    int threads = cpu_threads(s->tiles * s->c * s->k, FEWEST_PRODUCTS / PLACES);
#pragma omp parallel num_threads(threads) if (threads > 1)
    for (int64_t first = 0; first < s->tiles; first += s->block) {
        int64_t n = s->tiles - first < s->block ? s->tiles - first : s->block;
#pragma omp for schedule(static)
        for (int64_t t = 0; t < n; t++)
            input_at(w, first, t, v);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < products; i++)
            product_at(w, i, n, v, m);
#pragma omp for schedule(static)
        for (int64_t t = 0; t < n; t++)
            output_at(w, first, t, m);
    }
}

static void run_apart(const struct work *w, float *buffers)
{
    const struct shape *s = &w->s;
    int64_t products = PLACES * s->k_padded / cpu_vector->pair, blocks = (s->tiles + s->block - 1) / s->block;
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t b = 0; b < blocks; b++) {
        float *v = buffers + omp_get_thread_num() * PLACES * s->block * (s->c + s->k_padded), *m = v + PLACES * s->block * s->c;
        int64_t first = b * s->block, n = s->tiles - first < s->block ? s->tiles - first : s->block;
        for (int64_t t = 0; t < n; t++)
            input_at(w, first, t, v);
        for (int64_t i = 0; i < products; i++)
            product_at(w, i, n, v, m);
        for (int64_t t = 0; t < n; t++)
            output_at(w, first, t, m);
    }
}

static tl_status run(const struct tl_call *call, struct tl_mem workspace, bool turned)
{
    float *bias = tl_mem_ptr(workspace);
    struct work w = {.s = shape_of(call, turned), .x = cpu_data(&call->in[0]), .u = cpu_data(&call->in[1]), .bias = bias,
                     .y = cpu_data(&call->out[0]), .end = {.n = call->n_epilogue}};
    float *buffers = bias + w.s.k_padded;
    for (int i = 0; i < call->n_epilogue; i++)
        link_of(call, &call->epilogue[i], &w.end.link[i]);
    memset(bias, 0, (size_t)w.s.k_padded * sizeof *bias);
    if (!turned && call->n_in > 2 && tl_view_present(&call->in[2]))
        memcpy(bias, cpu_data(&call->in[2]), (size_t)w.s.k * sizeof *bias);
    if (w.s.threads > 1)
        run_apart(&w, buffers);
    else
        run_shared(&w, buffers, buffers + PLACES * w.s.block * w.s.c);
    return TL_OK;
}

CPU_KERNEL(conv2d, false, TL_KERNEL_EPILOGUE, "cpu:winograd")
CPU_KERNEL(conv2d_grad_input, true, 0, "cpu:winograd")

bool cpu_add_conv2d_winograd(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_conv2d) && cpu_table_add(table, &kernel_conv2d_grad_input);
}
