/* SPDX-License-Identifier: Apache-2.0
 *
 * nll_loss: for each label, -weight[label] x[label], where x holds logarithms of probabilities; 0 for a label that is to be
 * ignored. Then nothing, the sum, or the sum divided by the total weight of the labels.
 */
#ifndef T
#include "nll_loss.h"

#define TEMPLATE "ops/nll_loss.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(nll_loss)};
KERNEL(nll_loss, 0, call->in[0], table);

#else

static tl_status NAME(nll_loss)(const struct tl_call *call)
{
    const struct tl_nll_attrs *attrs = call->attrs;
    const struct labels l = nll_labels(attrs, &call->in[0], input(call, 1));
    const T *x = input(call, 0), *weight = input(call, 2);
    T *loss = output(call, 0), *total_weight = output(call, 1);
    double sum = 0, total = 0;
    tl_status status = nll_check(call, &l);
    if (status != TL_OK)
        return status;
    for (int64_t i = 0; i < l.n; i++) {
        for (int64_t j = 0; j < l.d; j++) {
            const int64_t label = l.label[i * l.d + j];
            double value = 0;
            if (label != l.ignored) {
                const double factor = weight ? (double)weight[label] : 1;
                value = -factor * (double)x[(i * l.classes + label) * l.d + j];
                total += factor;
            }
            sum += value;
            if (attrs->reduction == TL_NO_REDUCTION)
                loss[i * l.d + j] = (T)value;
        }
    }
    if (attrs->reduction == TL_SUM)
        *loss = (T)sum;
    else if (attrs->reduction != TL_NO_REDUCTION)
        *loss = (T)(sum / total);
    if (total_weight)
        *total_weight = (T)total;
    return TL_OK;
}
#endif
