/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of reductions: along a row (one result) and down columns (a result for each). Sums are kept in
 * float registers for a bounded number of steps and then added to a double, so that their error does not grow.
 */
#include <math.h>

#include "level.h"
#include "simd.h"
#include "vector.h"

enum {
    WIDE = 4,
    STEPS = 64 /* additions to one float register before it is emptied into a double */
};

static double sum_row(const float *x, int64_t n, int64_t stride)
{
    double total = 0;
    if (stride != 1) {
        for (int64_t i = 0; i < n; i++)
            total += (double)x[i * stride];
        return total;
    }
    while (n >= WIDE * VECTOR_FLOATS) {
        floats s[WIDE] = {0};
        int64_t steps = n / (WIDE * VECTOR_FLOATS);
        steps = steps < STEPS ? steps : STEPS;
        for (int64_t i = 0; i < steps; i++)
            for (int v = 0; v < WIDE; v++)
                s[v] += load(x + (i * WIDE + v) * VECTOR_FLOATS);
        total += (double)sum_lanes((s[0] + s[1]) + (s[2] + s[3]));
        x += steps * WIDE * VECTOR_FLOATS;
        n -= steps * WIDE * VECTOR_FLOATS;
    }
    float rest = 0;
    for (int64_t i = 0; i < n; i++)
        rest += x[i];
    return total + (double)rest;
}

static double prod_row(const float *x, int64_t n, int64_t stride)
{
    double total[4] = {1, 1, 1, 1};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int v = 0; v < 4; v++)
            total[v] *= (double)x[(i + v) * stride];
    for (; i < n; i++)
        total[0] *= (double)x[i * stride];
    return (total[0] * total[1]) * (total[2] * total[3]);
}

/* Extremes: with sign -1 the smallest, by negation, which is exact. A NaN wins. */
static float max_row(const float *x, int64_t n, int64_t stride, float sign)
{
    float best = -INFINITY;
    int64_t i = 0;
    if (stride == 1 && n >= WIDE * VECTOR_FLOATS) {
        floats s[WIDE], by = splat(sign);
        for (int v = 0; v < WIDE; v++)
            s[v] = splat(-INFINITY);
        for (; i + WIDE * VECTOR_FLOATS <= n; i += WIDE * VECTOR_FLOATS)
            for (int v = 0; v < WIDE; v++)
                s[v] = larger(load(x + i + v * VECTOR_FLOATS) * by, s[v]);
        best = largest_lane(larger(larger(s[0], s[1]), larger(s[2], s[3])));
    }
    for (; i < n; i++) {
        float value = x[i * stride] * sign;
        best = value > best || value != value ? value : best;
    }
    return best * sign;
}

/* Row by row into sums that stay in the first-level cache: memory is read exactly as it lies. Several rows at once would need
 * fewer additions, and take more than twice the time, because no stream is long enough for the processor to fetch ahead. */
static void sum_columns(float *sum, const float *x, int64_t rows, int64_t row_stride, int64_t columns)
{
    memset(sum, 0, (size_t)columns * sizeof *sum);
    for (int64_t r = 0; r < rows; r++, x += row_stride) {
        INDEPENDENT
        for (int64_t c = 0; c < columns; c++)
            sum[c] += x[c];
    }
}

static void max_columns(float *best, const float *x, int64_t rows, int64_t row_stride, int64_t columns, float sign)
{
    for (int64_t r = 0; r < rows; r++, x += row_stride) {
        INDEPENDENT
        for (int64_t c = 0; c < columns; c++) {
            float value = x[c], old = best[c] * sign;
            value = value * sign;
            best[c] = ((value > old) | (value != value) ? value : old) * sign;
        }
    }
}

/* First place of the largest (sign 1) or smallest (-1) value of a dense row, the first NaN if there is one. */
static int64_t argmax_row(const float *x, int64_t n, float sign)
{
    float best = max_row(x, n, 1, sign);
    int64_t i = 0;
    for (; i + VECTOR_FLOATS <= n; i += VECTOR_FLOATS) {
        int any = 0;
        for (int v = 0; v < VECTOR_FLOATS; v++)
            any |= (x[i + v] == best) | (x[i + v] != x[i + v]);
        if (any)
            break;
    }
    for (; i < n; i++)
        if (x[i] == best || x[i] != x[i])
            return i;
    return 0;
}

const struct cpu_reduce_loops LEVEL(cpu_reduce_loops) = {
    .sum_row = sum_row,
    .prod_row = prod_row,
    .max_row = max_row,
    .sum_columns = sum_columns,
    .max_columns = max_columns,
    .argmax_row = argmax_row,
};
