/* SPDX-License-Identifier: Apache-2.0
 *
 * avg_pool2d_grad: each element of dy is shared out among the elements of its window.
 */
#ifndef T
#include "pool2d.h"

#define TEMPLATE "ops/avg_pool2d_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(avg_pool2d_grad)};
KERNEL(avg_pool2d_grad, 0, call->out[0], table);

#else

static tl_status NAME(avg_pool2d_grad)(const struct tl_call *call)
{
    const struct pool2d d = pool2d_sizes(call->attrs, &call->out[0], &call->in[0]);
    const T *dy = input(call, 0);
    T *dx = output(call, 0);
    for (int64_t i = 0; i < d.planes * d.h * d.w; i++)
        dx[i] = 0;
    for (int64_t plane = 0; plane < d.planes; plane++, dx += d.h * d.w) {
        for (int64_t i = 0; i < d.ho; i++) {
            for (int64_t j = 0; j < d.wo; j++, dy++) {
                const struct window rows = window_row(&d, i, 1), columns = window_column(&d, j, 1);
                const double share = (double)*dy / window_divisor(&d, rows, columns);
                for (int64_t row = rows.from; row < rows.to; row++)
                    for (int64_t column = columns.from; column < columns.to; column++)
                        dx[row * d.w + column] = (T)((double)dx[row * d.w + column] + share);
            }
        }
    }
    return TL_OK;
}
#endif
