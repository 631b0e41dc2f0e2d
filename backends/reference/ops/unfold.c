/* SPDX-License-Identifier: Apache-2.0
 *
 * unfold: for each plane and each place (r, s) in the window, what lies there in all windows; 0 in the padding.
 */
#ifndef T
#include "unfold.h"

#define TEMPLATE "ops/unfold.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(unfold)};
KERNEL(unfold, 0, call->out[0], table);

#else

static tl_status NAME(unfold)(const struct tl_call *call)
{
    const struct unfolding u = unfolding_of(call->attrs, &call->in[0]);
    const struct tl_unfold_attrs *a = u.attrs;
    const T *x = input(call, 0);
    T *y = output(call, 0);
    for (int64_t plane = 0; plane < u.planes; plane++, x += u.h * u.w)
        for (int64_t r = 0; r < a->kernel[0]; r++)
            for (int64_t s = 0; s < a->kernel[1]; s++)
                for (int64_t i = 0; i < u.ho; i++)
                    for (int64_t j = 0; j < u.wo; j++) {
                        const int64_t row = i * a->stride[0] + r * a->dilation[0] - a->padding[0];
                        const int64_t column = j * a->stride[1] + s * a->dilation[1] - a->padding[1];
                        const bool inside = row >= 0 && row < u.h && column >= 0 && column < u.w;
                        *y++ = inside ? x[row * u.w + column] : 0;
                    }
    return TL_OK;
}
#endif
