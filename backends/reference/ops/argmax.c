/* SPDX-License-Identifier: Apache-2.0
 *
 * argmax: y = where the largest element of x is, the first of equals. A NaN is the largest of all. Over one dimension, or
 * over all: then y counts in row-major order, which is the order of the walk.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/argmax.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(argmax), INTEGERS(argmax)};
KERNEL(argmax, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT int64_t
#include "../reduce.h"

static int64_t NAME(where_largest)(const T *x, const struct reduction *r)
{
    struct walk w = r->reduced;
    T best = *x;
    int64_t where = 0;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++) {
            const T v = x[w.at[0] + i * w.step[0]];
            if (v > best || (IS_NAN(v) && !IS_NAN(best))) {
                best = v;
                where = row * w.n + i;
            }
        }
    }
    return where;
}

static tl_status NAME(argmax)(const struct tl_call *call)
{
    if (tl_view_numel(&call->in[0]) == 0 && tl_view_numel(&call->out[0]) > 0)
        return nothing_to_reduce(call);
    return NAME(reduce)(call, NAME(where_largest));
}
#undef OUT
#endif
