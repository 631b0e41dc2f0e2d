/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_grad: dx = y (dy - sum(dy y)) along a dimension, because dy[i]/dx[j] = y[i] ((i = j) - y[j]).
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/softmax_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(softmax_grad)};
KERNEL(softmax_grad, 0, call->out[0], table);

#else
#include "../softmax.h"

static void NAME(line)(const T *dy, const T *y, T *dx, int64_t n, int64_t step)
{
    double sum = 0;
    for (int64_t i = 0; i < n * step; i += step)
        sum += (double)dy[i] * (double)y[i];
    for (int64_t i = 0; i < n * step; i += step)
        dx[i] = (T)((double)y[i] * ((double)dy[i] - sum));
}

static tl_status NAME(softmax_grad)(const struct tl_call *call)
{
    return NAME(lines)(call, NAME(line));
}
#endif
