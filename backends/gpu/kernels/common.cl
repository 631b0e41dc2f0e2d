/* SPDX-License-Identifier: Apache-2.0
 *
 * What all kernels use, in the common part of OpenCL C and CUDA C++. Defined in front of it: INDEX, the type of offsets (int or long), and
 * where a kernel computes, REAL (float, double or long) with REAL_float, REAL_double or REAL_long.
 */

/* ---- Elements: types by the names f32, f64, f16, bf16, i8, u8, i32, i64, bool -------------------------------------------------------- */

#define JOIN2_(a, b) a##b
#define JOIN_(a, b) JOIN2_(a, b)

/* The type that elements of T are stored in. */
#define STORAGE(T) JOIN_(STORAGE_, T)
#define STORAGE_f32 float
#define STORAGE_f64 double
#define STORAGE_f16 ushort
#define STORAGE_bf16 ushort
#define STORAGE_i8 signed char
#define STORAGE_u8 uchar
#define STORAGE_i32 int
#define STORAGE_i64 long
#define STORAGE_bool uchar

FUNCTION float float_of_bf16(ushort h)
{
    return FLOAT_OF_BITS((uint)h << 16);
}
/* To nearest, halves to even; a NaN stays one. */
FUNCTION ushort bf16_of_float(float f)
{
    uint bits = BITS_OF_FLOAT(f);
    return f != f ? (ushort)(bits >> 16 | 0x40) : (ushort)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* A stored element as a number; and a number as a stored element. Integers are cut to size, bool is "is it not 0". */
#define DECODE(T, x) JOIN_(DECODE_, T)(x)
#define DECODE_f32(x) (x)
#define DECODE_f64(x) (x)
#define DECODE_f16(x) float_of_f16(x)
#define DECODE_bf16(x) float_of_bf16(x)
#define DECODE_i8(x) (x)
#define DECODE_u8(x) (x)
#define DECODE_i32(x) (x)
#define DECODE_i64(x) (x)
#define DECODE_bool(x) ((x) != 0)
#define ENCODE(T, x) JOIN_(ENCODE_, T)(x)
#define ENCODE_f32(x) ((float)(x))
#define ENCODE_f64(x) ((double)(x))
#define ENCODE_f16(x) f16_of_float((float)(x))
#define ENCODE_bf16(x) bf16_of_float((float)(x))
#define ENCODE_i8(x) ((signed char)(x))
#define ENCODE_u8(x) ((uchar)(x))
#define ENCODE_i32(x) ((int)(x))
#define ENCODE_i64(x) ((long)(x))
#define ENCODE_bool(x) ((uchar)((x) != 0))

/* Read element i of x as REAL; write it. */
#define LOAD(T, x, i) ((REAL)DECODE(T, (x)[i]))
#define STORE(T, y, i, value) ((y)[i] = ENCODE(T, value))

/* ---- Division by numbers that the host knows ------------------------------------------------------------------------------------------ */

/* gpu_put_divisor() fills it: the multiplier stands for 2^shift / by, in 32 bits. n is not negative. */
struct divisor {
    INDEX by, multiplier, shift;
};
FUNCTION INDEX quotient(INDEX n, struct divisor d)
{
#ifdef INDEX_int
    return (INDEX)((ulong)(uint)n * (uint)d.multiplier >> d.shift);
#else
    return n / d.by;
#endif
}

/* ---- Bad values ---------------------------------------------------------------------------------------------------------------------- */

enum { BAD_INDEX = 1, BAD_LABEL = 2, BAD_DIVISOR = 3 };

/* Keep the first bad value for the host. r is the kernel's buffer `report`, of 8 ints. */
FUNCTION void report_bad(GLOBAL int *r, int site, int code, long value, long position, long size)
{
    if (ATOMIC_CAS(r, 0, code) == 0) {
        GLOBAL long *words = (GLOBAL long *)(r + 2);
        r[1] = site;
        words[0] = value;
        words[1] = position;
        words[2] = size;
    }
}

/* ---- Teams: the items of a group that work on one result ------------------------------------------------------------------------------ */

/* Defines name(v, box, step, lanes): the v of all items of a team, merged, for each of them. A team is `lanes` items (a power of two) that lie
 * `step` apart in a group of 256: side by side where step is 1, else step is 256 / lanes. box: room for 256. All items of the group call it. */
#define TEAM(name, T, merge)                                                                     \
    FUNCTION T name(T v, LOCAL_POINTER(T) box, int step, int lanes)                              \
    {                                                                                            \
        const int item = (int)ITEM_X, lane = step == 1 ? item & (lanes - 1) : item / step;       \
        if (lanes == 1)                                                                          \
            return v;                                                                            \
        TEAM_WARPS(T, merge)                                                                     \
        BARRIER();                                                                               \
        box[item] = v;                                                                           \
        for (int gap = lanes / 2; gap > 0; gap /= 2) {                                        \
            BARRIER();                                                                           \
            if (lane < gap)                                                                     \
                box[item] = merge(box[item], box[item + gap * step]);                           \
        }                                                                                        \
        BARRIER();                                                                               \
        return box[item - lane * step];                                                          \
    }
#if WARP > 1
#define TEAM_WARPS(T, merge)                                                                     \
    if (step == 1) {                                                                             \
        const int near = lanes < WARP ? lanes : WARP, warps = lanes / WARP;                      \
        for (int d = near / 2; d > 0; d /= 2) {                                                  \
            const T other = SHUFFLE_DOWN(v, d);                                                  \
            v = merge(v, other);                                                                 \
        }                                                                                        \
        if (lanes <= WARP)                                                                       \
            return SHUFFLE(v, item & (WARP - lanes));                                            \
        BARRIER();                                                                               \
        if (item % WARP == 0)                                                                    \
            box[item / WARP] = v;                                                                \
        BARRIER();                                                                               \
        v = box[item / lanes * warps];                                                           \
        for (int k = 1; k < warps; k++)                                                          \
            v = merge(v, box[item / lanes * warps + k]);                                         \
        return v;                                                                                \
    }
#else
#define TEAM_WARPS(T, merge)
#endif

/* ---- Sums that lose nothing of note, however long ----------------------------------------------------------------------------------- */

#if defined REAL_float || defined REAL_double
/* A sum, and what was rounded off it. */
struct total {
    REAL sum, rest;
};
FUNCTION struct total total_none(void)
{
    struct total t;
    t.sum = t.rest = 0;
    return t;
}
FUNCTION struct total total_add(struct total t, REAL v)
{
    const REAL sum = t.sum + v, added = sum - t.sum;
    t.rest += (t.sum - (sum - added)) + (v - added);
    t.sum = sum;
    return t;
}
FUNCTION struct total total_merge(struct total a, struct total b)
{
    a.rest += b.rest;
    return total_add(a, b.sum);
}
/* Of infinity and NaN the rest is NaN. */
FUNCTION REAL total_value(struct total t)
{
    return t.rest - t.rest == 0 ? t.sum + t.rest : t.sum;
}

/* How many, their mean, and the sum of their squared distances from it: parts are merged without cancellation. */
struct moments {
    REAL n, mean, squares;
};
FUNCTION struct moments moments_none(void)
{
    struct moments m;
    m.n = m.mean = m.squares = 0;
    return m;
}
FUNCTION struct moments moments_merge(struct moments a, struct moments b)
{
    const REAL n = a.n + b.n, share = n > 0 ? b.n / n : 0, apart = b.mean - a.mean;
    a.mean += apart * share;
    a.squares += b.squares + apart * (a.n * share) * apart;
    a.n = n;
    return a;
}
#endif

/* ---- The verbs of <telar/pointwise.def>, for the type REAL ------------------------------------------------------------------------------ */

#ifdef REAL
#define K(number) ((REAL)(number))
#define none K(0)

FUNCTION REAL pw_lt(REAL a, REAL b) { return (REAL)(a < b); }
FUNCTION REAL pw_le(REAL a, REAL b) { return (REAL)(a <= b); }
FUNCTION REAL pw_gt(REAL a, REAL b) { return (REAL)(a > b); }
FUNCTION REAL pw_ge(REAL a, REAL b) { return (REAL)(a >= b); }
FUNCTION REAL pw_eq(REAL a, REAL b) { return (REAL)(a == b); }
FUNCTION REAL pw_ne(REAL a, REAL b) { return (REAL)(a != b); }
FUNCTION REAL pw_and(REAL a, REAL b) { return (REAL)(a != 0 && b != 0); }
FUNCTION REAL pw_or(REAL a, REAL b) { return (REAL)(a != 0 || b != 0); }
FUNCTION REAL pw_not(REAL a) { return (REAL)(a == 0); }
FUNCTION REAL pw_sel(REAL condition, REAL a, REAL b) { return condition != 0 ? a : b; }
FUNCTION REAL pw_sign(REAL a) { return (REAL)((a > 0) - (a < 0)); }

#ifdef REAL_long
FUNCTION REAL pw_add(REAL a, REAL b) { return (REAL)((ulong)a + (ulong)b); }
FUNCTION REAL pw_sub(REAL a, REAL b) { return (REAL)((ulong)a - (ulong)b); }
FUNCTION REAL pw_mul(REAL a, REAL b) { return (REAL)((ulong)a * (ulong)b); }
FUNCTION REAL pw_neg(REAL a) { return (REAL)(0 - (ulong)a); }
FUNCTION REAL pw_abs(REAL a) { return a < 0 ? pw_neg(a) : a; }
FUNCTION REAL pw_min(REAL a, REAL b) { return a < b ? a : b; }
FUNCTION REAL pw_max(REAL a, REAL b) { return a > b ? a : b; }
/* The least integer divided by -1 overflows, though its remainder is 0. */
FUNCTION REAL pw_fmod(REAL a, REAL b) { return b == -1 || b == 0 ? 0 : a % b; }
FUNCTION REAL pw_isnan(REAL a) { return 0 * a; }
FUNCTION REAL pw_pow(REAL a, REAL b)
{
    if (b < 0) /* 1 / a^-b, without its fraction */
        return a == 1 || (a == -1 && b % 2 == 0) ? 1 : a == -1 ? -1 : 0;
    REAL power = 1;
    for (; b > 0; b /= 2, a = pw_mul(a, a))
        if (b % 2)
            power = pw_mul(power, a);
    return power;
}
#define floor_(x) (x)
#define ceil_(x) (x)
#define trunc_(x) (x)
#define round_(x) (x)
#else
FUNCTION REAL pw_add(REAL a, REAL b) { return a + b; }
FUNCTION REAL pw_sub(REAL a, REAL b) { return a - b; }
FUNCTION REAL pw_mul(REAL a, REAL b) { return a * b; }
FUNCTION REAL pw_div(REAL a, REAL b) { return a / b; }
FUNCTION REAL pw_neg(REAL a) { return -a; }
/* NaN passes through. */
FUNCTION REAL pw_min(REAL a, REAL b) { return a != a || a < b ? a : b; }
FUNCTION REAL pw_max(REAL a, REAL b) { return a != a || a > b ? a : b; }
FUNCTION REAL pw_isnan(REAL a) { return (REAL)(a != a); }
#define div(x, z) pw_div(x, z)
#define pw_abs(x) fabs(x)
#define pw_pow(x, z) pow(x, z)
#define pw_fmod(x, z) fmod(x, z)
#define sqrt_(x) sqrt(x)
#define rsqrt_(x) rsqrt(x)
#define exp_(x) exp(x)
#define expm1_(x) expm1(x)
#define log_(x) log(x)
#define log1p_(x) log1p(x)
#define log2_(x) log2(x)
#define sin_(x) sin(x)
#define cos_(x) cos(x)
#define tanh_(x) tanh(x)
#define erf_(x) erf(x)
#define floor_(x) floor(x)
#define ceil_(x) ceil(x)
#define trunc_(x) trunc(x)
#define round_(x) rint(x)
#endif

#define add(x, z) pw_add(x, z)
#define sub(x, z) pw_sub(x, z)
#define mul(x, z) pw_mul(x, z)
#define neg(x) pw_neg(x)
#define abs_(x) pw_abs(x)
#define sign_(x) pw_sign(x)
#define min_(x, z) pw_min(x, z)
#define max_(x, z) pw_max(x, z)
#define pow_(x, z) pw_pow(x, z)
#define fmod_(x, z) pw_fmod(x, z)
#define isnan_(x) pw_isnan(x)
#define lt(x, z) pw_lt(x, z)
#define le(x, z) pw_le(x, z)
#define gt(x, z) pw_gt(x, z)
#define ge(x, z) pw_ge(x, z)
#define eq(x, z) pw_eq(x, z)
#define ne(x, z) pw_ne(x, z)
#define and_(x, z) pw_and(x, z)
#define or_(x, z) pw_or(x, z)
#define not_(x) pw_not(x)
#define sel(x, z, w) pw_sel(x, z, w)
/* Made of these. */
#define sigmoid_(x) div(K(1), add(K(1), exp_(neg(x))))
#define softplus_(x) add(max_(x, K(0)), log1p_(exp_(neg(abs_(x)))))
#endif
