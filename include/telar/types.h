/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/types.h>: the types that the library, its users and its plugins share: element types, status
 * codes, errors, and the few limits. Everything here is part of the plugin ABI: values are never
 * renumbered, structs only grow at their end.
 *
 * Options are written as macros, tl_sum(x, .dim = …), over functions that end in _with (or _of, for lists), which take a
 * pointer to a struct. NULL stands for all defaults there, always. C++ can use all headers, and calls these functions: the
 * macros are made of C's compound literals and designators in any order, which C++ lacks. docs/cplusplus.md has an example.
 */
#ifndef TELAR_TYPES_H
#define TELAR_TYPES_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what a library exports, and functions whose arguments are checked against a format. */
#if defined(__GNUC__)
#define TL_PUBLIC __attribute__((visibility("default")))
#define TL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define TL_PUBLIC
#define TL_PRINTF(fmt, args)
#endif

/* How optional arguments, `.name = value`, work: the last argument before them travels with them in the macro's variable part,
 * and is split off again. */
#define TL_FIRST_(first, ...) first
#define TL_REST_(first, ...) __VA_ARGS__

/** Most dimensions that a tensor may have. */
#define TL_MAX_DIMS 8

/** Element types. TL_DEFAULT (zero) asks for the default where one is documented: usually TL_F32, or the
 *  type of the input. Comparisons give TL_BOOL (one byte, 0 or 1). f16 and bf16 are stored so and computed
 *  in f32 where a device has nothing better. */
typedef enum tl_dtype {
    TL_DEFAULT = 0,
    TL_F32 = 1,
    TL_F64 = 2,
    TL_F16 = 3,
    TL_BF16 = 4,
    TL_I8 = 5,
    TL_U8 = 6,
    TL_I32 = 7,
    TL_I64 = 8,
    TL_BOOL = 9,
    TL_DTYPE_COUNT = 10
} tl_dtype;

/** What a call says of its success. Every code but TL_OK comes with a message (tl_error_message()). */
typedef enum tl_status {
    TL_OK = 0,
    TL_ERR_ARGUMENT = 1,    /**< an argument that no shape or type can make right */
    TL_ERR_SHAPE = 2,       /**< shapes that do not go together */
    TL_ERR_DTYPE = 3,       /**< element types that do not go together, or that the op does not know */
    TL_ERR_DEVICE = 4,      /**< tensors on different devices, an unknown or lost device */
    TL_ERR_INDEX = 5,       /**< an index or a label out of range */
    TL_ERR_NOMEM = 6,       /**< out of memory, on the host or a device */
    TL_ERR_IO = 7,          /**< a file that cannot be opened, read or written; the message has errno's words */
    TL_ERR_FORMAT = 8,      /**< a file whose bytes contradict its format */
    TL_ERR_TRUNCATED = 9,   /**< a file that ends too early */
    TL_ERR_LIMIT = 10,      /**< a size that is over a limit or overflows */
    TL_ERR_UNSUPPORTED = 11,/**< understood, but not done here */
    TL_ERR_UNSAFE = 12,     /**< a file that asks for something that is never done */
    TL_ERR_PLUGIN = 13,     /**< a plugin that cannot be loaded, or breaks its contract */
    TL_ERR_STATE = 14,      /**< a call at the wrong time: a second backward, a value overwritten since */
    TL_ERR_NOT_FOUND = 15,  /**< no such name: backend, model, data set, parameter */
    TL_ERR_CHECK = 16,      /**< two backends differ (TELAR_CHECK), or a gradient check fails */
    TL_ERR_STOPPED = 17     /**< a callback asked to stop */
} tl_status;

/** An error that its owner provides. Messages say what was expected, what came, where, and what to do. */
struct tl_error {
    tl_status code;
    char message[1020];
};

/** Log levels (TELAR_LOG). Logs go to stderr; the default level is TL_LOG_WARN. */
typedef enum tl_log_level { TL_LOG_ERROR = 0, TL_LOG_WARN = 1, TL_LOG_INFO = 2, TL_LOG_DEBUG = 3 } tl_log_level;

/** How exact arithmetic must be (TELAR_MATH). */
typedef enum tl_math {
    TL_MATH_DEFAULT = 0, /**< any algorithm within the conformance suite's bounds */
    TL_MATH_STRICT = 1   /**< static choice of kernels, no result that depends on the number of threads */
} tl_math;

/** A short list of dimensions or sizes; n = 0 means "not given". Write TL_DIMS(2, 3): at most TL_MAX_DIMS numbers. */
struct tl_dims {
    int64_t n;
    int64_t v[TL_MAX_DIMS];
};
#define TL_DIMS(...) \
    { (int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), { __VA_ARGS__ } }

/** Bytes of one element; 0 for TL_DEFAULT and unknown values. */
static inline size_t tl_dtype_size(tl_dtype t)
{
    static const unsigned char size[TL_DTYPE_COUNT] = {0, 4, 8, 2, 2, 1, 1, 4, 8, 1};
    return (unsigned)t < TL_DTYPE_COUNT ? size[t] : 0;
}

/** Is it f16, bf16, f32 or f64? */
static inline bool tl_dtype_is_float(tl_dtype t)
{
    return t >= TL_F32 && t <= TL_BF16;
}

/** Short name: "f32", "i64", "bool", … */
static inline const char *tl_dtype_name(tl_dtype t)
{
    static const char *const name[TL_DTYPE_COUNT] = {"default", "f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64", "bool"};
    return (unsigned)t < TL_DTYPE_COUNT ? name[t] : "?";
}

/** The bits of an f32, and the f32 of these bits. */
static inline uint32_t tl_bits_of_f32_(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline float tl_f32_of_bits_(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** bf16, the upper half of an f32 (1 sign, 8 exponent, 7 fraction bits), as bits, to and from f32. Rounding is to nearest, halves to
 *  even; subnormal numbers, infinities and NaN are kept. */
static inline float tl_f32_of_bf16(uint16_t half)
{
    return tl_f32_of_bits_((uint32_t)half << 16);
}
static inline uint16_t tl_bf16_of_f32(float value)
{
    uint32_t bits = tl_bits_of_f32_(value);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40); /* a NaN whose fraction is in the lost bits must not become infinite */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/** f16 (1 sign, 5 exponent, 10 fraction bits), in the same way. */
static inline float tl_f32_of_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7fff;
    if (magnitude >= 0x7c00) /* infinity, NaN: the largest exponent of either type */
        return tl_f32_of_bits_(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude < 0x400) { /* zero, subnormal: a multiple of 2^-24 */
        float value = (float)magnitude * 5.9604644775390625e-8f; /* 2^-24; C++11 has no hexadecimal ones */
        return sign ? -value : value;
    }
    return tl_f32_of_bits_(sign | ((magnitude << 13) + ((127 - 15) << 23)));
}
static inline uint16_t tl_f16_of_f32(float value)
{
    uint32_t bits = tl_bits_of_f32_(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: adding 1/2 makes the f32 adder round to a multiple of 2^-24 */
        return (uint16_t)(sign | (tl_bits_of_f32_(tl_f32_of_bits_(magnitude) + 0.5f) - tl_bits_of_f32_(0.5f)));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - ((127 - 15) << 23)) >> 13);
}

#ifdef __cplusplus
}
#endif
#endif
