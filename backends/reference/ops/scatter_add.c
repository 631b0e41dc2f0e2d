/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add: y = x, then y[…, index[…, i, …], …] += source[…, i, …] for each element of index, in order. In
 * the other dimensions index may be smaller than x and source.
 */
#ifndef T
#include "../reference.h"
#include "../walk.h"

#define TEMPLATE "ops/scatter_add.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(scatter_add), INTEGERS(scatter_add)};
KERNEL(scatter_add, 0, call->out[0], table);

#else

static tl_status NAME(scatter_add)(const struct tl_call *call)
{
    const struct tl_along_attrs *attrs = call->attrs;
    const struct tl_view *vy = &call->out[0], *vindex = &call->in[1], *vsource = &call->in[2];
    const int64_t *index = input(call, 1), choices = vy->ndim ? vy->shape[attrs->dim] : 1;
    const int64_t chosen_stride = vy->ndim ? vy->stride[attrs->dim] : 0;
    const T *x = input(call, 0), *source = input(call, 2);
    T *y = output(call, 0);
    int64_t other[TL_MAX_DIMS], position = 0; /* strides of y, without the dimension that the index speaks for */
    for (int d = 0; d < vy->ndim; d++)
        other[d] = d == attrs->dim ? 0 : vy->stride[d];
    if (x != y && tl_view_numel(vy) > 0)
        memcpy(y, x, (size_t)tl_view_numel(vy) * sizeof(T));
    struct walk w;
    walk_start(&w, vindex->ndim, vindex->shape);
    walk_operand(&w, other, 0);
    walk_operand(&w, vsource->stride, 0);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++, position++) {
            if (index[position] < 0 || index[position] >= choices)
                return bad_index(call, "index", index[position], position, choices);
            T *to = y + w.at[0] + i * w.step[0] + index[position] * chosen_stride;
            *to = (T)((SUM)*to + (SUM)source[w.at[1] + i * w.step[1]]);
        }
    }
    return TL_OK;
}
#endif
