/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching a metric: the schedule that cuts the rate when it stops improving, and early stopping.
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
    optimizer_options(&p, sizeof p, options);
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

/* ---- Early stopping ----------------------------------------------------------------------------------------------------- */

struct tl_early_stopping {
    struct tl_early_stopping_options options;
    double best;
    int64_t best_step, t;
    tl_state *weights; /* copies, as they were at the best step */
};

tl_early_stopping *tl_early_stopping_with(struct tl_early_stopping_options o)
{
    if (o.patience < 0 || !(o.min_delta >= 0)) {
        tl_fail(TL_ERR_ARGUMENT, "early stopping: patience is %lld and min_delta %g; they must not be negative",
                (long long)o.patience, o.min_delta);
        return NULL;
    }
    tl_early_stopping *e = calloc(1, sizeof *e);
    if (!e) {
        tl_fail(TL_ERR_NOMEM, "early stopping: out of memory");
        return NULL;
    }
    e->options = o;
    e->best = NAN;
    return e;
}

void tl_early_stopping_free(tl_early_stopping *e)
{
    if (!e)
        return;
    tl_state_free(e->weights);
    free(e);
}

/* Copy the module's state; the former copy goes only when the new one is complete. */
static tl_status remember(tl_early_stopping *e)
{
    tl_state *now = tl_module_state(e->options.module), *copy = now ? tl_state_new() : NULL;
    tl_status status = copy ? TL_OK : tl_error_code();
    TL_NO_GRAD TL_SCOPE
    {
        for (size_t i = 0; status == TL_OK && i < tl_state_count(now); i++) {
            tl_tensor *t = tl_clone(tl_state_at(now, i));
            status = t ? tl_state_add(copy, tl_state_name(now, i), t) : tl_error_code();
        }
    }
    tl_state_free(now);
    if (status != TL_OK) {
        tl_state_free(copy);
        return status;
    }
    tl_state_free(e->weights);
    e->weights = copy;
    return TL_OK;
}

tl_status tl_early_stopping_step(tl_early_stopping *e, double metric, bool *stop)
{
    if (!e || !stop)
        return tl_fail(TL_ERR_ARGUMENT, "early stopping: an argument is NULL");
    const struct tl_early_stopping_options *o = &e->options;
    bool better =
        !isnan(metric) && (e->best_step == 0 || (o->rises ? metric > e->best + o->min_delta : metric < e->best - o->min_delta));
    if (better && o->module) {
        tl_status status = remember(e);
        if (status != TL_OK)
            return status;
    }
    e->t++;
    if (better) {
        e->best = metric;
        e->best_step = e->t;
    }
    *stop = e->t - e->best_step > o->patience;
    return TL_OK;
}

double tl_early_stopping_best(const tl_early_stopping *e, int64_t *step)
{
    if (step)
        *step = e ? e->best_step : 0;
    return e ? e->best : NAN;
}

tl_status tl_early_stopping_restore(tl_early_stopping *e)
{
    if (!e || !e->options.module)
        return tl_fail(TL_ERR_ARGUMENT, "early stopping: there is no module to restore");
    if (!e->weights)
        return tl_fail(TL_ERR_STATE, "early stopping: no step was reported yet, so there is nothing to restore");
    return tl_module_load_state(e->options.module, e->weights, true);
}
