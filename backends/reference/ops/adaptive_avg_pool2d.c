/* SPDX-License-Identifier: Apache-2.0
 *
 * adaptive_avg_pool2d: y = the average of each of H x W windows, which cover x evenly and may overlap.
 */
#ifndef T
#include "adaptive_pool2d.h"

#define TEMPLATE "ops/adaptive_avg_pool2d.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(adaptive_avg_pool2d)};
KERNEL(adaptive_avg_pool2d, 0, call->out[0], table);

#else

static T NAME(average)(const T *x, int64_t width, struct share rows, struct share columns)
{
    double sum = 0;
    for (int64_t row = rows.from; row < rows.to; row++)
        for (int64_t column = columns.from; column < columns.to; column++)
            sum += (double)x[row * width + column];
    return (T)(sum / (double)((rows.to - rows.from) * (columns.to - columns.from)));
}

static tl_status NAME(adaptive_avg_pool2d)(const struct tl_call *call)
{
    const struct tl_view *vx = &call->in[0], *vy = &call->out[0];
    const int64_t planes = vx->shape[0] * vx->shape[1], h = vx->shape[2], w = vx->shape[3], ho = vy->shape[2], wo = vy->shape[3];
    const T *x = input(call, 0);
    T *y = output(call, 0);
    for (int64_t plane = 0; plane < planes; plane++, x += h * w)
        for (int64_t i = 0; i < ho; i++)
            for (int64_t j = 0; j < wo; j++)
                *y++ = NAME(average)(x, w, share_of(i, ho, h), share_of(j, wo, w));
    return TL_OK;
}
#endif
