/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing runs of elements of any type; see elements.h. This file includes itself once for each
 * computing type T; WHOLE(v, type) makes an integer of a T.
 */
#ifndef T
#include "elements.h"
#include "reference.h"

int64_t saturate(double value, int64_t least, int64_t most)
{
    if (value != value)
        return 0;
    if (value <= (double)least)
        return least;
    return value >= (double)most ? most : (int64_t)value;
}

void integer_range(tl_dtype type, int64_t *least, int64_t *most)
{
    static const int64_t range[TL_DTYPE_COUNT][2] = {
        [TL_I8] = {INT8_MIN, INT8_MAX},    [TL_U8] = {0, UINT8_MAX}, [TL_I32] = {INT32_MIN, INT32_MAX},
        [TL_I64] = {INT64_MIN, INT64_MAX}, [TL_BOOL] = {0, 1},
    };
    *least = range[type][0];
    *most = range[type][1];
}

/* One line of a switch over element types: `value` says what becomes of v. */
#define READ(type, value)                            \
    for (int64_t i = 0; i < n; i++) {                \
        const type v = ((const type *)from)[i * stride]; \
        to[i] = value;                               \
    }                                                \
    break
#define WRITE(type, value)                           \
    for (int64_t i = 0; i < n; i++) {                \
        const T v = from[i];                         \
        ((type *)to)[i * stride] = value;            \
    }                                                \
    break

#define REAL(v) ((T)(v))
#define WHOLE(v, least, most) saturate((double)(v), least, most)
#define TEMPLATE "elements.c"
#include "each_float.h"
#undef REAL
#undef WHOLE

#define REAL(v) saturate((double)(v), INT64_MIN, INT64_MAX)
#define WHOLE(v, least, most) (v)
#define T int64_t
#include "elements.c"
#undef T

#else

void NAME(read)(T *to, tl_dtype type, const void *from, int64_t stride, int64_t n)
{
    switch (type) {
    case TL_F32: READ(float, REAL(v));
    case TL_F64: READ(double, REAL(v));
    case TL_F16: READ(uint16_t, REAL(tl_f32_of_f16(v)));
    case TL_BF16: READ(uint16_t, REAL(tl_f32_of_bf16(v)));
    case TL_I8: READ(int8_t, (T)v);
    case TL_U8: READ(uint8_t, (T)v);
    case TL_I32: READ(int32_t, (T)v);
    case TL_I64: READ(int64_t, (T)v);
    case TL_BOOL: READ(uint8_t, (T)(v != 0));
    default: break;
    }
}

void NAME(write)(tl_dtype type, void *to, int64_t stride, const T *from, int64_t n)
{
    switch (type) {
    case TL_F32: WRITE(float, (float)v);
    case TL_F64: WRITE(double, (double)v);
    case TL_F16: WRITE(uint16_t, tl_f16_of_f32((float)v));
    case TL_BF16: WRITE(uint16_t, tl_bf16_of_f32((float)v));
    case TL_I8: WRITE(int8_t, (int8_t)WHOLE(v, INT8_MIN, INT8_MAX));
    case TL_U8: WRITE(uint8_t, (uint8_t)WHOLE(v, 0, UINT8_MAX));
    case TL_I32: WRITE(int32_t, (int32_t)WHOLE(v, INT32_MIN, INT32_MAX));
    case TL_I64: WRITE(int64_t, (int64_t)WHOLE(v, INT64_MIN, INT64_MAX));
    case TL_BOOL: WRITE(uint8_t, (uint8_t)(v != 0));
    default: break;
    }
}

#endif
