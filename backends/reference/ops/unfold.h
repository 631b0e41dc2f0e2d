/* SPDX-License-Identifier: Apache-2.0
 *
 * What unfold and fold share: pictures [n, c, h, w] on one side, columns [n, (c, r, s), (i, j)] on the other.
 */
#ifndef REFERENCE_UNFOLD_H
#define REFERENCE_UNFOLD_H

#include "../reference.h"

struct unfolding {
    int64_t planes, h, w; /* pictures: n * c planes of h x w */
    int64_t ho, wo;       /* windows in a plane */
    const struct tl_unfold_attrs *attrs;
};

static inline int64_t unfolding_windows(const struct tl_unfold_attrs *a, int64_t size, int i)
{
    return (size + 2 * a->padding[i] - a->dilation[i] * (a->kernel[i] - 1) - 1) / a->stride[i] + 1;
}

static inline struct unfolding unfolding_of(const struct tl_unfold_attrs *a, const struct tl_view *pictures)
{
    return (struct unfolding){.planes = pictures->shape[0] * pictures->shape[1],
                              .h = pictures->shape[2],
                              .w = pictures->shape[3],
                              .ho = unfolding_windows(a, pictures->shape[2], 0),
                              .wo = unfolding_windows(a, pictures->shape[3], 1),
                              .attrs = a};
}

/** Which window has element `at` at place `k`; -1: none. */
static inline int64_t window_with(const struct tl_unfold_attrs *a, int d, int64_t at, int64_t k, int64_t windows)
{
    const int64_t start = at + a->padding[d] - k * a->dilation[d];
    return start >= 0 && start % a->stride[d] == 0 && start / a->stride[d] < windows ? start / a->stride[d] : -1;
}

#endif
