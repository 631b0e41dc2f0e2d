/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of max pooling: over the channels of one window (channels-last), and over the windows of one
 * row (contiguous). A NaN counts as the largest value; of equal values the first in the window wins.
 */
#include <math.h>

#include "level.h"
#include "simd.h"
#include "vector.h"

static inline void take_vectors(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t c, int vectors)
{
    floats best[4];
    ints index[4];
    for (int v = 0; v < vectors; v++) {
        best[v] = load(x[0] + c + v * VECTOR_FLOATS);
        index[v] = splat_int(id[0]);
    }
    for (int k = 1; k < n; k++)
        for (int v = 0; v < vectors; v++) {
            floats value = load(x[k] + c + v * VECTOR_FLOATS);
            ints better = (ints)(value > best[v]) | (ints)(value != value);
            best[v] = choose(better, value, best[v]);
            index[v] = choose_int(better, splat_int(id[k]), index[v]);
        }
    for (int v = 0; v < vectors; v++) {
        store(y + c + v * VECTOR_FLOATS, best[v]);
        if (where)
            store_bytes(where + c + v * VECTOR_FLOATS, index[v]);
    }
}

static void max_window(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t channels)
{
    int64_t c = 0;
    for (; c + 4 * VECTOR_FLOATS <= channels; c += 4 * VECTOR_FLOATS)
        take_vectors(y, where, x, id, n, c, 4);
    for (; c + VECTOR_FLOATS <= channels; c += VECTOR_FLOATS)
        take_vectors(y, where, x, id, n, c, 1);
    for (; c < channels; c++) {
        float best = x[0][c];
        uint8_t index = id[0];
        for (int k = 1; k < n; k++) {
            float value = x[k][c];
            if (value > best || value != value) {
                best = value;
                index = id[k];
            }
        }
        y[c] = best;
        if (where)
            where[c] = index;
    }
}

static void max_window_grad(float *const *dx, const uint8_t *id, int n, const float *dy, const uint8_t *where, int64_t channels)
{
    int64_t c = 0;
    for (; c + VECTOR_FLOATS <= channels; c += VECTOR_FLOATS) {
        floats g = load(dy + c);
        ints index = load_bytes(where + c);
        for (int k = 0; k < n; k++) {
            ints here = (ints)(index == splat_int(id[k]));
            store(dx[k] + c, load(dx[k] + c) + (floats)(here & (ints)g));
        }
    }
    for (; c < channels; c++)
        for (int k = 0; k < n; k++)
            dx[k][c] += where[c] == id[k] ? dy[c] : 0.0f;
}

static inline void max_strided_by(float *best, uint8_t *where, const float *x, int64_t step, uint8_t id, int64_t n)
{
    if (where) {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            float value = x[i * step], old = best[i];
            int better = (value > old) | (value != value);
            best[i] = better ? value : old;
            where[i] = better ? id : where[i];
        }
    } else {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            float value = x[i * step], old = best[i];
            best[i] = (value > old) | (value != value) ? value : old;
        }
    }
}

static void max_strided(float *best, uint8_t *where, const float *x, int64_t step, uint8_t id, int64_t n)
{
    if (step == 1)
        max_strided_by(best, where, x, 1, id, n);
    else if (step == 2)
        max_strided_by(best, where, x, 2, id, n);
    else
        max_strided_by(best, where, x, step, id, n);
}

const struct cpu_pool_loops LEVEL(cpu_pool_loops) = {
    .max_window = max_window,
    .max_window_grad = max_window_grad,
    .max_strided = max_strided,
};
