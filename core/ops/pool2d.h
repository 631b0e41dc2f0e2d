/* SPDX-License-Identifier: Apache-2.0
 *
 * What max_pool2d and avg_pool2d share: their windows.
 */
#ifndef TELAR_CORE_OPS_POOL2D_H
#define TELAR_CORE_OPS_POOL2D_H

#include "core/ops/shape_util.h"

/** Pictures [n, c, h, w] with something in them (n may be 0), of floating numbers? */
tl_status pool2d_demand_pictures(const char *op, const char *what, const struct tl_meta *m);
/** Fill in the defaults, and check all that does not depend on the input. */
tl_status pool2d_resolve(const char *op, struct tl_pool2d_attrs *a);
/** How many windows lie over an input of size[0] x size[1]? With ceil_mode the last may reach beyond the padding, even from its
 *  first row, but may not begin there. */
tl_status pool2d_windows(const char *op, const struct tl_pool2d_attrs *a, const int64_t size[2], int64_t n[2]);
/** Resolved attributes as another pooling op takes them. */
struct tl_pool2d_attrs pool2d_again(const struct tl_pool2d_attrs *a);

#endif
