/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm: y = (x - mean) / sqrt(variance + eps) * weight + bias, for each channel. In training, mean and variance are the
 * batch's, and the running ones move towards them; otherwise they are the running ones. The residual has
 * mean and 1/deviation of each channel, in double.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/batch_norm.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(batch_norm)};

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    prep->residual = (size_t)call->in[0].shape[1] * 2 * sizeof(double);
    return TL_OK;
}

PREPARED_KERNEL(batch_norm, 0, call->in[0], table, prepare);

#else
#include "batch_norm.h"

/** The statistics of channel c to normalise by; in training, the running ones are moved too. */
static struct statistics NAME(statistics)(const struct tl_call *call, struct batch d, int64_t c)
{
    const struct tl_batch_norm_attrs *attrs = call->attrs;
    const T *x = input(call, 0), *running_mean = input(call, 1), *running_variance = input(call, 2);
    T *new_mean = output(call, 1), *new_variance = output(call, 2);
    const bool some = d.n * d.inner > 0; /* a batch of none moves nothing */
    double mean = 0, variance = 0;
    if (attrs->training && some) {
        NAME(moments)(d, x, c, &mean, &variance);
        const double count = (double)(d.n * d.inner), keep = 1 - attrs->momentum, unbiased = variance * count / (count - 1);
        if (attrs->update && new_mean && running_mean)
            new_mean[c] = (T)(keep * (double)running_mean[c] + attrs->momentum * mean);
        if (attrs->update && new_variance && running_variance)
            new_variance[c] = (T)(keep * (double)running_variance[c] + attrs->momentum * unbiased);
    } else if (running_mean && running_variance) {
        mean = (double)running_mean[c];
        variance = (double)running_variance[c];
        if (new_mean)
            new_mean[c] = running_mean[c];
        if (new_variance)
            new_variance[c] = running_variance[c];
    }
    return (struct statistics){mean, 1 / sqrt(variance + attrs->eps)};
}

static tl_status NAME(batch_norm)(const struct tl_call *call)
{
    const struct batch d = batch_sizes(&call->in[0]);
    const T *x = input(call, 0), *weight = input(call, 3), *bias = input(call, 4);
    T *y = output(call, 0);
    struct statistics *residual = wanted_residual(call, (size_t)d.channels * sizeof *residual);
    for (int64_t c = 0; c < d.channels; c++) {
        const struct statistics s = NAME(statistics)(call, d, c);
        const double factor = weight ? s.scale * (double)weight[c] : s.scale, shift = bias ? (double)bias[c] : 0;
        for (int64_t n = 0; n < d.n; n++) {
            const int64_t first = (n * d.channels + c) * d.inner;
            for (int64_t i = first; i < first + d.inner; i++)
                y[i] = (T)(((double)x[i] - s.mean) * factor + shift);
        }
        if (residual)
            residual[c] = s;
    }
    return TL_OK;
}
#endif
