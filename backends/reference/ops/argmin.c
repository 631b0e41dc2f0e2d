/* SPDX-License-Identifier: Apache-2.0
 *
 * argmin: y = where the smallest element of x is, the first of equals. A NaN is the smallest of all. Over one dimension, or
 * over all: then y counts in row-major order, which is the order of the walk.
 */
#ifndef T
#include "../reference.h"

#define BEYOND(v, best) ((v) < (best))
#define TEMPLATE "ops/argmin.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(argmin), INTEGERS(argmin)};
KERNEL(argmin, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT int64_t
#include "../extreme.h"

static int64_t NAME(where_smallest)(const T *x, const struct reduction *r)
{
    T best;
    return NAME(find_extreme)(x, r, &best);
}

static tl_status NAME(argmin)(const struct tl_call *call)
{
    return NAME(reduce_some)(call, NAME(where_smallest));
}
#undef OUT
#endif
