/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to nn/optim: what a schedule is made of. A kind is one constant struct whose `move` sets the rates of all groups
 * for step t.
 */
#ifndef TELAR_NN_OPTIM_SCHEDULE_H
#define TELAR_NN_OPTIM_SCHEDULE_H

#include "nn/optim/optimizer.h"

struct schedule_kind {
    const char *name;
    bool watches_metric;
    /* Position s->t was just reached; 0: the schedule was just made. */
    tl_status (*move)(tl_schedule *s, double metric);
};

struct tl_schedule {
    const struct schedule_kind *kind;
    tl_optimizer *optimizer;
    int64_t t;
    size_t n_groups;
    double *base; /* the groups' rates before any schedule */

    /* Settings; each kind reads its own. */
    double a, b;
    int64_t steps;
    int64_t *milestones;
    size_t n_milestones;
    double (*factor)(int64_t t, void *ctx);
    void *ctx;
    struct tl_one_cycle_options cycle;
    struct tl_plateau_options plateau;

    /* Plateau: what it remembers. */
    double best;
    int64_t bad, cooling;
};

/* A schedule of this kind, filled in by the caller and then begun with schedule_begin(). NULL and an error. */
tl_schedule *schedule_new(const struct schedule_kind *kind, tl_optimizer *o);
/* Move to position 0. NULL (and s is freed) on failure. */
tl_schedule *schedule_begin(tl_schedule *s);
static inline struct rates *schedule_group(const tl_schedule *s, size_t i)
{
    return &s->optimizer->groups[i];
}

#endif
