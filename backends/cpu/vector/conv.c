/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loop of the gradient of a convolution's weights: the sum over a row of pixels of the outer products of dy's and
 * x's channels, four channels of dy by two vectors of x kept in registers.
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

void LEVEL(cpu_outer_products)(float *sum, const float *dy, int64_t k_all, const float *x, int64_t x_step, int64_t c_all, int64_t pixels)
{
    for (int64_t c = 0; c < c_all; c += 2 * VECTOR_FLOATS)
        for (int64_t k = 0; k < k_all; k += 4)
            outer_tile(sum + k * c_all + c, dy + k, k_all, x + c, x_step, c_all, pixels);
}
