/* SPDX-License-Identifier: Apache-2.0
 *
 * pad: y is filled with the value, then x is put inside. Amounts come in pairs (before, after), for the last dimension
 * first. Any element type.
 */
#include "../elements.h"
#include "../reference.h"
#include "../walk.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_pad_attrs *attrs = call->attrs;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    const int64_t size = (int64_t)tl_dtype_size(y->dtype), n = tl_view_numel(y);
    char *to = output(call, 0);
    unsigned char value[8];
    write_double(y->dtype, value, 0, &attrs->value, 1);
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * size, value, (size_t)size);

    int64_t first = 0;
    for (int64_t i = 0; i < attrs->pad.n / 2; i++)
        first += attrs->pad.v[2 * i] * y->stride[y->ndim - 1 - i];
    if (tl_view_numel(x) == 0)
        return TL_OK;
    struct walk w;
    walk_start(&w, x->ndim, x->shape);
    walk_operand(&w, x->stride, 0);
    walk_operand(&w, y->stride, first);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
        memcpy(to + w.at[1] * size, (const char *)input(call, 0) + w.at[0] * size, (size_t)(w.n * size));
    return TL_OK;
}

SIMPLE_KERNEL(pad, 0, NULL, NULL, run);
