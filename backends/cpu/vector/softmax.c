/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax, its logarithm and their gradients, over one dense row. The largest value is subtracted first, so that
 * nothing overflows.
 */
#include <math.h>

#include "level.h"
#include "math.h"
#include "vector.h"

extern const struct cpu_reduce_loops LEVEL(cpu_reduce_loops);

static float largest(const float *x, int64_t n)
{
    return LEVEL(cpu_reduce_loops).max_row(x, n, 1, 1);
}

static double total(const float *x, int64_t n)
{
    return LEVEL(cpu_reduce_loops).sum_row(x, n, 1);
}

static void exp_minus(float *y, const float *x, int64_t n, float shift)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] = fast_exp(x[i] - shift);
}

static void softmax(float *y, const float *x, int64_t n)
{
    exp_minus(y, x, n, largest(x, n));
    float scale = (float)(1.0 / total(y, n));
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] *= scale;
}

static void log_softmax(float *y, const float *x, int64_t n)
{
    float shift = largest(x, n);
    exp_minus(y, x, n, shift);
    float logarithm = (float)log(total(y, n));
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - shift) - logarithm;
}

static void softmax_grad(float *dx, const float *dy, const float *y, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        dx[i] = dy[i] * y[i];
    float sum = (float)total(dx, n);
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] * (dy[i] - sum);
}

static void log_softmax_grad(float *dx, const float *dy, const float *y, int64_t n)
{
    float sum = (float)total(dy, n);
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        dx[i] = dy[i] - fast_exp(y[i]) * sum;
}

const struct cpu_softmax_loops LEVEL(cpu_softmax_loops) = {
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_grad = softmax_grad,
    .log_softmax_grad = log_softmax_grad,
};
