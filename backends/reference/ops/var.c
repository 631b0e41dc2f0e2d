/* SPDX-License-Identifier: Apache-2.0
 *
 * var: the mean of the squared distances from the mean, in two passes, so that nothing cancels. Divided by n - 1,
 * or by n if biased; NaN where that is not positive.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/var.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(var)};
KERNEL(var, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT T
#include "../reduce.h"

static T NAME(variance_of)(const T *x, const struct reduction *r)
{
    const double divisor = (double)r->count - (r->attrs->biased ? 0 : 1);
    double sum = 0, squares = 0;
    struct walk w = r->reduced;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        for (int64_t i = 0; i < w.n; i++)
            sum += (double)x[w.at[0] + i * w.step[0]];
    const double mean = sum / (double)r->count;
    w = r->reduced;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++) {
            double distance = (double)x[w.at[0] + i * w.step[0]] - mean;
            squares += distance * distance;
        }
    }
    return divisor > 0 ? (T)(squares / divisor) : (T)NAN;
}

static tl_status NAME(var)(const struct tl_call *call)
{
    return NAME(reduce)(call, NAME(variance_of));
}
#undef OUT
#endif
