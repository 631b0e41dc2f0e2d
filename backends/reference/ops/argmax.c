/* SPDX-License-Identifier: Apache-2.0
 *
 * argmax: y = where the largest element of x is, the first of equals. A NaN is the largest of all. Over one dimension, or
 * over all: then y counts in row-major order, which is the order of the walk.
 */
#ifndef T
#include "../reference.h"

#define BEYOND(v, best) ((v) > (best))
#define TEMPLATE "ops/argmax.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(argmax), INTEGERS(argmax)};
KERNEL(argmax, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT int64_t
#include "../extreme.h"

static int64_t NAME(where_largest)(const T *x, const struct reduction *r)
{
    T best;
    return NAME(find_extreme)(x, r, &best);
}

static tl_status NAME(argmax)(const struct tl_call *call)
{
    return NAME(reduce_some)(call, NAME(where_largest));
}
#undef OUT
#endif
