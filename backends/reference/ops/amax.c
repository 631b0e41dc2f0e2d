/* SPDX-License-Identifier: Apache-2.0
 *
 * amax: y = the largest element of x over some dimensions. A NaN is the largest of all.
 */
#ifndef T
#include "../reference.h"

#define BEYOND(v, best) ((v) > (best))
#define TEMPLATE "ops/amax.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(amax), INTEGERS(amax)};
KERNEL(amax, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT T
#include "../extreme.h"

static T NAME(largest)(const T *x, const struct reduction *r)
{
    T best;
    NAME(find_extreme)(x, r, &best);
    return best;
}

static tl_status NAME(amax)(const struct tl_call *call)
{
    return NAME(reduce_some)(call, NAME(largest));
}
#undef OUT
#endif
