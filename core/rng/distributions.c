/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform, Bernoulli and integer draws, and permutations. A float is made from the low 24 bits of one 32-bit draw, a double from
 * the low 53 bits of two; everything is done in chunks, so that the engine hands out many words at once.
 */
#include "distributions.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 512, PAIRS = CHUNK / 2 };

static const uint32_t mask24 = (1u << 24) - 1;
static const uint64_t mask53 = (UINT64_C(1) << 53) - 1;

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline uint64_t pair(const uint32_t *draws, size_t i)
{
    return (uint64_t)draws[2 * i] << 32 | draws[2 * i + 1];
}

/* ---- Half precision ------------------------------------------------------------------------------------------------ */

uint16_t rng_to_half(float value, bool bfloat)
{
    return bfloat ? tl_bf16_of_f32(value) : tl_f16_of_f32(value);
}

float rng_from_half(uint16_t bits, bool bfloat)
{
    return bfloat ? tl_f32_of_bf16(bits) : tl_f32_of_f16(bits);
}

/* ---- Uniform ------------------------------------------------------------------------------------------------------- */

/* n <= CHUNK draws as floats on [low, high), computed as if the product were not rounded; the upper bound, if rounding gives it,
 * becomes the lower. */
static void uniform_chunk(tl_generator *g, float *to, size_t n, float low, float high)
{
    uint32_t draws[CHUNK];
    mt_fill(&g->engine, draws, n);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(int32_t)(draws[i] & mask24) * 0x1p-24f;
    if (low == 0 && high == 1)
        return;
    double range = high - low;
    for (size_t i = 0; i < n; i++) {
        float value = (float)(to[i] * range + low);
        to[i] = value == high ? low : value;
    }
}

static void uniform_f64(tl_generator *g, double *to, size_t n, double low, double high)
{
    uint32_t draws[CHUNK];
    bool unit = low == 0 && high == 1;
    double range = high - low;
    for (size_t done = 0; done < n; done += PAIRS) {
        size_t part = smaller(n - done, PAIRS);
        mt_fill(&g->engine, draws, 2 * part);
        for (size_t i = 0; i < part; i++) {
            double x = (double)(int64_t)(pair(draws, i) & mask53) * 0x1p-53;
            double value = unit ? x : fma(x, range, low);
            to[done + i] = !unit && value == high ? low : value;
        }
    }
}

void rng_uniform(tl_generator *g, tl_dtype dtype, void *to, size_t n, double low, double high)
{
    if (dtype == TL_F64) {
        uniform_f64(g, to, n, low, high);
        return;
    }
    float from = (float)low, below = (float)high, chunk[CHUNK];
    bool bfloat = dtype == TL_BF16;
    for (size_t done = 0; done < n; done += CHUNK) {
        size_t part = smaller(n - done, CHUNK);
        if (dtype == TL_F32) {
            uniform_chunk(g, (float *)to + done, part, from, below);
            continue;
        }
        uint16_t *half = (uint16_t *)to + done, first = rng_to_half(from, bfloat), end = rng_to_half(below, bfloat);
        uniform_chunk(g, chunk, part, from, below);
        for (size_t i = 0; i < part; i++) {
            half[i] = rng_to_half(chunk[i], bfloat);
            if (half[i] == end)
                half[i] = first;
        }
    }
}

/* ---- Integers and Bernoulli ------------------------------------------------------------------------------------------ */

/* Store n integers as `dtype`, from element `at` on. */
static void store(tl_dtype dtype, void *to, size_t at, const int64_t *from, size_t n)
{
#define STORE_AS(type)                     \
    for (size_t i = 0; i < n; i++)         \
        ((type *)to)[at + i] = (type)from[i]
    switch (dtype) {
    case TL_F32: STORE_AS(float); break;
    case TL_F64: STORE_AS(double); break;
    case TL_I8: STORE_AS(int8_t); break;
    case TL_U8:
    case TL_BOOL: STORE_AS(uint8_t); break;
    case TL_I32: STORE_AS(int32_t); break;
    case TL_I64: STORE_AS(int64_t); break;
    case TL_F16:
    case TL_BF16:
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)to)[at + i] = rng_to_half((float)from[i], dtype == TL_BF16);
        break;
    case TL_DEFAULT:
    case TL_DTYPE_COUNT: break;
    }
#undef STORE_AS
}

/* The least integer t so that k * 2^-bits < p exactly when k < t. p is in [0, 1]. */
static uint64_t threshold(double p, int bits)
{
    return (uint64_t)ceil(ldexp(p, bits));
}

void rng_bernoulli(tl_generator *g, tl_dtype dtype, void *to, size_t n, double p)
{
    uint32_t draws[CHUNK];
    int64_t hits[PAIRS];
    uint64_t below = threshold(p, 53);
    for (size_t done = 0; done < n; done += PAIRS) {
        size_t part = smaller(n - done, PAIRS);
        mt_fill(&g->engine, draws, 2 * part);
        for (size_t i = 0; i < part; i++)
            hits[i] = (pair(draws, i) & mask53) < below;
        store(dtype, to, done, hits, part);
    }
}

static double chance(const void *p, tl_dtype dtype, size_t i)
{
    if (dtype == TL_F64)
        return ((const double *)p)[i];
    if (dtype == TL_F32)
        return ((const float *)p)[i];
    return rng_from_half(((const uint16_t *)p)[i], dtype == TL_BF16);
}

void rng_bernoulli_each(tl_generator *g, tl_dtype dtype, void *to, size_t n, tl_dtype p_dtype, const void *p)
{
    uint32_t draws[CHUNK];
    int64_t hits[PAIRS];
    bool wide = p_dtype == TL_F64;
    for (size_t done = 0; done < n; done += PAIRS) {
        size_t part = smaller(n - done, PAIRS);
        mt_fill(&g->engine, draws, wide ? 2 * part : part);
        for (size_t i = 0; i < part; i++) {
            double x = wide ? (double)(pair(draws, i) & mask53) * 0x1p-53 : (double)(draws[i] & mask24) * 0x1p-24;
            hits[i] = x < chance(p, p_dtype, done + i);
        }
        store(dtype, to, done, hits, part);
    }
}

__extension__ typedef unsigned __int128 wide_uint;

/* a % d for 32-bit numbers by two multiplications instead of a division (Lemire, Kaser and Kurz, "Faster remainder by direct
 * computation", 2019): the low 64 bits of a * reciprocal are the fraction of a / d. reciprocal is ceil(2^64 / d), modulo 2^64. */
static inline uint32_t remainder32(uint32_t a, uint32_t d, uint64_t reciprocal)
{
    uint64_t fraction = reciprocal * a;
    return (uint32_t)((wide_uint)fraction * d >> 64);
}

void rng_integers(tl_generator *g, tl_dtype dtype, void *to, size_t n, int64_t low, int64_t high)
{
    uint32_t draws[CHUNK];
    int64_t values[PAIRS];
    uint64_t range = (uint64_t)high - (uint64_t)low, reciprocal = UINT64_MAX / range + 1;
    bool wide = range >= UINT64_C(1) << 28; /* fewer bits would favour small numbers by more than 6 % */
    for (size_t done = 0; done < n; done += PAIRS) {
        size_t part = smaller(n - done, PAIRS);
        mt_fill(&g->engine, draws, wide ? 2 * part : part);
        for (size_t i = 0; i < part; i++) {
            uint64_t offset = wide ? pair(draws, i) % range : remainder32(draws[i], (uint32_t)range, reciprocal);
            values[i] = (int64_t)((uint64_t)low + offset);
        }
        store(dtype, to, done, values, part);
    }
}

/* ---- Permutations ---------------------------------------------------------------------------------------------------- */

/* The shuffle of Fisher and Yates. Beyond a twentieth of 2^32 elements, 64-bit draws, and the variant that fills as it goes. */
void rng_permutation(tl_generator *g, int64_t *to, int64_t n)
{
    if (n < UINT32_MAX / 20) {
        for (int64_t i = 0; i < n; i++)
            to[i] = i;
        for (int64_t i = 0; i < n - 1; i++) {
            int64_t other = i + mt_draw(&g->engine) % (uint32_t)(n - i);
            int64_t value = to[i];
            to[i] = to[other];
            to[other] = value;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t other = (int64_t)(mt_draw64(&g->engine) % ((uint64_t)i + 1));
        to[i] = i;
        to[i] = to[other];
        to[other] = i;
    }
}
