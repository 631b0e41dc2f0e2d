/* SPDX-License-Identifier: Apache-2.0
 *
 * The Box-Muller transform: two uniforms u in (0, 1] and v in [0, 1) give two independent standard normals,
 *
 *     sqrt(-2 ln u) cos(2 pi v)   and   sqrt(-2 ln u) sin(2 pi v).
 *
 * Logarithm, sine and cosine are written out here because a C library's differ in the last bit between versions and
 * processors; these need nothing but rounded + - * / and square roots, so that every machine gives the same numbers. (For
 * that, products and sums must not be contracted: the build says -ffp-contract=off.) Each comes twice: for four doubles, to
 * about two units in the last place, and for eight floats, to about one.
 *
 * ln: with u = 2^e m, m within a factor sqrt(2) of 1, f = m - 1 and s = f / (2 + f),
 *     ln u = e ln 2 + 2 (s + s^3/3 + s^5/5 + …) = e ln 2 + f - s (f - 2 s^2 (1/3 + s^2/5 + …)).
 * sin, cos: x = q pi/2 + r with |r| <= pi/4 (pi/2 in parts, so that q times the first is exact), Taylor series in r; the quarter q
 * turns the pair.
 *
 * Vectors go by pointer: by value, their calling convention would depend on the processor, and compilers say so even of
 * functions that are always inlined.
 */
#ifndef TELAR_CORE_RNG_BOX_MULLER_H
#define TELAR_CORE_RNG_BOX_MULLER_H

#include <math.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

typedef double double4 __attribute__((vector_size(32)));
typedef uint64_t word4 __attribute__((vector_size(32)));
typedef float float8 __attribute__((vector_size(32)));
typedef uint32_t word8 __attribute__((vector_size(32)));
typedef int32_t index8 __attribute__((vector_size(32)));

/* ---- Four doubles --------------------------------------------------------------------------------------------------- */

/* *y = c[0] + c[1] z + … + c[n-1] z^(n-1) */
INLINE void polynomial4(double4 *y, const double4 *z, const double *c, int n)
{
    double4 sum = c[n - 1] + 0 * *z;
#pragma GCC unroll 16
    for (int k = n - 2; k >= 0; k--)
        sum = sum * *z + c[k];
    *y = sum;
}

INLINE void log4(double4 *y, const double4 *u)
{
    static const double c[] = {2. / 3,  2. / 5,  2. / 7,  2. / 9,  2. / 11, 2. / 13,
                               2. / 15, 2. / 17, 2. / 19, 2. / 21};
    const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    word4 bits = (word4)*u;
    double4 m = (double4)((bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000));
    word4 large = (word4)(m > 1.4142135623730951); /* -1 where m is to be halved */
    m = (double4)((word4)m - (large & UINT64_C(0x0010000000000000)));
    /* An integer below 2^52 in the mantissa of 2^52 is 2^52 plus that integer. */
    double4 e = (double4)(((bits >> 52) - large) | UINT64_C(0x4330000000000000)) - (0x1p52 + 1023);
    double4 f = m - 1, s = f / (2 + f), z = s * s, series;
    polynomial4(&series, &z, c, sizeof c / sizeof *c);
    *y = e * ln2_high + (f - (s * (f - z * series) - e * ln2_low));
}

INLINE void sincos4(double4 *sine, double4 *cosine, const double4 *x)
{
    static const double sin_c[] = {-1. / 6,         1. / 120,          -1. / 5040,           1. / 362880,
                                   -1. / 39916800., 1. / 6227020800., -1. / 1307674368000., 1. / 355687428096000.};
    static const double cos_c[] = {-1. / 2,        1. / 24,         -1. / 720,          1. / 40320,
                                   -1. / 3628800., 1. / 479001600., -1. / 87178291200., 1. / 20922789888000.};
    const double quarter_high = 0x1.921fb544p+0, quarter_low = 0x1.0b4611a626331p-34, round = 0x1.8p52;
    double4 shifted = *x * 0.63661977236758138 + round, q = shifted - round;
    double4 r = *x - q * quarter_high - q * quarter_low, z = r * r, s, c;
    polynomial4(&s, &z, sin_c, sizeof sin_c / sizeof *sin_c);
    polynomial4(&c, &z, cos_c, sizeof cos_c / sizeof *cos_c);
    s = r + r * (z * s);
    c = 1 + z * c;
    word4 quarter = (word4)shifted, odd = 0 - (quarter & 1);
    *sine = (double4)((((word4)c & odd) | ((word4)s & ~odd)) ^ (quarter & 2) << 62);
    *cosine = (double4)((((word4)s & odd) | ((word4)c & ~odd)) ^ ((quarter + 1) & 2) << 62);
}

INLINE void sqrt4(double4 *x)
{
    *x = (double4){sqrt((*x)[0]), sqrt((*x)[1]), sqrt((*x)[2]), sqrt((*x)[3])};
}

/* ---- Eight floats ----------------------------------------------------------------------------------------------------- */

INLINE void polynomial8(float8 *y, const float8 *z, const float *c, int n)
{
    float8 sum = c[n - 1] + 0 * *z;
#pragma GCC unroll 8
    for (int k = n - 2; k >= 0; k--)
        sum = sum * *z + c[k];
    *y = sum;
}

INLINE void log8(float8 *y, const float8 *u)
{
    static const float c[] = {2.f / 3, 2.f / 5, 2.f / 7, 2.f / 9};
    const float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;
    word8 bits = (word8)*u;
    float8 m = (float8)((bits & 0x007fffffu) | 0x3f800000u);
    word8 large = (word8)(m > 1.41421356f);
    m = (float8)((word8)m - (large & 0x00800000u));
    float8 e = __builtin_convertvector((index8)((bits >> 23) - large - 127u), float8);
    float8 f = m - 1, s = f / (2 + f), z = s * s, series;
    polynomial8(&series, &z, c, sizeof c / sizeof *c);
    *y = e * ln2_high + (f - (s * (f - z * series) - e * ln2_low));
}

INLINE void sincos8(float8 *sine, float8 *cosine, const float8 *x)
{
    static const float sin_c[] = {-1.f / 6, 1.f / 120, -1.f / 5040, 1.f / 362880};
    static const float cos_c[] = {-1.f / 2, 1.f / 24, -1.f / 720, 1.f / 40320, -1.f / 3628800};
    const float quarter_high = 0x1.92p+0f, quarter_middle = 0x1.fb4p-12f, quarter_low = 0x1.4442d2p-24f, round = 0x1.8p23f;
    float8 shifted = *x * 0.636619772f + round, q = shifted - round;
    float8 r = *x - q * quarter_high - q * quarter_middle - q * quarter_low, z = r * r, s, c;
    polynomial8(&s, &z, sin_c, sizeof sin_c / sizeof *sin_c);
    polynomial8(&c, &z, cos_c, sizeof cos_c / sizeof *cos_c);
    s = r + r * (z * s);
    c = 1 + z * c;
    word8 quarter = (word8)shifted, odd = 0 - (quarter & 1);
    *sine = (float8)((((word8)c & odd) | ((word8)s & ~odd)) ^ (quarter & 2) << 30);
    *cosine = (float8)((((word8)s & odd) | ((word8)c & ~odd)) ^ ((quarter + 1) & 2) << 30);
}

INLINE void sqrt8(float8 *x)
{
    *x = (float8){sqrtf((*x)[0]), sqrtf((*x)[1]), sqrtf((*x)[2]), sqrtf((*x)[3]),
                  sqrtf((*x)[4]), sqrtf((*x)[5]), sqrtf((*x)[6]), sqrtf((*x)[7])};
}

#endif
