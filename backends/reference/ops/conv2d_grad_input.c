/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d_grad_input: dx[n,c,i',j'] = sum over k, r, s of dy[n,k,i,j] w[k,c,r,s], for the (i, j) whose window has (i', j') under
 * its element (r, s). Each element of dy adds to those of dx that it came from.
 */
#ifndef T
#include "conv2d.h"

#define TEMPLATE "ops/conv2d_grad_input.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(conv2d_grad_input)};
KERNEL(conv2d_grad_input, 0, call->out[0], table);

#else

/** Add to `sum` (a tile of dx's plane) what one plane of dy gives through one filter. */
static void NAME(add_filter)(const struct conv2d *d, double *sum, struct span rows, struct span columns, const T *dy,
                             const T *weight)
{
    const int64_t across = columns.to - columns.from;
    for (int64_t r = 0; r < d->r; r++) {
        const int64_t top = r * d->dilation[0] - d->padding[0];
        const struct span i = span_within((struct span){0, d->ho}, d->stride[0], top, rows);
        for (int64_t s = 0; s < d->s; s++) {
            const int64_t left = s * d->dilation[1] - d->padding[1];
            const struct span j = span_within((struct span){0, d->wo}, d->stride[1], left, columns);
            const double factor = (double)weight[r * d->s + s];
            for (int64_t row = i.from; row < i.to; row++) {
                const T *from = dy + row * d->wo + j.from;
                double *to = sum + (row * d->stride[0] + top - rows.from) * across + j.from * d->stride[1] + left - columns.from;
                for (int64_t column = 0; column < j.to - j.from; column++)
                    to[column * d->stride[1]] += factor * (double)from[column];
            }
        }
    }
}

/** One plane of dx: channel c of one image. `dy` is that image's. */
static void NAME(channel)(const struct conv2d *d, const T *dy, const T *w, int64_t c, T *dx)
{
    const int64_t first_filter = c / d->group_channels * d->group_filters;
    double sum[CONV2D_TILE];
    struct span rows, columns;
    for (int64_t row = 0; row < d->h; row = rows.to) {
        rows.to = d->h;
        for (int64_t column = 0; column < d->w; column = columns.to) {
            conv2d_tile(d->h, d->w, row, column, &rows, &columns);
            const int64_t across = columns.to - columns.from;
            for (int64_t i = 0; i < (rows.to - rows.from) * across; i++)
                sum[i] = 0;
            for (int64_t k = first_filter; k < first_filter + d->group_filters; k++)
                NAME(add_filter)(d, sum, rows, columns, dy + k * d->ho * d->wo,
                                 w + (k * d->group_channels + c % d->group_channels) * d->r * d->s);
            for (int64_t i = rows.from; i < rows.to; i++)
                for (int64_t j = columns.from; j < columns.to; j++)
                    dx[i * d->w + j] = (T)sum[(i - rows.from) * across + j - columns.from];
        }
    }
}

static tl_status NAME(conv2d_grad_input)(const struct tl_call *call)
{
    const struct conv2d d = conv2d_sizes(call->attrs, &call->out[0], &call->in[1], &call->in[0]);
    const T *dy = input(call, 0), *w = input(call, 1);
    T *dx = output(call, 0);
    for (int64_t n = 0; n < d.batch; n++)
        for (int64_t c = 0; c < d.channels; c++)
            NAME(channel)(&d, dy + n * d.filters * d.ho * d.wo, w, c, dx + (n * d.channels + c) * d.h * d.w);
    return TL_OK;
}
#endif
