/* SPDX-License-Identifier: Apache-2.0
 *
 * Max pooling and its gradient, channels-last or contiguous, whichever the input is. The forward leaves, for each output, the
 * number of the window's element that was largest, a byte, in y's own order; the gradient sends dy there. Without
 * such a residual the gradient finds the maxima again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu.h"

#define MAKER "cpu:vector"

enum { MAX_WINDOW = 255 };

/* The residual starts with how its bytes are ordered: the gradient may be asked to work in another layout. */
struct residual_header {
    uint32_t layout;
    uint32_t unused[15];
};

struct pool {
    int64_t n, c, h, w, out_h, out_w;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    bool channels_last;
    int64_t pixel[MAX_WINDOW]; /* of the elements of a whole window, from its first, by number */
    uint8_t id[MAX_WINDOW];    /* their numbers */
};

static struct pool pool_of(const struct tl_call *call, const struct tl_view *x, const struct tl_view *y)
{
    const struct tl_pool2d_attrs *a = call->attrs;
    struct pool p = {.n = x->shape[0], .c = x->shape[1], .h = x->shape[2], .w = x->shape[3], .out_h = y->shape[2],
                     .out_w = y->shape[3], .channels_last = x->layout == TL_LAYOUT_CHANNELS_LAST};
    for (int d = 0; d < 2; d++) {
        p.kernel[d] = a->kernel[d];
        p.stride[d] = a->stride[d];
        p.padding[d] = a->padding[d];
        p.dilation[d] = a->dilation[d];
    }
    for (int64_t k = 0; k < p.kernel[0] * p.kernel[1]; k++) {
        p.pixel[k] = k / p.kernel[1] * p.dilation[0] * p.w + k % p.kernel[1] * p.dilation[1];
        p.id[k] = (uint8_t)k;
    }
    return p;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const struct tl_pool2d_attrs *a = call->attrs;
    if (call->in[0].dtype != TL_F32)
        return "only f32";
    if (a->kernel[0] > MAX_WINDOW || a->kernel[1] > MAX_WINDOW || a->kernel[0] * a->kernel[1] > MAX_WINDOW)
        return "a window of more than 255 elements";
    return NULL;
}

/* Where window k (of extent `kernel`) that starts at `start` lies within [0, size): elements [*from, *to). */
static void clip(int64_t start, int64_t kernel, int64_t dilation, int64_t size, int64_t *from, int64_t *to)
{
    int64_t before = start < 0 ? -start : 0, last = size - 1 - start;
    *from = dilation == 1 ? before : (before + dilation - 1) / dilation;
    *to = last < 0 ? 0 : (dilation == 1 ? last : last / dilation) + 1;
    *to = *to < kernel ? *to : kernel;
    *from = *from < *to ? *from : *to;
}

/* The elements of one window: pixels relative to `first`, and their numbers. */
struct window {
    int n;
    int64_t first;
    const int64_t *pixel;
    const uint8_t *id;
    int64_t clipped_pixel[MAX_WINDOW];
    uint8_t clipped_id[MAX_WINDOW];
};

static void set_window(const struct pool *p, int64_t oy, int64_t ox, struct window *w)
{
    int64_t y0 = oy * p->stride[0] - p->padding[0], x0 = ox * p->stride[1] - p->padding[1];
    int64_t y1 = y0 + (p->kernel[0] - 1) * p->dilation[0], x1 = x0 + (p->kernel[1] - 1) * p->dilation[1];
    w->first = y0 * p->w + x0;
    if (y0 >= 0 && x0 >= 0 && y1 < p->h && x1 < p->w) {
        w->n = (int)(p->kernel[0] * p->kernel[1]);
        w->pixel = p->pixel;
        w->id = p->id;
        return;
    }
    int64_t r0, r1, s0, s1;
    clip(y0, p->kernel[0], p->dilation[0], p->h, &r0, &r1);
    clip(x0, p->kernel[1], p->dilation[1], p->w, &s0, &s1);
    w->n = 0;
    for (int64_t r = r0; r < r1; r++)
        for (int64_t s = s0; s < s1; s++) {
            int64_t k = r * p->kernel[1] + s;
            w->clipped_pixel[w->n] = p->pixel[k];
            w->clipped_id[w->n++] = (uint8_t)k;
        }
    w->pixel = w->clipped_pixel;
    w->id = w->clipped_id;
}

/* ---- forward ---- */

static void forward_channels_last(const struct pool *p, const float *x, float *y, uint8_t *where, int64_t begin, int64_t end)
{
    struct window w;
    const float *from[MAX_WINDOW];
    for (int64_t row = begin; row < end; row++) {
        const float *image = x + row / p->out_h * p->h * p->w * p->c;
        int64_t oy = row % p->out_h;
        for (int64_t ox = 0; ox < p->out_w; ox++) {
            int64_t at = (row * p->out_w + ox) * p->c;
            set_window(p, oy, ox, &w);
            for (int k = 0; k < w.n; k++)
                from[k] = image + (w.first + w.pixel[k]) * p->c;
            if (w.n > 0) {
                cpu_vector->pool->max_window(y + at, where ? where + at : NULL, from, w.id, w.n, p->c);
                continue;
            }
            for (int64_t c = 0; c < p->c; c++)
                y[at + c] = -INFINITY;
            if (where)
                memset(where + at, MAX_WINDOW, (size_t)p->c);
        }
    }
}

/* Outputs whose windows do not reach over the sides: [*from, *to). */
static void inside(const struct pool *p, int64_t *from, int64_t *to)
{
    *from = (p->padding[1] + p->stride[1] - 1) / p->stride[1];
    int64_t last = p->w - 1 + p->padding[1] - (p->kernel[1] - 1) * p->dilation[1];
    *to = last < 0 ? 0 : last / p->stride[1] + 1;
    *to = *to < p->out_w ? *to : p->out_w;
    *from = *from < *to ? *from : *to;
}

/* One output at the border. */
static void forward_one(const struct pool *p, const float *plane, int64_t oy, int64_t ox, float *y, uint8_t *where)
{
    struct window w;
    const float *from[MAX_WINDOW];
    set_window(p, oy, ox, &w);
    for (int k = 0; k < w.n; k++)
        from[k] = plane + w.first + w.pixel[k];
    *y = -INFINITY;
    if (where)
        *where = MAX_WINDOW;
    if (w.n > 0)
        cpu_vector->pool->max_strided(y, where, from, w.id, w.n, 1, 1);
}

static void forward_contiguous(const struct pool *p, const float *x, float *y, uint8_t *where, int64_t begin, int64_t end)
{
    const float *from[MAX_WINDOW];
    int64_t left, right;
    inside(p, &left, &right);
    for (int64_t row = begin; row < end; row++) {
        const float *plane = x + row / p->out_h * p->h * p->w;
        float *to = y + row * p->out_w;
        uint8_t *index = where ? where + row * p->out_w : NULL;
        int64_t oy = row % p->out_h, y0 = oy * p->stride[0] - p->padding[0], r0, r1;
        clip(y0, p->kernel[0], p->dilation[0], p->h, &r0, &r1);
        int64_t first = r0 * p->kernel[1], n = (r1 - r0) * p->kernel[1];
        for (int64_t k = 0; k < n; k++)
            from[k] = plane + y0 * p->w + left * p->stride[1] - p->padding[1] + p->pixel[first + k];
        int64_t middle = n > 0 ? right : left;
        if (middle > left)
            cpu_vector->pool->max_strided(to + left, index ? index + left : NULL, from, p->id + first, (int)n, p->stride[1],
                                          middle - left);
        for (int64_t ox = left > 0 ? 0 : middle; ox < p->out_w; ox = ox + 1 == left ? middle : ox + 1)
            forward_one(p, plane, oy, ox, to + ox, index ? index + ox : NULL);
    }
}

/* ---- gradient ---- */

/* Strides of a view's dimensions c and pixel, in a layout. */
struct order {
    int64_t c, pixel;
};

static struct order order_of(uint32_t layout, int64_t channels, int64_t pixels)
{
    return layout == TL_LAYOUT_CHANNELS_LAST ? (struct order){1, channels} : (struct order){pixels, 1};
}

/* Find the maxima of one image's windows again, as the forward does. */
static void recompute(const struct pool *p, const float *x, float *y, uint8_t *where)
{
    if (p->channels_last)
        forward_channels_last(p, x, y, where, 0, p->out_h);
    else
        forward_contiguous(p, x, y, where, 0, p->c * p->out_h);
}

/* dx and dy channels-last, `where` too. */
static void backward_channels_last(const struct pool *p, float *dx, const float *dy, const uint8_t *where)
{
    struct window w;
    float *to[MAX_WINDOW];
    for (int64_t oy = 0; oy < p->out_h; oy++)
        for (int64_t ox = 0; ox < p->out_w; ox++) {
            set_window(p, oy, ox, &w);
            for (int k = 0; k < w.n; k++)
                to[k] = dx + (w.first + w.pixel[k]) * p->c;
            int64_t at = (oy * p->out_w + ox) * p->c;
            cpu_vector->pool->max_window_grad(to, w.id, w.n, dy + at, where + at, p->c);
        }
}

/* Any orders: of dx `in`, of dy `data`, of the residual `index`. */
static void backward_any(const struct pool *p, float *dx, const float *dy, const uint8_t *where, struct order in,
                         struct order data, struct order index)
{
    for (int64_t c = 0; c < p->c; c++)
        for (int64_t oy = 0; oy < p->out_h; oy++) {
            int64_t first = (oy * p->stride[0] - p->padding[0]) * p->w - p->padding[1];
            for (int64_t ox = 0; ox < p->out_w; ox++, first += p->stride[1]) {
                int64_t output = oy * p->out_w + ox;
                int k = where[c * index.c + output * index.pixel];
                if (k != MAX_WINDOW)
                    dx[c * in.c + (first + p->pixel[k]) * in.pixel] += dy[c * data.c + output * data.pixel];
            }
        }
}

struct grad_plan {
    size_t scratch_each; /* bytes of workspace for each thread: maxima found again, and their places */
    int threads;
};

static tl_status prepare_grad(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct grad_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return cpu_host->fail(TL_ERR_NOMEM, "max_pool2d_grad: no memory for a plan");
    const struct tl_view *x = &call->in[0], *y = &call->in[1];
    uint32_t layout = x->layout == TL_LAYOUT_CHANNELS_LAST || call->in[2].layout == TL_LAYOUT_CHANNELS_LAST
                          ? TL_LAYOUT_CHANNELS_LAST
                          : TL_LAYOUT_CONTIGUOUS;
    /* x and y are looked at only when the maxima must be found again. */
    bool own = call->residual->size > 0 && call->residual->maker && strcmp(call->residual->maker, MAKER) == 0;
    prep->in_layout[0] = own ? TL_LAYOUT_STRIDED : layout;
    prep->in_layout[1] = TL_LAYOUT_STRIDED;
    prep->in_layout[2] = layout;
    prep->out_layout[0] = layout;
    plan->threads = cpu_threads(tl_view_numel(x), 16384);
    if (!own) {
        size_t outputs = (size_t)(y->shape[1] * y->shape[2] * y->shape[3]);
        plan->scratch_each = (outputs * 5 + 63) / 64 * 64;
        prep->workspace = plan->scratch_each * (size_t)plan->threads;
    }
    prep->plan = plan;
    return TL_OK;
}

static void backward_image(const struct tl_call *call, const struct pool *p, int64_t image, char *scratch)
{
    int64_t outputs = p->c * p->out_h * p->out_w, inputs = p->c * p->h * p->w;
    float *dx = (float *)cpu_data(&call->out[0]) + image * inputs;
    const float *dy = (const float *)cpu_data(&call->in[2]) + image * outputs;
    uint32_t layout = call->out[0].layout, residual_layout = layout;
    const uint8_t *where;
    if (scratch) {
        uint8_t *found = (uint8_t *)scratch + outputs * 4;
        recompute(p, (const float *)cpu_data(&call->in[0]) + image * inputs, (float *)(void *)scratch, found);
        where = found;
    } else {
        const struct residual_header *header = tl_mem_ptr(call->residual->mem);
        residual_layout = header->layout;
        where = (const uint8_t *)(header + 1) + image * outputs;
    }
    memset(dx, 0, (size_t)inputs * sizeof *dx);
    if (layout == TL_LAYOUT_CHANNELS_LAST && residual_layout == TL_LAYOUT_CHANNELS_LAST)
        backward_channels_last(p, dx, dy, where);
    else
        backward_any(p, dx, dy, where, order_of(layout, p->c, p->h * p->w), order_of(layout, p->c, p->out_h * p->out_w),
                     order_of(residual_layout, p->c, p->out_h * p->out_w));
}

static tl_status run_grad(struct tl_stream *stream, const void *plan_, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream;
    const struct grad_plan *plan = plan_;
    struct pool p = pool_of(call, &call->out[0], &call->in[2]);
    char *scratch = plan->scratch_each ? tl_mem_ptr(workspace) : NULL;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
#pragma omp parallel num_threads(plan->threads) if (plan->threads > 1)
    {
        char *mine = scratch ? scratch + plan->scratch_each * (size_t)omp_get_thread_num() : NULL;
#pragma omp for schedule(static)
        for (int64_t image = 0; image < p.n; image++)
            backward_image(call, &p, image, mine);
    }
    return TL_OK;
}

/* ---- forward's kernel ---- */

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    uint32_t layout = call->in[0].layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    prep->in_layout[0] = prep->out_layout[0] = layout;
    if (call->flags & TL_CALL_WANT_RESIDUAL)
        prep->residual = sizeof(struct residual_header) + (size_t)tl_view_numel(&call->out[0]);
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    struct pool p = pool_of(call, &call->in[0], &call->out[0]);
    const float *x = cpu_data(&call->in[0]);
    float *y = cpu_data(&call->out[0]);
    uint8_t *where = NULL;
    if (call->flags & TL_CALL_WANT_RESIDUAL && call->residual->size) {
        struct residual_header *header = tl_mem_ptr(call->residual->mem);
        header->layout = p.channels_last ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
        where = (uint8_t *)(header + 1);
    }
    int64_t rows = p.n * p.out_h * (p.channels_last ? 1 : p.c);
    int threads = cpu_threads(tl_view_numel(&call->in[0]), 32768);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(rows, 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        if (p.channels_last)
            forward_channels_last(&p, x, y, where, begin, end);
        else
            forward_contiguous(&p, x, y, where, begin, end);
    }
    return TL_OK;
}

static const struct tl_kernel max_pool2d = {
    .struct_size = sizeof(struct tl_kernel), .op = "max_pool2d", .maker = MAKER,
    .refuses = refuses, .prepare = prepare, .run = run,
};

static const struct tl_kernel max_pool2d_grad = {
    .struct_size = sizeof(struct tl_kernel), .op = "max_pool2d_grad", .maker = MAKER,
    .refuses = refuses, .prepare = prepare_grad, .run = run_grad, .release = free,
};

bool cpu_add_max_pool2d(struct cpu_table *table)
{
    return cpu_table_add(table, &max_pool2d) && cpu_table_add(table, &max_pool2d_grad);
}
