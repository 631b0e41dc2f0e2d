/* SPDX-License-Identifier: Apache-2.0
 *
 * sort: the elements along a dimension in order, and where each was.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/sort.c"
#include "../each_type.h"

typedef tl_status sort_body(const struct tl_call *call, void *workspace);
static sort_body *const table[TL_DTYPE_COUNT] = {FLOATING(sort_lines), INTEGERS(sort_lines)};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return table[call->in[0].dtype] ? NULL : unknown_type;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    return table[call->in[0].dtype](call, tl_mem_ptr(workspace));
}

SIMPLE_KERNEL(sort, 0, refuses, sort_prepare, run);

#else
#include "sort.h"
#endif
