/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking over strided operands of one shape. A walk goes row by row: the last dimension is left to the caller's inner
 * loop, which has n steps of step[k] elements, starting at element at[k] of operand k:
 *
 *     for (int64_t row = 0; row < w.rows; row++, walk_next(&w))
 *         for (int64_t i = 0; i < w.n; i++)
 *             … x[w.at[0] + i * w.step[0]] …
 */
#ifndef REFERENCE_WALK_H
#define REFERENCE_WALK_H

#include <stdint.h>
#include <telar/backend.h>

enum { WALK_OPERANDS = 6 };

struct walk {
    int64_t rows, n;
    int ndim, operands; /**< ndim counts the dimensions above the row */
    int64_t shape[TL_MAX_DIMS], index[TL_MAX_DIMS];
    int64_t step[WALK_OPERANDS], at[WALK_OPERANDS];
    int64_t stride[WALK_OPERANDS][TL_MAX_DIMS];
};

/** Begin a walk over `shape`, as yet without operands. */
void walk_start(struct walk *w, int ndim, const int64_t *shape);

/** Add an operand: one stride for each dimension (any sign), and the element where it begins. */
void walk_operand(struct walk *w, const int64_t *stride, int64_t first);

/** Go on to the next row. */
static inline void walk_next(struct walk *w)
{
    for (int d = w->ndim - 1; d >= 0; d--) {
        bool carry = ++w->index[d] == w->shape[d];
        for (int k = 0; k < w->operands; k++)
            w->at[k] += carry ? -w->stride[k][d] * (w->shape[d] - 1) : w->stride[k][d];
        if (!carry)
            return;
        w->index[d] = 0;
    }
}

#endif
