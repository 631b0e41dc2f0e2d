/* SPDX-License-Identifier: Apache-2.0
 *
 * What sort and topk share: a line of elements with their places, in order. Equal elements stay in the order of their
 * places, and NaN counts as the largest. Included by the template part of both files.
 */
#ifndef REFERENCE_SORT_H
#define REFERENCE_SORT_H

#include "../reference.h"

/** Room for any line: places and values, of which none is longer than 8 bytes. */
static inline tl_status sort_prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    const struct tl_order_attrs *attrs = call->attrs;
    prep->workspace = (size_t)axes_around(&call->in[0], attrs->dim).n * 2 * sizeof(int64_t);
    return TL_OK;
}

#endif

struct NAME(item) {
    int64_t place;
    T value;
};

static int NAME(ascending)(const void *left, const void *right)
{
    const struct NAME(item) *a = left, *b = right;
    if (a->value < b->value || (IS_NAN(b->value) && !IS_NAN(a->value)))
        return -1;
    if (a->value > b->value || (IS_NAN(a->value) && !IS_NAN(b->value)))
        return 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static int NAME(descending)(const void *left, const void *right)
{
    const struct NAME(item) *a = left, *b = right;
    if (a->value > b->value || (IS_NAN(a->value) && !IS_NAN(b->value)))
        return -1;
    if (a->value < b->value || (IS_NAN(b->value) && !IS_NAN(a->value)))
        return 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/** Sort every line along the dimension, and write as much of each as the outputs have room for. */
static tl_status NAME(sort_lines)(const struct tl_call *call, void *workspace)
{
    const struct tl_order_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->in[0], attrs->dim);
    const int64_t count = axes_around(&call->out[0], attrs->dim).n;
    struct NAME(item) *items = workspace;
    for (int64_t outer = 0; outer < a.outer; outer++) {
        for (int64_t inner = 0; inner < a.inner; inner++) {
            const T *x = (const T *)input(call, 0) + outer * a.n * a.inner + inner;
            T *values = (T *)output(call, 0) + outer * count * a.inner + inner;
            int64_t *places = (int64_t *)output(call, 1) + outer * count * a.inner + inner;
            for (int64_t i = 0; i < a.n; i++)
                items[i] = (struct NAME(item)){i, x[i * a.inner]};
            if (a.n > 1)
                qsort(items, (size_t)a.n, sizeof *items, attrs->descending ? NAME(descending) : NAME(ascending));
            for (int64_t i = 0; i < count; i++) {
                values[i * a.inner] = items[i].value;
                places[i * a.inner] = items[i].place;
            }
        }
    }
    return TL_OK;
}
