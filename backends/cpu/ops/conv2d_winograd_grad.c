/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of the weights of 3 x 3 convolutions with stride 1 by Winograd's filtering: a tile of 6 x 6 inputs and the 4 x 4 gradients of its
 * outputs give 3 x 3 gradients of weights with 36 products instead of 144, and the sum over all tiles is taken before they are transformed
 * back. All threads work on one block of tiles at a time; each of the 36 places, and each panel of outputs, is summed by one of them.
 */
#include <string.h>

#include "../cpu.h"

enum {
    TILE = 4, PLACES = 36,
    FEWEST_CHANNELS = 32,
    FEWEST_TILES = 48,
    LEAST_BLOCK = 48, MOST_BLOCK = 192,
    BLOCK_BYTES = 4 << 20,
    MOST_SUMS = 64 << 20,              /* bytes */
    FEWEST_PRODUCTS = 1 << 20,
    ROWS_AT_ONCE = 32                  /* of gradients that are added up in float */
};

struct shape {
    int64_t n, c, h, w, k, out_h, out_w, padding[2];
    int64_t across, down, tiles, k_padded, block;
};

static struct shape shape_of(const struct tl_call *call)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0], *dy = &call->in[1];
    struct shape s = {.n = x->shape[0], .c = x->shape[1], .h = x->shape[2], .w = x->shape[3], .k = dy->shape[1], .out_h = dy->shape[2],
                      .out_w = dy->shape[3], .padding = {a->padding[0], a->padding[1]}};
    s.across = (s.out_w + TILE - 1) / TILE;
    s.down = (s.out_h + TILE - 1) / TILE;
    s.tiles = s.n * s.across * s.down;
    s.k_padded = (s.k + cpu_vector->pair - 1) / cpu_vector->pair * cpu_vector->pair;
    s.block = BLOCK_BYTES / (PLACES * (s.c + s.k_padded) * (int64_t)sizeof(float));
    s.block = s.block < LEAST_BLOCK ? LEAST_BLOCK : s.block > MOST_BLOCK ? MOST_BLOCK : s.block;
    s.block = s.block > s.tiles ? s.tiles : s.block;
    return s;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const struct tl_conv2d_attrs *a = call->attrs;
    const struct tl_view *w = &call->out[0];
    if (call->in[0].dtype != TL_F32)
        return "only f32";
    if (call->math == TL_MATH_STRICT)
        return "strict mode";
    if (!cpu_winograd_kind(a, w))
        return "not 3 x 3 with stride 1";
    struct shape s = shape_of(call);
    if (s.padding[0] > 2 || s.padding[1] > 2)
        return "padding of more than 2";
    if (s.c < FEWEST_CHANNELS || s.k < FEWEST_CHANNELS)
        return "few channels";
    if (s.tiles < FEWEST_TILES || 2 * s.out_h * s.out_w < s.across * s.down * TILE * TILE)
        return "few pictures, or such that do not fill tiles";
    return PLACES * s.c * s.k_padded * (int64_t)sizeof(float) > MOST_SUMS ? "sums that no cache holds" : NULL;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct shape s = shape_of(call);
    prep->in_layout[0] = prep->in_layout[1] = TL_LAYOUT_CHANNELS_LAST;
    prep->workspace = (size_t)(PLACES * (s.block * (s.c + s.k_padded) + s.c * s.k_padded)) * sizeof(float) + (size_t)s.k_padded * sizeof(double);
    return TL_OK;
}

/* Where the parts of the workspace are. */
struct work {
    struct shape s;
    const float *x, *dy;
    float *inputs, *gradients, *sums;
    double *bias;
};

static void transform(const struct work *w, int64_t first, int64_t t)
{
    const struct shape *s = &w->s;
    int64_t tile = first + t, image = tile / (s->across * s->down), within = tile % (s->across * s->down);
    int64_t y = within / s->across * TILE, x = within % s->across * TILE, top = y - s->padding[0], left = x - s->padding[1];
    const int in[4] = {(int)(top < 0 ? -top : 0), (int)(s->h - top < 6 ? s->h - top : 6), (int)(left < 0 ? -left : 0),
                       (int)(s->w - left < 6 ? s->w - left : 6)};
    int64_t rows = s->out_h - y, columns = s->out_w - x;
    cpu_vector->winograd->input(w->inputs + t * s->c, s->block * s->c, w->x, ((image * s->h + top) * s->w + left) * s->c, s->w * s->c, s->c, in,
                                s->c);
    cpu_vector->winograd->gradient(w->gradients + t * s->k_padded, s->block * s->k_padded, w->dy + ((image * s->out_h + y) * s->out_w + x) * s->k,
                                   s->out_w * s->k, s->k, (int)(rows < TILE ? rows : TILE), (int)(columns < TILE ? columns : TILE), s->k);
}

/* Product i of the 36 for each panel of outputs. */
static void add_products(const struct work *w, int64_t i, int64_t n, bool first)
{
    const struct shape *s = &w->s;
    int64_t pair = cpu_vector->pair, panels = s->k_padded / pair, place = i / panels, panel = i % panels * pair;
    cpu_vector->winograd->outer(w->sums + place * s->c * s->k_padded + panel, s->k_padded, w->inputs + place * s->block * s->c, s->c,
                                w->gradients + place * s->block * s->k_padded + panel, s->k_padded, n, first);
}

static void sum_bias(const struct work *w, float *db, float *part)
{
    const struct shape *s = &w->s;
    int64_t rows = s->n * s->out_h * s->out_w;
    memset(w->bias, 0, (size_t)s->k * sizeof *w->bias);
    for (int64_t row = 0; row < rows; row += ROWS_AT_ONCE) {
        memset(part, 0, (size_t)s->k * sizeof *part);
        cpu_vector->reduce->sum_columns(part, w->dy + row * s->k, rows - row < ROWS_AT_ONCE ? rows - row : ROWS_AT_ONCE, s->k, s->k);
        for (int64_t k = 0; k < s->k; k++)
            w->bias[k] += (double)part[k];
    }
    for (int64_t k = 0; k < s->k; k++)
        db[k] = (float)w->bias[k];
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    struct work w = {.s = shape_of(call), .x = cpu_data(&call->in[0]), .dy = cpu_data(&call->in[1])};
    const struct shape *s = &w.s;
    w.bias = tl_mem_ptr(workspace);
    w.inputs = (float *)(w.bias + s->k_padded);
    w.gradients = w.inputs + PLACES * s->block * s->c;
    w.sums = w.gradients + PLACES * s->block * s->k_padded;
    float *dw = cpu_data(&call->out[0]);
    int64_t products = PLACES * s->k_padded / cpu_vector->pair;
    int threads = cpu_threads(s->tiles * s->c * s->k, FEWEST_PRODUCTS / PLACES);
    if (call->n_out > 1 && tl_view_present(&call->out[1]))
        sum_bias(&w, cpu_data(&call->out[1]), w.inputs);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        for (int64_t first = 0; first < s->tiles; first += s->block) {
            int64_t n = s->tiles - first < s->block ? s->tiles - first : s->block;
#pragma omp for schedule(static)
            for (int64_t t = 0; t < n; t++)
                transform(&w, first, t);
#pragma omp for schedule(static)
            for (int64_t i = 0; i < products; i++)
                add_products(&w, i, n, first == 0);
        }
#pragma omp for schedule(static)
        for (int64_t c = 0; c < s->c; c++)
            cpu_vector->winograd->kernel(dw + c * 9, s->c * 9, w.sums + c * s->k_padded, s->c * s->k_padded, s->k);
    }
    return TL_OK;
}

static const struct tl_kernel kernel_conv2d_grad_weight = {
    .struct_size = sizeof(struct tl_kernel), .op = "conv2d_grad_weight", .maker = "cpu:winograd", .refuses = refuses, .prepare = prepare, .run = run,
};

bool cpu_add_conv2d_winograd_grad(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_conv2d_grad_weight);
}
