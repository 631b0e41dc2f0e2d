/* SPDX-License-Identifier: Apache-2.0
 *
 * What the convolution and its two gradients share. For one pair of planes and one element (r, s) of the kernel, all
 * three look at the same pairs of elements: output (i, j) and input (i stride + r dilation - padding, likewise for j). They
 * differ in which of the three (input, weight, output) is summed up.
 */
#ifndef REFERENCE_CONV2D_H
#define REFERENCE_CONV2D_H

#include "../reference.h"

/** Sizes of a convolution; x [n,c,h,w], w [k,c/g,r,s], y [n,k,ho,wo]. */
struct conv2d {
    int64_t batch, channels, h, w, filters, r, s, ho, wo;
    int64_t group_channels, group_filters; /**< in one group */
    int64_t stride[2], padding[2], dilation[2];
};

static inline struct conv2d conv2d_sizes(const struct tl_conv2d_attrs *attrs, const struct tl_view *x, const struct tl_view *w,
                                         const struct tl_view *y)
{
    return (struct conv2d){
        .batch = x->shape[0],
        .channels = x->shape[1],
        .h = x->shape[2],
        .w = x->shape[3],
        .filters = w->shape[0],
        .r = w->shape[2],
        .s = w->shape[3],
        .ho = y->shape[2],
        .wo = y->shape[3],
        .group_channels = w->shape[1],
        .group_filters = w->shape[0] / attrs->groups,
        .stride = {attrs->stride[0], attrs->stride[1]},
        .padding = {attrs->padding[0], attrs->padding[1]},
        .dilation = {attrs->dilation[0], attrs->dilation[1]},
    };
}

/** Indices from .. to - 1. */
struct span {
    int64_t from, to;
};

/** Which i in `all` have i * stride + offset in `legal`? */
static inline struct span span_within(struct span all, int64_t stride, int64_t offset, struct span legal)
{
    const int64_t above = legal.from - offset, below = legal.to - offset; /* above <= i stride < below */
    struct span s = all;
    if (above > 0 && (above + stride - 1) / stride > s.from)
        s.from = (above + stride - 1) / stride;
    if (below <= 0)
        s.to = s.from;
    else if ((below + stride - 1) / stride < s.to)
        s.to = (below + stride - 1) / stride;
    return s;
}

/** Sums are made in double, for a tile of a plane that fits into this array. */
enum { CONV2D_TILE = 1024 };

/** The tile of a plane of the given width that begins at (row, column): all of some rows, or a part of one. */
static inline void conv2d_tile(int64_t height, int64_t width, int64_t row, int64_t column, struct span *rows,
                               struct span *columns)
{
    const int64_t across = width < CONV2D_TILE ? width : CONV2D_TILE, down = CONV2D_TILE / across;
    *rows = (struct span){row, height - row < down ? height : row + down};
    *columns = (struct span){column, width - column < across ? width : column + across};
}

#endif
