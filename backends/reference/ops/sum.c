/* SPDX-License-Identifier: Apache-2.0
 *
 * sum: y = the sum of x over some dimensions; of nothing, 0.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/sum.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(sum), INTEGERS(sum)};
KERNEL(sum, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT TOTAL
#include "../reduce.h"

static TOTAL NAME(sum_of)(const T *x, const struct reduction *r)
{
    struct walk w = r->reduced;
    SUM sum = 0;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        for (int64_t i = 0; i < w.n; i++)
            sum += (SUM)x[w.at[0] + i * w.step[0]];
    return (TOTAL)sum;
}

static tl_status NAME(sum)(const struct tl_call *call)
{
    return NAME(reduce)(call, NAME(sum_of));
}
#undef OUT
#endif
