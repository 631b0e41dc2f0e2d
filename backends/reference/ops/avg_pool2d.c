/* SPDX-License-Identifier: Apache-2.0
 *
 * avg_pool2d: y = the sum of each window, divided by the number of its elements; see window_divisor().
 */
#ifndef T
#include "pool2d.h"

#define TEMPLATE "ops/avg_pool2d.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(avg_pool2d)};
KERNEL(avg_pool2d, 0, call->out[0], table);

#else

static T NAME(average)(const struct pool2d *d, const T *x, int64_t i, int64_t j)
{
    const struct window rows = window_row(d, i, 1), columns = window_column(d, j, 1);
    double sum = 0;
    if (rows.from >= rows.to || columns.from >= columns.to)
        return 0; /* nothing but padding */
    for (int64_t row = rows.from; row < rows.to; row++)
        for (int64_t column = columns.from; column < columns.to; column++)
            sum += (double)x[row * d->w + column];
    return (T)(sum / window_divisor(d, rows, columns));
}

static tl_status NAME(avg_pool2d)(const struct tl_call *call)
{
    const struct pool2d d = pool2d_sizes(call->attrs, &call->in[0], &call->out[0]);
    const T *x = input(call, 0);
    T *y = output(call, 0);
    for (int64_t plane = 0; plane < d.planes; plane++, x += d.h * d.w)
        for (int64_t i = 0; i < d.ho; i++)
            for (int64_t j = 0; j < d.wo; j++)
                *y++ = NAME(average)(&d, x, i, j);
    return TL_OK;
}
#endif
