/* SPDX-License-Identifier: Apache-2.0
 *
 * max_pool2d: y = the largest element of each window. The residual says where it was: one i32 for each element of y,
 * an index into its plane of x.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/max_pool2d.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(max_pool2d)};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const int64_t *shape = call->in[0].shape;
    if (!table[call->in[0].dtype])
        return unknown_type;
    return shape[2] > 0 && shape[3] > INT32_MAX / shape[2] ? "a plane of 2^31 elements or more" : NULL;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    prep->residual = (size_t)tl_view_numel(&call->out[0]) * sizeof(int32_t);
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    return table[call->in[0].dtype](call);
}

SIMPLE_KERNEL(max_pool2d, 0, refuses, prepare, run);

#else
#include "max_pool2d.h"

static tl_status NAME(max_pool2d)(const struct tl_call *call)
{
    const struct pool2d d = pool2d_sizes(call->attrs, &call->in[0], &call->out[0]);
    const T *x = input(call, 0);
    T *y = output(call, 0);
    int32_t *places = wanted_residual(call, (size_t)(d.planes * d.ho * d.wo) * sizeof(int32_t));
    for (int64_t plane = 0; plane < d.planes; plane++, x += d.h * d.w) {
        for (int64_t i = 0; i < d.ho; i++) {
            for (int64_t j = 0; j < d.wo; j++) {
                const int32_t where = NAME(where_largest)(&d, x, i, j);
                *y++ = where == NOWHERE ? (T)-INFINITY : x[where];
                if (places)
                    *places++ = where;
            }
        }
    }
    return TL_OK;
}
#endif
