/* SPDX-License-Identifier: Apache-2.0
 *
 * fill: every element of y becomes the value, converted as `copy` would.
 */
#include "../elements.h"
#include "../reference.h"
#include "../walk.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_fill_attrs *attrs = call->attrs;
    const struct tl_view *y = &call->out[0];
    const size_t size = tl_dtype_size(y->dtype);
    unsigned char element[8];
    write_double(y->dtype, element, 0, &attrs->value, 1);
    struct walk w;
    walk_start(&w, y->ndim, y->shape);
    walk_operand(&w, y->stride, 0);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        for (int64_t i = 0; i < w.n; i++)
            memcpy((char *)output(call, 0) + (w.at[0] + i * w.step[0]) * (int64_t)size, element, size);
    return TL_OK;
}

SIMPLE_KERNEL(fill, TL_KERNEL_STRIDED, NULL, NULL, run);
