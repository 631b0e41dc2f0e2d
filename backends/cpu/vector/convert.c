/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversions between element types, fills, and transposition: the loops of `copy` and `fill` over dense elements. A float becomes
 * an integer by truncation, saturating at the ends; NaN becomes 0. bool is 0 or 1. f16 needs the F16C instructions.
 */
#include <math.h>

#include "level.h"
#include "math.h"
#include "simd.h"
#include "vector.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

/* ---- one element ---- */

static inline float bf16_to_f32(uint16_t x)
{
    return float_of((uint32_t)x << 16);
}

/* To the nearest, halves to even; a NaN stays one. */
static inline uint16_t f32_to_bf16(float x)
{
    uint32_t u = bits_of(x);
    uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1)) >> 16;
    return (uint16_t)(x != x ? (u >> 16 | 0x40u) : rounded);
}

static inline uint8_t f32_to_u8(float x)
{
    x = x > 0.0f ? x : 0.0f;
    x = x < 255.0f ? x : 255.0f;
    return (uint8_t)(int32_t)x;
}

/* 2^31 and 2^63 are floats, the largest integers below them are not. */
static inline int32_t f32_to_i32(float x)
{
    float clipped = x > -2147483648.0f ? x : x != x ? 0.0f : -2147483648.0f;
    return x >= 2147483648.0f ? INT32_MAX : (int32_t)(clipped < 2147483648.0f ? clipped : 0.0f);
}

static inline int64_t f32_to_i64(float x)
{
    float clipped = x > -9223372036854775808.0f ? x : x != x ? 0.0f : -9223372036854775808.0f;
    return x >= 9223372036854775808.0f ? INT64_MAX : (int64_t)(clipped < 9223372036854775808.0f ? clipped : 0.0f);
}

/* ---- dense loops ---- */

#define CONVERT(name, FROM, TO, ...)                                                       \
    static void name(const void *const *in, void *out, int64_t n, const double *pq)        \
    {                                                                                      \
        const FROM *const from = in[1];                                                    \
        TO *const to = out;                                                                \
        (void)pq;                                                                          \
        INDEPENDENT                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                  \
            const FROM x = from[i];                                                        \
            to[i] = (TO)(__VA_ARGS__);                                                     \
        }                                                                                  \
    }

CONVERT(copy_1, uint8_t, uint8_t, x)
CONVERT(copy_2, uint16_t, uint16_t, x)
CONVERT(copy_4, uint32_t, uint32_t, x)
CONVERT(copy_8, uint64_t, uint64_t, x)
CONVERT(from_f64, double, float, x)
CONVERT(from_bf16, uint16_t, float, bf16_to_f32(x))
CONVERT(from_i8, int8_t, float, x)
CONVERT(from_u8, uint8_t, float, x)
CONVERT(from_i32, int32_t, float, x)
CONVERT(from_i64, int64_t, float, x)
CONVERT(to_f64, float, double, x)
CONVERT(to_bf16, float, uint16_t, f32_to_bf16(x))
CONVERT(to_u8, float, uint8_t, f32_to_u8(x))
CONVERT(to_i32, float, int32_t, f32_to_i32(x))
CONVERT(to_i64, float, int64_t, f32_to_i64(x))
CONVERT(to_bool, float, uint8_t, x != 0.0f)
CONVERT(u8_to_i64, uint8_t, int64_t, x)
CONVERT(i64_to_bool, int64_t, uint8_t, x != 0)
CONVERT(u8_to_bool, uint8_t, uint8_t, x != 0)

#if defined(__F16C__)
static void from_f16(const void *const *in, void *out, int64_t n, const double *pq)
{
    const uint16_t *from = in[1];
    float *to = out;
    (void)pq;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + i))));
    for (; i < n; i++)
        to[i] = _cvtsh_ss(from[i]);
}

static void to_f16(const void *const *in, void *out, int64_t n, const double *pq)
{
    const float *from = in[1];
    uint16_t *to = out;
    (void)pq;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++)
        to[i] = _cvtss_sh(from[i], _MM_FROUND_TO_NEAREST_INT);
}
#else
#define from_f16 NULL
#define to_f16 NULL
#endif

/* Fills read their value from memory, already in the element type. */
#define FILL(name, T)                                                                  \
    static void name(const void *const *in, void *out, int64_t n, const double *pq)    \
    {                                                                                  \
        T *const to = out, value;                                                      \
        (void)in;                                                                      \
        memcpy(&value, pq, sizeof value);                                              \
        for (int64_t i = 0; i < n; i++)                                                \
            to[i] = value;                                                             \
    }

FILL(fill_1, uint8_t)
FILL(fill_2, uint16_t)
FILL(fill_4, uint32_t)
FILL(fill_8, uint64_t)

/* ---- transposition ---- */

#if defined(__AVX__)
#include <immintrin.h>

static inline void transpose_8x8(float *to, int64_t to_stride, const float *from, int64_t from_stride)
{
    __m256 row[8], pair[8], quad[8];
    for (int i = 0; i < 8; i++)
        row[i] = _mm256_loadu_ps(from + i * from_stride);
    for (int i = 0; i < 8; i += 2) {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
    }
}
#else
static inline void transpose_8x8(float *to, int64_t to_stride, const float *from, int64_t from_stride)
{
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            to[i * to_stride + j] = from[j * from_stride + i];
}
#endif

static void transpose_f32(float *to, int64_t to_stride, const float *from, int64_t from_stride, int64_t rows, int64_t columns)
{
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        int64_t c = 0;
        for (; c + 8 <= columns; c += 8)
            transpose_8x8(to + c * to_stride + r, to_stride, from + r * from_stride + c, from_stride);
        for (; c < columns; c++)
            for (int i = 0; i < 8; i++)
                to[c * to_stride + r + i] = from[(r + i) * from_stride + c];
    }
    for (; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            to[c * to_stride + r] = from[r * from_stride + c];
}

const struct cpu_convert_loops LEVEL(cpu_convert_loops) = {
    .copy = {[1] = copy_1, [2] = copy_2, [4] = copy_4, [8] = copy_8},
    .fill = {[1] = fill_1, [2] = fill_2, [4] = fill_4, [8] = fill_8},
    .to_f32 = {[TL_F64] = from_f64, [TL_F16] = from_f16, [TL_BF16] = from_bf16, [TL_I8] = from_i8, [TL_U8] = from_u8,
               [TL_I32] = from_i32, [TL_I64] = from_i64, [TL_BOOL] = from_u8},
    .from_f32 = {[TL_F64] = to_f64, [TL_F16] = to_f16, [TL_BF16] = to_bf16, [TL_U8] = to_u8, [TL_I32] = to_i32,
                 [TL_I64] = to_i64, [TL_BOOL] = to_bool},
    .u8_to_i64 = u8_to_i64,
    .i64_to_bool = i64_to_bool,
    .u8_to_bool = u8_to_bool,
    .transpose = transpose_f32,
};
