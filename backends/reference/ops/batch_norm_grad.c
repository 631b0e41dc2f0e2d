/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm_grad. With x' = (x - mean) * scale, scale = 1 / sqrt(variance + eps), y = weight x' + bias:
 *
 *     dbias = sum dy,   dweight = sum dy x',   dx = weight scale (dy - mean(dy) - x' mean(dy x')) in training,
 *
 * where the two means are there because the batch's mean and variance depend on x; otherwise dx = weight scale dy.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/batch_norm_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(batch_norm_grad)};
KERNEL(batch_norm_grad, 0, call->in[0], table);

#else
#include "batch_norm.h"

/** What channel c was normalised by: from the forward's residual, or found again. */
static struct statistics NAME(statistics)(const struct tl_call *call, struct batch d, int64_t c)
{
    const struct tl_batch_norm_attrs *attrs = call->attrs;
    const struct statistics *residual = own_residual(call, (size_t)d.channels * sizeof *residual);
    const T *x = input(call, 0), *running_mean = input(call, 3), *running_variance = input(call, 4);
    double mean, variance;
    if (residual)
        return residual[c];
    if (attrs->training) {
        NAME(moments)(d, x, c, &mean, &variance);
    } else {
        mean = (double)running_mean[c];
        variance = (double)running_variance[c];
    }
    return (struct statistics){mean, 1 / sqrt(variance + attrs->eps)};
}

static tl_status NAME(batch_norm_grad)(const struct tl_call *call)
{
    const struct tl_batch_norm_attrs *attrs = call->attrs;
    const struct batch d = batch_sizes(&call->in[0]);
    const double count = (double)(d.n * d.inner);
    const T *x = input(call, 0), *dy = input(call, 1), *weight = input(call, 2);
    T *dx = output(call, 0), *dweight = output(call, 1), *dbias = output(call, 2);
    for (int64_t c = 0; c < d.channels; c++) {
        const struct statistics s = NAME(statistics)(call, d, c);
        double sum = 0, product = 0; /* of dy, and of dy x' */
        for (int64_t n = 0; n < d.n; n++) {
            const int64_t first = (n * d.channels + c) * d.inner;
            for (int64_t i = first; i < first + d.inner; i++) {
                sum += (double)dy[i];
                product += (double)dy[i] * ((double)x[i] - s.mean) * s.scale;
            }
        }
        if (dweight)
            dweight[c] = (T)product;
        if (dbias)
            dbias[c] = (T)sum;
        const double factor = weight ? s.scale * (double)weight[c] : s.scale;
        const double mean = attrs->training ? sum / count : 0, slope = attrs->training ? product / count * s.scale : 0;
        for (int64_t n = 0; dx && n < d.n; n++) {
            const int64_t first = (n * d.channels + c) * d.inner;
            for (int64_t i = first; i < first + d.inner; i++)
                dx[i] = (T)(factor * ((double)dy[i] - mean - ((double)x[i] - s.mean) * slope));
        }
    }
    return TL_OK;
}
#endif
