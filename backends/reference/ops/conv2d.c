/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d: y[n,k,i,j] = b[k] + sum over c, r, s of x[n, c, i stride + r dilation - padding, …] w[k,c,r,s], where c runs over
 * the channels of k's group and x is zero outside. The inner loops go along rows of x and y.
 */
#ifndef T
#include "conv2d.h"

#define TEMPLATE "ops/conv2d.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(conv2d)};
KERNEL(conv2d, 0, call->out[0], table);

#else

/** Add to `sum` (a tile of y's plane) what one plane of x gives through one filter. */
static void NAME(add_channel)(const struct conv2d *d, double *sum, struct span rows, struct span columns, const T *x,
                              const T *weight)
{
    const int64_t across = columns.to - columns.from;
    for (int64_t r = 0; r < d->r; r++) {
        const int64_t top = r * d->dilation[0] - d->padding[0];
        const struct span i = span_within(rows, d->stride[0], top, (struct span){0, d->h});
        for (int64_t s = 0; s < d->s; s++) {
            const int64_t left = s * d->dilation[1] - d->padding[1];
            const struct span j = span_within(columns, d->stride[1], left, (struct span){0, d->w});
            const double factor = (double)weight[r * d->s + s];
            for (int64_t row = i.from; row < i.to; row++) {
                const T *from = x + (row * d->stride[0] + top) * d->w + j.from * d->stride[1] + left;
                double *to = sum + (row - rows.from) * across + j.from - columns.from;
                for (int64_t column = 0; column < j.to - j.from; column++)
                    to[column] += factor * (double)from[column * d->stride[1]];
            }
        }
    }
}

/** One plane of y: output channel k of one image. */
static void NAME(filter)(const struct conv2d *d, const T *image, const T *w, double bias, int64_t k, T *y)
{
    const int64_t first_channel = k / d->group_filters * d->group_channels;
    double sum[CONV2D_TILE];
    struct span rows, columns;
    for (int64_t row = 0; row < d->ho; row = rows.to) {
        rows.to = d->ho;
        for (int64_t column = 0; column < d->wo; column = columns.to) {
            conv2d_tile(d->ho, d->wo, row, column, &rows, &columns);
            const int64_t across = columns.to - columns.from;
            for (int64_t i = 0; i < (rows.to - rows.from) * across; i++)
                sum[i] = bias;
            for (int64_t c = 0; c < d->group_channels; c++)
                NAME(add_channel)(d, sum, rows, columns, image + (first_channel + c) * d->h * d->w,
                                  w + (k * d->group_channels + c) * d->r * d->s);
            for (int64_t i = rows.from; i < rows.to; i++)
                for (int64_t j = columns.from; j < columns.to; j++)
                    y[i * d->wo + j] = (T)sum[(i - rows.from) * across + j - columns.from];
        }
    }
}

static tl_status NAME(conv2d)(const struct tl_call *call)
{
    const struct conv2d d = conv2d_sizes(call->attrs, &call->in[0], &call->in[1], &call->out[0]);
    const T *x = input(call, 0), *w = input(call, 1), *b = input(call, 2);
    T *y = output(call, 0);
    for (int64_t n = 0; n < d.batch; n++)
        for (int64_t k = 0; k < d.filters; k++)
            NAME(filter)(&d, x + n * d.channels * d.h * d.w, w, b ? (double)b[k] : 0, k,
                         y + (n * d.filters + k) * d.ho * d.wo);
    return TL_OK;
}
#endif
