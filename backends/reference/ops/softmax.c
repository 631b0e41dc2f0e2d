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

/** One line along the dimension: n elements, `step` apart. */
static void NAME(line)(const T *x, T *y, int64_t n, int64_t step)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((double)x[i * step] > largest)
            largest = (double)x[i * step];
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - largest);
    for (int64_t i = 0; i < n; i++)
        y[i * step] = (T)(exp((double)x[i * step] - largest) / sum);
}

static tl_status NAME(softmax)(const struct tl_call *call)
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
