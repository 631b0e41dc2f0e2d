/* SPDX-License-Identifier: Apache-2.0
 *
 * unfold and fold on planes. For a place (r, s) in the window, a row of windows reads one row of the plane with a fixed stride: with
 * stride 1 a block copy (unfold) or a sum of two arrays (fold), between the columns that lie in the padding.
 */
#include <string.h>

#include "../cpu.h"

enum { GRAIN = 16384 };

struct unfolding {
    int64_t planes, h, w, ho, wo;
    const struct tl_unfold_attrs *attrs;
};

static int64_t windows(const struct tl_unfold_attrs *a, int64_t size, int d)
{
    return (size + 2 * a->padding[d] - a->dilation[d] * (a->kernel[d] - 1) - 1) / a->stride[d] + 1;
}

static struct unfolding unfolding_of(const struct tl_unfold_attrs *a, const struct tl_view *pictures)
{
    const int64_t *shape = pictures->shape;
    return (struct unfolding){shape[0] * shape[1], shape[2], shape[3], windows(a, shape[2], 0), windows(a, shape[3], 1), a};
}

/* Windows [*from, *to) of a dimension have place k inside the plane; the first of them reads element *at. */
static void inside(const struct tl_unfold_attrs *a, int d, int64_t k, int64_t size, int64_t n, int64_t *from, int64_t *to, int64_t *at)
{
    int64_t stride = a->stride[d], start = k * a->dilation[d] - a->padding[d];
    *from = start < 0 ? (-start + stride - 1) / stride : 0;
    *to = start < size ? (size - 1 - start) / stride + 1 : 0;
    *to = *to < n ? *to : n;
    *from = *from < *to ? *from : *to;
    *at = start + *from * stride;
}

static void unfold_place(const struct unfolding *u, const float *plane, float *y, int64_t r, int64_t s)
{
    int64_t i0, i1, row, j0, j1, column, rows = u->attrs->stride[0], step = u->attrs->stride[1];
    inside(u->attrs, 0, r, u->h, u->ho, &i0, &i1, &row);
    inside(u->attrs, 1, s, u->w, u->wo, &j0, &j1, &column);
    memset(y, 0, (size_t)(i0 * u->wo) * sizeof *y);
    memset(y + i1 * u->wo, 0, (size_t)((u->ho - i1) * u->wo) * sizeof *y);
    for (int64_t i = i0; i < i1; i++, row += rows) {
        float *to = y + i * u->wo;
        memset(to, 0, (size_t)j0 * sizeof *to);
        memset(to + j1, 0, (size_t)(u->wo - j1) * sizeof *to);
        if (j0 == j1)
            continue;
        const float *from = plane + row * u->w + column;
        if (step == 1)
            memcpy(to + j0, from, (size_t)(j1 - j0) * sizeof *to);
        else
            for (int64_t j = j0; j < j1; j++, from += step)
                to[j] = *from;
    }
}

static void fold_place(const struct unfolding *u, const float *x, float *plane, int64_t r, int64_t s)
{
    int64_t i0, i1, row, j0, j1, column, rows = u->attrs->stride[0], step = u->attrs->stride[1];
    inside(u->attrs, 0, r, u->h, u->ho, &i0, &i1, &row);
    inside(u->attrs, 1, s, u->w, u->wo, &j0, &j1, &column);
    for (int64_t i = i0; i < i1; i++, row += rows) {
        const float *from = x + i * u->wo;
        float *to = plane + row * u->w;
        for (int64_t j = j0, at = column; j < j1; j++, at += step)
            to[at] += from[j];
    }
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[0].dtype == TL_F32 ? NULL : "only f32";
}

static tl_status run_unfold(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    struct unfolding u = unfolding_of(call->attrs, &call->in[0]);
    const float *x = cpu_data(&call->in[0]);
    float *y = cpu_data(&call->out[0]);
    int64_t places = u.attrs->kernel[0] * u.attrs->kernel[1], tasks = u.planes * places;
    int threads = cpu_threads(tl_view_numel(&call->out[0]), GRAIN);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t task = 0; task < tasks; task++) {
        int64_t place = task % places;
        unfold_place(&u, x + task / places * u.h * u.w, y + task * u.ho * u.wo, place / u.attrs->kernel[1], place % u.attrs->kernel[1]);
    }
    return TL_OK;
}

/* A plane belongs to one thread, which adds the places up in order: the sums do not depend on the number of threads. */
static tl_status run_fold(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    struct unfolding u = unfolding_of(call->attrs, &call->out[0]);
    const float *x = cpu_data(&call->in[0]);
    float *y = cpu_data(&call->out[0]);
    int64_t places = u.attrs->kernel[0] * u.attrs->kernel[1];
    int threads = cpu_threads(tl_view_numel(&call->in[0]), GRAIN);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t plane = 0; plane < u.planes; plane++) {
        float *to = y + plane * u.h * u.w;
        memset(to, 0, (size_t)(u.h * u.w) * sizeof *to);
        for (int64_t place = 0; place < places; place++)
            fold_place(&u, x + (plane * places + place) * u.ho * u.wo, to, place / u.attrs->kernel[1], place % u.attrs->kernel[1]);
    }
    return TL_OK;
}

static const struct tl_kernel kernel_unfold = {
    .struct_size = sizeof(struct tl_kernel), .op = "unfold", .maker = "cpu:vector", .refuses = refuses, .run = run_unfold};
static const struct tl_kernel kernel_fold = {
    .struct_size = sizeof(struct tl_kernel), .op = "fold", .maker = "cpu:vector", .refuses = refuses, .run = run_fold};

bool cpu_add_unfold(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_unfold) && cpu_table_add(table, &kernel_fold);
}
