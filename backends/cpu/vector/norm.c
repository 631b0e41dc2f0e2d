/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of batch normalisation: moments and products summed over rows of channels (channels-last, where
 * the channels lie side by side) or over one plane (contiguous), and the affine maps that follow.
 */
#include "level.h"
#include "simd.h"
#include "vector.h"

/* ---- sums over rows, one result per channel ---- */

enum { WIDE = 4 }; /* vectors of channels kept in registers */

UNROLLED void moments_of(const float *x, const float *shift, int64_t rows, int64_t channels, float *sum, float *square,
                              int vectors)
{
    floats s[WIDE] = {0}, q[WIDE] = {0}, k[WIDE];
    for (int v = 0; v < vectors; v++)
        k[v] = load(shift + v * VECTOR_FLOATS);
    for (int64_t r = 0; r < rows; r++, x += channels)
        for (int v = 0; v < vectors; v++) {
            floats d = load(x + v * VECTOR_FLOATS) - k[v];
            s[v] += d;
            q[v] += d * d;
        }
    for (int v = 0; v < vectors; v++) {
        store(sum + v * VECTOR_FLOATS, s[v]);
        store(square + v * VECTOR_FLOATS, q[v]);
    }
}

static void row_moments(const float *x, const float *shift, int64_t rows, int64_t channels, float *sum, float *square)
{
    int64_t c = 0;
    for (; c + WIDE * VECTOR_FLOATS <= channels; c += WIDE * VECTOR_FLOATS)
        moments_of(x + c, shift + c, rows, channels, sum + c, square + c, WIDE);
    for (; c + VECTOR_FLOATS <= channels; c += VECTOR_FLOATS)
        moments_of(x + c, shift + c, rows, channels, sum + c, square + c, 1);
    for (; c < channels; c++) {
        float s = 0, q = 0;
        for (int64_t r = 0; r < rows; r++) {
            float d = x[r * channels + c] - shift[c];
            s += d;
            q += d * d;
        }
        sum[c] = s;
        square[c] = q;
    }
}

UNROLLED void products_of(const float *dy, const float *x, const float *shift, int64_t rows, int64_t channels, float *sum,
                               float *product, int vectors)
{
    floats s[WIDE] = {0}, q[WIDE] = {0}, k[WIDE];
    for (int v = 0; v < vectors; v++)
        k[v] = load(shift + v * VECTOR_FLOATS);
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels)
        for (int v = 0; v < vectors; v++) {
            floats g = load(dy + v * VECTOR_FLOATS);
            s[v] += g;
            q[v] += g * (load(x + v * VECTOR_FLOATS) - k[v]);
        }
    for (int v = 0; v < vectors; v++) {
        store(sum + v * VECTOR_FLOATS, s[v]);
        store(product + v * VECTOR_FLOATS, q[v]);
    }
}

static void row_products(const float *dy, const float *x, const float *shift, int64_t rows, int64_t channels, float *sum,
                         float *product)
{
    int64_t c = 0;
    for (; c + WIDE * VECTOR_FLOATS <= channels; c += WIDE * VECTOR_FLOATS)
        products_of(dy + c, x + c, shift + c, rows, channels, sum + c, product + c, WIDE);
    for (; c + VECTOR_FLOATS <= channels; c += VECTOR_FLOATS)
        products_of(dy + c, x + c, shift + c, rows, channels, sum + c, product + c, 1);
    for (; c < channels; c++) {
        float s = 0, q = 0;
        for (int64_t r = 0; r < rows; r++) {
            s += dy[r * channels + c];
            q += dy[r * channels + c] * (x[r * channels + c] - shift[c]);
        }
        sum[c] = s;
        product[c] = q;
    }
}

/* ---- sums over a plane, one result ---- */

static void plane_moments(const float *x, float shift, int64_t n, float *sum, float *square)
{
    floats s[WIDE] = {0}, q[WIDE] = {0}, k = splat(shift);
    int64_t i = 0;
    for (; i + WIDE * VECTOR_FLOATS <= n; i += WIDE * VECTOR_FLOATS)
        for (int v = 0; v < WIDE; v++) {
            floats d = load(x + i + v * VECTOR_FLOATS) - k;
            s[v] += d;
            q[v] += d * d;
        }
    float total = sum_lanes((s[0] + s[1]) + (s[2] + s[3])), squares = sum_lanes((q[0] + q[1]) + (q[2] + q[3]));
    for (; i < n; i++) {
        float d = x[i] - shift;
        total += d;
        squares += d * d;
    }
    *sum = total;
    *square = squares;
}

static void plane_products(const float *dy, const float *x, float shift, int64_t n, float *sum, float *product)
{
    floats s[WIDE] = {0}, q[WIDE] = {0}, k = splat(shift);
    int64_t i = 0;
    for (; i + WIDE * VECTOR_FLOATS <= n; i += WIDE * VECTOR_FLOATS)
        for (int v = 0; v < WIDE; v++) {
            floats g = load(dy + i + v * VECTOR_FLOATS);
            s[v] += g;
            q[v] += g * (load(x + i + v * VECTOR_FLOATS) - k);
        }
    float total = sum_lanes((s[0] + s[1]) + (s[2] + s[3])), products = sum_lanes((q[0] + q[1]) + (q[2] + q[3]));
    for (; i < n; i++) {
        total += dy[i];
        products += dy[i] * (x[i] - shift);
    }
    *sum = total;
    *product = products;
}

/* ---- affine maps ---- */

static void row_affine(float *y, const float *x, int64_t rows, int64_t channels, const float *scale, const float *offset)
{
    for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
        INDEPENDENT
        for (int64_t c = 0; c < channels; c++)
            y[c] = x[c] * scale[c] + offset[c];
    }
}

static void plane_affine(float *y, const float *x, int64_t n, float scale, float offset)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale + offset;
}

static void row_affine2(float *y, const float *x, const float *z, int64_t rows, int64_t channels, const float *by_x,
                        const float *by_z, const float *offset)
{
    for (int64_t r = 0; r < rows; r++, x += channels, y += channels, z += channels) {
        INDEPENDENT
        for (int64_t c = 0; c < channels; c++)
            y[c] = x[c] * by_x[c] + (z[c] * by_z[c] + offset[c]);
    }
}

static void plane_affine2(float *y, const float *x, const float *z, int64_t n, float by_x, float by_z, float offset)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * by_x + (z[i] * by_z + offset);
}

const struct cpu_norm_loops LEVEL(cpu_norm_loops) = {
    .row_moments = row_moments,
    .row_products = row_products,
    .plane_moments = plane_moments,
    .plane_products = plane_products,
    .row_affine = row_affine,
    .plane_affine = plane_affine,
    .row_affine2 = row_affine2,
    .plane_affine2 = plane_affine2,
};
