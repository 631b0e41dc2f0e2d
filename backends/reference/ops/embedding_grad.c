/* SPDX-License-Identifier: Apache-2.0
 *
 * embedding_grad: each row of dy adds to the row of dtable that it was taken from; nothing adds to row padding_idx.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/embedding_grad.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(embedding_grad)};
KERNEL(embedding_grad, 0, call->out[0], table);

#else

static tl_status NAME(embedding_grad)(const struct tl_call *call)
{
    const struct tl_embedding_attrs *attrs = call->attrs;
    const int64_t rows = call->out[0].shape[0], columns = call->out[0].shape[1];
    const int64_t *index = input(call, 1), n = tl_view_numel(&call->in[1]);
    const T *dy = input(call, 0);
    T *dtable = output(call, 0);
    for (int64_t i = 0; i < rows * columns; i++)
        dtable[i] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= rows)
            return bad_index(call, "index", index[i], i, rows);
        if (attrs->padding && index[i] == attrs->padding_idx)
            continue;
        for (int64_t k = 0; k < columns; k++)
            dtable[index[i] * columns + k] += dy[i * columns + k];
    }
    return TL_OK;
}
#endif
