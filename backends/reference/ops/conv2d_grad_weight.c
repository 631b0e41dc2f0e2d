/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d_grad_weight: dw[k,c,r,s] = sum over n, i, j of dy[n,k,i,j] x[n, c, i stride + r dilation - padding, …], and
 * db[k] = sum over n, i, j of dy[n,k,i,j].
 */
#ifndef T
#include "conv2d.h"

#define TEMPLATE "ops/conv2d_grad_weight.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(conv2d_grad_weight)};
KERNEL(conv2d_grad_weight, 0, call->out[0], table);

#else
#include "../dot.h"

/** dw[k,c,r,s], from planes that begin at x and dy in the first image. */
static double NAME(weight)(const struct conv2d *d, const T *x, const T *dy, int64_t r, int64_t s)
{
    const int64_t top = r * d->dilation[0] - d->padding[0], left = s * d->dilation[1] - d->padding[1];
    const struct span i = span_within((struct span){0, d->ho}, d->stride[0], top, (struct span){0, d->h});
    const struct span j = span_within((struct span){0, d->wo}, d->stride[1], left, (struct span){0, d->w});
    double sum = 0;
    for (int64_t n = 0; n < d->batch; n++, x += d->channels * d->h * d->w, dy += d->filters * d->ho * d->wo)
        for (int64_t row = i.from; row < i.to; row++)
            sum += NAME(dot)(dy + row * d->wo + j.from, 1,
                             x + (row * d->stride[0] + top) * d->w + j.from * d->stride[1] + left, d->stride[1],
                             j.to - j.from);
    return sum;
}

static double NAME(bias)(const struct conv2d *d, const T *dy)
{
    double sum = 0;
    for (int64_t n = 0; n < d->batch; n++, dy += d->filters * d->ho * d->wo)
        for (int64_t i = 0; i < d->ho * d->wo; i++)
            sum += (double)dy[i];
    return sum;
}

static tl_status NAME(conv2d_grad_weight)(const struct tl_call *call)
{
    const struct conv2d d = conv2d_sizes(call->attrs, &call->in[0], &call->out[0], &call->in[1]);
    const T *x = input(call, 0), *dy = input(call, 1);
    T *dw = output(call, 0), *db = output(call, 1);
    for (int64_t k = 0; k < d.filters; k++) {
        const int64_t first_channel = k / d.group_filters * d.group_channels;
        for (int64_t c = 0; c < d.group_channels; c++)
            for (int64_t r = 0; r < d.r; r++)
                for (int64_t s = 0; s < d.s; s++)
                    *dw++ = (T)NAME(weight)(&d, x + (first_channel + c) * d.h * d.w, dy + k * d.ho * d.wo, r, s);
        if (db)
            db[k] = (T)NAME(bias)(&d, dy + k * d.ho * d.wo);
    }
    return TL_OK;
}
#endif
