/* SPDX-License-Identifier: Apache-2.0
 *
 * index_add: y = x, then y's slice index[i] along a dimension += source's slice i, in order.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/index_add.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(index_add), INTEGERS(index_add)};
KERNEL(index_add, 0, call->out[0], table);

#else

static tl_status NAME(index_add)(const struct tl_call *call)
{
    const struct tl_along_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->out[0], attrs->dim);
    const int64_t *index = input(call, 1), n = tl_view_numel(&call->in[1]);
    const T *x = input(call, 0), *source = input(call, 2);
    T *y = output(call, 0);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= a.n)
            return bad_index(call, "index", index[i], i, a.n);
    if (x != y && tl_view_numel(&call->out[0]) > 0)
        memcpy(y, x, (size_t)tl_view_numel(&call->out[0]) * sizeof(T));
    for (int64_t outer = 0; outer < a.outer; outer++) {
        for (int64_t i = 0; i < n; i++) {
            T *to = y + (outer * a.n + index[i]) * a.inner;
            const T *from = source + (outer * n + i) * a.inner;
            for (int64_t k = 0; k < a.inner; k++)
                to[k] = (T)((SUM)to[k] + (SUM)from[k]);
        }
    }
    return TL_OK;
}
#endif
