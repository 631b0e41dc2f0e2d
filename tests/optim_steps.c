/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers against PyTorch: 20 steps of each, with every option, in f64 and f32 (tests/golden/make_optim.py); the fused
 * loops against the formulas in tensor ops; groups, saving and going on, bad settings, gradient clipping, early stopping.
 */
#include <telar/nn.h>

#include "golden.h"

#define STEPS 20
#define PARAMETERS 4

struct problem {
    tl_tensor *p[PARAMETERS], *x, *target;
    tl_dtype dtype;
};

static tl_tensor *wave(int ndim, const int64_t *shape, double phase, tl_dtype dtype)
{
    double v[64];
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= shape[i];
    for (int64_t i = 0; i < n; i++)
        v[i] = sin(0.7 * (double)i + phase);
    return tl_cast(tl_from_data(ndim, shape, v, (struct tl_options){.dtype = TL_F64}), dtype);
}

/* With `strided`, parameters are not contiguous, so that updates go through tensor ops. */
static struct problem problem_new(tl_dtype dtype, bool strided)
{
    struct problem q = {.dtype = dtype};
    q.p[0] = wave(TL_SHAPE(5, 3), 0, dtype);
    q.p[1] = wave(TL_SHAPE(5), 1, dtype);
    q.p[2] = wave(TL_SHAPE(2, 5), 2, dtype);
    q.p[3] = wave(TL_SHAPE(2), 3, dtype);
    q.x = wave(TL_SHAPE(7, 3), 10, dtype);
    q.target = wave(TL_SHAPE(7, 2), 11, dtype);
    for (int i = 0; i < PARAMETERS; i++) {
        if (strided) {
            tl_tensor *twice = tl_stack(2, (tl_tensor *[]){q.p[i], q.p[i]}, -1);
            q.p[i] = tl_detach(tl_select(twice, -1, 0));
        }
        tl_set_requires_grad(q.p[i], true);
    }
    return q;
}

static tl_tensor *problem_loss(const struct problem *q)
{
    tl_tensor *h = tl_tanh(tl_linear(q->x, q->p[0], q->p[1]));
    return tl_mse_loss(tl_linear(h, q->p[2], q->p[3]), q->target);
}

static tl_optimizer *make(const char *name, struct problem *q)
{
#define ALL .parameters = q->p, .n_parameters = PARAMETERS
#define CASE(n, expression)                                                                                                      \
    if (strcmp(name, n) == 0)                                                                                                    \
        return expression;
    CASE("sgd", tl_sgd(NULL, 0.1, ALL))
    CASE("sgd_decay", tl_sgd(NULL, 0.1, ALL, .weight_decay = 0.01))
    CASE("sgd_momentum", tl_sgd(NULL, 0.05, ALL, .momentum = 0.9))
    CASE("sgd_dampening", tl_sgd(NULL, 0.05, ALL, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.02))
    CASE("sgd_nesterov", tl_sgd(NULL, 0.05, ALL, .momentum = 0.9, .nesterov = true, .weight_decay = 0.02))
    CASE("sgd_maximize", tl_sgd(NULL, 0.01, ALL, .maximize = true))
    CASE("adam", tl_adam(NULL, 0.02, ALL))
    CASE("adam_options", tl_adam(NULL, 0.02, ALL, .beta1 = 0.3, .beta2 = 0.9, .eps = 1e-4, .weight_decay = 0.05))
    CASE("adam_amsgrad", tl_adam(NULL, 0.05, ALL, .beta2 = 0.8, .amsgrad = true))
    CASE("adam_beta1_zero", tl_adam(NULL, 0.02, ALL, .beta1 = TL_ZERO, .beta2 = 0.99))
    CASE("adamw", tl_adamw(NULL, 0.02, ALL))
    CASE("adamw_no_decay", tl_adamw(NULL, 0.02, ALL, .weight_decay = TL_ZERO))
    CASE("adamw_amsgrad", tl_adamw(NULL, 0.02, ALL, .weight_decay = 0.1, .amsgrad = true))
    CASE("adadelta", tl_adadelta(NULL, 1, ALL))
    CASE("adadelta_options", tl_adadelta(NULL, 0.5, ALL, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.02))
    CASE("rmsprop", tl_rmsprop(NULL, 0.01, ALL))
    CASE("rmsprop_momentum", tl_rmsprop(NULL, 0.01, ALL, .alpha = 0.9, .momentum = 0.5, .weight_decay = 0.02))
    CASE("rmsprop_centered", tl_rmsprop(NULL, 0.01, ALL, .alpha = 0.4, .eps = 1e-3, .centered = true))
    CASE("rmsprop_all", tl_rmsprop(NULL, 0.01, ALL, .momentum = 0.9, .weight_decay = 0.1, .centered = true))
    if (strcmp(name, "groups") == 0) {
        tl_optimizer *o = tl_sgd(NULL, 0.1, .momentum = 0.9, .parameters = q->p, .n_parameters = 2);
        if (tl_optimizer_add_group(o, q->p + 2, 2, (struct tl_group_options){.lr = 0.01, .weight_decay = 0.3}) == TL_OK)
            return o;
        tl_optimizer_free(o);
    }
#undef CASE
    return NULL;
}

static double train_step(tl_optimizer *o, const struct problem *q)
{
    double value = NAN;
    tl_optimizer_zero_grad(o);
    TL_SCOPE
    {
        tl_tensor *loss = problem_loss(q);
        if (tl_backward(loss, TL_NONE, (struct tl_backward_options){0}) == TL_OK && tl_optimizer_step(o) == TL_OK)
            value = tl_item(loss);
    }
    return value;
}

/* Largest difference from n golden values: losses, then parameters. */
static double run(tl_optimizer *o, const struct problem *q, const double *want)
{
    double worst = 0;
    for (int i = 0; i < STEPS; i++)
        worst = fmax(worst, fabs(train_step(o, q) - want[i]));
    const double *at = want + STEPS;
    for (int i = 0; i < PARAMETERS; i++) {
        double *v = golden_values(q->p[i]);
        for (int64_t k = 0; k < tl_numel(q->p[i]); k++)
            worst = fmax(worst, fabs(v[k] - *at++));
        free(v);
    }
    return tl_error_code() == TL_OK ? worst : NAN;
}

static void test_against_golden(void)
{
    FILE *f = golden_open("optim_steps.txt");
    char name[64], dtype[8];
    while (golden_word(f, name, sizeof name) && golden_word(f, dtype, sizeof dtype)) {
        int n = (int)golden_integer(f);
        double *want = calloc((size_t)n, sizeof *want);
        for (int i = 0; i < n; i++)
            want[i] = golden_number(f);
        bool wide = strcmp(dtype, "f64") == 0;
        for (int strided = 0; strided < 2; strided++)
            TL_SCOPE
            {
                struct problem q = problem_new(wide ? TL_F64 : TL_F32, strided);
                tl_optimizer *o = make(name, &q);
                double worst = o ? run(o, &q, want) : NAN;
                is_float(worst, 0, wide ? 1e-12 : 5e-6, "%s %s, %s", name, dtype, strided ? "tensor ops" : "fused");
                if (tl_error_code() != TL_OK)
                    diag("%s", tl_error_message());
                tl_error_clear();
                tl_optimizer_free(o);
            }
        free(want);
    }
    fclose(f);
}

/* Above the size from which several threads share an update, and not a multiple of anything. */
static void test_large(void)
{
    enum { N = 70001 };
    static const char *const names[] = {"sgd_nesterov", "adam_amsgrad", "adadelta", "rmsprop_all"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        TL_SCOPE
        {
            struct problem q[2];
            tl_optimizer *o[2];
            tl_tensor *start = tl_randn(TL_SHAPE(N), (struct tl_options){0}),
                      *gradient = tl_randn(TL_SHAPE(N), (struct tl_options){0});
            for (int threads = 0; threads < 2; threads++) {
                tl_set_num_threads(threads ? 3 : 1);
                for (int i = 0; i < PARAMETERS; i++)
                    q[threads].p[i] = tl_set_requires_grad(tl_clone(start), true);
                o[threads] = make(names[k], &q[threads]);
                for (int step = 0; step < 3; step++) {
                    tl_set_grad(q[threads].p[0], gradient);
                    tl_optimizer_step(o[threads]);
                }
            }
            tl_set_num_threads(0);
            ok(tl_equal(q[0].p[0], q[1].p[0]) && !tl_equal(q[0].p[0], start), "%s: three threads give what one gives", names[k]);
            ok(tl_equal(q[0].p[1], start), "%s: a parameter without a gradient stays", names[k]);
            tl_optimizer_free(o[0]);
            tl_optimizer_free(o[1]);
        }
    tl_error_clear();
}

/* Ten steps, save, ten steps; the same ten from what was saved: equal bit for bit. */
static void test_resume(const char *name)
{
    TL_SCOPE
    {
        struct problem q = problem_new(TL_F32, false), r = problem_new(TL_F32, false);
        tl_optimizer *o = make(name, &q), *again = make(name, &r);
        for (int i = 0; i < 10; i++)
            train_step(o, &q);
        tl_optimizer_set_lr(o, 0, 0.0123);
        tl_state *saved = tl_state_new();
        ok(tl_optimizer_save_state(o, saved, "optimizer.") == TL_OK, "%s: saved", name);
        for (int i = 0; i < PARAMETERS; i++)
            TL_NO_GRAD tl_copy_(r.p[i], q.p[i]);
        ok(tl_optimizer_load_state(again, saved, "optimizer.") == TL_OK, "%s: loaded: %s", name, tl_error_message());
        is_float(tl_optimizer_lr(again, 0), 0.0123, 0, "%s: with its rate", name);
        for (int i = 0; i < 10; i++) {
            train_step(o, &q);
            train_step(again, &r);
        }
        bool same = true;
        for (int i = 0; i < PARAMETERS; i++)
            same = same && tl_equal(q.p[i], r.p[i]);
        ok(same, "%s: goes on bit for bit", name);
        tl_state_free(saved);
        tl_optimizer_free(o);
        tl_optimizer_free(again);
    }
    tl_error_clear();
}

static void test_bad_state(void)
{
    struct problem q = problem_new(TL_F32, false);
    tl_optimizer *sgd = make("sgd_momentum", &q), *adam = make("adam", &q);
    tl_optimizer *fewer = tl_sgd(NULL, 0.1, .parameters = q.p, .n_parameters = 3);
    train_step(sgd, &q);
    tl_state *saved = tl_state_new(), *empty = tl_state_new();
    tl_optimizer_save_state(sgd, saved, "o.");
    ok(tl_optimizer_load_state(adam, saved, "o.") != TL_OK, "another kind is refused");
    contains(tl_error_message(), "sgd", "and named");
    tl_error_clear();
    ok(tl_optimizer_load_state(fewer, saved, "o.") == TL_ERR_SHAPE, "another number of parameters is refused");
    tl_error_clear();
    ok(tl_optimizer_load_state(sgd, empty, "o.") == TL_ERR_NOT_FOUND, "an empty state is refused");
    contains(tl_error_message(), "o.groups", "and what is missing named");
    tl_error_clear();
    is_float(tl_optimizer_lr(fewer, 0), 0.1, 0, "and nothing was changed");
    tl_state_free(saved);
    tl_state_free(empty);
    tl_optimizer_free(sgd);
    tl_optimizer_free(adam);
    tl_optimizer_free(fewer);
}

static void test_errors(void)
{
#define REFUSED(expression, part)                                                                                                \
    do {                                                                                                                         \
        tl_error_clear();                                                                                                        \
        ok(!(expression), "refused: %s", #expression);                                                                           \
        contains(tl_error_message(), part, "and says why");                                                                      \
    } while (0)
    struct problem problem = problem_new(TL_F32, false), *q = &problem;
    tl_tensor *twice[] = {q->p[0], q->p[0]}, *whole[] = {tl_zeros(TL_SHAPE(2), (struct tl_options){.dtype = TL_I64})};
    tl_tensor *result[] = {tl_mul_s(q->p[0], 2)};
    REFUSED(tl_sgd(NULL, 0.1), "the module is NULL");
    REFUSED(tl_sgd(NULL, -0.1, ALL), "learning rate is -0.1");
    REFUSED(tl_sgd(NULL, NAN, ALL), "learning rate is nan");
    REFUSED(tl_sgd(NULL, 0.1, ALL, .nesterov = true), "nesterov needs a momentum");
    REFUSED(tl_adam(NULL, 0.1, ALL, .beta1 = 1), "beta1 is 1");
    REFUSED(tl_adadelta(NULL, 0.1, ALL, .rho = -1), "rho is -1");
    REFUSED(tl_rmsprop(NULL, 0.1, ALL, .eps = -1), "eps is -1");
    REFUSED(tl_sgd(NULL, 0.1, .parameters = whole, .n_parameters = 1), "i64");
    REFUSED(tl_sgd(NULL, 0.1, .parameters = result, .n_parameters = 1), "result of an operation");
    REFUSED(tl_optimizer_named("sdg", NULL, 0.1, 0, 0), "there is no optimizer \"sdg\"");
    tl_error_clear();
    tl_optimizer *o = tl_sgd(NULL, 0.1, ALL);
    REFUSED(tl_optimizer_add_group(o, twice, 2, (struct tl_group_options){0}) == TL_OK, "already");
    REFUSED(tl_optimizer_set_lr(o, 1, 0.1) == TL_OK, "no group 1");
    REFUSED(tl_optimizer_set_lr(o, 0, INFINITY) == TL_OK, "learning rate is inf");
    REFUSED(tl_optimizer_step(NULL) == TL_OK, "NULL");
    tl_error_clear();
    tl_optimizer_free(o);
}

static void test_clip(void)
{
    FILE *f = golden_open("optim_clip.txt");
    char what[16], dtype[8];
    while (golden_word(f, what, sizeof what) && golden_word(f, dtype, sizeof dtype))
        TL_SCOPE
        {
            double bound = golden_number(f), order = golden_number(f), want_norm = golden_number(f), norm = 0;
            golden_integer(f);
            bool wide = strcmp(dtype, "f64") == 0;
            struct problem q = problem_new(wide ? TL_F64 : TL_F32, false);
            tl_backward(problem_loss(&q), TL_NONE, (struct tl_backward_options){0});
            tl_status status = strcmp(what, "value") == 0 ? tl_clip_grad_value_list(q.p, PARAMETERS, bound)
                                                          : tl_clip_grad_norm_list(q.p, PARAMETERS, bound, order, &norm);
            double worst = 0;
            for (int i = 0; i < PARAMETERS; i++) {
                double *v = golden_values(tl_grad_of(q.p[i]));
                for (int64_t k = 0; k < tl_numel(q.p[i]); k++)
                    worst = fmax(worst, fabs(v[k] - golden_number(f)));
                free(v);
            }
            ok(status == TL_OK, "clip %s %s", what, dtype);
            is_float(norm, want_norm, wide ? 1e-12 : 1e-6, "clip %s %s: the norm before", what, dtype);
            is_float(worst, 0, wide ? 1e-12 : 1e-6, "clip %s %s: the gradients after", what, dtype);
        }
    fclose(f);
    ok(tl_clip_grad_value(NULL, 1) != TL_OK, "clip: NULL is refused");
    tl_error_clear();
}

static void test_early_stopping(void)
{
    tl_module *m = tl_nn_linear(2, 1);
    tl_early_stopping *e = tl_early_stopping_new(.patience = 2, .min_delta = 0.01, .module = m);
    const double metric[] = {1.0, 0.5, 0.495, 0.6, 0.7};
    bool stop = false;
    int64_t step;
    int i = 0;
    ok(tl_early_stopping_restore(e) == TL_ERR_STATE, "early stopping: nothing to restore at first");
    tl_error_clear();
    for (; i < 5 && !stop; i++) {
        tl_init_constant(tl_module_get(m, "weight"), i);
        tl_early_stopping_step(e, metric[i], &stop);
    }
    is_int(i, 5, "early stopping: two steps without improvement are borne, the third stops");
    is_float(tl_early_stopping_best(e, &step), 0.5, 0, "early stopping: the best metric");
    is_int(step, 2, "early stopping: and its step");
    ok(tl_early_stopping_restore(e) == TL_OK, "early stopping: restored");
    is_float(tl_item(tl_select(tl_flatten(tl_module_get(m, "weight"), 0, -1), 0, 0)), 1, 0,
             "early stopping: the weights of the best step");
    tl_state *saved = tl_state_new();
    tl_early_stopping *again = tl_early_stopping_new(.patience = 9, .module = m);
    ok(tl_early_stopping_load_state(again, saved, "stop.") == TL_ERR_NOT_FOUND, "early stopping: an empty state");
    contains(tl_error_message(), "stop.steps", "early stopping: which lacks something");
    tl_error_clear();
    ok(tl_early_stopping_save_state(e, saved, "stop.") == TL_OK, "early stopping: saved");
    ok(tl_early_stopping_load_state(again, saved, "stop.") == TL_OK, "early stopping: loaded");
    is_float(tl_early_stopping_best(again, &step), 0.5, 0, "early stopping: the best metric is kept");
    is_int(step, 2, "early stopping: and its step is");
    tl_init_constant(tl_module_get(m, "weight"), 7);
    ok(tl_early_stopping_restore(again) == TL_OK, "early stopping: restored from what was saved");
    is_float(tl_item(tl_select(tl_flatten(tl_module_get(m, "weight"), 0, -1), 0, 0)), 1, 0, "early stopping: the same weights");
    const int64_t impossible[][2] = {{INT64_MAX, 1}, {3, 4}, {3, -1}};
    for (size_t k = 0; k < 3; k++) {
        tl_state *bad = tl_state_new();
        tl_state_add(bad, "steps", tl_from_data(TL_SHAPE(2), impossible[k], (struct tl_options){.dtype = TL_I64}));
        tl_state_add(bad, "best", tl_ones(TL_SHAPE(1), (struct tl_options){.dtype = TL_F64}));
        ok(tl_early_stopping_load_state(again, bad, NULL) == TL_ERR_FORMAT, "early stopping: impossible steps: %s", tl_error_message());
        tl_error_clear();
        tl_state_free(bad);
    }
    is_float(tl_early_stopping_best(again, &step), 0.5, 0, "early stopping: which change nothing");
    tl_early_stopping_free(again);
    tl_state_free(saved);
    tl_early_stopping_free(e);
    e = tl_early_stopping_new(.rises = true);
    tl_early_stopping_step(e, NAN, &stop);
    ok(stop, "early stopping: NaN is no improvement");
    tl_early_stopping_free(e);
    tl_module_free(m);
}

int main(void)
{
    TL_SCOPE test_against_golden();
    TL_SCOPE test_large();
    static const char *const resumed[] = {"sgd_nesterov", "adam_amsgrad", "adamw", "adadelta", "rmsprop_all", "groups"};
    for (size_t i = 0; i < sizeof resumed / sizeof *resumed; i++)
        test_resume(resumed[i]);
    TL_SCOPE test_bad_state();
    TL_SCOPE test_errors();
    TL_SCOPE test_clip();
    TL_SCOPE test_early_stopping();
    return done_testing();
}
