/* SPDX-License-Identifier: Apache-2.0
 *
 * The one-cycle schedule (Smith and Topin, arXiv:1708.07120): the rate goes up, then down below where it began, while
 * momentum does the opposite.
 */
#include <math.h>

#include "nn/optim/schedule.h"

#define PI 3.141592653589793

struct phase {
    double end;                /* step */
    double lr[2], momentum[2]; /* from, to */
};

static double anneal(const tl_schedule *s, const double range[2], double share)
{
    if (s->cycle.linear)
        return (range[1] - range[0]) * share + range[0];
    return range[1] + (range[0] - range[1]) / 2.0 * (cos(PI * share) + 1);
}

static int phases_of(const tl_schedule *s, struct phase phase[3])
{
    const struct tl_one_cycle_options *c = &s->cycle;
    double top = s->a, low = top / c->div_factor, last = low / c->final_div_factor, steps = (double)s->steps;
    phase[0] = (struct phase){c->pct_start * steps - 1, {low, top}, {c->max_momentum, c->base_momentum}};
    if (!c->three_phase) {
        phase[1] = (struct phase){steps - 1, {top, last}, {c->base_momentum, c->max_momentum}};
        return 2;
    }
    phase[1] = (struct phase){2 * c->pct_start * steps - 2, {top, low}, {c->base_momentum, c->max_momentum}};
    phase[2] = (struct phase){steps - 1, {low, last}, {c->max_momentum, c->max_momentum}};
    return 3;
}

static tl_status move(tl_schedule *s, double metric)
{
    (void)metric;
    if (s->t > s->steps)
        return tl_fail(TL_ERR_STATE, "one-cycle: step %lld, but the schedule was made for %lld", (long long)s->t,
                       (long long)s->steps);
    struct phase phase[3];
    int n = phases_of(s, phase), i = 0;
    double start = 0, t = (double)s->t;
    for (; i < n - 1 && t > phase[i].end; i++)
        start = phase[i].end;
    double length = phase[i].end - start, share = length != 0 ? (t - start) / length : 1;
    double lr = anneal(s, phase[i].lr, share), momentum = anneal(s, phase[i].momentum, share);
    for (size_t g = 0; g < s->n_groups; g++) {
        schedule_group(s, g)->lr = lr;
        if (!s->cycle.keep_momentum)
            schedule_group(s, g)->momentum = momentum;
    }
    return TL_OK;
}

static bool check(const tl_optimizer *o, double max_lr, int64_t steps, const struct tl_one_cycle_options *c)
{
    if (steps < 1) {
        tl_fail(TL_ERR_ARGUMENT, "one-cycle: total_steps is %lld; it must be at least 1", (long long)steps);
        return false;
    }
    if (!c->keep_momentum && !o->algorithm->momentum) {
        tl_fail(TL_ERR_ARGUMENT, "one-cycle: %s has no momentum to move; use .keep_momentum = true", o->algorithm->name);
        return false;
    }
    return optimizer_range("one-cycle", "max_lr", max_lr, 0, INFINITY) &&
           optimizer_range("one-cycle", "pct_start", c->pct_start, 0, 1.0000001) &&
           optimizer_range("one-cycle", "div_factor", c->div_factor, 1e-300, INFINITY) &&
           optimizer_range("one-cycle", "final_div_factor", c->final_div_factor, 1e-300, INFINITY) &&
           optimizer_range("one-cycle", "base_momentum", c->base_momentum, 0, 1) &&
           optimizer_range("one-cycle", "max_momentum", c->max_momentum, 0, 1);
}

tl_schedule *tl_one_cycle_lr_with(tl_optimizer *o, double max_lr, int64_t total_steps, const struct tl_one_cycle_options *options)
{
    static const struct schedule_kind kind = {"one-cycle", false, move};
    struct tl_one_cycle_options c;
    options_taken(&c, sizeof c, options);
    c.pct_start = optimizer_option(c.pct_start, 0.3);
    c.div_factor = optimizer_option(c.div_factor, 25);
    c.final_div_factor = optimizer_option(c.final_div_factor, 1e4);
    c.base_momentum = optimizer_option(c.base_momentum, 0.85);
    c.max_momentum = optimizer_option(c.max_momentum, 0.95);
    if (o && !check(o, max_lr, total_steps, &c))
        return NULL;
    tl_schedule *s = schedule_new(&kind, o);
    if (!s)
        return NULL;
    s->a = max_lr;
    s->steps = total_steps;
    s->cycle = c;
    for (size_t i = 0; i < s->n_groups; i++)
        schedule_group(s, i)->initial_lr = s->base[i] = max_lr / c.div_factor;
    return schedule_begin(s);
}
