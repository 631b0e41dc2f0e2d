/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits the dimensions of a reduction into those that stay and those that go; see reduce.h. This file is no
 * template: it only needs the part of reduce.h that is common to all types.
 */
#define T float
#define OUT float
#include "reduce.h"

static bool goes(const struct tl_reduce_attrs *attrs, int d)
{
    for (int64_t i = 0; i < attrs->dims.n; i++)
        if (attrs->dims.v[i] == d)
            return true;
    return attrs->dims.n == 0;
}

void reduction_start(struct reduction *r, const struct tl_call *call)
{
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    int64_t kept_shape[TL_MAX_DIMS], kept_x[TL_MAX_DIMS], kept_y[TL_MAX_DIMS];
    int64_t gone_shape[TL_MAX_DIMS], gone_x[TL_MAX_DIMS];
    int kept = 0, gone = 0;
    r->attrs = call->attrs;
    r->count = 1;
    for (int d = 0; d < x->ndim; d++) {
        if (goes(r->attrs, d)) {
            gone_shape[gone] = x->shape[d];
            gone_x[gone++] = x->stride[d];
            r->count *= x->shape[d];
        } else {
            kept_shape[kept] = x->shape[d];
            kept_x[kept] = x->stride[d];
            kept_y[kept++] = y->stride[d];
        }
    }
    walk_start(&r->kept, kept, kept_shape);
    walk_operand(&r->kept, kept_x, 0);
    walk_operand(&r->kept, kept_y, 0);
    walk_start(&r->reduced, gone, gone_shape);
    walk_operand(&r->reduced, gone_x, 0);
}

tl_status nothing_to_reduce(const struct tl_call *call)
{
    return reference_host->fail(TL_ERR_SHAPE, "%s: there is no element to choose from: expected at least one in each "
                                "reduced dimension", call->op);
}
