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

/** One line along the dimension: n elements, `step` apart. */
static void NAME(line)(const T *x, T *y, int64_t n, int64_t step)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((double)x[i * step] > largest)
            largest = (double)x[i * step];
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - largest);
    const double logarithm = log(sum);
    for (int64_t i = 0; i < n; i++)
        y[i * step] = (T)((double)x[i * step] - largest - logarithm);
}

static tl_status NAME(log_softmax)(const struct tl_call *call)
{
    const struct tl_along_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->out[0], attrs->dim);
    for (int64_t outer = 0; outer < a.outer; outer++) {
        for (int64_t inner = 0; inner < a.inner; inner++) {
            const int64_t first = outer * a.n * a.inner + inner;
            NAME(line)((const T *)input(call, 0) + first, (T *)output(call, 0) + first, a.n, a.inner);
        }
    }
    return TL_OK;
}
#endif
