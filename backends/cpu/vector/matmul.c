/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of small matrices, where a library call would cost more than the arithmetic: y += a b, with a of any strides and
 * b, y in rows. Four rows and two vectors of columns are kept in registers.
 */
#include "level.h"
#include "simd.h"
#include "vector.h"

UNROLLED void tile(float *y, int64_t y_row, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                        int64_t k, float alpha, int rows, int vectors)
{
    floats sum[4][2] = {{{0}}};
    for (int64_t i = 0; i < k; i++) {
        floats value[2];
        for (int v = 0; v < vectors; v++)
            value[v] = load(b + i * b_row + v * VECTOR_FLOATS);
        for (int r = 0; r < rows; r++) {
            floats left = splat(a[r * a_row + i * a_column]);
            for (int v = 0; v < vectors; v++)
                sum[r][v] += left * value[v];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            float *at = y + r * y_row + v * VECTOR_FLOATS;
            store(at, load(at) + sum[r][v] * splat(alpha));
        }
}

cpu_small_matmul LEVEL(cpu_small_matmul);

void LEVEL(cpu_small_matmul)(float *y, int64_t y_row, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                         int64_t m, int64_t n, int64_t k, float alpha)
{
    int64_t j = 0;
    for (; j + 2 * VECTOR_FLOATS <= n; j += 2 * VECTOR_FLOATS) {
        int64_t i = 0;
        for (; i + 4 <= m; i += 4)
            tile(y + i * y_row + j, y_row, a + i * a_row, a_row, a_column, b + j, b_row, k, alpha, 4, 2);
        for (; i < m; i++)
            tile(y + i * y_row + j, y_row, a + i * a_row, a_row, a_column, b + j, b_row, k, alpha, 1, 2);
    }
    for (; j + VECTOR_FLOATS <= n; j += VECTOR_FLOATS) {
        int64_t i = 0;
        for (; i + 4 <= m; i += 4)
            tile(y + i * y_row + j, y_row, a + i * a_row, a_row, a_column, b + j, b_row, k, alpha, 4, 1);
        for (; i < m; i++)
            tile(y + i * y_row + j, y_row, a + i * a_row, a_row, a_column, b + j, b_row, k, alpha, 1, 1);
    }
    if (j == n)
        return;
    for (int64_t i = 0; i < m; i++)
        for (int64_t column = j; column < n; column++) {
            float sum = 0;
            for (int64_t p = 0; p < k; p++)
                sum += a[i * a_row + p * a_column] * b[p * b_row + column];
            y[i * y_row + column] += alpha * sum;
        }
}
