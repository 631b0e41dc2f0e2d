/* SPDX-License-Identifier: Apache-2.0
 *
 * adaptive_avg_pool2d_grad: each element of dy is shared out evenly in its window; where windows overlap, they add up.
 */
#ifndef T
#include "adaptive_pool2d.h"

#define TEMPLATE "ops/adaptive_avg_pool2d_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(adaptive_avg_pool2d_grad)};
KERNEL(adaptive_avg_pool2d_grad, 0, call->out[0], table);

#else

static void NAME(share_out)(T *dx, int64_t width, struct share rows, struct share columns, double dy)
{
    const double part = dy / (double)((rows.to - rows.from) * (columns.to - columns.from));
    for (int64_t row = rows.from; row < rows.to; row++)
        for (int64_t column = columns.from; column < columns.to; column++)
            dx[row * width + column] = (T)((double)dx[row * width + column] + part);
}

static tl_status NAME(adaptive_avg_pool2d_grad)(const struct tl_call *call)
{
    const struct tl_view *vdx = &call->out[0], *vdy = &call->in[0];
    const int64_t planes = vdx->shape[0] * vdx->shape[1], h = vdx->shape[2], w = vdx->shape[3];
    const int64_t ho = vdy->shape[2], wo = vdy->shape[3];
    const T *dy = input(call, 0);
    T *dx = output(call, 0);
    for (int64_t i = 0; i < planes * h * w; i++)
        dx[i] = 0;
    for (int64_t plane = 0; plane < planes; plane++, dx += h * w)
        for (int64_t i = 0; i < ho; i++)
            for (int64_t j = 0; j < wo; j++)
                NAME(share_out)(dx, w, share_of(i, ho, h), share_of(j, wo, w), (double)*dy++);
    return TL_OK;
}
#endif
