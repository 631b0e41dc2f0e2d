/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of all pointwise ops: for each line of <telar/pointwise.def> and each element type, a function over dense
 * operands. vector/pointwise_type.h holds the verbs and is included once per type.
 */
#include <telar/pointwise.h>

#include "level.h"
#include "math.h"
#include "vector.h"

/* ---- float ---- */
#define T float
#define TYPE f32
#define FLOATING 1
#include "pointwise_type.h"
#undef T
#undef TYPE
#undef FLOATING

/* ---- double ---- */
#define T double
#define TYPE f64
#define FLOATING 1
#include "pointwise_type.h"
#undef T
#undef TYPE
#undef FLOATING

/* ---- integers: only what needs no rounding ---- */
#define T int32_t
#define UNSIGNED_T uint32_t
#define TYPE i32
#define FLOATING 0
#include "pointwise_type.h"
#undef T
#undef UNSIGNED_T
#undef TYPE
#undef FLOATING

#define T int64_t
#define UNSIGNED_T uint64_t
#define TYPE i64
#define FLOATING 0
#include "pointwise_type.h"
#undef T
#undef UNSIGNED_T
#undef TYPE
#undef FLOATING

cpu_pointwise_loop *const *const LEVEL(cpu_pointwise_tables)[CPU_POINTWISE_TYPES] = {table_f32, table_f64, table_i32, table_i64};
