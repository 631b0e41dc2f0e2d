/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of convolutions on channels-last pixels. Of the gradient of the weights: the sum over a row of
 * pixels of the outer products of dy's and x's channels, four channels of dy by two vectors of x kept in registers. Of the forward,
 * which is also the gradient of the input: six pixels by two vectors of channels.
 */
#include "level.h"
#include "simd.h"
#include "vector.h"

UNROLLED void outer_tile(float *sum, const float *dy, int64_t k_all, const float *x, int64_t x_step, int64_t c_all, int64_t pixels)
{
    floats s[4][2];
    for (int k = 0; k < 4; k++)
        for (int v = 0; v < 2; v++)
            s[k][v] = load(sum + k * c_all + v * VECTOR_FLOATS);
    for (int64_t i = 0; i < pixels; i++, dy += k_all, x += x_step) {
        floats a = load(x), b = load(x + VECTOR_FLOATS);
        for (int k = 0; k < 4; k++) {
            floats g = splat(dy[k]);
            s[k][0] += g * a;
            s[k][1] += g * b;
        }
    }
    for (int k = 0; k < 4; k++)
        for (int v = 0; v < 2; v++)
            store(sum + k * c_all + v * VECTOR_FLOATS, s[k][v]);
}

cpu_outer_products LEVEL(cpu_outer_products);
cpu_direct_row LEVEL(cpu_direct_row);

void LEVEL(cpu_outer_products)(float *sum, const float *dy, int64_t k_all, const float *x, int64_t x_step, int64_t c_all, int64_t pixels)
{
    for (int64_t c = 0; c < c_all; c += 2 * VECTOR_FLOATS)
        for (int64_t k = 0; k < k_all; k += 4)
            outer_tile(sum + k * c_all + c, dy + k, k_all, x + c, x_step, c_all, pixels);
}

/* ---- forward ---- */

enum { PIXELS = 6 };

/* Six neighbouring outputs, two vectors of their channels. `rows`: for each tap row the input at the first output's first tap. */
UNROLLED void direct_tile(const struct cpu_direct *d, const float *const *rows, const float *w, const float *bias, float *y)
{
    floats sum[PIXELS][2];
    for (int p = 0; p < PIXELS; p++) {
        sum[p][0] = load(bias);
        sum[p][1] = load(bias + VECTOR_FLOATS);
    }
    for (int64_t r = 0; r < d->rows; r++)
        for (int64_t s = 0; rows[r] && s < d->columns; s++) {
            const float *x = rows[r] + s * d->tap_step, *tap = w + (r * d->columns + s) * d->channels * 2 * VECTOR_FLOATS;
            for (int64_t c = 0; c < d->channels; c++, tap += 2 * VECTOR_FLOATS) {
                floats a = load(tap), b = load(tap + VECTOR_FLOATS);
                for (int p = 0; p < PIXELS; p++) {
                    floats left = splat(x[p * d->x_step + c]);
                    sum[p][0] += left * a;
                    sum[p][1] += left * b;
                }
            }
        }
    for (int p = 0; p < PIXELS; p++) {
        store(y + p * d->y_step, sum[p][0]);
        store(y + p * d->y_step + VECTOR_FLOATS, sum[p][1]);
    }
}

void LEVEL(cpu_direct_row)(const struct cpu_direct *d, const float *const *rows, const float *w, const float *bias, float *y)
{
    const float *at[CPU_DIRECT_ROWS];
    for (int64_t i = 0; i < d->outputs; i += PIXELS) {
        int64_t first = i + PIXELS <= d->outputs ? i : d->outputs - PIXELS; /* the last tile may overlap the one before */
        for (int64_t r = 0; r < d->rows; r++)
            at[r] = rows[r] ? rows[r] + first * d->x_step : NULL;
        direct_tile(d, at, w, bias, y + first * d->y_step);
    }
}
