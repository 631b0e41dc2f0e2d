/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: y = (x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each row.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/layer_norm.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(layer_norm)};
KERNEL(layer_norm, 0, call->out[0], table);

#else
#include "layer_norm.h"

static tl_status NAME(layer_norm)(const struct tl_call *call)
{
    const struct tl_layer_norm_attrs *attrs = call->attrs;
    const struct matrix d = layer_sizes(attrs, &call->in[0]);
    const T *x = input(call, 0), *weight = input(call, 1), *bias = input(call, 2);
    T *y = output(call, 0);
    for (int64_t row = 0; row < d.rows; row++, x += d.columns, y += d.columns) {
        double mean, scale;
        NAME(row_statistics)(x, d.columns, attrs->eps, &mean, &scale);
        for (int64_t i = 0; i < d.columns; i++)
            y[i] = (T)(((double)x[i] - mean) * scale * (weight ? (double)weight[i] : 1) + (bias ? (double)bias[i] : 0));
    }
    return TL_OK;
}
#endif
