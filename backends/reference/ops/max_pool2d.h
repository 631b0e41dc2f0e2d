/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the largest element of a window is: an index into the plane, the first of equals; a NaN is the largest of all, and the
 * last of them wins, as in PyTorch; NOWHERE if all of the window is padding. Included by the template part of max_pool2d.c,
 * max_pool2d_grad.c and max_pool2d_pick.c.
 */
#include "pool2d.h"

#ifndef REFERENCE_MAX_POOL2D_H
#define REFERENCE_MAX_POOL2D_H
enum { NOWHERE = -1 };
#endif

static inline int32_t NAME(where_largest)(const struct pool2d *d, const T *x, int64_t i, int64_t j)
{
    const struct window rows = window_row(d, i, d->attrs->dilation[0]), columns = window_column(d, j, d->attrs->dilation[1]);
    int64_t where = NOWHERE;
    for (int64_t row = rows.from; row < rows.to; row += rows.step) {
        for (int64_t column = columns.from; column < columns.to; column += columns.step) {
            const int64_t here = row * d->w + column;
            if (where == NOWHERE || x[here] > x[where] || x[here] != x[here])
                where = here;
        }
    }
    return (int32_t)where;
}
