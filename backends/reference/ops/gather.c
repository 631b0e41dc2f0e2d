/* SPDX-License-Identifier: Apache-2.0
 *
 * gather: y[…, i, …] = x[…, index[…, i, …], …]: an index for each element of y. In the other dimensions y may be
 * smaller than x. Any element type: elements are moved, not looked at.
 */
#include "../reference.h"
#include "../walk.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_along_attrs *attrs = call->attrs;
    const struct tl_view *vx = &call->in[0], *vindex = &call->in[1];
    const size_t size = tl_dtype_size(vx->dtype);
    const int64_t *index = input(call, 1), choices = vx->ndim ? vx->shape[attrs->dim] : 1;
    const int64_t chosen_stride = vx->ndim ? vx->stride[attrs->dim] : 0;
    const char *x = input(call, 0);
    char *y = output(call, 0);
    int64_t other[TL_MAX_DIMS], position = 0; /* strides of x, without the dimension that the index speaks for */
    for (int d = 0; d < vx->ndim; d++)
        other[d] = d == attrs->dim ? 0 : vx->stride[d];
    struct walk w;
    walk_start(&w, vindex->ndim, vindex->shape);
    walk_operand(&w, other, 0);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++, position++) {
            if (index[position] < 0 || index[position] >= choices)
                return bad_index(call, "index", index[position], position, choices);
            const int64_t from = w.at[0] + i * w.step[0] + index[position] * chosen_stride;
            memcpy(y + position * (int64_t)size, x + from * (int64_t)size, size);
        }
    }
    return TL_OK;
}

SIMPLE_KERNEL(gather, 0, NULL, NULL, run);
