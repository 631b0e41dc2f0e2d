/* SPDX-License-Identifier: Apache-2.0
 *
 * amax: y = the largest element of x over some dimensions. A NaN is the largest of all.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/amax.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(amax), INTEGERS(amax)};
KERNEL(amax, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT T
#include "../reduce.h"

static T NAME(largest)(const T *x, const struct reduction *r)
{
    struct walk w = r->reduced;
    T best = *x;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++) {
            const T v = x[w.at[0] + i * w.step[0]];
            if (v > best || IS_NAN(v))
                best = v;
        }
    }
    return best;
}

static tl_status NAME(amax)(const struct tl_call *call)
{
    if (tl_view_numel(&call->in[0]) == 0 && tl_view_numel(&call->out[0]) > 0)
        return nothing_to_reduce(call);
    return NAME(reduce)(call, NAME(largest));
}
#undef OUT
#endif
