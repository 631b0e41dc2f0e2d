/* SPDX-License-Identifier: Apache-2.0
 *
 * max_pool2d_pick: for each window the element of v where x has its maximum; 0 for a window of nothing but padding. The opposite of
 * max_pool2d_grad, and the gradient of it.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/max_pool2d_pick.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(max_pool2d_pick)};
KERNEL(max_pool2d_pick, 0, call->out[0], table);

#else
#include "max_pool2d.h"

static tl_status NAME(max_pool2d_pick)(const struct tl_call *call)
{
    const struct pool2d d = pool2d_sizes(call->attrs, &call->in[0], &call->out[0]);
    const T *x = input(call, 0), *v = input(call, 2);
    T *y = output(call, 0);
    for (int64_t plane = 0; plane < d.planes; plane++, x += d.h * d.w, v += d.h * d.w) {
        for (int64_t i = 0; i < d.ho; i++) {
            for (int64_t j = 0; j < d.wo; j++) {
                const int32_t where = NAME(where_largest)(&d, x, i, j);
                *y++ = where == NOWHERE ? 0 : v[where];
            }
        }
    }
    return TL_OK;
}
#endif
