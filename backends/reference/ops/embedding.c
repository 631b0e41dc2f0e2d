/* SPDX-License-Identifier: Apache-2.0
 *
 * embedding: for each index, a row of the table. Any element type.
 */
#include "../reference.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_view *table = &call->in[0];
    const int64_t *index = input(call, 1), n = tl_view_numel(&call->in[1]), rows = table->shape[0];
    const int64_t row_size = table->shape[1] * (int64_t)tl_dtype_size(table->dtype);
    const char *from = input(call, 0);
    char *to = output(call, 0);
    for (int64_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= rows)
            return bad_index(call, "index", index[i], i, rows);
        if (row_size > 0)
            memcpy(to + i * row_size, from + index[i] * row_size, (size_t)row_size);
    }
    return TL_OK;
}

SIMPLE_KERNEL(embedding, 0, NULL, NULL, run);
