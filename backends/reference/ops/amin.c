/* SPDX-License-Identifier: Apache-2.0
 *
 * amin: y = the smallest element of x over some dimensions. A NaN is the smallest of all.
 */
#ifndef T
#include "../reference.h"

#define BEYOND(v, best) ((v) < (best))
#define TEMPLATE "ops/amin.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(amin), INTEGERS(amin)};
KERNEL(amin, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT T
#include "../extreme.h"

static T NAME(smallest)(const T *x, const struct reduction *r)
{
    T best;
    NAME(find_extreme)(x, r, &best);
    return best;
}

static tl_status NAME(amin)(const struct tl_call *call)
{
    return NAME(reduce_some)(call, NAME(smallest));
}
#undef OUT
#endif
