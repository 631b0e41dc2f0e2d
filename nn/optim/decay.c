/* SPDX-License-Identifier: Apache-2.0
 *
 * Schedules that multiply the current rate: step, multistep, exponential, constant, linear, cosine; and the one that sets it
 * by the user's function. In PyTorch's chainable forms, to the order of operations, so that stacked schedules agree too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/optim/schedule.h"

#define PI 3.141592653589793

static void multiply(const tl_schedule *s, double factor)
{
    for (size_t i = 0; i < s->n_groups; i++)
        schedule_group(s, i)->lr *= factor;
}

static bool factor_ok(const char *who, const char *what, double factor)
{
    if (isfinite(factor) && factor >= 0)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: %s is %g; it must be a number, not negative", who, what, factor);
    return false;
}

static bool steps_ok(const char *who, const char *what, int64_t steps)
{
    if (steps > 0)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: %s is %lld; it must be at least 1", who, what, (long long)steps);
    return false;
}

static tl_schedule *make(const struct schedule_kind *kind, tl_optimizer *o, double a, double b, int64_t steps)
{
    tl_schedule *s = schedule_new(kind, o);
    if (!s)
        return NULL;
    s->a = a;
    s->b = b;
    s->steps = steps;
    return schedule_begin(s);
}

/* ---- Step, multistep, exponential ----------------------------------------------------------------------------------- */

static tl_status move_step(tl_schedule *s, double metric)
{
    (void)metric;
    if (s->t > 0 && s->t % s->steps == 0)
        multiply(s, s->a);
    return TL_OK;
}

tl_schedule *tl_step_lr(tl_optimizer *o, int64_t step_size, double gamma)
{
    static const struct schedule_kind kind = {"step", false, move_step};
    return steps_ok("step", "step_size", step_size) && factor_ok("step", "gamma", gamma) ? make(&kind, o, gamma, 0, step_size)
                                                                                         : NULL;
}

static tl_status move_multistep(tl_schedule *s, double metric)
{
    (void)metric;
    int here = 0; /* a milestone may be given more than once */
    for (size_t i = 0; i < s->n_milestones; i++)
        here += s->milestones[i] == s->t;
    if (here)
        multiply(s, pow(s->a, here));
    return TL_OK;
}

tl_schedule *tl_multistep_lr(tl_optimizer *o, const int64_t *milestones, size_t n, double gamma)
{
    static const struct schedule_kind kind = {"multistep", false, move_multistep};
    if (!factor_ok("multistep", "gamma", gamma))
        return NULL;
    if (n > 0 && !milestones) {
        tl_fail(TL_ERR_ARGUMENT, "multistep: the list of %zu milestones is NULL", n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (milestones[i] < 0 || (i && milestones[i] < milestones[i - 1])) {
            tl_fail(TL_ERR_ARGUMENT, "multistep: milestone %zu is %lld; they must ascend from 0", i, (long long)milestones[i]);
            return NULL;
        }
    tl_schedule *s = schedule_new(&kind, o);
    int64_t *copy = s ? calloc(n + 1, sizeof *copy) : NULL;
    if (!copy) {
        tl_fail(TL_ERR_NOMEM, "multistep: out of memory");
        tl_schedule_free(s);
        return NULL;
    }
    if (n)
        memcpy(copy, milestones, n * sizeof *copy);
    s->milestones = copy;
    s->n_milestones = n;
    s->a = gamma;
    return schedule_begin(s);
}

static tl_status move_exponential(tl_schedule *s, double metric)
{
    (void)metric;
    if (s->t > 0)
        multiply(s, s->a);
    return TL_OK;
}

tl_schedule *tl_exponential_lr(tl_optimizer *o, double gamma)
{
    static const struct schedule_kind kind = {"exponential", false, move_exponential};
    return factor_ok("exponential", "gamma", gamma) ? make(&kind, o, gamma, 0, 0) : NULL;
}

/* ---- Warm-ups: constant, linear ------------------------------------------------------------------------------------- */

static tl_status move_constant(tl_schedule *s, double metric)
{
    (void)metric;
    if (s->t == 0)
        multiply(s, s->a);
    else if (s->t == s->steps)
        multiply(s, 1.0 / s->a);
    return TL_OK;
}

tl_schedule *tl_constant_lr(tl_optimizer *o, double factor, int64_t steps)
{
    static const struct schedule_kind kind = {"constant", false, move_constant};
    if (!(factor > 0 && factor <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "constant: factor is %g; it must be above 0 and at most 1", factor);
        return NULL;
    }
    return steps_ok("constant", "steps", steps) ? make(&kind, o, factor, 0, steps) : NULL;
}

static tl_status move_linear(tl_schedule *s, double metric)
{
    (void)metric;
    double rise = s->b - s->a;
    if (s->t == 0)
        multiply(s, s->a);
    else if (s->t <= s->steps)
        multiply(s, 1.0 + rise / ((double)s->steps * s->a + (double)(s->t - 1) * rise));
    return TL_OK;
}

tl_schedule *tl_linear_lr(tl_optimizer *o, double start, double end, int64_t steps)
{
    static const struct schedule_kind kind = {"linear", false, move_linear};
    if (!(start > 0 && start <= 1) || !(end >= 0 && end <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "linear: the factor goes from %g to %g; it must start above 0 and stay within 1", start, end);
        return NULL;
    }
    return steps_ok("linear", "steps", steps) ? make(&kind, o, start, end, steps) : NULL;
}

/* ---- Cosine annealing ------------------------------------------------------------------------------------------------- */

static tl_status move_cosine(tl_schedule *s, double metric)
{
    (void)metric;
    double t_max = (double)s->steps, t = (double)s->t;
    if (s->t == 0)
        return TL_OK;
    /* Right after the lowest point the ratio of neighbours would be 0 / 0. */
    bool turn = (s->t - 1 - s->steps) % (2 * s->steps) == 0;
    for (size_t i = 0; i < s->n_groups; i++) {
        double *lr = &schedule_group(s, i)->lr;
        if (turn)
            *lr = *lr + (s->base[i] - s->a) * (1 - cos(PI / t_max)) / 2;
        else
            *lr = (1 + cos(PI * t / t_max)) / (1 + cos(PI * (t - 1) / t_max)) * (*lr - s->a) + s->a;
    }
    return TL_OK;
}

tl_schedule *tl_cosine_lr(tl_optimizer *o, int64_t t_max, double eta_min)
{
    static const struct schedule_kind kind = {"cosine", false, move_cosine};
    if (t_max > INT64_MAX / 4)
        t_max = INT64_MAX / 4;
    return steps_ok("cosine", "t_max", t_max) && factor_ok("cosine", "eta_min", eta_min) ? make(&kind, o, eta_min, 0, t_max)
                                                                                         : NULL;
}

/* ---- The user's function ------------------------------------------------------------------------------------------------ */

static tl_status move_lambda(tl_schedule *s, double metric)
{
    (void)metric;
    double factor = s->factor(s->t, s->ctx);
    if (!factor_ok("lambda", "the factor", factor))
        return tl_error_code();
    for (size_t i = 0; i < s->n_groups; i++)
        schedule_group(s, i)->lr = s->base[i] * factor;
    return TL_OK;
}

tl_schedule *tl_lambda_lr(tl_optimizer *o, double (*factor)(int64_t t, void *ctx), void *ctx)
{
    static const struct schedule_kind kind = {"lambda", false, move_lambda};
    if (!factor) {
        tl_fail(TL_ERR_ARGUMENT, "lambda: the function is NULL");
        return NULL;
    }
    tl_schedule *s = schedule_new(&kind, o);
    if (!s)
        return NULL;
    s->factor = factor;
    s->ctx = ctx;
    return schedule_begin(s);
}
