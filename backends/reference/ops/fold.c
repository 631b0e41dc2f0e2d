/* SPDX-License-Identifier: Apache-2.0
 *
 * fold: each element of a plane is the sum, over the places (r, s) in a window, of the window that has it there, if one has.
 */
#ifndef T
#include "unfold.h"

#define TEMPLATE "ops/fold.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(fold)};
KERNEL(fold, 0, call->out[0], table);

#else

static T NAME(sum_at)(const struct unfolding *u, const T *x, int64_t row, int64_t column)
{
    const struct tl_unfold_attrs *a = u->attrs;
    double sum = 0;
    for (int64_t r = 0; r < a->kernel[0]; r++)
        for (int64_t s = 0; s < a->kernel[1]; s++) {
            const int64_t i = window_with(a, 0, row, r, u->ho), j = window_with(a, 1, column, s, u->wo);
            if (i >= 0 && j >= 0)
                sum += (double)x[((r * a->kernel[1] + s) * u->ho + i) * u->wo + j];
        }
    return (T)sum;
}

static tl_status NAME(fold)(const struct tl_call *call)
{
    const struct unfolding u = unfolding_of(call->attrs, &call->out[0]);
    const T *x = input(call, 0);
    T *y = output(call, 0);
    const int64_t columns = u.attrs->kernel[0] * u.attrs->kernel[1] * u.ho * u.wo;
    for (int64_t plane = 0; plane < u.planes; plane++, x += columns)
        for (int64_t row = 0; row < u.h; row++)
            for (int64_t column = 0; column < u.w; column++)
                *y++ = NAME(sum_at)(&u, x, row, column);
    return TL_OK;
}
#endif
