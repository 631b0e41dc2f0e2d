/* SPDX-License-Identifier: Apache-2.0
 *
 * cat: y is made of the inputs, one after the other along a dimension. Any element type, any strides.
 */
#include "../reference.h"
#include "../walk.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_along_attrs *attrs = call->attrs;
    const struct tl_view *y = &call->out[0];
    const int64_t size = (int64_t)tl_dtype_size(y->dtype);
    int64_t before = 0; /* elements along the dimension that are done */
    for (int k = 0; k < call->n_in; k++) {
        const struct tl_view *x = &call->in[k];
        if (tl_view_numel(x) == 0)
            continue; /* also [0], which fits anywhere */
        struct walk w;
        walk_start(&w, x->ndim, x->shape);
        walk_operand(&w, x->stride, 0);
        walk_operand(&w, y->stride, before * y->stride[attrs->dim]);
        for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
            const char *from = (const char *)input(call, k) + w.at[0] * size;
            char *to = (char *)output(call, 0) + w.at[1] * size;
            for (int64_t i = 0; i < w.n; i++)
                memcpy(to + i * w.step[1] * size, from + i * w.step[0] * size, (size_t)size);
        }
        before += x->shape[attrs->dim];
    }
    return TL_OK;
}

SIMPLE_KERNEL(cat, TL_KERNEL_STRIDED, NULL, NULL, run);
