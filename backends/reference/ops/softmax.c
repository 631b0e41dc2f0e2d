/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax: y[i] = e^x[i] / sum over j of e^x[j] along a dimension. The largest x is taken off first: the quotient stays the
 * same, and nothing overflows.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/softmax.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(softmax)};
KERNEL(softmax, 0, call->out[0], table);

#else
#include "../softmax.h"

static void NAME(line)(const T *x, const T *none, T *y, int64_t n, int64_t step)
{
    (void)none;
    double largest, sum = NAME(exponentials)(x, n, step, &largest);
    for (int64_t i = 0; i < n * step; i += step)
        y[i] = (T)(exp((double)x[i] - largest) / sum);
}

static tl_status NAME(softmax)(const struct tl_call *call)
{
    return NAME(lines)(call, NAME(line));
}
#endif
