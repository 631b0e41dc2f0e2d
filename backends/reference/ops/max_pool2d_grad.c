/* SPDX-License-Identifier: Apache-2.0
 *
 * max_pool2d_grad: each element of dy goes to where the maximum of its window was; where windows overlap, they add up. The
 * places are in the residual, if this backend made it; otherwise they are found again.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/max_pool2d_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(max_pool2d_grad)};
KERNEL(max_pool2d_grad, 0, call->out[0], table);

#else
#include "max_pool2d.h"

static tl_status NAME(max_pool2d_grad)(const struct tl_call *call)
{
    const struct pool2d d = pool2d_sizes(call->attrs, &call->in[0], &call->in[2]);
    const T *x = input(call, 0), *dy = input(call, 2);
    T *dx = output(call, 0);
    const int32_t *places = own_residual(call, (size_t)(d.planes * d.ho * d.wo) * sizeof(int32_t));
    for (int64_t i = 0; i < d.planes * d.h * d.w; i++)
        dx[i] = 0;
    for (int64_t plane = 0; plane < d.planes; plane++, x += d.h * d.w, dx += d.h * d.w) {
        for (int64_t i = 0; i < d.ho; i++) {
            for (int64_t j = 0; j < d.wo; j++, dy++) {
                const int32_t where = places ? *places++ : NAME(where_largest)(&d, x, i, j);
                if (where != NOWHERE)
                    dx[where] += *dy;
            }
        }
    }
    return TL_OK;
}
#endif
