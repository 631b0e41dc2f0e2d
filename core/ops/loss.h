/* SPDX-License-Identifier: Apache-2.0
 *
 * What the losses share: reductions, and operands that broadcast and promote.
 */
#ifndef TELAR_CORE_OPS_LOSS_H
#define TELAR_CORE_OPS_LOSS_H

#include "core/ops/shape_util.h"

/** Is it TL_MEAN, TL_SUM, TL_NO_REDUCTION (or TL_BATCH_MEAN, if allowed)? */
tl_status loss_demand_reduction(const char *op, int64_t reduction, bool batch_mean);
/** Expand x and target to one shape, with a warning; false and an error if they do not go together, or differ and `strict`. */
bool loss_operands(const char *op, tl_tensor **x, tl_tensor **target, bool strict);
/** Both of x's shape and dtype? Then the loss's shape: x's, or a single number. */
tl_status loss_infer(const char *op, const struct tl_meta *x, const struct tl_meta *target, int64_t reduction, struct tl_meta *out);
/** Element-wise losses reduced. */
tl_tensor *loss_reduce(tl_tensor *losses, int64_t reduction);
/** The gradient that arrives at each of n element-wise losses, given that of the reduced one. */
tl_tensor *loss_share(tl_tensor *dy, int64_t reduction, int64_t n);

#endif
