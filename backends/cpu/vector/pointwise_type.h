/* SPDX-License-Identifier: Apache-2.0
 *
 * The pointwise loops of one element type. Included by pointwise.c with T the type, TYPE its short name and FLOATING 1 or 0
 * (then UNSIGNED_T is the type in which sums may wrap). Within a loop, g a b c y are macros for elements of the
 * operands, so an operand that an expression does not name is never read.
 */
#define OF_TYPE(name) LEVEL_EXPAND(name, TYPE)

/* ---- verbs ---- */

static inline T OF_TYPE(pick)(int condition, T then, T otherwise)
{
    return condition ? then : otherwise;
}

#if FLOATING
#define UNORDERED(x) ((x) != (x))
#else
#define UNORDERED(x) 0
#endif

/* A NaN on either side comes out. */
static inline T OF_TYPE(smaller)(T x, T z)
{
    return (x < z) | UNORDERED(x) ? x : z;
}

static inline T OF_TYPE(larger)(T x, T z)
{
    return (x > z) | UNORDERED(x) ? x : z;
}

#define K(number) ((T)(number))
#define sel(condition, then, otherwise) OF_TYPE(pick)((condition), (then), (otherwise))
#define min_(x, z) OF_TYPE(smaller)((x), (z))
#define max_(x, z) OF_TYPE(larger)((x), (z))
#define lt(x, z) ((x) < (z))
#define le(x, z) ((x) <= (z))
#define gt(x, z) ((x) > (z))
#define ge(x, z) ((x) >= (z))
#define eq(x, z) ((x) == (z))
#define ne(x, z) ((x) != (z))
#define and_(x, z) ((x) & (z))
#define or_(x, z) ((x) | (z))
#define not_(x) (!(x))
#define isnan_(x) UNORDERED(x)

#if FLOATING
#define add(x, z) ((x) + (z))
#define sub(x, z) ((x) - (z))
#define mul(x, z) ((x) * (z))
#define div(x, z) ((x) / (z))
#define neg(x) (-(x))
#else
#define add(x, z) ((T)((UNSIGNED_T)(x) + (UNSIGNED_T)(z)))
#define sub(x, z) ((T)((UNSIGNED_T)(x) - (UNSIGNED_T)(z)))
#define mul(x, z) ((T)((UNSIGNED_T)(x) * (UNSIGNED_T)(z)))
#endif

static inline T OF_TYPE(signum)(T x)
{
    return (T)((T)(x > 0) - (T)(x < 0));
}
#define sign_(x) OF_TYPE(signum)(x)

/* float has vector functions; double calls the C library. */
#define abs_(x) OF_TYPE(magnitude)(x)
#define sqrt_(x) OF_TYPE(root)(x)
#define rsqrt_(x) (K(1) / OF_TYPE(root)(x))
#define floor_(x) OF_TYPE(down)(x)
#define ceil_(x) OF_TYPE(up)(x)
#define trunc_(x) OF_TYPE(chop)(x)
#define round_(x) OF_TYPE(nearest)(x)
#define fmod_(x, z) OF_TYPE(remains)((x), (z))
#define pow_(x, z) OF_TYPE(power)((x), (z))
#define exp_(x) OF_TYPE(call_exp)(x)
#define expm1_(x) OF_TYPE(call_expm1)(x)
#define log_(x) OF_TYPE(call_log)(x)
#define log1p_(x) OF_TYPE(call_log1p)(x)
#define log2_(x) OF_TYPE(call_log2)(x)
#define sin_(x) OF_TYPE(call_sin)(x)
#define cos_(x) OF_TYPE(call_cos)(x)
#define tanh_(x) OF_TYPE(call_tanh)(x)
#define erf_(x) OF_TYPE(call_erf)(x)

#if FLOATING && !defined CPU_POINTWISE_CALLS
#define CPU_POINTWISE_CALLS
#define magnitude_f32 fabsf
#define root_f32 sqrtf
#define down_f32 floorf
#define up_f32 ceilf
#define chop_f32 truncf
#define nearest_f32 rintf
#define remains_f32 fmodf
#define power_f32 fast_pow
#define call_exp_f32 fast_exp
#define call_expm1_f32 fast_expm1
#define call_log_f32 fast_log
#define call_log1p_f32 fast_log1p
#define call_log2_f32 fast_log2
#define call_sin_f32 fast_sin
#define call_cos_f32 fast_cos
#define call_tanh_f32 fast_tanh
#define call_erf_f32 fast_erf
#define magnitude_f64 fabs
#define root_f64 sqrt
#define down_f64 floor
#define up_f64 ceil
#define chop_f64 trunc
#define nearest_f64 rint
#define remains_f64 fmod
#define power_f64 pow
#define call_exp_f64 exp
#define call_expm1_f64 expm1
#define call_log_f64 log
#define call_log1p_f64 log1p
#define call_log2_f64 log2
#define call_sin_f64 sin
#define call_cos_f64 cos
#define call_tanh_f64 tanh
#define call_erf_f64 erf
#endif

/* ---- loops ---- */

#define g (g_[i])
#define a (a_[i])
#define b (b_[i])
#define c (c_[i])
#define y (y_[i])
#define p (number_p)
#define q (number_q)
#define none K(0)

#define LOOP(name, TYPE_A, TYPE_OUT, ...)                                                                          \
    static void OF_TYPE(name)(const void *const *in, void *out, int64_t n, const double *pq)                       \
    {                                                                                                              \
        const T *const g_ = in[TL_PW_G], *const b_ = in[TL_PW_B], *const c_ = in[TL_PW_C], *const y_ = in[TL_PW_Y]; \
        const TYPE_A *const a_ = in[TL_PW_A];                                                                      \
        TYPE_OUT *const out_ = out;                                                                                \
        const T number_p = (T)pq[0], number_q = (T)pq[1];                                                          \
        (void)g_, (void)a_, (void)b_, (void)c_, (void)y_, (void)number_p, (void)number_q;                          \
        INDEPENDENT                                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                            \
            out_[i] = (TYPE_OUT)(__VA_ARGS__);                                                                     \
    }

/* The type of `a` follows from the rule; which rules a type has is said by WITH_<rule>. */
#define A_TYPE_SAME T
#define A_TYPE_ARITH T
#define A_TYPE_FLOAT T
#define A_TYPE_COND uint8_t
#if FLOATING
#define WITH_SAME(...) __VA_ARGS__
#define WITH_ARITH(...) __VA_ARGS__
#define WITH_FLOAT(...) __VA_ARGS__
#define WITH_COND(...) __VA_ARGS__
#define WITH_GRADIENT(...) __VA_ARGS__
#else
#define WITH_SAME(...) __VA_ARGS__
#define WITH_ARITH(...)
#define WITH_FLOAT(...)
#define WITH_COND(...) __VA_ARGS__
#define WITH_GRADIENT(...)
#endif

#define TL_UNARY(name, rule, f, da, formula)                      \
    WITH_##rule(LOOP(name, A_TYPE_##rule, T, f))                  \
    WITH_GRADIENT(LOOP(name##_da, A_TYPE_##rule, T, da))
#define TL_BINARY(name, rule, f, da, db, formula) \
    TL_UNARY(name, rule, f, da, formula) WITH_GRADIENT(LOOP(name##_db, A_TYPE_##rule, T, db))
#define TL_TERNARY(name, rule, f, da, db, dc, formula) \
    TL_BINARY(name, rule, f, da, db, formula) WITH_GRADIENT(LOOP(name##_dc, A_TYPE_##rule, T, dc))
#define TL_TEST1(name, f, formula) LOOP(name, T, uint8_t, f)
#define TL_TEST2(name, f, formula) LOOP(name, T, uint8_t, f)
#include <telar/pointwise.def>

#undef g
#undef a
#undef b
#undef c
#undef y
#undef p
#undef q
#undef none

/* ---- their table ---- */

#define ENTRY(name) [CPU_PW_##name] = OF_TYPE(name),
#define TL_UNARY(name, rule, f, da, formula) WITH_##rule(ENTRY(name)) WITH_GRADIENT(ENTRY(name##_da))
#define TL_BINARY(name, rule, f, da, db, formula) TL_UNARY(name, rule, f, da, formula) WITH_GRADIENT(ENTRY(name##_db))
#define TL_TERNARY(name, rule, f, da, db, dc, formula) TL_BINARY(name, rule, f, da, db, formula) WITH_GRADIENT(ENTRY(name##_dc))
#define TL_TEST1(name, f, formula) ENTRY(name)
#define TL_TEST2(name, f, formula) ENTRY(name)
static cpu_pointwise_loop *const OF_TYPE(table)[CPU_PW_COUNT] = {
#include <telar/pointwise.def>
};

#undef OF_TYPE
#undef K
#undef sel
#undef min_
#undef max_
#undef lt
#undef le
#undef gt
#undef ge
#undef eq
#undef ne
#undef and_
#undef or_
#undef not_
#undef isnan_
#undef UNORDERED
#undef add
#undef sub
#undef mul
#undef div
#undef neg
#undef sign_
#undef abs_
#undef sqrt_
#undef rsqrt_
#undef floor_
#undef ceil_
#undef trunc_
#undef round_
#undef fmod_
#undef pow_
#undef exp_
#undef expm1_
#undef log_
#undef log1p_
#undef log2_
#undef sin_
#undef cos_
#undef tanh_
#undef erf_
#undef LOOP
#undef ENTRY
#undef A_TYPE_SAME
#undef A_TYPE_ARITH
#undef A_TYPE_FLOAT
#undef A_TYPE_COND
#undef WITH_SAME
#undef WITH_ARITH
#undef WITH_FLOAT
#undef WITH_COND
#undef WITH_GRADIENT
