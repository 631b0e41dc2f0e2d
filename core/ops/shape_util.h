/* SPDX-License-Identifier: Apache-2.0
 *
 * What the infer functions of many ops share: naming shapes in messages, resolving dimensions, and the usual demands on
 * operands. All of them report with tl_fail(), naming the op.
 */
#ifndef TELAR_CORE_OPS_SHAPE_UTIL_H
#define TELAR_CORE_OPS_SHAPE_UTIL_H

#include "core/internal.h"

/** "[2 x 3]", living until the end of the enclosing block. */
#define SHAPE_TEXT(ndim, shape) shape_text((char[160]){0}, 160, ndim, shape)
#define META_TEXT(m) SHAPE_TEXT((m)->ndim, (m)->shape)
#define TENSOR_TEXT(t) SHAPE_TEXT((t)->ndim, (t)->shape)

/** Is t unusable as a required operand? Reports it, unless t is NULL because an earlier call failed. */
bool operand_missing(const char *op, const tl_tensor *t);

/** Copy a caller's list of n dimensions or sizes; false and an error if it is too long, or NULL though n is not 0. */
bool take_dims(const char *op, int n, const int64_t *list, struct tl_dims *to);

/** Make *dim count from 0. A tensor of rank 0 is treated as one of rank 1, as in PyTorch. */
tl_status resolve_dim(const char *op, int64_t *dim, int ndim);
/** Resolve every entry, refuse repetitions, sort. */
tl_status resolve_dims(const char *op, struct tl_dims *dims, int ndim);

bool same_shape(const struct tl_meta *a, const struct tl_meta *b);
/** Product of sizes first … last - 1. The whole product is known not to overflow. */
int64_t count(const struct tl_meta *m, int first, int last);
/** For tl_op.multiply_adds: `terms` products for each element of m; INT64_MAX if that is too much. */
int64_t sums_of(const struct tl_meta *m, int64_t terms);
/** Do they broadcast? Then to what. */
bool broadcast_shapes(int *ndim, int64_t *shape, int other_ndim, const int64_t *other);

/** Floating numbers? `what` names the operand: "the input". */
tl_status demand_floating(const char *op, const char *what, const struct tl_meta *m);
tl_status demand_index(const char *op, const char *what, const struct tl_meta *m);
tl_status demand_same_dtype(const char *op, const char *what_a, const struct tl_meta *a, const char *what_b, const struct tl_meta *b);
tl_status demand_same_shape(const char *op, const char *what_a, const struct tl_meta *a, const char *what_b, const struct tl_meta *b);

/** Can an element of `t` be *value? Refuse NaN, infinity and what is out of range for integers, and finite numbers that f32, f16 or
 *  bf16 would make infinite. A negative number of u8 wraps around, as in PyTorch. */
tl_status demand_value(const char *op, double *value, tl_dtype t);

/** {n} means {n, n}, {0, 0} the fallback, TL_NONE_SIZE an explicit zero. */
void resolve_pair(int64_t pair[2], const int64_t fallback[2]);
/** The opposite, for passing resolved attributes to another op: zeros become explicit. */
void unresolve_pair(int64_t pair[2]);

/** Zeros of a shape and dtype, where `like` is. */
tl_tensor *zeros_for(const struct tl_meta *m, const tl_tensor *like);
/** i64 indices as they are, i32 ones converted, others refused. NULL passes. */
tl_tensor *as_index(const char *op, tl_tensor *index);
/** OK if t is there, else the error that kept it from being made. */
static inline tl_status made(const tl_tensor *t)
{
    return t ? TL_OK : tl_error_code();
}

#endif
