/* SPDX-License-Identifier: Apache-2.0
 *
 * What adaptive_avg_pool2d and its gradient share: window i of `count` over `size` elements.
 */
#ifndef REFERENCE_ADAPTIVE_POOL2D_H
#define REFERENCE_ADAPTIVE_POOL2D_H

#include "../reference.h"

/** Elements from .. to - 1: floor(i size / count) to ceil((i + 1) size / count). */
struct share {
    int64_t from, to;
};

static inline struct share share_of(int64_t i, int64_t count, int64_t size)
{
    return (struct share){i * size / count, ((i + 1) * size + count - 1) / count};
}

#endif
