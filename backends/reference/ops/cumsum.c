/* SPDX-License-Identifier: Apache-2.0
 *
 * cumsum: y[i] = x[0] + … + x[i] along a dimension.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/cumsum.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(cumsum), INTEGERS(cumsum)};
KERNEL(cumsum, 0, call->in[0], table);

#else

static tl_status NAME(cumsum)(const struct tl_call *call)
{
    const struct tl_along_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->in[0], attrs->dim);
    for (int64_t outer = 0; outer < a.outer; outer++) {
        for (int64_t inner = 0; inner < a.inner; inner++) {
            const T *x = (const T *)input(call, 0) + outer * a.n * a.inner + inner;
            TOTAL *y = (TOTAL *)output(call, 0) + outer * a.n * a.inner + inner;
            SUM sum = 0;
            for (int64_t i = 0; i < a.n; i++) {
                sum += (SUM)x[i * a.inner];
                y[i * a.inner] = (TOTAL)sum;
            }
        }
    }
    return TL_OK;
}
#endif
