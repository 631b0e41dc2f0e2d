/* SPDX-License-Identifier: Apache-2.0
 *
 * Average pooling with windows of fixed or adaptive size, and the gradients, channels-last or contiguous, whichever the
 * input is. A window's sum runs over whole rows of channels, or over elements of a plane.
 */
#include <stdlib.h>
#include <string.h>

#include "../cpu.h"

enum { GRAIN = 16384 };

/* Both kinds of pooling, in one dimension: where window i begins and ends in the input, and what it counts. */
struct axis {
    bool adaptive, count_padding;
    int64_t size, outputs, kernel, stride, padding;
};

struct pool {
    int64_t n, c;
    struct axis rows, columns;
    int64_t divisor; /* 0: the window's size */
    bool channels_last;
};

/* Elements [*from, *to) of the input; returns how many count along this axis. */
static int64_t window(const struct axis *a, int64_t i, int64_t *from, int64_t *to)
{
    if (a->adaptive) {
        *from = i * a->size / a->outputs;
        *to = ((i + 1) * a->size + a->outputs - 1) / a->outputs;
        return *to - *from;
    }
    int64_t start = i * a->stride - a->padding, end = start + a->kernel;
    end = end < a->size + a->padding ? end : a->size + a->padding;
    *from = start > 0 ? start : 0;
    *to = end < a->size ? end : a->size;
    if (*to < *from)
        *to = *from;
    return a->count_padding ? end - start : *to - *from;
}

static struct pool pool_of(const struct tl_call *call, const struct tl_view *x, const struct tl_view *y, bool adaptive)
{
    struct pool p = {.n = x->shape[0], .c = x->shape[1], .channels_last = x->layout == TL_LAYOUT_CHANNELS_LAST};
    struct axis *axes[2] = {&p.rows, &p.columns};
    const struct tl_pool2d_attrs *a = adaptive ? NULL : call->attrs;
    for (int d = 0; d < 2; d++) {
        *axes[d] = (struct axis){.adaptive = adaptive, .size = x->shape[2 + d], .outputs = y->shape[2 + d]};
        if (a) {
            axes[d]->kernel = a->kernel[d];
            axes[d]->stride = a->stride[d];
            axes[d]->padding = a->padding[d];
            axes[d]->count_padding = !a->exclude_pad;
        }
    }
    p.divisor = a ? a->divisor : 0;
    return p;
}

/* The window of output (i, j): its elements, and by what to multiply their sum. */
struct region {
    int64_t r0, r1, s0, s1;
    float scale;
};

static struct region region_of(const struct pool *p, int64_t i, int64_t j)
{
    struct region w;
    int64_t count = window(&p->rows, i, &w.r0, &w.r1);
    count *= window(&p->columns, j, &w.s0, &w.s1);
    bool empty = w.r0 >= w.r1 || w.s0 >= w.s1;
    w.scale = empty ? 0.0f : 1.0f / (float)(p->divisor ? p->divisor : count);
    return w;
}

/* ---- forward: output rows [begin, end) of all images (channels-last) or planes ---- */

static void forward_channels_last(const struct pool *p, const float *x, float *y, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row++) {
        const float *image = x + row / p->rows.outputs * p->rows.size * p->columns.size * p->c;
        for (int64_t j = 0; j < p->columns.outputs; j++) {
            struct region w = region_of(p, row % p->rows.outputs, j);
            float *to = y + (row * p->columns.outputs + j) * p->c;
            memset(to, 0, (size_t)p->c * sizeof *to);
            for (int64_t r = w.r0; r < w.r1; r++)
                for (int64_t s = w.s0; s < w.s1; s++) {
                    const float *from = image + (r * p->columns.size + s) * p->c;
                    for (int64_t c = 0; c < p->c; c++)
                        to[c] += from[c];
                }
            for (int64_t c = 0; c < p->c; c++)
                to[c] *= w.scale;
        }
    }
}

static void forward_contiguous(const struct pool *p, const float *x, float *y, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row++) {
        const float *plane = x + row / p->rows.outputs * p->rows.size * p->columns.size;
        for (int64_t j = 0; j < p->columns.outputs; j++) {
            struct region w = region_of(p, row % p->rows.outputs, j);
            float sum = 0;
            for (int64_t r = w.r0; r < w.r1; r++) {
                float along = 0;
                for (int64_t s = w.s0; s < w.s1; s++)
                    along += plane[r * p->columns.size + s];
                sum += along;
            }
            y[row * p->columns.outputs + j] = sum * w.scale;
        }
    }
}

/* ---- gradient: whole images (channels-last) or planes ---- */

static void backward_channels_last(const struct pool *p, const float *dy, float *dx)
{
    for (int64_t i = 0; i < p->rows.outputs; i++)
        for (int64_t j = 0; j < p->columns.outputs; j++, dy += p->c) {
            struct region w = region_of(p, i, j);
            for (int64_t r = w.r0; r < w.r1; r++)
                for (int64_t s = w.s0; s < w.s1; s++) {
                    float *to = dx + (r * p->columns.size + s) * p->c;
                    for (int64_t c = 0; c < p->c; c++)
                        to[c] += dy[c] * w.scale;
                }
        }
}

static void backward_contiguous(const struct pool *p, const float *dy, float *dx)
{
    for (int64_t i = 0; i < p->rows.outputs; i++)
        for (int64_t j = 0; j < p->columns.outputs; j++) {
            struct region w = region_of(p, i, j);
            float share = *dy++ * w.scale;
            for (int64_t r = w.r0; r < w.r1; r++)
                for (int64_t s = w.s0; s < w.s1; s++)
                    dx[r * p->columns.size + s] += share;
        }
}

/* ---- kernels ---- */

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[0].dtype == TL_F32 ? NULL : "only f32";
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    uint32_t layout = call->in[0].layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    prep->in_layout[0] = prep->out_layout[0] = layout;
    return TL_OK;
}

static tl_status forward(const struct tl_call *call, bool adaptive)
{
    struct pool p = pool_of(call, &call->in[0], &call->out[0], adaptive);
    int64_t rows = p.n * p.rows.outputs * (p.channels_last ? 1 : p.c);
    int threads = cpu_threads(tl_view_numel(&call->in[0]), GRAIN);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(rows, 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        if (p.channels_last)
            forward_channels_last(&p, cpu_data(&call->in[0]), cpu_data(&call->out[0]), begin, end);
        else
            forward_contiguous(&p, cpu_data(&call->in[0]), cpu_data(&call->out[0]), begin, end);
    }
    return TL_OK;
}

static tl_status backward(const struct tl_call *call, bool adaptive)
{
    const struct tl_view *dx = &call->out[0], *dy = &call->in[0];
    struct pool p = pool_of(call, dx, dy, adaptive);
    int64_t tasks = p.n * (p.channels_last ? 1 : p.c), channels = p.channels_last ? p.c : 1;
    int64_t inputs = p.rows.size * p.columns.size * channels, outputs = p.rows.outputs * p.columns.outputs * channels;
    int threads = cpu_threads(tl_view_numel(dx), GRAIN);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t task = 0; task < tasks; task++) {
        float *to = (float *)cpu_data(dx) + task * inputs;
        const float *from = (const float *)cpu_data(dy) + task * outputs;
        memset(to, 0, (size_t)inputs * sizeof *to);
        if (p.channels_last)
            backward_channels_last(&p, from, to);
        else
            backward_contiguous(&p, from, to);
    }
    return TL_OK;
}

#define KERNEL(op_, ...)                                                                                         \
    static tl_status run_##op_(struct tl_stream *stream, const void *plan, const struct tl_call *call,           \
                               struct tl_mem workspace)                                                          \
    {                                                                                                            \
        (void)stream, (void)plan, (void)workspace;                                                               \
        return tl_view_numel(&call->out[0]) == 0 ? TL_OK : __VA_ARGS__;                                          \
    }                                                                                                            \
    static const struct tl_kernel kernel_##op_ = {                                                               \
        .struct_size = sizeof(struct tl_kernel), .op = #op_, .maker = "cpu:vector", .refuses = refuses,          \
        .prepare = prepare, .run = run_##op_,                                                                    \
    };

KERNEL(avg_pool2d, forward(call, false))
KERNEL(avg_pool2d_grad, backward(call, false))
KERNEL(adaptive_avg_pool2d, forward(call, true))
KERNEL(adaptive_avg_pool2d_grad, backward(call, true))

bool cpu_add_avg_pool2d(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_avg_pool2d) && cpu_table_add(table, &kernel_avg_pool2d_grad) &&
           cpu_table_add(table, &kernel_adaptive_avg_pool2d) && cpu_table_add(table, &kernel_adaptive_avg_pool2d_grad);
}
