/* SPDX-License-Identifier: Apache-2.0
 *
 * Explicit vectors, for the loops that keep accumulators in registers: the compiler's vector extension, as wide as
 * the level's registers. Loads and stores need no alignment.
 */
#ifndef CPU_VECTOR_SIMD_H
#define CPU_VECTOR_SIMD_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
enum { VECTOR_FLOATS = VECTOR_BYTES / 4 };

/* For functions whose counts are constants at each call, so that their arrays become registers. */
#define UNROLLED static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t ints __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t bytes_of_ints __attribute__((vector_size(VECTOR_BYTES / 4)));

static inline floats load(const float *p)
{
    floats v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, floats v)
{
    memcpy(p, &v, sizeof v);
}

/* Parts of a vector, for the ends of rows: n lanes, 0 to VECTOR_FLOATS. Loads give zeros in the others; nothing beyond the n is
 * touched. */
#if defined(__AVX512F__)
static inline __mmask16 first_lanes(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline floats load_part(const float *p, int64_t n)
{
    return (floats)_mm512_maskz_loadu_ps(first_lanes(n), p);
}

static inline void store_part(float *p, floats v, int64_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v);
}
#elif defined(__AVX__)
static inline __m256i first_lanes(int64_t n)
{
    static const int32_t edge[2 * VECTOR_FLOATS] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(edge + VECTOR_FLOATS - n));
}

static inline floats load_part(const float *p, int64_t n)
{
    return (floats)_mm256_maskload_ps(p, first_lanes(n));
}

static inline void store_part(float *p, floats v, int64_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
}
#else
static inline floats load_part(const float *p, int64_t n)
{
    floats v = {0};
    for (int64_t i = 0; i < n; i++)
        v[i] = p[i];
    return v;
}

static inline void store_part(float *p, floats v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = v[i];
}
#endif

static inline floats splat(float x)
{
    return x - (floats){0};
}

static inline ints splat_int(int32_t x)
{
    return x - (ints){0};
}

/* Lanes of a where the mask is all ones, of b where it is zero. */
static inline floats choose(ints mask, floats a, floats b)
{
    return (floats)((mask & (ints)a) | (~mask & (ints)b));
}

static inline ints choose_int(ints mask, ints a, ints b)
{
    return (mask & a) | (~mask & b);
}

static inline ints load_bytes(const uint8_t *p)
{
    bytes_of_ints v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, ints);
}

static inline void store_bytes(uint8_t *p, ints v)
{
    bytes_of_ints b = __builtin_convertvector(v, bytes_of_ints);
    memcpy(p, &b, sizeof b);
}

static inline void store_bytes_part(uint8_t *p, ints v, int64_t n)
{
    uint8_t b[VECTOR_FLOATS];
    store_bytes(b, v);
    for (int64_t i = 0; i < n; i++)
        p[i] = b[i];
}

/* The larger of two, of which neither is a NaN. */
static inline floats maximum(floats a, floats b)
{
#if defined(__AVX512F__)
    return (floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX__)
    return (floats)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return choose((ints)(a > b), a, b);
#endif
}

/* Every lane v[i + by]; what is beyond the end comes round. */
UNROLLED floats rotate(floats v, int by)
{
    ints from;
    for (int i = 0; i < VECTOR_FLOATS; i++)
        from[i] = (i + by) % VECTOR_FLOATS;
    return __builtin_shuffle(v, from);
}

UNROLLED float sum_lanes(floats v)
{
#pragma GCC unroll 4
    for (int width = VECTOR_FLOATS / 2; width > 0; width /= 2)
        v += rotate(v, width);
    return v[0];
}

/* The larger of two; a NaN counts as larger than any number. */
static inline floats larger(floats a, floats b)
{
    return choose((ints)(a > b) | (ints)(a != a), a, b);
}

UNROLLED float largest_lane(floats v)
{
#pragma GCC unroll 4
    for (int width = VECTOR_FLOATS / 2; width > 0; width /= 2)
        v = larger(v, rotate(v, width));
    return v[0];
}

#endif
