/* SPDX-License-Identifier: Apache-2.0
 *
 * mse_loss: (x - target)^2, or the sum of it, or the mean.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/mse_loss.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(mse_loss)};
KERNEL(mse_loss, 0, call->in[0], table);

#else

static tl_status NAME(mse_loss)(const struct tl_call *call)
{
    const struct tl_loss_attrs *attrs = call->attrs;
    const int64_t n = tl_view_numel(&call->in[0]);
    const T *x = input(call, 0), *target = input(call, 1);
    T *loss = output(call, 0);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double square = ((double)x[i] - (double)target[i]) * ((double)x[i] - (double)target[i]);
        sum += square;
        if (attrs->reduction == TL_NO_REDUCTION)
            loss[i] = (T)square;
    }
    if (attrs->reduction != TL_NO_REDUCTION)
        *loss = (T)(attrs->reduction == TL_SUM ? sum : sum / (double)n);
    return TL_OK;
}
#endif
