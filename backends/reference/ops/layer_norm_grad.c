/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm_grad. With x' = (x - mean) * scale, scale = 1 / sqrt(variance + eps), y = weight x' + bias, d = weight dy:
 *
 *     dx = scale (d - mean(d) - x' mean(d x')) over each row,   dweight = sum of dy x' over rows,   dbias = sum of dy,
 *
 * where the two means are there because a row's mean and variance depend on x. The two sums are made in the workspace.
 */
#ifndef T
#include "../reference.h"

typedef tl_status grad_body(const struct tl_call *call, double *sums);

#define TEMPLATE "ops/layer_norm_grad.c"
#include "../each_float.h"

static grad_body *const table[TL_DTYPE_COUNT] = {FLOATING(layer_norm_grad)};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return table[call->in[0].dtype] ? NULL : unknown_type;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    prep->workspace = (size_t)layer_sizes(call->attrs, &call->in[0]).columns * 2 * sizeof(double);
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    return table[call->in[0].dtype](call, tl_mem_ptr(workspace));
}

SIMPLE_KERNEL(layer_norm_grad, 0, refuses, prepare, run);

#else
#include "layer_norm.h"

/** One row of dx; adds the row's part to the sums for dweight and dbias. */
static void NAME(row)(const T *x, const T *dy, const T *weight, T *dx, double *dweight, double *dbias, int64_t n, double eps)
{
    double mean, scale, sum = 0, product = 0; /* of d, and of d x' */
    NAME(row_statistics)(x, n, eps, &mean, &scale);
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)dy[i] * (weight ? (double)weight[i] : 1), normal = ((double)x[i] - mean) * scale;
        sum += d;
        product += d * normal;
        dweight[i] += (double)dy[i] * normal;
        dbias[i] += (double)dy[i];
    }
    for (int64_t i = 0; dx && i < n; i++) {
        const double d = (double)dy[i] * (weight ? (double)weight[i] : 1), normal = ((double)x[i] - mean) * scale;
        dx[i] = (T)(scale * (d - sum / (double)n - normal * (product / (double)n)));
    }
}

static tl_status NAME(layer_norm_grad)(const struct tl_call *call, double *sums)
{
    const struct tl_layer_norm_attrs *attrs = call->attrs;
    const struct matrix d = layer_sizes(attrs, &call->in[0]);
    const T *x = input(call, 0), *dy = input(call, 1), *weight = input(call, 2);
    T *dx = output(call, 0), *dweight = output(call, 1), *dbias = output(call, 2);
    for (int64_t i = 0; i < 2 * d.columns; i++)
        sums[i] = 0;
    for (int64_t row = 0; row < d.rows; row++)
        NAME(row)(x + row * d.columns, dy + row * d.columns, weight, dx ? dx + row * d.columns : NULL, sums,
                  sums + d.columns, d.columns, attrs->eps);
    for (int64_t i = 0; i < d.columns; i++) {
        if (dweight)
            dweight[i] = (T)sums[i];
        if (dbias)
            dbias[i] = (T)sums[d.columns + i];
    }
    return TL_OK;
}
#endif
