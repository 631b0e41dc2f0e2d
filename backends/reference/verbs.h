/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of pointwise.def for a computing type T: float, double, or int64_t (INTEGER) for all integers and bool.
 * <tgmath.h> picks expf or exp. Integers wrap around: they are computed modulo 2^64 and cut to size when stored.
 * Included once for each T; pointwise.c lets an expression say add(a, b) and mean add_float(a, b).
 */
#if INTEGER
static inline T NAME(add)(T a, T b) { return (T)((uint64_t)a + (uint64_t)b); }
static inline T NAME(sub)(T a, T b) { return (T)((uint64_t)a - (uint64_t)b); }
static inline T NAME(mul)(T a, T b) { return (T)((uint64_t)a * (uint64_t)b); }
static inline T NAME(neg)(T a) { return (T)(0 - (uint64_t)a); }
static inline T NAME(abs_)(T a) { return a < 0 ? NAME(neg)(a) : a; }
static inline T NAME(sign_)(T a) { return (a > 0) - (a < 0); }
static inline T NAME(min_)(T a, T b) { return a < b ? a : b; }
static inline T NAME(max_)(T a, T b) { return a > b ? a : b; }
static inline T NAME(floor_)(T a) { return a; }
static inline T NAME(ceil_)(T a) { return a; }
static inline T NAME(trunc_)(T a) { return a; }
static inline T NAME(round_)(T a) { return a; }
/* The caller has looked for zeros in b; b = -1 would overflow for the least a. */
static inline T NAME(fmod_)(T a, T b) { return b == -1 || b == 0 ? 0 : a % b; }
static inline T NAME(pow_)(T a, T b)
{
    if (b < 0) /* 1 / a^-b, without its fraction */
        return a == 1 || (a == -1 && b % 2 == 0) ? 1 : a == -1 ? -1 : 0;
    T power = 1;
    for (; b > 0; b /= 2, a = NAME(mul)(a, a))
        if (b % 2)
            power = NAME(mul)(power, a);
    return power;
}
static inline T NAME(isnan_)(T a) { return 0 * a; }
#else
static inline T NAME(add)(T a, T b) { return a + b; }
static inline T NAME(sub)(T a, T b) { return a - b; }
static inline T NAME(mul)(T a, T b) { return a * b; }
static inline T NAME(div)(T a, T b) { return a / b; }
static inline T NAME(neg)(T a) { return -a; }
static inline T NAME(abs_)(T a) { return fabs(a); }
static inline T NAME(sign_)(T a) { return (T)((a > 0) - (a < 0)); }
static inline T NAME(min_)(T a, T b) { return a != a || a < b ? a : b; }
static inline T NAME(max_)(T a, T b) { return a != a || a > b ? a : b; }
static inline T NAME(pow_)(T a, T b) { return pow(a, b); }
static inline T NAME(sqrt_)(T a) { return sqrt(a); }
static inline T NAME(rsqrt_)(T a) { return 1 / sqrt(a); }
static inline T NAME(exp_)(T a) { return exp(a); }
static inline T NAME(expm1_)(T a) { return expm1(a); }
static inline T NAME(log_)(T a) { return log(a); }
static inline T NAME(log1p_)(T a) { return log1p(a); }
static inline T NAME(log2_)(T a) { return log2(a); }
static inline T NAME(sin_)(T a) { return sin(a); }
static inline T NAME(cos_)(T a) { return cos(a); }
static inline T NAME(tanh_)(T a) { return tanh(a); }
static inline T NAME(erf_)(T a) { return erf(a); }
static inline T NAME(floor_)(T a) { return floor(a); }
static inline T NAME(ceil_)(T a) { return ceil(a); }
static inline T NAME(trunc_)(T a) { return trunc(a); }
static inline T NAME(round_)(T a) { return rint(a); }
static inline T NAME(fmod_)(T a, T b) { return fmod(a, b); }
static inline T NAME(isnan_)(T a) { return (T)(a != a); }
#endif
static inline T NAME(lt)(T a, T b) { return (T)(a < b); }
static inline T NAME(le)(T a, T b) { return (T)(a <= b); }
static inline T NAME(gt)(T a, T b) { return (T)(a > b); }
static inline T NAME(ge)(T a, T b) { return (T)(a >= b); }
static inline T NAME(eq)(T a, T b) { return (T)(a == b); }
static inline T NAME(ne)(T a, T b) { return (T)(a != b); }
static inline T NAME(and_)(T a, T b) { return (T)(a != 0 && b != 0); }
static inline T NAME(or_)(T a, T b) { return (T)(a != 0 || b != 0); }
static inline T NAME(not_)(T a) { return (T)(a == 0); }
static inline T NAME(sel)(T condition, T a, T b) { return condition != 0 ? a : b; }
