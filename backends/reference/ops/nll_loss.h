/* SPDX-License-Identifier: Apache-2.0
 *
 * What nll_loss and its gradient share: labels, and x seen as [n, classes, d], so that the label at (i, j) picks element
 * (i, label, j).
 */
#ifndef REFERENCE_NLL_LOSS_H
#define REFERENCE_NLL_LOSS_H

#include "../reference.h"

struct labels {
    int64_t n, classes, d;
    const int64_t *label; /**< [n, d] */
    int64_t ignored;
};

static inline struct labels nll_labels(const struct tl_nll_attrs *attrs, const struct tl_view *x, const int64_t *label)
{
    const struct axes a = axes_around(x, 1);
    return (struct labels){a.outer, a.n, a.inner, label, attrs->ignore ? attrs->ignore_index : -100};
}

/** Before anything is computed: is every label a class, or to be ignored? */
static inline tl_status nll_check(const struct tl_call *call, const struct labels *l)
{
    for (int64_t i = 0; i < l->n * l->d; i++)
        if (l->label[i] != l->ignored && (l->label[i] < 0 || l->label[i] >= l->classes))
            return bad_index(call, "label", l->label[i], i, l->classes);
    return TL_OK;
}

#endif
