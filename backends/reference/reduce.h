/* SPDX-License-Identifier: Apache-2.0
 *
 * What all reductions share. An op says how to make one number out of the elements of x that a walk passes over;
 * reduce() does so for each element of y. Included by the template part of an op file, with OUT the type of y.
 */
#ifndef REFERENCE_REDUCE_H
#define REFERENCE_REDUCE_H

#include "reference.h"
#include "walk.h"

/** A reduction of x to y: the dimensions that stay, walked over in both, and those that go, in x. */
struct reduction {
    struct walk kept;    /**< operand 0: x, operand 1: y */
    struct walk reduced; /**< operand 0: x, counting from where `kept` is */
    int64_t count;       /**< elements of x for each element of y */
    const struct tl_reduce_attrs *attrs;
};

void reduction_start(struct reduction *r, const struct tl_call *call);

/** Reductions that need at least one element fail without. */
tl_status nothing_to_reduce(const struct tl_call *call);

#endif

static inline tl_status NAME(reduce)(const struct tl_call *call, OUT (*one)(const T *x, const struct reduction *r))
{
    struct reduction r;
    reduction_start(&r, call);
    const T *x = input(call, 0);
    OUT *y = output(call, 0);
    for (int64_t row = 0; row < r.kept.rows; row++, walk_next(&r.kept))
        for (int64_t i = 0; i < r.kept.n; i++)
            y[r.kept.at[1] + i * r.kept.step[1]] = one(x + r.kept.at[0] + i * r.kept.step[0], &r);
    return TL_OK;
}
