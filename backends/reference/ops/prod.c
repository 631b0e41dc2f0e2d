/* SPDX-License-Identifier: Apache-2.0
 *
 * prod: y = the product of x over some dimensions; of nothing, 1.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/prod.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(prod), INTEGERS(prod)};
KERNEL(prod, TL_KERNEL_STRIDED, call->in[0], table);

#else
#define OUT TOTAL
#include "../reduce.h"

static TOTAL NAME(product_of)(const T *x, const struct reduction *r)
{
    struct walk w = r->reduced;
    SUM product = 1;
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        for (int64_t i = 0; i < w.n; i++)
            product *= (SUM)x[w.at[0] + i * w.step[0]];
    return (TOTAL)product;
}

static tl_status NAME(prod)(const struct tl_call *call)
{
    return NAME(reduce)(call, NAME(product_of));
}
#undef OUT
#endif
