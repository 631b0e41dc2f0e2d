/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a convolution's weights, where a loop of our own beats oneDNN's channels-last code: few enough
 * weights to stay in the second-level cache, rows of pixels long enough to fill the registers. For every tap (r, s),
 *
 *     dw[k][c][r][s] = sum over n, i, j of dy[n][i][j][k] x[n][i stride + r - padding][j stride + s - padding][c]
 *
 * is a sum of outer products over rows of pixels. Images are taken in groups of fixed size, each with sums of its own,
 * so that the result does not depend on the number of threads. Everything else is left to the next kernel.
 */
#include <stdlib.h>
#include <string.h>

#include "../cpu.h"

enum {
    SHORTEST_ROW = 8,      /* pixels */
    MOST_WEIGHTS = 65536,  /* 256 KiB of sums */
    MOST_GROUPS = 16,      /* of images */
    GRAIN = 1 << 20        /* multiplications per thread */
};

struct shape {
    int64_t n, c, h, w, k, out_h, out_w, kernel[2], stride[2], padding[2], dilation[2];
    int64_t weights, groups, images; /* images in a group */
    bool with_bias;
};

static struct shape shape_of(const struct tl_call *call)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0], *dy = &call->in[1], *dw = &call->out[0];
    struct shape s = {.n = x->shape[0], .c = x->shape[1], .h = x->shape[2], .w = x->shape[3], .k = dy->shape[1],
                      .out_h = dy->shape[2], .out_w = dy->shape[3]};
    for (int d = 0; d < 2; d++) {
        s.kernel[d] = dw->shape[2 + d];
        s.stride[d] = a->stride[d];
        s.padding[d] = a->padding[d];
        s.dilation[d] = a->dilation[d];
    }
    s.weights = s.k * s.c * s.kernel[0] * s.kernel[1];
    s.images = (s.n + MOST_GROUPS - 1) / MOST_GROUPS;
    s.groups = s.images ? (s.n + s.images - 1) / s.images : 0;
    s.with_bias = call->n_out > 1 && tl_view_present(&call->out[1]);
    return s;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const struct tl_conv2d_attrs *a = call->attrs;
    struct shape s = shape_of(call);
    if (call->in[0].dtype != TL_F32)
        return "only f32";
    if (!cpu_vector->convolutions)
        return "oneDNN is faster on this processor";
    if (a->groups != 1 || s.k % 4 != 0 || s.c % cpu_vector->pair != 0)
        return "channels that do not fill vectors";
    if (s.out_w < SHORTEST_ROW || s.weights > MOST_WEIGHTS || s.groups == 0)
        return "short rows or many weights: oneDNN is faster";
    return NULL;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct shape s = shape_of(call);
    prep->in_layout[0] = prep->in_layout[1] = TL_LAYOUT_CHANNELS_LAST;
    prep->workspace = (size_t)(s.groups * (s.weights + s.k)) * sizeof(float);
    return TL_OK;
}

/* Columns j of the output whose tap at `shift` is inside [0, w): [*from, *to). */
static void inside(const struct shape *s, int64_t shift, int64_t *from, int64_t *to)
{
    *from = shift >= 0 ? 0 : (-shift + s->stride[1] - 1) / s->stride[1];
    int64_t last = s->w - 1 - shift;
    *to = last < 0 ? 0 : last / s->stride[1] + 1;
    *to = *to < s->out_w ? *to : s->out_w;
}

/* One row of dy against all taps. sums: [r][s][k][c]. */
static void add_row(const struct shape *s, float *sums, const float *image, const float *dy, int64_t i)
{
    for (int64_t r = 0; r < s->kernel[0]; r++) {
        int64_t y = i * s->stride[0] + r * s->dilation[0] - s->padding[0];
        if (y < 0 || y >= s->h)
            continue;
        for (int64_t t = 0; t < s->kernel[1]; t++) {
            int64_t from, to, shift = t * s->dilation[1] - s->padding[1];
            inside(s, shift, &from, &to);
            if (from < to)
                cpu_vector->outer_products(sums + (r * s->kernel[1] + t) * s->k * s->c, dy + from * s->k, s->k,
                                           image + (y * s->w + from * s->stride[1] + shift) * s->c, s->stride[1] * s->c, s->c,
                                           to - from);
        }
    }
}

static void add_group(const struct shape *s, float *sums, float *bias, const float *x, const float *dy, int64_t group)
{
    float row_sum[64];
    int64_t end = (group + 1) * s->images < s->n ? (group + 1) * s->images : s->n;
    memset(sums, 0, (size_t)s->weights * sizeof *sums);
    memset(bias, 0, (size_t)s->k * sizeof *bias);
    for (int64_t n = group * s->images; n < end; n++)
        for (int64_t i = 0; i < s->out_h; i++) {
            const float *row = dy + (n * s->out_h + i) * s->out_w * s->k;
            add_row(s, sums, x + n * s->h * s->w * s->c, row, i);
            for (int64_t k = 0; s->with_bias && k < s->k; k += 64) {
                int64_t width = s->k - k < 64 ? s->k - k : 64;
                cpu_vector->reduce->sum_columns(row_sum, row + k, s->out_w, s->k, width);
                for (int64_t c = 0; c < width; c++)
                    bias[k + c] += row_sum[c];
            }
        }
}

/* Add the groups up, in order, and put the taps last: [r][s][k][c] to [k][c][r][s]. */
static void collect(const struct shape *s, const float *sums, float *dw)
{
    int64_t taps = s->kernel[0] * s->kernel[1];
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t i = 0; i < s->k * s->c; i++) {
            float total = 0;
            for (int64_t group = 0; group < s->groups; group++)
                total += sums[group * s->weights + tap * s->k * s->c + i];
            dw[i * taps + tap] = total;
        }
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    struct shape s = shape_of(call);
    float *sums = tl_mem_ptr(workspace), *bias = sums + s.groups * s.weights;
    int threads = cpu_threads(s.n * s.out_h * s.out_w * s.weights, GRAIN);
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t group = 0; group < s.groups; group++)
        add_group(&s, sums + group * s.weights, bias + group * s.k, cpu_data(&call->in[0]), cpu_data(&call->in[1]), group);
    collect(&s, sums, cpu_data(&call->out[0]));
    float *db = s.with_bias ? cpu_data(&call->out[1]) : NULL;
    for (int64_t k = 0; db && k < s.k; k++) {
        db[k] = 0;
        for (int64_t group = 0; group < s.groups; group++)
            db[k] += bias[group * s.k + k];
    }
    return TL_OK;
}

static const struct tl_kernel conv2d_grad_weight = {
    .struct_size = sizeof(struct tl_kernel), .op = "conv2d_grad_weight", .maker = "cpu:vector",
    .refuses = refuses, .prepare = prepare, .run = run,
};

bool cpu_add_conv2d_grad_weight(struct cpu_table *table)
{
    return cpu_table_add(table, &conv2d_grad_weight);
}
