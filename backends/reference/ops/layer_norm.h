/* SPDX-License-Identifier: Apache-2.0
 *
 * What layer_norm and its gradient share: rows of the last ndim dimensions, and the mean and 1/deviation of one. Included by
 * the template part of both files.
 */
#ifndef REFERENCE_LAYER_NORM_H
#define REFERENCE_LAYER_NORM_H

#include "../reference.h"

/** x as [rows, columns]. */
struct matrix {
    int64_t rows, columns;
};

static inline struct matrix layer_sizes(const struct tl_layer_norm_attrs *attrs, const struct tl_view *x)
{
    struct matrix m = {1, 1};
    for (int d = 0; d < x->ndim; d++)
        *(d < x->ndim - attrs->ndim ? &m.rows : &m.columns) *= x->shape[d];
    return m;
}

#endif

/** Mean of a row, and 1 / sqrt(variance + eps), in two passes. */
static inline void NAME(row_statistics)(const T *x, int64_t n, double eps, double *mean, double *scale)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *scale = 1 / sqrt(squares / (double)n + eps);
}
