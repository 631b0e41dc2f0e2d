/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions of channels-last pixels by a loop of our own, where it beats oneDNN's: many pixels, few enough weights
 * that rearranging them at every call costs nothing. With stride 1 the gradient of the input is the same computation:
 * dy convolved with the kernel turned by half a circle, its channels exchanged.
 */
#include <string.h>

#include "../cpu.h"

enum {
    FEWEST_OUTPUTS = 6,     /* in a row: the loop's tile */
    FEWEST_CHANNELS = 8,    /* of the input */
    MOST_WEIGHTS = 1 << 17,
    FEWEST_PIXELS = 256,    /* of the output, to pay for rearranging the weights */
    GRAIN = 1 << 20         /* multiplications per thread */
};

/* in [n, h, w, c] convolved to out [n, out_h, out_w, k]. */
struct shape {
    int64_t n, c, h, w, k, out_h, out_w, kernel[2], stride[2], padding[2], dilation[2];
    bool turned; /* the gradient of the input */
};

static struct shape shape_of(const struct tl_call *call, bool turned)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    const struct tl_view *in = &call->in[0], *out = &call->out[0], *w = &call->in[1];
    struct shape s = {.n = in->shape[0], .c = in->shape[1], .h = in->shape[2], .w = in->shape[3], .k = out->shape[1],
                      .out_h = out->shape[2], .out_w = out->shape[3], .turned = turned};
    for (int d = 0; d < 2; d++) {
        s.kernel[d] = w->shape[2 + d];
        s.stride[d] = a->stride[d];
        s.dilation[d] = a->dilation[d];
        s.padding[d] = turned ? (s.kernel[d] - 1) * a->dilation[d] - a->padding[d] : a->padding[d];
    }
    return s;
}

static const char *refuses(const struct tl_call *call, bool turned)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    struct shape s = shape_of(call, turned);
    if (call->in[0].dtype != TL_F32)
        return "only f32";
    if (!cpu_vector->convolutions)
        return "oneDNN is faster on this processor";
    if (a->groups != 1 || s.k % cpu_vector->pair != 0 || s.c < FEWEST_CHANNELS)
        return "channels that do not fill vectors";
    if (turned && (s.stride[0] != 1 || s.stride[1] != 1 || s.padding[0] < 0 || s.padding[1] < 0))
        return "the gradient of a strided convolution";
    int64_t tiled = (s.out_w + FEWEST_OUTPUTS - 1) / FEWEST_OUTPUTS * FEWEST_OUTPUTS;
    if (4 * s.out_w < 3 * tiled)
        return "rows that do not fill tiles";
    if (10 * s.out_h * s.out_w > 11 * s.h * s.w)
        return "mostly padding"; /* which this loop multiplies */
    if (s.kernel[0] * s.kernel[1] == 1 && s.stride[1] > 1)
        return "one tap with a stride: oneDNN is faster";
    if (s.out_w < FEWEST_OUTPUTS || s.kernel[0] > CPU_DIRECT_ROWS || s.kernel[1] > CPU_DIRECT_ROWS ||
        s.k * s.c > MOST_WEIGHTS || s.k * s.c * s.kernel[0] * s.kernel[1] > MOST_WEIGHTS ||
        s.n * s.out_h * s.out_w < FEWEST_PIXELS)
        return "small pictures or many weights: oneDNN is faster";
    return NULL;
}

/* ---- workspace: weights, bias, and for each thread the padded input rows of one output row ---- */

static int64_t padded_row(const struct shape *s)
{
    return (s->w + 2 * s->padding[1]) * s->c;
}

static int64_t weights_of(const struct shape *s)
{
    return s->k * s->c * s->kernel[0] * s->kernel[1];
}

static int threads_of(const struct shape *s)
{
    return cpu_threads(s->n * s->out_h * s->out_w * weights_of(s), GRAIN);
}

static tl_status prepare(const struct tl_call *call, struct tl_prep *prep, bool turned)
{
    struct shape s = shape_of(call, turned);
    prep->in_layout[0] = prep->out_layout[0] = TL_LAYOUT_CHANNELS_LAST;
    int64_t rows = s.padding[1] ? s.kernel[0] * padded_row(&s) * cpu_host->num_threads() : 0;
    prep->workspace = (size_t)(weights_of(&s) + s.k + rows) * sizeof(float);
    return TL_OK;
}

/* [k / pair][r][s][c][pair], from w [k][c][r][s], or turned from w [c][k][r][s]. */
static void pack(const struct shape *s, const float *w, float *to)
{
    int64_t taps = s->kernel[0] * s->kernel[1], pair = cpu_vector->pair;
    for (int64_t block = 0; block < s->k; block += pair)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t c = 0; c < s->c; c++)
                for (int64_t k = block; k < block + pair; k++)
                    *to++ = s->turned ? w[(c * s->k + k) * taps + taps - 1 - tap] : w[(k * s->c + c) * taps + tap];
}

/* ---- rows ---- */

/* Where each row of taps of output row i starts in the input; copied between zeros if there is padding at the sides. */
static void find_rows(const struct shape *s, const float *image, int64_t i, float *padded, const float **rows)
{
    size_t side = (size_t)(s->padding[1] * s->c), width = (size_t)(s->w * s->c);
    for (int64_t r = 0; r < s->kernel[0]; r++) {
        int64_t y = i * s->stride[0] + r * s->dilation[0] - s->padding[0];
        rows[r] = NULL;
        if (y < 0 || y >= s->h)
            continue;
        rows[r] = image + y * s->w * s->c;
        if (side == 0)
            continue;
        float *to = padded + r * padded_row(s);
        memset(to, 0, side * sizeof *to);
        memcpy(to + side, rows[r], width * sizeof *to);
        memset(to + side + width, 0, side * sizeof *to);
        rows[r] = to;
    }
}

static void run_rows(const struct shape *s, const float *in, const float *weights, const float *bias, float *padded, float *out,
                     int64_t begin, int64_t end)
{
    const struct cpu_direct d = {.rows = s->kernel[0], .columns = s->kernel[1], .channels = s->c, .x_step = s->stride[1] * s->c,
                                 .tap_step = s->dilation[1] * s->c, .y_step = s->k, .outputs = s->out_w};
    const float *rows[CPU_DIRECT_ROWS];
    int64_t pair = cpu_vector->pair, block_weights = weights_of(s) / s->k * pair;
    for (int64_t row = begin; row < end; row++) {
        find_rows(s, in + row / s->out_h * s->h * s->w * s->c, row % s->out_h, padded, rows);
        for (int64_t k = 0; k < s->k; k += pair)
            cpu_vector->direct_row(&d, rows, weights + k / pair * block_weights, bias + k, out + row * s->out_w * s->k + k);
    }
}

static tl_status run(const struct tl_call *call, struct tl_mem workspace, bool turned)
{
    struct shape s = shape_of(call, turned);
    float *weights = tl_mem_ptr(workspace), *bias = weights + weights_of(&s), *padded = bias + s.k;
    pack(&s, cpu_data(&call->in[1]), weights);
    if (!turned && call->n_in > 2 && tl_view_present(&call->in[2]))
        memcpy(bias, cpu_data(&call->in[2]), (size_t)s.k * sizeof *bias);
    else
        memset(bias, 0, (size_t)s.k * sizeof *bias);
    int threads = threads_of(&s);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        float *mine = s.padding[1] ? padded + s.kernel[0] * padded_row(&s) * omp_get_thread_num() : NULL;
        cpu_share(s.n * s.out_h, 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        run_rows(&s, cpu_data(&call->in[0]), weights, bias, mine, cpu_data(&call->out[0]), begin, end);
    }
    return TL_OK;
}

CPU_KERNEL(conv2d, false, 0, "cpu:vector")
CPU_KERNEL(conv2d_grad_input, true, 0, "cpu:vector")

bool cpu_add_conv2d_direct(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_conv2d) && cpu_table_add(table, &kernel_conv2d_grad_input);
}
