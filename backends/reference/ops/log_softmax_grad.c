/* SPDX-License-Identifier: Apache-2.0
 *
 * log_softmax_grad: dx = dy - e^y sum(dy) along a dimension, because e^y is the softmax.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/log_softmax_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(log_softmax_grad)};
KERNEL(log_softmax_grad, 0, call->out[0], table);

#else

/** One line along the dimension: n elements, `step` apart. */
static void NAME(line)(const T *dy, const T *y, T *dx, int64_t n, int64_t step)
{
    double sum = 0;
    for (int64_t i = 0; i < n * step; i += step)
        sum += (double)dy[i];
    for (int64_t i = 0; i < n * step; i += step)
        dx[i] = (T)((double)dy[i] - exp((double)y[i]) * sum);
}

static tl_status NAME(log_softmax_grad)(const struct tl_call *call)
{
    const struct tl_along_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->out[0], attrs->dim);
    for (int64_t outer = 0; outer < a.outer; outer++) {
        for (int64_t inner = 0; inner < a.inner; inner++) {
            const int64_t first = outer * a.n * a.inner + inner;
            NAME(line)((const T *)input(call, 0) + first, (const T *)input(call, 1) + first, (T *)output(call, 0) + first,
                       a.n, a.inner);
        }
    }
    return TL_OK;
}
#endif
