/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementary functions of float without branches, tables or calls, so that a loop over them becomes vector code.
 * Each reduces its argument to a short interval, evaluates a polynomial fitted there for least relative error
 * (weighted least squares, 40 digits), and undoes the reduction; special cases are selected at the end. Errors against exact results,
 * over all exponents: exp, expm1, log, log1p, log2, tanh below 2 units in the last place; erf, sin, cos, pow
 * below 1 to 2. The functions of double are the C library's.
 */
#ifndef CPU_VECTOR_MATH_H
#define CPU_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "pi.h"

static inline uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline uint64_t bits_of_double(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double double_of(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float select_f32(int condition, float then, float otherwise)
{
    return condition ? then : otherwise;
}

static inline double select_f64(int condition, double then, double otherwise)
{
    return condition ? then : otherwise;
}

/* Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, which is then found in the low bits of the sum. */
#define ROUNDER 12582912.0f
#define ROUNDER_DOUBLE 6755399441055744.0

/* e^x = 2^n (1 + q) with |r| <= ln2 / 2: gives q = e^r - 1 and n as the bits of a shifted float. */
static inline float exp_reduced(float x, uint32_t *n)
{
    float shifted = x * 1.44269504f + ROUNDER;
    float k = shifted - ROUNDER;
    float r = x - k * 0.693359375f;
    r = r + k * 2.12194440e-4f;
    float p = 1.3951717252e-03f;
    p = p * r + 8.3695984101e-03f;
    p = p * r + 4.1666187284e-02f;
    p = p * r + 1.6666512888e-01f;
    p = p * r + 5.0000001010e-01f;
    *n = bits_of(shifted) - bits_of(ROUNDER);
    return p * (r * r) + r;
}

static inline float fast_exp(float x)
{
    x = select_f32(x > 89.0f, 89.0f, x);
    x = select_f32(x < -104.0f, -104.0f, x);
    uint32_t n;
    float q = exp_reduced(x, &n) + 1.0f;
    /* In two factors, so that denormal and overflowing results come out right. */
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return q * float_of((half + 127) << 23) * float_of((n - half + 127) << 23);
}

static inline float fast_expm1(float x)
{
    float c = select_f32(x > 89.0f, 89.0f, x);
    c = select_f32(c < -30.0f, -30.0f, c);
    uint32_t n;
    float q = exp_reduced(c, &n);
    float half = float_of((n + 126) << 23); /* 2^(n-1): 2^128 is out of range */
    float y = half * q + (half - 0.5f);
    return select_f32(x == 0.0f, x, y + y);
}

/* ln x = ln(1 + f) + e ln 2, for positive finite x: gives its parts. */
static inline float log_reduced(float x, float *exponent)
{
    int tiny = x < 1.17549435e-38f;
    x = select_f32(tiny, x * 8388608.0f, x);
    uint32_t u = bits_of(x);
    uint32_t e = (uint32_t)((int32_t)(u - 0x3f3504f3u) >> 23);
    float f = float_of(u - (e << 23)) - 1.0f;
    *exponent = (float)(int32_t)e - select_f32(tiny, 23.0f, 0.0f);
    return f;
}

static inline float log_tail(float f)
{
    float p = 6.7466013330e-02f;
    p = p * f + -1.1675641309e-01f;
    p = p * f + 1.1888174599e-01f;
    p = p * f + -1.2405591416e-01f;
    p = p * f + 1.4219550908e-01f;
    p = p * f + -1.6667995667e-01f;
    p = p * f + 2.0002118732e-01f;
    p = p * f + -2.5000009604e-01f;
    p = p * f + 3.3333312603e-01f;
    return p * (f * f * f);
}

static inline float log_special(float x, float y)
{
    y = select_f32(x == 0.0f, -INFINITY, y);
    y = select_f32(x < 0.0f, NAN, y);
    return select_f32(x < INFINITY, y, x); /* inf and NaN pass through */
}

static inline float fast_log(float x)
{
    float e, f = log_reduced(x, &e);
    float y = log_tail(f) - e * 2.12194440e-4f;
    y = (y - 0.5f * (f * f)) + f;
    return log_special(x, y + e * 0.693359375f);
}

static inline float fast_log2(float x)
{
    float e, f = log_reduced(x, &e);
    /* log2(e) = 1 + 0.442695…: the large part needs no product. */
    float tail = log_tail(f) - 0.5f * (f * f);
    float y = tail * 0.44269504f + f * 0.44269504f;
    y = y + tail;
    y = y + f;
    return log_special(x, y + e);
}

static inline float fast_log1p(float x)
{
    float u = 1.0f + x;
    float y = fast_log(u) + (x - (u - 1.0f)) / u; /* what rounding 1 + x has lost */
    y = select_f32(u == 1.0f, x, y);
    y = select_f32(x == -1.0f, -INFINITY, y);
    return select_f32(x < INFINITY, y, x);
}

static inline float fast_tanh(float x)
{
    float a = fabsf(x), u = a * a;
    float p = -5.9058606025e-03f;
    p = p * u + 2.0805377545e-02f;
    p = p * u + -5.3786681357e-02f;
    p = p * u + 1.3331958215e-01f;
    p = p * u + -3.3333299271e-01f;
    float small = p * (u * a) + a;
    float large = 1.0f - 2.0f / (fast_exp(a + a) + 1.0f);
    return copysignf(select_f32(a < 0.6f, small, large), x);
}

static inline float fast_erf(float x)
{
    float a = fabsf(x), u = a * a;
    float p = 7.8538576727e-05f;
    p = p * u + -8.0101925100e-04f;
    p = p * u + 5.1883275587e-03f;
    p = p * u + -2.6853811868e-02f;
    p = p * u + 1.1283585147e-01f;
    p = p * u + -3.7612625824e-01f;
    p = p * u + 1.1283791657e+00f;
    float small = p * a;
    float t = select_f32(a > 4.0f, 4.0f, a);
    float q = -2.1697688240e-05f; /* ln erfc(t) */
    q = q * t + 4.4147355515e-04f;
    q = q * t + -4.2052893774e-03f;
    q = q * t + 2.5210352638e-02f;
    q = q * t + -1.0842212073e-01f;
    q = q * t + -6.3321637637e-01f;
    q = q * t + -1.1295803223e+00f;
    q = q * t + 1.8847024854e-04f;
    float large = 1.0f - fast_exp(q);
    return copysignf(select_f32(a < 1.0f, small, large), x);
}

/* x = n pi/2 + r, in double. Up to 2^20 by subtraction; beyond, x = m 2^e and m times (2^e 2/pi mod 4), tabulated in three
 * parts of which the first product is exact (see pi.h). Gives r, and n in the low bits. */
static inline double quarter_turns(float x, uint64_t *n)
{
    double d = (double)x;
    double shifted = d * 0.63661977236758134308 + ROUNDER_DOUBLE;
    double k = shifted - ROUNDER_DOUBLE;
    double near = d - k * 0x1.921fb54400000p+0;
    near = near - k * 0x1.0b4611a626331p-34;

    uint32_t u = bits_of(x);
    int32_t e = (int32_t)(u >> 23 & 255) - CPU_PI_FIRST;
    e = e > 0 ? e : 0;
    double m = (double)float_of((u & 0x807fffffu) | 0x4b000000u); /* 2^23 + the mantissa's bits, with x's sign: an integer */
    double turns = m * cpu_pi_table[0][e];
    double far_shifted = turns + ROUNDER_DOUBLE;
    double rest = (turns - (far_shifted - ROUNDER_DOUBLE)) + m * cpu_pi_table[1][e] + m * cpu_pi_table[2][e];
    int far = fabs(d) >= 1048576.0; /* compared as double: masks of one width */

    *n = bits_of_double(select_f64(far, far_shifted, shifted));
    return select_f64(far, rest * 1.57079632679489661923, near);
}

static inline float sine_of_quarters(double r, uint64_t n)
{
    double u = r * r;
    double s = -2.5052108385441718775e-08;
    s = s * u + 2.7557319223985890653e-06;
    s = s * u + -1.9841269841269841270e-04;
    s = s * u + 8.3333333333333333333e-03;
    s = s * u + -1.6666666666666666667e-01;
    s = s * (u * r) + r;
    double c = 2.0876756987868098979e-09;
    c = c * u + -2.7557319223985890653e-07;
    c = c * u + 2.4801587301587301587e-05;
    c = c * u + -1.3888888888888888889e-03;
    c = c * u + 4.1666666666666666667e-02;
    c = c * u + -0.5;
    c = c * u + 1.0;
    double y = select_f64((n & 1) != 0, c, s);
    return (float)double_of(bits_of_double(y) ^ ((n & 2) << 62));
}

static inline float fast_sin(float x)
{
    uint64_t n;
    double r = quarter_turns(x, &n);
    float y = sine_of_quarters(r, n);
    y = select_f32(fabsf(x) < INFINITY, y, x - x);
    return select_f32(x == 0.0f, x, y);
}

static inline float fast_cos(float x)
{
    uint64_t n;
    double r = quarter_turns(x, &n);
    return select_f32(fabsf(x) < INFINITY, sine_of_quarters(r, n + 1), x - x);
}

/* log2 of a positive finite double, to about 2^-45. */
static inline double log2_of_double(double x)
{
    uint64_t u = bits_of_double(x), base = 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
    uint64_t e = ((u - base + ((uint64_t)1024 << 52)) >> 52);   /* exponent + 1024 */
    double m = double_of(u - ((e - 1024) << 52));
    double s = (m - 1.0) / (m + 1.0), t = s * s;
    double p = 1.0 / 17;
    p = p * t + 1.0 / 15;
    p = p * t + 1.0 / 13;
    p = p * t + 1.0 / 11;
    p = p * t + 1.0 / 9;
    p = p * t + 1.0 / 7;
    p = p * t + 1.0 / 5;
    p = p * t + 1.0 / 3;
    p = p * (t * s) + s;
    double exponent = double_of(e | 0x4330000000000000u) - (4503599627370496.0 + 1024.0);
    return p * 2.8853900817779268147 + exponent;
}

static inline double exp2_of_double(double x)
{
    x = select_f64(x > 200.0, 200.0, x);
    x = select_f64(x < -200.0, -200.0, x);
    double shifted = x + ROUNDER_DOUBLE;
    double f = (x - (shifted - ROUNDER_DOUBLE)) * 0.69314718055994530942;
    double p = 1.0 / 3628800;
    p = p * f + 1.0 / 362880;
    p = p * f + 1.0 / 40320;
    p = p * f + 1.0 / 5040;
    p = p * f + 1.0 / 720;
    p = p * f + 1.0 / 120;
    p = p * f + 1.0 / 24;
    p = p * f + 1.0 / 6;
    p = p * f + 0.5;
    p = p * f + 1.0;
    p = p * f + 1.0;
    return p * double_of((bits_of_double(shifted) + 1023) << 52);
}

static inline float fast_pow(float x, float y)
{
    float a = fabsf(x);
    double l = log2_of_double((double)a);
    double wide = (double)a, exponent = (double)y; /* compared as double, so that masks have one width */
    l = select_f64(wide == 0.0, -INFINITY, l);
    l = select_f64(wide < INFINITY, l, wide);
    double t = select_f64(exponent == 0.0, 0.0, l * exponent);
    t = select_f64(wide == 1.0, 0.0, t);
    float z = (float)exp2_of_double(t);

    /* A negative base: is y an integer, and odd? From 2^22 to 2^24 its last bits say so; beyond, all floats are even. */
    float size = fabsf(y), half = y * 0.5f, whole = (y + ROUNDER) - ROUNDER, whole_half = (half + ROUNDER) - ROUNDER;
    uint32_t bits = bits_of(y);
    uint32_t small_integer = whole == y ? 1u : 0u, small_odd = whole_half != half ? 1u : 0u;
    uint32_t integer = size >= 8388608.0f ? 1u : size >= 4194304.0f ? ~bits & 1u : small_integer;
    uint32_t odd = size >= 16777216.0f ? 0u : size >= 8388608.0f ? bits & 1u : size >= 4194304.0f ? bits >> 1 & 1u : small_odd;
    z = float_of(bits_of(z) | (bits_of(x) & 0x80000000u & ((integer & odd) << 31)));
    float negative = select_f32(integer != 0, z, NAN);
    negative = select_f32(size < INFINITY, negative, z);
    negative = select_f32(a < INFINITY, negative, z);
    z = select_f32(x < 0.0f, negative, z);
    z = select_f32((x != x) | (y != y), x + y, z);
    return select_f32((y == 0.0f) | (x == 1.0f), 1.0f, z);
}

#endif
