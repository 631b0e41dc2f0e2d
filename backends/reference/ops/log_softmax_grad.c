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
#include "../softmax.h"

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
    return NAME(lines)(call, NAME(line));
}
#endif
