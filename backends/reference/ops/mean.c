/* SPDX-License-Identifier: Apache-2.0
 *
 * mean: y = the sum of x over some dimensions, divided by the number of elements; of nothing, NaN.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/mean.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(mean)};
KERNEL(mean, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT T
#include "../reduce.h"

static T NAME(mean_of)(const T *x, const struct reduction *r)
{
    struct walk w = r->reduced;
    double sum = 0;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        for (int64_t i = 0; i < w.n; i++)
            sum += (double)x[w.at[0] + i * w.step[0]];
    return (T)(sum / (double)r->count);
}

static tl_status NAME(mean)(const struct tl_call *call)
{
    return NAME(reduce)(call, NAME(mean_of));
}
#undef OUT
#endif
