/* SPDX-License-Identifier: Apache-2.0
 *
 * The schedule that cuts the rate when a metric stops improving.
 */
#include <math.h>
#include <stdlib.h>

#include "nn/optim/schedule.h"

/* ---- Reduce on plateau ---------------------------------------------------------------------------------------------- */

static bool improved(const struct tl_plateau_options *p, double metric, double best)
{
    double sign = p->rises ? 1 : -1;
    double bar = p->absolute ? best + sign * p->threshold : best * (1.0 + sign * p->threshold);
    return p->rises ? metric > bar : metric < bar;
}

static void cut(tl_schedule *s)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        double old = schedule_group(s, i)->lr, new = fmax(old * s->plateau.factor, s->plateau.min_lr);
        if (old - new > s->plateau.eps)
            schedule_group(s, i)->lr = new;
    }
}

static tl_status move(tl_schedule *s, double metric)
{
    if (s->t == 0)
        return TL_OK;
    if (improved(&s->plateau, metric, s->best)) {
        s->best = metric;
        s->bad = 0;
    } else {
        s->bad++;
    }
    if (s->cooling > 0) {
        s->cooling--;
        s->bad = 0;
    }
    if (s->bad > s->plateau.patience) {
        cut(s);
        s->cooling = s->plateau.cooldown;
        s->bad = 0;
    }
    return TL_OK;
}

tl_schedule *tl_plateau_lr_with(tl_optimizer *o, const struct tl_plateau_options *options)
{
    static const struct schedule_kind kind = {"plateau", true, move};
    struct tl_plateau_options p;
    options_taken(&p, sizeof p, options);
    p.factor = optimizer_option(p.factor, 0.1);
    p.threshold = optimizer_option(p.threshold, 1e-4);
    p.eps = optimizer_option(p.eps, 1e-8);
    p.patience = p.patience == TL_NO_PATIENCE ? 0 : p.patience == 0 ? 10 : p.patience;
    if (!optimizer_range("plateau", "factor", p.factor, 0, 1) ||
        !optimizer_range("plateau", "threshold", p.threshold, 0, INFINITY) ||
        !optimizer_range("plateau", "min_lr", p.min_lr, 0, INFINITY) || !optimizer_range("plateau", "eps", p.eps, 0, INFINITY))
        return NULL;
    if (p.patience < 0 || p.cooldown < 0) {
        tl_fail(TL_ERR_ARGUMENT, "plateau: patience is %lld and cooldown %lld; they must not be negative", (long long)p.patience,
                (long long)p.cooldown);
        return NULL;
    }
    tl_schedule *s = schedule_new(&kind, o);
    if (!s)
        return NULL;
    s->plateau = p;
    s->best = p.rises ? -INFINITY : INFINITY;
    return schedule_begin(s);
}
