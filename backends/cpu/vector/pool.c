/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of max pooling: over the channels of one window (channels-last), and over the windows of one
 * row (contiguous). A NaN counts as the largest value; of equal values the first in the window wins.
 */
#include <math.h>

#include "level.h"
#include "simd.h"
#include "vector.h"

UNROLLED void take_vectors(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t c, int vectors)
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

/* Every step-th float from p on. For step 2 one more is read than is needed. */
UNROLLED floats load_every(const float *p, int64_t step)
{
    if (step == 1)
        return load(p);
    ints even;
    for (int i = 0; i < VECTOR_FLOATS; i++)
        even[i] = 2 * i;
    return __builtin_shuffle(load(p), load(p + VECTOR_FLOATS), even);
}

UNROLLED int64_t max_strided_by(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t step, int64_t count)
{
    int64_t i = 0;
    for (; i + VECTOR_FLOATS < count; i += VECTOR_FLOATS) { /* one is left: nothing beyond the rows is read */
        floats best = load_every(x[0] + i * step, step);
        ints index = splat_int(id[0]);
        for (int k = 1; k < n; k++) {
            floats value = load_every(x[k] + i * step, step);
            ints better = (ints)(value > best) | (ints)(value != value);
            best = choose(better, value, best);
            index = choose_int(better, splat_int(id[k]), index);
        }
        store(y + i, best);
        if (where)
            store_bytes(where + i, index);
    }
    return i;
}

static void max_strided(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t step, int64_t count)
{
    int64_t i = step == 1   ? max_strided_by(y, where, x, id, n, 1, count)
                : step == 2 ? max_strided_by(y, where, x, id, n, 2, count)
                            : 0;
    for (; i < count; i++) {
        float best = x[0][i * step];
        uint8_t index = id[0];
        for (int k = 1; k < n; k++) {
            float value = x[k][i * step];
            if (value > best || value != value) {
                best = value;
                index = id[k];
            }
        }
        y[i] = best;
        if (where)
            where[i] = index;
    }
}

const struct cpu_pool_loops LEVEL(cpu_pool_loops) = {
    .max_window = max_window,
    .max_window_grad = max_window_grad,
    .max_strided = max_strided,
};
