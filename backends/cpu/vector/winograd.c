/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's minimal filtering, F(4x4, 3x3), for channels-last pictures: a tile of 6 x 6 inputs gives 4 x 4 outputs with 36 products a channel
 * instead of 144.
 *
 *     V = T' d T,  U = G g G',  M[i] = V[i] U[i] over the channels for each of the 36 i, 
 *     y = S' M S
 *
 * The matrices are those that Toom and Cook's method gives for the points 0, a, -a, b, -b and infinity; see A. Lavin and S. Gray, "Fast
 * Algorithms for Convolutional Neural Networks" (2015), and on the choice of points B. Barabasz and others, "Error Analysis and Improving
 * the Accuracy of Winograd Convolution for Deep Neural Networks" (2018). With a = 5/8 and b = 3/2, whose powers floats hold exactly, the error is
 * a fraction of that with 1 and 2. Vectors go along the channels.
 */
#include "level.h"
#include "simd.h"
#include "vector.h"

enum { ROWS = 6 }; /* of V in registers at once */
static const float A = (float)CPU_WINOGRAD_A, B = (float)CPU_WINOGRAD_B;

/* ---- Transforms of one row or column ---------------------------------------------------------------------------------- */

UNROLLED void input_line(const floats d[6], floats v[6])
{
    const floats aa = splat(A * A), bb = splat(B * B), product = splat(A * A * B * B), sum = splat(A * A + B * B);
    floats even_a = d[4] - bb * d[2], odd_a = splat(A) * (d[3] - bb * d[1]);
    floats even_b = d[4] - aa * d[2], odd_b = splat(B) * (d[3] - aa * d[1]);
    v[0] = product * d[0] - sum * d[2] + d[4];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = product * d[1] - sum * d[3] + d[5];
}

UNROLLED void output_line(const floats m[6], floats y[4])
{
    floats sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = splat(A) * difference_a + splat(B) * difference_b;
    y[2] = splat(A * A) * sum_a + splat(B * B) * sum_b;
    y[3] = splat(A * A * A) * difference_a + splat(B * B * B) * difference_b + m[5];
}

/* ---- Tiles -------------------------------------------------------------------------------------------------------------- */

UNROLLED void input_vector(float *v, int64_t plane, const float *x, int64_t from, int64_t row, int64_t pixel, const int *in, int64_t lanes)
{
    floats t[6][6], line[6];
    for (int j = 0; j < 6; j++) {
        for (int i = 0; i < 6; i++) {
            bool there = i >= in[0] && i < in[1] && j >= in[2] && j < in[3];
            int64_t at = from + i * row + j * pixel;
            line[i] = !there ? (floats){0} : lanes == VECTOR_FLOATS ? load(x + at) : load_part(x + at, lanes);
        }
        floats column[6];
        input_line(line, column);
        for (int i = 0; i < 6; i++)
            t[i][j] = column[i];
    }
    for (int i = 0; i < 6; i++) {
        input_line(t[i], line);
        for (int j = 0; j < 6; j++) {
            float *to = v + (i * 6 + j) * plane;
            if (lanes == VECTOR_FLOATS)
                store(to, line[j]);
            else
                store_part(to, line[j], lanes);
        }
    }
}

static void input_tile(float *v, int64_t plane, const float *x, int64_t from, int64_t row, int64_t pixel, const int *in, int64_t channels)
{
    static const int all[4] = {0, 6, 0, 6};
    bool whole = memcmp(in, all, sizeof all) == 0;
    int64_t c = 0;
    for (; c + VECTOR_FLOATS <= channels; c += VECTOR_FLOATS)
        if (whole)
            input_vector(v + c, plane, x, from + c, row, pixel, all, VECTOR_FLOATS);
        else
            input_vector(v + c, plane, x, from + c, row, pixel, in, VECTOR_FLOATS);
    if (c < channels)
        input_vector(v + c, plane, x, from + c, row, pixel, in, channels - c);
}

UNROLLED floats epilogue(floats y, const struct cpu_winograd_end *e, int64_t at, int64_t lanes)
{
    for (int i = 0; i < e->n; i++)
        switch (e->link[i].kind) {
        case CPU_LINK_ADD: y += lanes == VECTOR_FLOATS ? load(e->link[i].other + at) : load_part(e->link[i].other + at, lanes); break;
        case CPU_LINK_CLAMP:
            y = choose((ints)(y < splat(e->link[i].low)), splat(e->link[i].low), y);
            y = choose((ints)(y > splat(e->link[i].high)), splat(e->link[i].high), y);
            break;
        }
    return y;
}

UNROLLED void output_vector(float *y, int64_t row, int64_t pixel, const float *m, int64_t plane, int rows, int columns, floats bias,
                            const struct cpu_winograd_end *e, int64_t at, int64_t lanes)
{
    floats t[4][6], line[6], out[4];
    for (int j = 0; j < 6; j++) {
        for (int i = 0; i < 6; i++)
            line[i] = load(m + (i * 6 + j) * plane); /* its rows are padded to whole vectors */
        output_line(line, out);
        for (int i = 0; i < 4; i++)
            t[i][j] = out[i];
    }
    for (int i = 0; i < 4 && i < rows; i++) {
        output_line(t[i], out);
        for (int j = 0; j < 4 && j < columns; j++) {
            int64_t to = i * row + j * pixel;
            floats value = epilogue(out[j] + bias, e, at + to, lanes);
            if (lanes == VECTOR_FLOATS)
                store(y + to, value);
            else
                store_part(y + to, value, lanes);
        }
    }
}

static void output_tile(float *y, int64_t at, int64_t row, int64_t pixel, const float *m, int64_t plane, int rows, int columns, const float *bias,
                        const struct cpu_winograd_end *e, int64_t channels)
{
    int64_t k = 0;
    for (; k + VECTOR_FLOATS <= channels; k += VECTOR_FLOATS)
        if (rows == 4 && columns == 4)
            output_vector(y + at + k, row, pixel, m + k, plane, 4, 4, load(bias + k), e, at + k, VECTOR_FLOATS);
        else
            output_vector(y + at + k, row, pixel, m + k, plane, rows, columns, load(bias + k), e, at + k, VECTOR_FLOATS);
    if (k < channels)
        output_vector(y + at + k, row, pixel, m + k, plane, rows, columns, load_part(bias + k, channels - k), e, at + k, channels - k);
}

/* ---- Weights ------------------------------------------------------------------------------------------------------------- */

/* G g: row i of G has the powers of point i, over the product of its distances from the other finite ones. */
UNROLLED void weight_line(const floats g[3], floats u[6])
{
    const double at_a = 2 * (double)(A * A) * (double)(A * A - B * B), at_b = 2 * (double)(B * B) * (double)(B * B - A * A);
    floats even_a = splat((float)(1 / at_a)) * g[0] + splat((float)((double)(A * A) / at_a)) * g[2], odd_a = splat((float)((double)A / at_a)) * g[1];
    floats even_b = splat((float)(1 / at_b)) * g[0] + splat((float)((double)(B * B) / at_b)) * g[2], odd_b = splat((float)((double)B / at_b)) * g[1];
    u[0] = splat((float)(1 / (double)(A * A * B * B))) * g[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
}

/* A vector of outputs. */
UNROLLED void weight_vector(float *u, int64_t plane, float (*w)[VECTOR_FLOATS])
{
    floats t[6][3], line[6], g[3];
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 3; i++)
            g[i] = load(w[i * 3 + j]);
        weight_line(g, line);
        for (int i = 0; i < 6; i++)
            t[i][j] = line[i];
    }
    for (int i = 0; i < 6; i++) {
        weight_line(t[i], line);
        for (int j = 0; j < 6; j++)
            store(u + (i * 6 + j) * plane, line[j]);
    }
}

static void weights(float *u, int64_t plane, const float *w, int64_t output, int64_t row, int64_t column, int64_t outputs)
{
    for (int half = 0; half < 2; half++, outputs -= VECTOR_FLOATS, w += VECTOR_FLOATS * output, u += VECTOR_FLOATS) {
        float lanes[9][VECTOR_FLOATS] = {{0}};
        for (int o = 0; o < VECTOR_FLOATS && o < outputs; o++)
            for (int i = 0; i < 9; i++)
                lanes[i][o] = w[o * output + i / 3 * row + i % 3 * column];
        weight_vector(u, plane, lanes);
    }
}

/* ---- Products ------------------------------------------------------------------------------------------------------------ */

UNROLLED void product_rows(float *m, int64_t m_row, const float *v, int64_t channels, const float *u, int rows)
{
    floats sum[ROWS][2] = {{{0}}};
    for (int64_t c = 0; c < channels; c++) {
        floats right0 = load(u), right1 = load(u + VECTOR_FLOATS);
        u += 2 * VECTOR_FLOATS;
        for (int r = 0; r < rows; r++) {
            floats left = splat(v[r * channels + c]);
            sum[r][0] += left * right0;
            sum[r][1] += left * right1;
        }
    }
    for (int r = 0; r < rows; r++) {
        store(m + r * m_row, sum[r][0]);
        store(m + r * m_row + VECTOR_FLOATS, sum[r][1]);
    }
}

static void product(float *m, int64_t m_row, const float *v, const float *u, int64_t tiles, int64_t channels)
{
    int64_t t = 0;
    for (; t + ROWS <= tiles; t += ROWS)
        product_rows(m + t * m_row, m_row, v + t * channels, channels, u, ROWS);
    switch (tiles - t) {
    case 5: product_rows(m + t * m_row, m_row, v + t * channels, channels, u, 5); break;
    case 4: product_rows(m + t * m_row, m_row, v + t * channels, channels, u, 4); break;
    case 3: product_rows(m + t * m_row, m_row, v + t * channels, channels, u, 3); break;
    case 2: product_rows(m + t * m_row, m_row, v + t * channels, channels, u, 2); break;
    case 1: product_rows(m + t * m_row, m_row, v + t * channels, channels, u, 1); break;
    default: break;
    }
}

extern const struct cpu_winograd_loops LEVEL(cpu_winograd);
/* ---- The gradient of the weights: F(3x3, 4x4) with the same points ----------------------------------------------------------- */

/* Four gradients of outputs become six: powers of the points, over the product of each one's distances from the other finite ones. */
UNROLLED void gradient_line(const floats g[4], floats v[6])
{
    const double at_a = 2 * (double)(A * A) * (double)(A * A - B * B), at_b = 2 * (double)(B * B) * (double)(B * B - A * A);
    const floats a0 = splat((float)(1 / at_a)), a1 = splat((float)((double)A / at_a)), a2 = splat((float)((double)(A * A) / at_a)),
                 a3 = splat((float)((double)(A * A * A) / at_a));
    const floats b0 = splat((float)(1 / at_b)), b1 = splat((float)((double)B / at_b)), b2 = splat((float)((double)(B * B) / at_b)),
                 b3 = splat((float)((double)(B * B * B) / at_b));
    floats even_a = a0 * g[0] + a2 * g[2], odd_a = a1 * g[1] + a3 * g[3], even_b = b0 * g[0] + b2 * g[2], odd_b = b1 * g[1] + b3 * g[3];
    v[0] = splat((float)(1 / (double)(A * A * B * B))) * g[0];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = g[3];
}

UNROLLED void kernel_line(const floats m[6], floats w[3])
{
    floats sum_a = m[1] + m[2], sum_b = m[3] + m[4];
    w[0] = m[0] + sum_a + sum_b;
    w[1] = splat(A) * (m[1] - m[2]) + splat(B) * (m[3] - m[4]);
    w[2] = splat(A * A) * sum_a + splat(B * B) * sum_b + m[5];
}

UNROLLED void gradient_vector(float *v, int64_t plane, const float *dy, int64_t row, int64_t pixel, int rows, int columns, int64_t lanes)
{
    floats t[6][4], line[6];
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++) {
            const float *at = dy + i * row + j * pixel;
            line[i] = i >= rows || j >= columns ? (floats){0} : lanes == VECTOR_FLOATS ? load(at) : load_part(at, lanes);
        }
        floats column[6];
        gradient_line(line, column);
        for (int i = 0; i < 6; i++)
            t[i][j] = column[i];
    }
    for (int i = 0; i < 6; i++) {
        gradient_line(t[i], line);
        for (int j = 0; j < 6; j++)
            store(v + (i * 6 + j) * plane, line[j]); /* its rows are padded to whole vectors */
    }
}

static void gradient_tile(float *v, int64_t plane, const float *dy, int64_t row, int64_t pixel, int rows, int columns, int64_t channels)
{
    int64_t k = 0;
    for (; k + VECTOR_FLOATS <= channels; k += VECTOR_FLOATS)
        gradient_vector(v + k, plane, dy + k, row, pixel, rows, columns, VECTOR_FLOATS);
    if (k < channels)
        gradient_vector(v + k, plane, dy + k, row, pixel, rows, columns, channels - k);
}

UNROLLED void outer_rows(float *m, int64_t m_row, const float *x, int64_t channels, const float *dy, int64_t dy_row, int64_t tiles, bool first,
                         int rows)
{
    floats sum[ROWS][2] = {{{0}}};
    for (int64_t t = 0; t < tiles; t++) {
        floats right0 = load(dy + t * dy_row), right1 = load(dy + t * dy_row + VECTOR_FLOATS);
        for (int r = 0; r < rows; r++) {
            floats left = splat(x[t * channels + r]);
            sum[r][0] += left * right0;
            sum[r][1] += left * right1;
        }
    }
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < 2; h++) {
            float *to = m + r * m_row + h * VECTOR_FLOATS;
            store(to, first ? sum[r][h] : load(to) + sum[r][h]);
        }
}

static void outer(float *m, int64_t m_row, const float *x, int64_t channels, const float *dy, int64_t dy_row, int64_t tiles, bool first)
{
    int64_t c = 0;
    for (; c + ROWS <= channels; c += ROWS)
        outer_rows(m + c * m_row, m_row, x + c, channels, dy, dy_row, tiles, first, ROWS);
    for (; c < channels; c++)
        outer_rows(m + c * m_row, m_row, x + c, channels, dy, dy_row, tiles, first, 1);
}

static void kernel(float *dw, int64_t output, const float *m, int64_t plane, int64_t outputs)
{
    for (int64_t k = 0; k < outputs; k += VECTOR_FLOATS) {
        floats t[3][6], line[6], w[3];
        for (int j = 0; j < 6; j++) {
            for (int i = 0; i < 6; i++)
                line[i] = load(m + k + (i * 6 + j) * plane);
            kernel_line(line, w);
            for (int i = 0; i < 3; i++)
                t[i][j] = w[i];
        }
        for (int i = 0; i < 3; i++) {
            kernel_line(t[i], w);
            for (int j = 0; j < 3; j++)
                for (int o = 0; o < VECTOR_FLOATS && k + o < outputs; o++)
                    dw[(k + o) * output + i * 3 + j] = w[j][o];
        }
    }
}

const struct cpu_winograd_loops LEVEL(cpu_winograd) = {input_tile, product, output_tile, weights, gradient_tile, outer, kernel};
