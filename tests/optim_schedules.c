/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning-rate schedules against PyTorch: 50 steps of each (tests/golden/make_optim.py); saving in the middle and going
 * on; bad settings.
 */
#include <telar/nn.h>

#include "golden.h"

#define STEPS 50

static double inverse(int64_t t, void *ctx)
{
    (void)ctx;
    return 1 / (1 + 0.1 * (double)t);
}

/* Up to two schedules stacked on one optimizer. */
static void make(const char *name, tl_optimizer *o, tl_schedule *s[2])
{
    s[0] = s[1] = NULL;
#define CASE(n, expression)                                                                                                      \
    if (strcmp(name, n) == 0)                                                                                                    \
        s[0] = expression;
    CASE("step", tl_step_lr(o, 7, 0.5))
    CASE("multistep", tl_multistep_lr(o, (const int64_t[]){3, 10, 10, 30}, 4, 0.3))
    CASE("exponential", tl_exponential_lr(o, 0.93))
    CASE("cosine", tl_cosine_lr(o, 20, 0.001))
    CASE("cosine_short", tl_cosine_lr(o, 3, 0))
    CASE("constant", tl_constant_lr(o, 1.0 / 3, 5))
    CASE("linear", tl_linear_lr(o, 0.1, 1, 8))
    CASE("linear_down", tl_linear_lr(o, 1, 0.05, 40))
    CASE("lambda", tl_lambda_lr(o, inverse, NULL))
    CASE("one_cycle", tl_one_cycle_lr(o, 0.5, 50))
    CASE("one_cycle_linear",
         tl_one_cycle_lr(o, 0.5, 60, .pct_start = 0.4, .linear = true, .div_factor = 10, .final_div_factor = 100,
                         .base_momentum = 0.7, .max_momentum = 0.9, .three_phase = true))
    CASE("plateau", tl_plateau_lr(o, .patience = 3))
    CASE("plateau_options", tl_plateau_lr(o, .rises = true, .factor = 0.5, .patience = TL_NO_PATIENCE, .threshold = 0.05,
                                          .absolute = true, .cooldown = 2, .min_lr = 0.01))
    CASE("warmup_cosine", tl_linear_lr(o, 0.01, 1, 10))
    if (strcmp(name, "warmup_cosine") == 0)
        s[1] = tl_cosine_lr(o, 50, 0);
#undef CASE
}

static double metric(int t)
{
    return fmax(1 - 0.05 * t, 0.3) + 0.01 * sin(t);
}

static tl_optimizer *optimizer_new(tl_tensor *p[2])
{
    p[0] = tl_zeros(TL_SHAPE(1), (struct tl_options){.requires_grad = true});
    p[1] = tl_zeros(TL_SHAPE(1), (struct tl_options){.requires_grad = true});
    tl_optimizer *o = tl_sgd(NULL, 0.1, .momentum = 0.5, .parameters = p, .n_parameters = 1);
    tl_optimizer_add_group(o, p + 1, 1, (struct tl_group_options){.lr = 0.02});
    return o;
}

static double off(double got, double want)
{
    return fabs(got - want) / fmax(fabs(want), 1e-300);
}

/* The rates of all steps; after `restart` steps everything is saved, made anew and loaded. */
static void run(const char *name, const double *want, int restart)
{
    tl_tensor *p[2];
    tl_optimizer *o = optimizer_new(p);
    tl_schedule *s[2];
    double worst = 0;
    make(name, o, s);
    for (int t = 0; t < STEPS; t++) {
        if (t == restart) {
            tl_state *saved = tl_state_new();
            tl_optimizer_save_state(o, saved, "o.");
            tl_schedule_save_state(s[0], saved, "s.");
            if (s[1])
                tl_schedule_save_state(s[1], saved, "s1.");
            tl_schedule_free(s[0]);
            tl_schedule_free(s[1]);
            tl_optimizer_free(o);
            o = optimizer_new(p);
            make(name, o, s);
            ok(tl_optimizer_load_state(o, saved, "o.") == TL_OK && tl_schedule_load_state(s[0], saved, "s.") == TL_OK &&
                   (!s[1] || tl_schedule_load_state(s[1], saved, "s1.") == TL_OK),
               "%s: saved and loaded %s", name, tl_error_message());
            is_int(tl_schedule_position(s[0]), t, "%s: at step %d", name, t);
            tl_state_free(saved);
        }
        worst = fmax(worst, off(tl_optimizer_lr(o, 0), want[3 * t]));
        worst = fmax(worst, off(tl_optimizer_lr(o, 1), want[3 * t + 1]));
        worst = fmax(worst, off(tl_optimizer_momentum(o, 0), want[3 * t + 2]));
        for (int i = 0; i < 2; i++)
            if (s[i] && (t < STEPS - 1))
                tl_schedule_step(s[i], metric(t));
    }
    is_float(tl_error_code() == TL_OK ? worst : NAN, 0, 1e-12, "%s%s", name, restart ? ", interrupted" : "");
    if (tl_error_code() != TL_OK)
        diag("%s", tl_error_message());
    tl_error_clear();
    tl_schedule_free(s[0]);
    tl_schedule_free(s[1]);
    tl_optimizer_free(o);
}

static void test_against_golden(void)
{
    FILE *f = golden_open("optim_schedules.txt");
    char name[64];
    while (golden_word(f, name, sizeof name)) {
        double want[3 * STEPS];
        int n = (int)golden_integer(f);
        for (int i = 0; i < n && i < 3 * STEPS; i++)
            want[i] = golden_number(f);
        TL_SCOPE run(name, want, 0);
        TL_SCOPE run(name, want, 17);
    }
    fclose(f);
}

static void test_errors(void)
{
#define REFUSED(expression, part)                                                                                                \
    do {                                                                                                                         \
        tl_error_clear();                                                                                                        \
        ok(!(expression), "refused: %s", #expression);                                                                           \
        contains(tl_error_message(), part, "and says why");                                                                      \
    } while (0)
    tl_tensor *p[2];
    tl_optimizer *o = optimizer_new(p), *d = tl_adadelta(NULL, 1, .parameters = p, .n_parameters = 1);
    REFUSED(tl_step_lr(NULL, 3, 0.1), "optimizer is NULL");
    REFUSED(tl_step_lr(o, 0, 0.1), "step_size is 0");
    REFUSED(tl_step_lr(o, 3, NAN), "gamma is nan");
    REFUSED(tl_multistep_lr(o, ((const int64_t[]){5, 3}), 2, 0.1), "ascend");
    REFUSED(tl_cosine_lr(o, -1, 0), "t_max is -1");
    REFUSED(tl_constant_lr(o, 0, 5), "factor is 0");
    REFUSED(tl_linear_lr(o, 0, 1, 5), "start above 0");
    REFUSED(tl_lambda_lr(o, NULL, NULL), "function is NULL");
    REFUSED(tl_one_cycle_lr(o, 0.1, 0), "total_steps is 0");
    REFUSED(tl_one_cycle_lr(d, 0.1, 10), "has no momentum");
    REFUSED(tl_plateau_lr(o, .factor = 1), "factor is 1");
    REFUSED(tl_schedule_step(NULL, 0) == TL_OK, "NULL");
    tl_error_clear();
    tl_schedule *s = tl_one_cycle_lr(d, 0.1, 2, .keep_momentum = true);
    ok(s && tl_schedule_step(s, 0) == TL_OK && tl_schedule_step(s, 0) == TL_OK, "one cycle without momentum");
    REFUSED(tl_schedule_step(s, 0) == TL_OK, "was made for 2");
    tl_error_clear();
    ok(!tl_schedule_watches_metric(s), "it watches no metric");
    tl_schedule_free(s);
    tl_optimizer_free(o);
    tl_optimizer_free(d);
}

int main(void)
{
    TL_SCOPE test_against_golden();
    TL_SCOPE test_errors();
    return done_testing();
}
