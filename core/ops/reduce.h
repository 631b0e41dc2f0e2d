/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reductions share: resolving dimensions, and giving a reduced tensor its lost dimensions back.
 */
#ifndef TELAR_CORE_OPS_REDUCE_H
#define TELAR_CORE_OPS_REDUCE_H

#include "core/ops/shape_util.h"

/** Resolve a->dims (sorted, explicit) and say what comes out, in x's dtype. */
tl_status reduce_infer(const char *op, const struct tl_meta *x, struct tl_reduce_attrs *a, struct tl_meta *out);
/** Refuse to look for an extreme among nothing. */
tl_status reduce_demand_elements(const char *op, const struct tl_meta *x, const struct tl_reduce_attrs *a);
/** How many elements of x become one. */
int64_t reduce_count(const struct tl_meta *x, const struct tl_reduce_attrs *a);
/** t, reduced from x, with its lost dimensions back as 1. */
tl_tensor *reduce_keep(tl_tensor *t, const struct tl_meta *x, const struct tl_reduce_attrs *a);
/** The same, stretched to x's shape (a view). */
tl_tensor *reduce_stretch(tl_tensor *t, const struct tl_meta *x, const struct tl_reduce_attrs *a);
/** The same dims, keeping them. */
struct tl_reduce_attrs reduce_keeping(const struct tl_reduce_attrs *a);

#endif
