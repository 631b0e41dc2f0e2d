/* SPDX-License-Identifier: Apache-2.0
 *
 * mse_loss_grad: dx = 2 (x - target) dy, divided by the number of elements if the loss was their mean.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/mse_loss_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(mse_loss_grad)};
KERNEL(mse_loss_grad, 0, call->out[0], table);

#else

static tl_status NAME(mse_loss_grad)(const struct tl_call *call)
{
    const struct tl_loss_attrs *attrs = call->attrs;
    const int64_t n = tl_view_numel(&call->out[0]);
    const bool each = attrs->reduction == TL_NO_REDUCTION;
    const double factor = attrs->reduction == TL_MEAN ? 2 / (double)n : 2;
    const T *dy = input(call, 0), *x = input(call, 1), *target = input(call, 2);
    T *dx = output(call, 0);
    for (int64_t i = 0; i < n; i++)
        dx[i] = (T)(factor * (double)dy[each ? i : 0] * ((double)x[i] - (double)target[i]));
    return TL_OK;
}
#endif
