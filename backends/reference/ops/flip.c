/* SPDX-License-Identifier: Apache-2.0
 *
 * flip: y is x with the order along some dimensions turned round: x is walked over backwards there. Any element type.
 */
#include "../reference.h"
#include "../walk.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_shape_attrs *attrs = call->attrs;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    const int64_t size = (int64_t)tl_dtype_size(y->dtype);
    int64_t stride[TL_MAX_DIMS], first = 0;
    for (int d = 0; d < x->ndim; d++)
        stride[d] = x->stride[d];
    for (int64_t i = 0; i < attrs->dims.n; i++) {
        const int64_t d = attrs->dims.v[i];
        first += (x->shape[d] - 1) * x->stride[d];
        stride[d] = -x->stride[d];
    }
    struct walk w;
    walk_start(&w, y->ndim, y->shape);
    walk_operand(&w, stride, first);
    walk_operand(&w, y->stride, 0);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        for (int64_t i = 0; i < w.n; i++)
            memcpy((char *)output(call, 0) + (w.at[1] + i * w.step[1]) * size,
                   (const char *)input(call, 0) + (w.at[0] + i * w.step[0]) * size, (size_t)size);
    return TL_OK;
}

SIMPLE_KERNEL(flip, TL_KERNEL_STRIDED, NULL, NULL, run);
