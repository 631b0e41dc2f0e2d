/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to libtelar-nn: what early stopping remembers. A checkpoint keeps the best step's weights under their plain names,
 * and so saves and loads them apart from the numbers.
 */
#ifndef TELAR_NN_OPTIM_EARLY_STOPPING_H
#define TELAR_NN_OPTIM_EARLY_STOPPING_H

#include <telar/nn.h>

struct tl_early_stopping {
    struct tl_early_stopping_options options;
    double best;
    int64_t best_step, t;
    tl_state *weights; /* copies, as they were at the best step; NULL: none kept */
};

tl_status early_stopping_save_numbers(const tl_early_stopping *e, tl_state *to, const char *prefix);
/* The numbers, with a copy of `weights` (NULL or empty: none were kept). On an error nothing is changed. */
tl_status early_stopping_load(tl_early_stopping *e, const tl_state *from, const char *prefix, const tl_state *weights);

#endif
