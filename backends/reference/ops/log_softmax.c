/* SPDX-License-Identifier: Apache-2.0
 *
 * log_softmax: y[i] = x[i] - ln(sum over j of e^x[j]) along a dimension, with the largest x taken off first, so that
 * nothing overflows.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/log_softmax.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(log_softmax)};
KERNEL(log_softmax, 0, call->out[0], table);

#else
#include "../softmax.h"

static void NAME(line)(const T *x, const T *none, T *y, int64_t n, int64_t step)
{
    (void)none;
    double largest, logarithm = log(NAME(exponentials)(x, n, step, &largest));
    for (int64_t i = 0; i < n * step; i += step)
        y[i] = (T)((double)x[i] - largest - logarithm);
}

static tl_status NAME(log_softmax)(const struct tl_call *call)
{
    return NAME(lines)(call, NAME(line));
}
#endif
