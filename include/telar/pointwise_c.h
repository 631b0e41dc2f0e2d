/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/pointwise_c.h>: <telar/pointwise.def> as scalar C, for float, double and int64_t. The reference backend is made of it.
 *
 * Included by itself it gives the verbs as inline functions, tl_pw_add_float() to tl_pw_sel_int64_t(). Included again with one of the
 * macros below it goes through the table, and undefines all that it took, the verbs among them:
 *
 *     #define TL_PW_FUNCTION(name, expression) \
 *         static float name##_of(float g, float a, float b, float c, float y, float p, float q) { return expression; }
 *     #define TL_PW_TYPE float
 *     #include <telar/pointwise_c.h>
 *
 * calls TL_PW_FUNCTION for each op and each gradient that the type has: relu, relu_da, add, add_da, add_db, … The expression uses g, a, b, c,
 * y, p, q and returns TL_PW_TYPE. int64_t stands for all integers and bool; it has no gradients and nothing of the rule FLOAT. And
 *
 *     #define TL_PW_LIST(name, text, inputs, rule) {#name, text, inputs, RULE_##rule},
 *     #include <telar/pointwise_c.h>
 *
 * calls TL_PW_LIST for each op with the number of its inputs and its rule (SAME, ARITH, FLOAT, COND, TEST), and for each gradient with 0
 * inputs and the rule GRADIENT: tl_pointwise_uses(text) says which operands it has, and where that is 0 or the text is "g" there is nothing
 * to compute, and no such kernel is ever asked for.
 *
 * Types. f32, f16 and bf16 are computed in float (a backend may refuse the halves: the core then converts), f64 in double. Integers and bool
 * are computed in int64_t and cut to size when stored: results wrap around, modulo 2^n; bool is stored as "is it not 0", so that a sum of
 * bools is their or, and a product their and. p and q of integer ops are tl_pw_number_int64_t(): without a fraction, and brought into the range
 * of the type that is stored, so that clamp to -1 … 300 does nothing to u8. fmod by 0 is an error of the kernel (TL_ERR_ARGUMENT), which
 * must look for it; here it gives 0. An integer to a negative power is 0, but for 1 and -1.
 */
#ifndef TELAR_POINTWISE_C_H
#define TELAR_POINTWISE_C_H

#include <math.h>
#include <stdint.h>
#include <telar/pointwise.h>

/* Of all types: tests give 1 or 0. */
#define TL_PW_TESTS_(T)                                                                                       \
    static inline T tl_pw_lt_##T(T a, T b) { return (T)(a < b); }                                             \
    static inline T tl_pw_le_##T(T a, T b) { return (T)(a <= b); }                                            \
    static inline T tl_pw_gt_##T(T a, T b) { return (T)(a > b); }                                             \
    static inline T tl_pw_ge_##T(T a, T b) { return (T)(a >= b); }                                            \
    static inline T tl_pw_eq_##T(T a, T b) { return (T)(a == b); }                                            \
    static inline T tl_pw_ne_##T(T a, T b) { return (T)(a != b); }                                            \
    static inline T tl_pw_and__##T(T a, T b) { return (T)(a != 0 && b != 0); }                                \
    static inline T tl_pw_or__##T(T a, T b) { return (T)(a != 0 || b != 0); }                                 \
    static inline T tl_pw_not__##T(T a) { return (T)(a == 0); }                                               \
    static inline T tl_pw_sel_##T(T condition, T a, T b) { return condition != 0 ? a : b; }                   \
    static inline T tl_pw_sign__##T(T a) { return (T)((a > 0) - (a < 0)); }

/* Of float and double; f is what <math.h> puts behind names. NaN passes through min_ and max_. */
#define TL_PW_REALS_(T, f)                                                                                    \
    TL_PW_TESTS_(T)                                                                                           \
    static inline T tl_pw_number_##T(double x) { return (T)x; }                                               \
    static inline T tl_pw_add_##T(T a, T b) { return a + b; }                                                 \
    static inline T tl_pw_sub_##T(T a, T b) { return a - b; }                                                 \
    static inline T tl_pw_mul_##T(T a, T b) { return a * b; }                                                 \
    static inline T tl_pw_div_##T(T a, T b) { return a / b; }                                                 \
    static inline T tl_pw_neg_##T(T a) { return -a; }                                                         \
    static inline T tl_pw_abs__##T(T a) { return fabs##f(a); }                                                \
    static inline T tl_pw_min__##T(T a, T b) { return a != a || a < b ? a : b; }                              \
    static inline T tl_pw_max__##T(T a, T b) { return a != a || a > b ? a : b; }                              \
    static inline T tl_pw_pow__##T(T a, T b) { return pow##f(a, b); }                                         \
    static inline T tl_pw_sqrt__##T(T a) { return sqrt##f(a); }                                               \
    static inline T tl_pw_rsqrt__##T(T a) { return 1 / sqrt##f(a); }                                          \
    static inline T tl_pw_exp__##T(T a) { return exp##f(a); }                                                 \
    static inline T tl_pw_expm1__##T(T a) { return expm1##f(a); }                                             \
    static inline T tl_pw_log__##T(T a) { return log##f(a); }                                                 \
    static inline T tl_pw_log1p__##T(T a) { return log1p##f(a); }                                             \
    static inline T tl_pw_log2__##T(T a) { return log2##f(a); }                                               \
    static inline T tl_pw_sin__##T(T a) { return sin##f(a); }                                                 \
    static inline T tl_pw_cos__##T(T a) { return cos##f(a); }                                                 \
    static inline T tl_pw_tanh__##T(T a) { return tanh##f(a); }                                               \
    static inline T tl_pw_erf__##T(T a) { return erf##f(a); }                                                 \
    static inline T tl_pw_floor__##T(T a) { return floor##f(a); }                                             \
    static inline T tl_pw_ceil__##T(T a) { return ceil##f(a); }                                               \
    static inline T tl_pw_trunc__##T(T a) { return trunc##f(a); }                                             \
    static inline T tl_pw_round__##T(T a) { return rint##f(a); }                                              \
    static inline T tl_pw_fmod__##T(T a, T b) { return fmod##f(a, b); }                                       \
    static inline T tl_pw_isnan__##T(T a) { return (T)(a != a); }

TL_PW_REALS_(float, f)
TL_PW_REALS_(double, )
TL_PW_TESTS_(int64_t)
#undef TL_PW_REALS_
#undef TL_PW_TESTS_

static inline int64_t tl_pw_number_int64_t(double x)
{
    return x != x ? 0 : x <= -0x1p63 ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : (int64_t)x;
}

static inline int64_t tl_pw_add_int64_t(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t tl_pw_sub_int64_t(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static inline int64_t tl_pw_mul_int64_t(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static inline int64_t tl_pw_neg_int64_t(int64_t a) { return (int64_t)(0 - (uint64_t)a); }
static inline int64_t tl_pw_abs__int64_t(int64_t a) { return a < 0 ? tl_pw_neg_int64_t(a) : a; }
static inline int64_t tl_pw_min__int64_t(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t tl_pw_max__int64_t(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t tl_pw_floor__int64_t(int64_t a) { return a; }
static inline int64_t tl_pw_ceil__int64_t(int64_t a) { return a; }
static inline int64_t tl_pw_trunc__int64_t(int64_t a) { return a; }
static inline int64_t tl_pw_round__int64_t(int64_t a) { return a; }
static inline int64_t tl_pw_isnan__int64_t(int64_t a) { return 0 * a; }

/* The least integer divided by -1 overflows, though its remainder is 0. */
static inline int64_t tl_pw_fmod__int64_t(int64_t a, int64_t b) { return b == -1 || b == 0 ? 0 : a % b; }

static inline int64_t tl_pw_pow__int64_t(int64_t a, int64_t b)
{
    if (b < 0) /* 1 / a^-b, without its fraction */
        return a == 1 || (a == -1 && b % 2 == 0) ? 1 : a == -1 ? -1 : 0;
    int64_t power = 1;
    for (; b > 0; b /= 2, a = tl_pw_mul_int64_t(a, a))
        if (b % 2)
            power = tl_pw_mul_int64_t(power, a);
    return power;
}

#define TL_PW_JOIN2_(verb, T) tl_pw_##verb##_##T
#define TL_PW_JOIN_(verb, T) TL_PW_JOIN2_(verb, T)
#define TL_PW_IS_INTEGER_(T) TL_PW_IS_INTEGER2_(T)
#define TL_PW_IS_INTEGER2_(T) TL_PW_INTEGER_##T##_
#define TL_PW_INTEGER_float_ 0
#define TL_PW_INTEGER_double_ 0
#define TL_PW_INTEGER_int64_t_ 1

#endif

/* ---- The table as functions ---------------------------------------------------------------------------------------------------------- */

#ifdef TL_PW_FUNCTION

/* Functions and not objects, so that a name of an op is none of them. */
#define add(x, z) TL_PW_JOIN_(add, TL_PW_TYPE)(x, z)
#define sub(x, z) TL_PW_JOIN_(sub, TL_PW_TYPE)(x, z)
#define mul(x, z) TL_PW_JOIN_(mul, TL_PW_TYPE)(x, z)
#define div(x, z) TL_PW_JOIN_(div, TL_PW_TYPE)(x, z)
#define neg(x) TL_PW_JOIN_(neg, TL_PW_TYPE)(x)
#define abs_(x) TL_PW_JOIN_(abs_, TL_PW_TYPE)(x)
#define sign_(x) TL_PW_JOIN_(sign_, TL_PW_TYPE)(x)
#define min_(x, z) TL_PW_JOIN_(min_, TL_PW_TYPE)(x, z)
#define max_(x, z) TL_PW_JOIN_(max_, TL_PW_TYPE)(x, z)
#define pow_(x, z) TL_PW_JOIN_(pow_, TL_PW_TYPE)(x, z)
#define sqrt_(x) TL_PW_JOIN_(sqrt_, TL_PW_TYPE)(x)
#define rsqrt_(x) TL_PW_JOIN_(rsqrt_, TL_PW_TYPE)(x)
#define exp_(x) TL_PW_JOIN_(exp_, TL_PW_TYPE)(x)
#define expm1_(x) TL_PW_JOIN_(expm1_, TL_PW_TYPE)(x)
#define log_(x) TL_PW_JOIN_(log_, TL_PW_TYPE)(x)
#define log1p_(x) TL_PW_JOIN_(log1p_, TL_PW_TYPE)(x)
#define log2_(x) TL_PW_JOIN_(log2_, TL_PW_TYPE)(x)
#define sin_(x) TL_PW_JOIN_(sin_, TL_PW_TYPE)(x)
#define cos_(x) TL_PW_JOIN_(cos_, TL_PW_TYPE)(x)
#define tanh_(x) TL_PW_JOIN_(tanh_, TL_PW_TYPE)(x)
#define erf_(x) TL_PW_JOIN_(erf_, TL_PW_TYPE)(x)
#define floor_(x) TL_PW_JOIN_(floor_, TL_PW_TYPE)(x)
#define ceil_(x) TL_PW_JOIN_(ceil_, TL_PW_TYPE)(x)
#define trunc_(x) TL_PW_JOIN_(trunc_, TL_PW_TYPE)(x)
#define round_(x) TL_PW_JOIN_(round_, TL_PW_TYPE)(x)
#define fmod_(x, z) TL_PW_JOIN_(fmod_, TL_PW_TYPE)(x, z)
#define isnan_(x) TL_PW_JOIN_(isnan_, TL_PW_TYPE)(x)
#define lt(x, z) TL_PW_JOIN_(lt, TL_PW_TYPE)(x, z)
#define le(x, z) TL_PW_JOIN_(le, TL_PW_TYPE)(x, z)
#define gt(x, z) TL_PW_JOIN_(gt, TL_PW_TYPE)(x, z)
#define ge(x, z) TL_PW_JOIN_(ge, TL_PW_TYPE)(x, z)
#define eq(x, z) TL_PW_JOIN_(eq, TL_PW_TYPE)(x, z)
#define ne(x, z) TL_PW_JOIN_(ne, TL_PW_TYPE)(x, z)
#define and_(x, z) TL_PW_JOIN_(and_, TL_PW_TYPE)(x, z)
#define or_(x, z) TL_PW_JOIN_(or_, TL_PW_TYPE)(x, z)
#define not_(x) TL_PW_JOIN_(not_, TL_PW_TYPE)(x)
#define sel(x, z, w) TL_PW_JOIN_(sel, TL_PW_TYPE)(x, z, w)
#define K(number) ((TL_PW_TYPE)(number))
#define none K(0)

#if TL_PW_IS_INTEGER_(TL_PW_TYPE)
#define TL_PW_GRADIENT_(name, expression)
#define TL_PW_FLOAT_(name, expression)
#else
#define TL_PW_GRADIENT_ TL_PW_FUNCTION
#define TL_PW_FLOAT_ TL_PW_FUNCTION
#endif
#define TL_PW_SAME_ TL_PW_FUNCTION
#define TL_PW_ARITH_ TL_PW_FUNCTION
#define TL_PW_COND_ TL_PW_FUNCTION
#define TL_UNARY(name, rule, e, da, formula) TL_PW_##rule##_(name, e) TL_PW_GRADIENT_(name##_da, da)
#define TL_BINARY(name, rule, e, da, db, formula) \
    TL_PW_##rule##_(name, e) TL_PW_GRADIENT_(name##_da, da) TL_PW_GRADIENT_(name##_db, db)
#define TL_TERNARY(name, rule, e, da, db, dc, formula) \
    TL_PW_##rule##_(name, e) TL_PW_GRADIENT_(name##_da, da) TL_PW_GRADIENT_(name##_db, db) TL_PW_GRADIENT_(name##_dc, dc)
#define TL_TEST1(name, e, formula) TL_PW_FUNCTION(name, e)
#define TL_TEST2(name, e, formula) TL_PW_FUNCTION(name, e)
#include <telar/pointwise.def>

#undef add
#undef sub
#undef mul
#undef div
#undef neg
#undef abs_
#undef sign_
#undef min_
#undef max_
#undef pow_
#undef sqrt_
#undef rsqrt_
#undef exp_
#undef expm1_
#undef log_
#undef log1p_
#undef log2_
#undef sin_
#undef cos_
#undef tanh_
#undef erf_
#undef floor_
#undef ceil_
#undef trunc_
#undef round_
#undef fmod_
#undef isnan_
#undef lt
#undef le
#undef gt
#undef ge
#undef eq
#undef ne
#undef and_
#undef or_
#undef not_
#undef sel
#undef K
#undef none
#undef TL_PW_GRADIENT_
#undef TL_PW_FLOAT_
#undef TL_PW_SAME_
#undef TL_PW_ARITH_
#undef TL_PW_COND_
#undef TL_PW_FUNCTION
#undef TL_PW_TYPE
#endif

/* ---- The table as a list --------------------------------------------------------------------------------------------------------------- */

#ifdef TL_PW_LIST
#define TL_UNARY(name, rule, e, da, formula) TL_PW_LIST(name, #e, 1, rule) TL_PW_LIST(name##_da, #da, 0, GRADIENT)
#define TL_BINARY(name, rule, e, da, db, formula) \
    TL_PW_LIST(name, #e, 2, rule) TL_PW_LIST(name##_da, #da, 0, GRADIENT) TL_PW_LIST(name##_db, #db, 0, GRADIENT)
#define TL_TERNARY(name, rule, e, da, db, dc, formula)                                                        \
    TL_PW_LIST(name, #e, 3, rule) TL_PW_LIST(name##_da, #da, 0, GRADIENT) TL_PW_LIST(name##_db, #db, 0, GRADIENT) \
    TL_PW_LIST(name##_dc, #dc, 0, GRADIENT)
#define TL_TEST1(name, e, formula) TL_PW_LIST(name, #e, 1, TEST)
#define TL_TEST2(name, e, formula) TL_PW_LIST(name, #e, 2, TEST)
#include <telar/pointwise.def>
#undef TL_PW_LIST
#endif
