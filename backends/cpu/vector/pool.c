/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of max pooling: over the channels of one window (channels-last), and over the windows of one
 * row (contiguous). A NaN counts as the largest value; of equal values the first in the window wins.
 */
#include <math.h>

#include "level.h"
#include "simd.h"
#include "vector.h"

/* The running maximum and its number within the window. */
UNROLLED void take(floats *best, ints *index, floats value, uint8_t id)
{
    ints better = (ints)(value > *best) | (ints)(value != value);
    *best = choose(better, value, *best);
    *index = choose_int(better, splat_int(id), *index);
}

UNROLLED void take_vectors(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t c, int vectors)
{
    floats best[4];
    ints index[4];
    for (int v = 0; v < vectors; v++) {
        best[v] = load(x[0] + c + v * VECTOR_FLOATS);
        index[v] = splat_int(id[0]);
    }
    for (int k = 1; k < n; k++)
        for (int v = 0; v < vectors; v++)
            take(&best[v], &index[v], load(x[k] + c + v * VECTOR_FLOATS), id[k]);
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
    if (c == channels)
        return;
    int64_t rest = channels - c;
    floats best = load_part(x[0] + c, rest);
    ints index = splat_int(id[0]);
    for (int k = 1; k < n; k++)
        take(&best, &index, load_part(x[k] + c, rest), id[k]);
    store_part(y + c, best, rest);
    if (where)
        store_bytes_part(where + c, index, rest);
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

/* Every step-th float from p on, `lanes` of them, 1 to VECTOR_FLOATS; nothing beyond the last is read. */
UNROLLED floats load_every(const float *p, int64_t step, int64_t lanes)
{
    if (step == 1)
        return lanes == VECTOR_FLOATS ? load(p) : load_part(p, lanes);
    floats v = {0};
    if (step == 2) {
        int64_t floats_left = 2 * lanes - 1;
        ints even;
        for (int i = 0; i < VECTOR_FLOATS; i++)
            even[i] = 2 * i;
        if (floats_left <= VECTOR_FLOATS)
            return __builtin_shuffle(load_part(p, floats_left), v, even);
        return __builtin_shuffle(load(p), load_part(p + VECTOR_FLOATS, floats_left - VECTOR_FLOATS), even);
    }
    for (int64_t i = 0; i < lanes; i++)
        v[i] = p[i * step];
    return v;
}

UNROLLED void max_lanes(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t at, int64_t step,
                        int64_t lanes)
{
    floats best = load_every(x[0] + at * step, step, lanes);
    ints index = splat_int(id[0]);
    for (int k = 1; k < n; k++)
        take(&best, &index, load_every(x[k] + at * step, step, lanes), id[k]);
    if (lanes == VECTOR_FLOATS)
        store(y + at, best);
    else
        store_part(y + at, best, lanes);
    if (!where)
        return;
    if (lanes == VECTOR_FLOATS)
        store_bytes(where + at, index);
    else
        store_bytes_part(where + at, index, lanes);
}

UNROLLED void max_strided_by(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t step, int64_t count)
{
    int64_t i = 0;
    for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS)
        max_lanes(y, where, x, id, n, i, step, VECTOR_FLOATS);
    if (i < count)
        max_lanes(y, where, x, id, n, i, step, count - i);
}

static void max_strided(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t step, int64_t count)
{
    if (step == 1)
        max_strided_by(y, where, x, id, n, 1, count);
    else if (step == 2)
        max_strided_by(y, where, x, id, n, 2, count);
    else
        max_strided_by(y, where, x, id, n, step, count);
}

const struct cpu_pool_loops LEVEL(cpu_pool_loops) = {
    .max_window = max_window,
    .max_window_grad = max_window_grad,
    .max_strided = max_strided,
};
