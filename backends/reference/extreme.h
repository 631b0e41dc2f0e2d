/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest or the smallest of what a reduction passes over, and its place in row-major order: BEYOND(v, best) says which. The
 * first of equals; a NaN is beyond everything. Included by the template part of argmax, argmin, amax and amin, with OUT as
 * for reduce.h.
 */
#include "reduce.h"

static inline int64_t NAME(find_extreme)(const T *x, const struct reduction *r, T *extreme)
{
    struct walk w = r->reduced;
    T best = *x;
    int64_t where = 0;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++) {
            const T v = x[w.at[0] + i * w.step[0]];
            if (BEYOND(v, best) || (IS_NAN(v) && !IS_NAN(best))) {
                best = v;
                where = row * w.n + i;
            }
        }
    }
    *extreme = best;
    return where;
}

/* There is no extreme of nothing. */
static inline tl_status NAME(reduce_some)(const struct tl_call *call, OUT (*one)(const T *x, const struct reduction *r))
{
    if (tl_view_numel(&call->in[0]) == 0 && tl_view_numel(&call->out[0]) > 0)
        return nothing_to_reduce(call);
    return NAME(reduce)(call, one);
}
