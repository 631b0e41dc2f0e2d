/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pooling ops share: planes and windows.
 */
#ifndef REFERENCE_POOL2D_H
#define REFERENCE_POOL2D_H

#include "../reference.h"

/** Sizes of a pooling: `planes` planes h x w become planes ho x wo. */
struct pool2d {
    int64_t planes, h, w, ho, wo;
    const struct tl_pool2d_attrs *attrs;
};

static inline struct pool2d pool2d_sizes(const struct tl_pool2d_attrs *attrs, const struct tl_view *x, const struct tl_view *y)
{
    return (struct pool2d){.planes = x->shape[0] * x->shape[1],
                           .h = x->shape[2],
                           .w = x->shape[3],
                           .ho = y->shape[2],
                           .wo = y->shape[3],
                           .attrs = attrs};
}

/** A window in one dimension: elements from, from + step, … below `to`, cut to the input. `padded` counts those that
 *  lie in the input or its padding. */
struct window {
    int64_t from, to, step, padded;
};

static inline struct window window_at(int64_t i, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int64_t size)
{
    struct window v = {.from = i * stride - padding, .step = dilation};
    v.to = v.from + (kernel - 1) * dilation + 1;
    v.padded = (v.to < size + padding ? v.to : size + padding) - v.from;
    while (v.from < 0)
        v.from += dilation;
    if (v.to > size)
        v.to = size;
    return v;
}

static inline struct window window_row(const struct pool2d *d, int64_t i, int64_t dilation)
{
    return window_at(i, d->attrs->kernel[0], d->attrs->stride[0], d->attrs->padding[0], dilation, d->h);
}

static inline struct window window_column(const struct pool2d *d, int64_t j, int64_t dilation)
{
    return window_at(j, d->attrs->kernel[1], d->attrs->stride[1], d->attrs->padding[1], dilation, d->w);
}

/** What the sum of a window is divided by: the given divisor, the number of its real elements, or the number of its
 *  elements in the input and its padding (beyond which a window of ceil_mode may reach). */
static inline double window_divisor(const struct pool2d *d, struct window rows, struct window columns)
{
    if (d->attrs->divisor)
        return (double)d->attrs->divisor;
    if (d->attrs->exclude_pad)
        return (double)((rows.to - rows.from) * (columns.to - columns.from));
    return (double)(rows.padded * columns.padded);
}

#endif
