/* SPDX-License-Identifier: Apache-2.0
 *
 * nll_loss_grad: dx is -weight[label] dy at the label's class, divided by the total weight if the loss was a mean; 0 elsewhere,
 * and for a label that is to be ignored.
 */
#ifndef T
#include "nll_loss.h"

#define TEMPLATE "ops/nll_loss_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(nll_loss_grad)};
KERNEL(nll_loss_grad, 0, call->out[0], table);

#else

static tl_status NAME(nll_loss_grad)(const struct tl_call *call)
{
    const struct tl_nll_attrs *attrs = call->attrs;
    const struct labels l = nll_labels(attrs, &call->out[0], input(call, 1));
    const T *dy = input(call, 0), *weight = input(call, 2), *total_weight = input(call, 3);
    const bool each = attrs->reduction == TL_NO_REDUCTION;
    const double divisor = attrs->reduction == TL_MEAN ? (double)*total_weight : 1;
    T *dx = output(call, 0);
    tl_status status = nll_check(call, &l);
    if (status != TL_OK)
        return status;
    for (int64_t i = 0; i < l.n * l.classes * l.d; i++)
        dx[i] = 0;
    for (int64_t i = 0; i < l.n; i++) {
        for (int64_t j = 0; j < l.d; j++) {
            const int64_t label = l.label[i * l.d + j];
            if (label != l.ignored)
                dx[(i * l.classes + label) * l.d + j] =
                    (T)(-(weight ? (double)weight[label] : 1) * (double)dy[each ? i * l.d + j : 0] / divisor);
        }
    }
    return TL_OK;
}
#endif
