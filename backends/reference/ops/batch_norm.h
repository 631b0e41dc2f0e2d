/* SPDX-License-Identifier: Apache-2.0
 *
 * What batch_norm and its gradient share: x seen as [n, channels, inner], and the mean and 1/deviation of a channel. Included by
 * the template part of both files.
 */
#ifndef REFERENCE_BATCH_NORM_H
#define REFERENCE_BATCH_NORM_H

#include "../reference.h"

/** A channel's statistics; the residual is an array of them. */
struct statistics {
    double mean, scale; /**< scale = 1 / sqrt(variance + eps) */
};

struct batch {
    int64_t n, channels, inner;
};

static inline struct batch batch_sizes(const struct tl_view *x)
{
    const struct axes a = axes_around(x, 1);
    return (struct batch){a.outer, a.n, a.inner};
}

#endif

/** Mean and (biased) variance of channel c, in two passes. */
static inline void NAME(moments)(struct batch d, const T *x, int64_t c, double *mean, double *variance)
{
    const double count = (double)(d.n * d.inner);
    double sum = 0, squares = 0;
    for (int64_t n = 0; n < d.n; n++)
        for (int64_t i = 0; i < d.inner; i++)
            sum += (double)x[(n * d.channels + c) * d.inner + i];
    *mean = sum / count;
    for (int64_t n = 0; n < d.n; n++) {
        for (int64_t i = 0; i < d.inner; i++) {
            const double distance = (double)x[(n * d.channels + c) * d.inner + i] - *mean;
            squares += distance * distance;
        }
    }
    *variance = squares / count;
}
