/* SPDX-License-Identifier: Apache-2.0
 *
 * The beginning of a walk; see walk.h. A walk over a single number is one row of one element.
 */
#include "walk.h"

void walk_start(struct walk *w, int ndim, const int64_t *shape)
{
    w->ndim = ndim > 0 ? ndim - 1 : 0;
    w->operands = 0;
    w->rows = 1;
    w->n = ndim > 0 ? shape[ndim - 1] : 1;
    for (int d = 0; d < w->ndim; d++) {
        w->shape[d] = shape[d];
        w->index[d] = 0;
        w->rows *= shape[d];
    }
}

void walk_operand(struct walk *w, const int64_t *stride, int64_t first)
{
    int k = w->operands++;
    w->at[k] = first;
    for (int d = 0; d < w->ndim; d++)
        w->stride[k][d] = stride[d];
    w->step[k] = w->n > 1 ? stride[w->ndim] : 0;
}
