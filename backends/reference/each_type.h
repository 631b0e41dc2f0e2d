/* SPDX-License-Identifier: Apache-2.0
 *
 * Includes the file TEMPLATE once for each element type T. SUM is the type to add up in: double, or unsigned for
 * integers, so that an overflow wraps around as it does in PyTorch. TOTAL is the type that sums are given in. IS_NAN(v)
 * asks what integers never are.
 */
#define SUM double
#define TOTAL T
#define IS_NAN(v) ((v) != (v))
#define T float
#include TEMPLATE
#undef T
#define T double
#include TEMPLATE
#undef T
#undef SUM
#undef TOTAL
#undef IS_NAN

#define SUM uint64_t
#define TOTAL int64_t
#define IS_NAN(v) false
#define T int8_t
#include TEMPLATE
#undef T
#define T uint8_t
#include TEMPLATE
#undef T
#define T int32_t
#include TEMPLATE
#undef T
#define T int64_t
#include TEMPLATE
#undef T
#define T _Bool
#include TEMPLATE
#undef T
#undef SUM
#undef TOTAL
#undef IS_NAN
