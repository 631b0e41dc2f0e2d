/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax, its logarithm and their gradients, over dense rows that follow each other. The largest value is subtracted first, so
 * that nothing overflows. Rows are taken a group at a time, and each step is done for the whole group before the next one: the
 * steps of a single row wait for each other, those of different rows do not.
 */
#include <math.h>

#include "level.h"
#include "math.h"
#include "simd.h"
#include "vector.h"

extern const struct cpu_reduce_loops LEVEL(cpu_reduce_loops);

enum {
    GROUP = 8,          /* rows at most */
    GROUP_FLOATS = 2048 /* of a group of short rows: it stays in the first-level cache */
};

static int64_t group_of(int64_t rows, int64_t n)
{
    int64_t most = n > GROUP_FLOATS / 2 ? 1 : n > GROUP_FLOATS / GROUP ? GROUP_FLOATS / n : GROUP;
    return rows < most ? rows : most;
}

/* The largest of a row. A NaN may be passed over: it makes the row's sum NaN by itself. */
static float largest(const float *x, int64_t n)
{
    floats best[2] = {splat(-INFINITY), splat(-INFINITY)};
    int64_t i = 0;
    for (; i + 2 * VECTOR_FLOATS <= n; i += 2 * VECTOR_FLOATS) {
        best[0] = maximum(load(x + i), best[0]);
        best[1] = maximum(load(x + i + VECTOR_FLOATS), best[1]);
    }
    best[0] = maximum(best[0], best[1]);
#pragma GCC unroll 4
    for (int width = VECTOR_FLOATS / 2; width > 0; width /= 2)
        best[0] = maximum(best[0], rotate(best[0], width));
    float result = best[0][0];
    for (; i < n; i++)
        result = x[i] > result ? x[i] : result;
    return result;
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

/* Ask for n floats that will be read next. */
static void ask_for(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16)
        __builtin_prefetch(x + i);
}

/* y = e^(x - largest) of a group, and the rows' sums of that. `ahead` floats beyond the group are to follow: they are brought in
 * while this one computes, since looking for the largest alone would wait for memory. */
static void exp_group(float *y, const float *x, int64_t rows, int64_t n, int64_t ahead, float *shift, double *sum)
{
    ahead = ahead < rows * n ? ahead : rows * n;
    for (int64_t r = 0; r < rows; r++)
        shift[r] = largest(x + r * n, n);
    for (int64_t r = 0; r < rows; r++) {
        ask_for(x + (rows + r) * n, ahead - r * n < n ? ahead - r * n : n);
        exp_minus(y + r * n, x + r * n, n, shift[r]);
    }
    for (int64_t r = 0; r < rows; r++)
        sum[r] = total(y + r * n, n);
}

static void softmax_group(float *y, const float *x, int64_t rows, int64_t n, int64_t ahead)
{
    float shift[GROUP];
    double sum[GROUP];
    exp_group(y, x, rows, n, ahead, shift, sum);
    for (int64_t r = 0; r < rows; r++, y += n) {
        float scale = (float)(1.0 / sum[r]);
        INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            y[i] *= scale;
    }
}

static void log_softmax_group(float *y, const float *x, int64_t rows, int64_t n, int64_t ahead)
{
    float shift[GROUP];
    double sum[GROUP];
    exp_group(y, x, rows, n, ahead, shift, sum);
    for (int64_t r = 0; r < rows; r++, y += n, x += n) {
        float logarithm = (float)log(sum[r]);
        INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - shift[r]) - logarithm;
    }
}

static void softmax_grad_group(float *dx, const float *dy, const float *y, int64_t rows, int64_t n)
{
    float sum[GROUP];
    INDEPENDENT
    for (int64_t i = 0; i < rows * n; i++)
        dx[i] = dy[i] * y[i];
    for (int64_t r = 0; r < rows; r++)
        sum[r] = (float)total(dx + r * n, n);
    for (int64_t r = 0; r < rows; r++, dx += n, dy += n, y += n) {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            dx[i] = y[i] * (dy[i] - sum[r]);
    }
}

static void log_softmax_grad_group(float *dx, const float *dy, const float *y, int64_t rows, int64_t n)
{
    float sum[GROUP];
    for (int64_t r = 0; r < rows; r++)
        sum[r] = (float)total(dy + r * n, n);
    for (int64_t r = 0; r < rows; r++, dx += n, dy += n, y += n) {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            dx[i] = dy[i] - fast_exp(y[i]) * sum[r];
    }
}

#define FORWARD(name)                                                          \
    static void name(float *y, const float *x, int64_t rows, int64_t n)        \
    {                                                                          \
        for (int64_t r = 0, some; r < rows; r += some) {                       \
            some = group_of(rows - r, n);                                      \
            name##_group(y + r * n, x + r * n, some, n, (rows - r - some) * n); \
        }                                                                      \
    }
#define BACKWARD(name)                                                                      \
    static void name(float *dx, const float *dy, const float *y, int64_t rows, int64_t n)   \
    {                                                                                       \
        for (int64_t r = 0, some; r < rows; r += some) {                                    \
            some = group_of(rows - r, n);                                                   \
            name##_group(dx + r * n, dy + r * n, y + r * n, some, n);                       \
        }                                                                                   \
    }

FORWARD(softmax)
FORWARD(log_softmax)
BACKWARD(softmax_grad)
BACKWARD(log_softmax_grad)

const struct cpu_softmax_loops LEVEL(cpu_softmax_loops) = {
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_grad = softmax_grad,
    .log_softmax_grad = log_softmax_grad,
};
