/* SPDX-License-Identifier: Apache-2.0
 *
 * index_select: y's slice i along a dimension is x's slice index[i]. Any element type: elements are moved, not looked at.
 */
#include "../reference.h"

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_along_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->in[0], attrs->dim);
    const int64_t *index = input(call, 1), n = tl_view_numel(&call->in[1]);
    const int64_t slice = a.inner * (int64_t)tl_dtype_size(call->in[0].dtype);
    const char *x = input(call, 0);
    char *y = output(call, 0);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= a.n)
            return bad_index(call, "index", index[i], i, a.n);
    for (int64_t outer = 0; slice > 0 && outer < a.outer; outer++)
        for (int64_t i = 0; i < n; i++)
            memcpy(y + (outer * n + i) * slice, x + (outer * a.n + index[i]) * slice, (size_t)slice);
    return TL_OK;
}

SIMPLE_KERNEL(index_select, 0, NULL, NULL, run);
