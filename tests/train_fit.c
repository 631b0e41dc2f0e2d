/* SPDX-License-Identifier: Apache-2.0
 *
 * The training loop: what it records, early stopping, checkpoints that resume bit for bit, and failures.
 */
#include <signal.h>
#include <sys/resource.h>
#include <telar/nn.h>
#include <unistd.h>

#include "tests/tap.h"

/* The message is read after the call that may set it. */
#define check(call, ...)           \
    do {                           \
        const bool good_ = (call); \
        ok(good_, __VA_ARGS__);    \
    } while (0)

enum { SAMPLES = 50, FEATURES = 6, CLASSES = 3, BATCH = 8 };

static char folder[] = "/tmp/telar-fit-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* ---- A run: everything made afresh from one seed ---------------------------------------------------------------------------- */

struct run {
    tl_module *net;
    tl_dataset *data;
    tl_loader *train, *validation;
    tl_optimizer *optimizer;
    tl_schedule *schedule;
    tl_history *history;
};

/* Three clouds of points: class k has its mean at k in every feature. */
static tl_dataset *make_data(bool with_nan)
{
    tl_dataset *d = NULL;
    TL_SCOPE {
        float x[SAMPLES * FEATURES];
        int64_t y[SAMPLES];
        tl_generator *g = tl_generator_new(5);
        for (int i = 0; i < SAMPLES; i++) {
            y[i] = i % CLASSES;
            for (int k = 0; k < FEATURES; k++)
                x[i * FEATURES + k] = (float)y[i] + (float)tl_generator_random(g) / 4294967296.0f;
        }
        tl_generator_free(g);
        if (with_nan)
            x[7 * FEATURES + 2] = NAN;
        tl_tensor *fields[] = {tl_from_data(TL_SHAPE(SAMPLES, FEATURES), x, (struct tl_options){0}),
                               tl_from_data(TL_SHAPE(SAMPLES), y, (struct tl_options){.dtype = TL_I64})};
        d = tl_tensor_dataset(2, fields);
    }
    return d;
}

static struct run begin(uint64_t seed, bool with_nan)
{
    struct run r;
    tl_manual_seed(seed);
    r.net = TL_SEQUENTIAL(tl_nn_linear(FEATURES, 16), tl_nn_relu(), tl_nn_dropout(0.25), tl_nn_linear(16, CLASSES));
    r.data = make_data(with_nan);
    r.train = tl_loader_new(r.data, .batch_size = BATCH, .shuffle = true, .workers = 1);
    r.validation = tl_loader_new(r.data, .batch_size = 20);
    r.optimizer = tl_adam(r.net, 0.01);
    r.schedule = tl_cosine_lr(r.optimizer, 5, 0);
    r.history = tl_history_new();
    return r;
}

static void end(struct run *r)
{
    tl_history_free(r->history);
    tl_schedule_free(r->schedule);
    tl_optimizer_free(r->optimizer);
    tl_loader_free(r->train);
    tl_loader_free(r->validation);
    tl_dataset_free(r->data);
    tl_module_free(r->net);
}

/* All weights as bytes. */
enum { WEIGHTS = FEATURES * 16 + 16 + 16 * CLASSES + CLASSES };
static void weights_of(const struct run *r, float to[WEIGHTS])
{
    tl_tensor *list[8];
    size_t n = tl_module_parameter_list(r->net, list, 8), used = 0;
    for (size_t i = 0; i < n; i++) {
        size_t count = (size_t)tl_numel(list[i]);
        tl_copy_out(list[i], TL_F32, to + used, count * sizeof(float));
        used += count;
    }
}

static bool same_weights(const struct run *a, const struct run *b)
{
    float x[WEIGHTS], y[WEIGHTS];
    weights_of(a, x);
    weights_of(b, y);
    return memcmp(x, y, sizeof x) == 0;
}

/* ---- What is recorded --------------------------------------------------------------------------------------------------------- */

struct recorder {
    double losses[64];
    int64_t sizes[64];
    int n;
    int epochs;
    bool in_training;
};

static tl_status record_batch(const struct tl_fit_event *e, void *ctx)
{
    struct recorder *k = ctx;
    k->sizes[k->n] = e->batch < e->batches ? BATCH : SAMPLES - BATCH * (e->batches - 1);
    k->losses[k->n++] = e->loss;
    k->in_training = tl_is_training(e->module);
    return TL_OK;
}

static tl_status record_epoch(const struct tl_fit_event *e, void *ctx)
{
    ((struct recorder *)ctx)->epochs += e->record != NULL;
    return TL_OK;
}

static void test_history(void)
{
    struct run r = begin(1, false);
    struct recorder k = {.n = 0};
    tl_status s = tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .validation = r.validation, .metric = tl_metric_accuracy,
                         .history = r.history, .on_batch = record_batch, .on_epoch = record_epoch, .callback_ctx = &k);
    check(s == TL_OK, "fit: one epoch: %s", tl_error_message());
    ok(k.n == 7 && k.epochs == 1, "fit: a call for each batch and epoch");
    ok(k.in_training && !tl_is_training(r.net), "fit: training mode during, evaluation mode after");
    double sum = 0, squares = 0, total = 0;
    for (int i = 0; i < k.n; i++) {
        sum += k.losses[i] * (double)k.sizes[i];
        total += (double)k.sizes[i];
    }
    for (int i = 0; i < k.n; i++)
        squares += (double)k.sizes[i] * pow(k.losses[i] - sum / total, 2);
    const struct tl_epoch *e = tl_history_at(r.history, 0);
    ok(e && total == SAMPLES && fabs(e->train_loss - sum / total) < 1e-9, "history: mean weighted by samples");
    ok(e && fabs(e->train_loss_std - sqrt(squares / (total - 1))) < 1e-9, "history: deviation weighted by samples");
    ok(e && e->steps == 7 && e->epoch == 1 && e->learning_rate == 0.01 && e->validation_loss > 0, "history: the rest of the record");
    ok(strcmp(tl_history_metric_name(r.history), "accuracy") == 0, "history: name of the metric");

    struct tl_evaluation v;
    tl_train(r.net);
    struct tl_fit_options o = {.metric = tl_metric_accuracy};
    ok(tl_evaluate(r.net, r.validation, &o, NULL, NULL, &v) == TL_OK && v.samples == SAMPLES && v.loss == e->validation_loss &&
           v.metric == e->validation_metric, "evaluate: the same as after the epoch");
    ok(tl_is_training(r.net) && tl_grad_enabled(), "evaluate: modes are put back");
    ok(tl_history_save_csv(r.history, in_folder("h.csv")) == TL_OK, "history: CSV");
    end(&r);
}

static void test_learns(void)
{
    struct run r = begin(2, false);
    FILE *lines = tmpfile(), *bar = tmpfile();
    tl_status s = tl_fit(r.net, r.train, r.optimizer, .epochs = 30, .metric = tl_metric_accuracy, .history = r.history,
                         .lines = lines, .progress = bar);
    const struct tl_epoch *e = tl_history_at(r.history, 29);
    ok(s == TL_OK && e && e->train_metric > 0.9, "fit: it learns (%.2f)", e ? e->train_metric : 0.0);
    int n = 0;
    char line[256];
    rewind(lines);
    while (fgets(line, sizeof line, lines))
        n++;
    ok(n == 31, "fit: a heading and one line an epoch (%d)", n);
    ok(ftell(bar) == 0, "progress: nothing short of ten seconds where there is no terminal");
    fclose(lines);
    fclose(bar);
    end(&r);
}

/* ---- Resuming ----------------------------------------------------------------------------------------------------------------- */

static tl_status stop_in_epoch_3(const struct tl_fit_event *e, void *ctx)
{
    (void)ctx;
    return !e->record && e->epoch == 3 && e->batch == 4 ? TL_ERR_STOPPED : TL_OK;
}

static void test_resume(void)
{
    const char *path = in_folder("resume.safetensors");
    struct run straight = begin(3, false);
    ok(tl_fit(straight.net, straight.train, straight.optimizer, .epochs = 5, .schedule = straight.schedule, .validation = straight.validation,
              .history = straight.history) == TL_OK, "resume: five epochs straight");
    struct run first = begin(3, false);
    check(tl_fit(first.net, first.train, first.optimizer, .epochs = 3, .schedule = first.schedule, .validation = first.validation,
              .history = first.history, .checkpoint = path, .notes = (const char *const[]){"telar.seed", "3", NULL}) == TL_OK,
       "resume: three epochs and a checkpoint: %s", tl_error_message());
    struct run second = begin(99, false);
    check(tl_fit(second.net, second.train, second.optimizer, .epochs = 5, .schedule = second.schedule, .validation = second.validation,
              .history = second.history, .resume = path) == TL_OK, "resume: two more, by other objects: %s", tl_error_message());
    ok(same_weights(&straight, &second), "resume: the weights are equal bit for bit");
    ok(!same_weights(&straight, &first), "resume: which is not because nothing was learnt");
    bool same = tl_history_count(second.history) == 5;
    for (size_t i = 0; same && i < 5; i++) {
        const struct tl_epoch *a = tl_history_at(straight.history, i), *b = tl_history_at(second.history, i);
        same = a && b && a->train_loss == b->train_loss && a->validation_loss == b->validation_loss &&
               a->learning_rate == b->learning_rate && a->steps == b->steps;
    }
    ok(same, "resume: the history is whole, and the same");
    end(&first), end(&second);

    path = in_folder("middle.safetensors");
    struct run middle = begin(3, false);
    check(tl_fit(middle.net, middle.train, middle.optimizer, .epochs = 5, .schedule = middle.schedule, .validation = middle.validation,
              .history = middle.history,
              .on_batch = stop_in_epoch_3, .checkpoint = path) == TL_OK && tl_history_count(middle.history) == 2,
       "resume: stopped in the middle of the third epoch: %s", tl_error_message());
    struct run rest = begin(98, false);
    ok(tl_module_load(rest.net, path) == TL_OK && same_weights(&rest, &middle), "checkpoint: its weights alone");
    check(tl_fit(rest.net, rest.train, rest.optimizer, .epochs = 5, .schedule = rest.schedule, .validation = rest.validation,
              .history = rest.history,
              .resume = path) == TL_OK, "resume: from there: %s", tl_error_message());
    ok(same_weights(&straight, &rest), "resume: the weights are equal bit for bit");
    ok(tl_history_count(rest.history) == 5 &&
           fabs(tl_history_at(rest.history, 2)->train_loss - tl_history_at(straight.history, 2)->train_loss) < 1e-12,
       "resume: the interrupted epoch's mean is that of the whole epoch");
    end(&straight), end(&middle), end(&rest);
}

/* ---- All of a run's state ----------------------------------------------------------------------------------------------------- */

/* Two schedules, early stopping, and a moving average of the author's own that a callback keeps. */
struct whole {
    struct run run;
    tl_schedule *warm_up;
    tl_state *extra;
    tl_tensor *average;
    int stop_in_epoch;
};

static tl_status keep_average(const struct tl_fit_event *e, void *ctx)
{
    struct whole *w = ctx;
    if (e->record)
        return TL_OK;
    TL_NO_GRAD {
        tl_mul_(w->average, tl_scalar(0.9));
        tl_add_(w->average, tl_mul(tl_module_get(e->module, "0.weight"), tl_scalar(0.1)));
    }
    return e->epoch == w->stop_in_epoch && e->batch == 2 ? TL_ERR_STOPPED : TL_OK;
}

static struct whole begin_whole(uint64_t seed)
{
    struct whole w = {.run = begin(seed, false)};
    w.warm_up = tl_linear_lr(w.run.optimizer, 0.1, 1, 4);
    w.extra = tl_state_new();
    TL_SCOPE tl_state_add(w.extra, "average", tl_zeros(TL_SHAPE(16, FEATURES), (struct tl_options){0}));
    w.average = tl_state_get(w.extra, "average");
    return w;
}

/* An increasing metric that falls: epoch 1 is the best, so the third one after it stops. */
static tl_tensor *rising(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)output, (void)batch, (void)n;
    return tl_scalar((double)tl_history_count(((struct whole *)ctx)->run.history));
}

static tl_status fit_whole(struct whole *w, int64_t epochs, const char *checkpoint, const char *resume)
{
    return tl_fit(w->run.net, w->run.train, w->run.optimizer, .epochs = epochs, .schedule = w->warm_up,
                  .schedules = (tl_schedule *const[]){w->run.schedule, NULL}, .validation = w->run.validation, .metric = rising,
                  .function_ctx = w, .metric_falls = true, .watch_metric = true, .patience = 3, .restore_best = true,
                  .extra = w->extra, .on_batch = keep_average, .callback_ctx = w, .history = w->run.history,
                  .checkpoint = checkpoint, .resume = resume);
}

static void end_whole(struct whole *w)
{
    tl_schedule_free(w->warm_up);
    tl_state_free(w->extra);
    end(&w->run);
}

static void test_whole(void)
{
    const char *path = in_folder("whole.safetensors");
    struct whole straight = begin_whole(11);
    check(fit_whole(&straight, 9, NULL, NULL) == TL_OK && tl_history_count(straight.run.history) == 4,
          "all state: three epochs after the first stop a run (%zu): %s", tl_history_count(straight.run.history), tl_error_message());
    /* After an epoch, and within the one after the best: whose weights are then neither the best nor those of an epoch's end. */
    for (int stop_in = 0; stop_in <= 2; stop_in += 2) {
        struct whole first = begin_whole(11);
        first.stop_in_epoch = stop_in;
        check(fit_whole(&first, stop_in ? 9 : 2, path, NULL) == TL_OK, "all state: stopped: %s", tl_error_message());
        struct whole second = begin_whole(12);
        check(fit_whole(&second, 9, NULL, path) == TL_OK, "all state: resumed: %s", tl_error_message());
        const struct tl_epoch *a = tl_history_at(straight.run.history, 3), *b = tl_history_at(second.run.history, 3);
        ok(a && b && a->learning_rate == b->learning_rate, "all state: the rate is that of both schedules (%g, %g)",
           a ? a->learning_rate : 0, b ? b->learning_rate : 0);
        ok(a && b && a->train_loss == b->train_loss && tl_history_count(second.run.history) == 4,
           "all state: it stops where the other did (%zu)", tl_history_count(second.run.history));
        ok(same_weights(&straight.run, &second.run), "all state: with the best weights, bit for bit");
        ok(tl_state_get(second.extra, "average") == second.average && tl_equal(second.average, straight.average),
           "all state: and the average, which stayed where it was");
        end_whole(&first), end_whole(&second);
    }
    struct whole less = begin_whole(13);
    check(tl_fit(less.run.net, less.run.train, less.run.optimizer, .epochs = 9, .schedule = less.run.schedule, .resume = path) ==
                  TL_ERR_STATE && strstr(tl_error_message(), "2 learning-rate schedules"),
          "all state: a schedule is missing: %s", tl_error_message());
    tl_error_clear();
    end_whole(&straight), end_whole(&less);
}

/* A loop of one's own. */
static void test_checkpoint(void)
{
    const char *path = in_folder("own.safetensors");
    struct whole w = begin_whole(14), v = begin_whole(15);
    tl_early_stopping *stopping[2] = {tl_early_stopping_new(.patience = 2, .module = w.run.net),
                                      tl_early_stopping_new(.patience = 2, .module = v.run.net)};
    bool stop = false;
    float best[WEIGHTS], now[WEIGHTS];
    weights_of(&w.run, best);
    tl_early_stopping_step(stopping[0], 1, &stop);
    TL_SCOPE tl_init_constant(tl_module_get(w.run.net, "0.weight"), 3);
    tl_early_stopping_step(stopping[0], 2, &stop);
    tl_state_set_note(w.extra, "fold", "4");
    struct tl_checkpoint c = {.struct_size = sizeof c, .epoch = 7, .step = 70, .module = w.run.net, .optimizer = w.run.optimizer,
                              .schedules = (tl_schedule *const[]){w.warm_up, w.run.schedule, NULL}, .stopping = stopping[0],
                              .extra = w.extra};
    check(tl_checkpoint_save(&c, path) == TL_OK, "checkpoint: %s", tl_error_message());
    struct tl_checkpoint d = {.struct_size = sizeof d, .module = v.run.net, .optimizer = v.run.optimizer,
                              .schedules = (tl_schedule *const[]){v.warm_up, v.run.schedule, NULL}, .stopping = stopping[1],
                              .extra = v.extra};
    check(tl_checkpoint_load(&d, path) == TL_OK && d.epoch == 7 && d.step == 70, "checkpoint: read back: %s", tl_error_message());
    ok(same_weights(&w.run, &v.run), "checkpoint: the present weights");
    int64_t step;
    ok(tl_early_stopping_best(stopping[1], &step) == 1 && step == 1, "checkpoint: what early stopping remembers");
    const char *fold = tl_state_note(v.extra, "fold");
    ok(fold && strcmp(fold, "4") == 0, "checkpoint: a note of the author's own");
    tl_early_stopping_step(stopping[1], 2, &stop);
    ok(!stop, "checkpoint: two steps without improvement are borne");
    tl_early_stopping_step(stopping[1], 2, &stop);
    ok(stop, "checkpoint: the first of which was before");
    check(tl_early_stopping_restore(stopping[1]) == TL_OK, "checkpoint: the best weights: %s", tl_error_message());
    weights_of(&v.run, now);
    ok(memcmp(best, now, sizeof now) == 0, "checkpoint: are those of then");
    ok(tl_module_load(w.run.net, path) == TL_OK, "checkpoint: the weights alone");
    weights_of(&w.run, now);
    ok(memcmp(best, now, sizeof now) == 0, "checkpoint: are the best");
    tl_early_stopping_free(stopping[0]), tl_early_stopping_free(stopping[1]);
    end_whole(&w), end_whole(&v);
}

/* ---- Early stopping ----------------------------------------------------------------------------------------------------------- */

/* A metric of known values: epoch 3 is the best. */
static tl_tensor *scripted(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)output, (void)batch, (void)n;
    static const double values[] = {0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7};
    const tl_history *h = ctx;
    return tl_scalar(values[tl_history_count(h) % 8]);
}

static float best_weights[WEIGHTS];
static tl_status keep_third(const struct tl_fit_event *e, void *ctx)
{
    if (e->epoch == 3)
        weights_of(ctx, best_weights);
    return TL_OK;
}

/* A caller who was built when there were fewer options. */
static tl_tensor *no_loss(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)output, (void)batch, (void)n, (void)ctx;
    tl_fail(TL_ERR_STATE, "an option was read that the caller does not know");
    return NULL;
}

static void test_fewer_options(void)
{
    struct run r = begin(3, false);
    struct tl_fit_options o = {.struct_size = offsetof(struct tl_fit_options, loss), .epochs = 2, .loss = no_loss, .metric = no_loss};
    check(tl_fit_with(r.net, r.train, r.optimizer, &o) == TL_OK, "fit reads the options that the caller knows: %s", tl_error_message());
    check(tl_evaluate(r.net, r.validation, &o, NULL, NULL, NULL) == TL_OK, "so does evaluate: %s", tl_error_message());
    tl_loader_start(r.train);
    TL_SCOPE {
        tl_tensor *batch[TL_MAX_FIELDS];
        check(tl_loader_next(r.train, batch) == 1 && tl_fit_step(r.net, r.optimizer, batch, 2, &o), "and a single step: %s", tl_error_message());
    }
    struct tl_early_stopping_options patient = {.struct_size = offsetof(struct tl_early_stopping_options, min_delta), .patience = 1, .min_delta = -1};
    tl_early_stopping *e = tl_early_stopping_with(&patient);
    check(e != NULL, "and early stopping: %s", tl_error_message());
    tl_early_stopping_free(e);
    end(&r);
    tl_error_clear();
}

/* Parts that are held stay in evaluation mode, in the loop and around it. */
static void test_held(void)
{
    struct run r = begin(3, false);
    tl_module *norm = tl_nn_batch_norm1d(16), *free_norm = tl_nn_batch_norm1d(CLASSES);
    check(tl_module_replace(r.net, "1", norm) == TL_OK && tl_sequential_append(r.net, free_norm), "two norms");
    tl_hold_eval(norm, true);
    check(!tl_is_training(norm) && tl_is_training(free_norm) && tl_is_training(r.net), "one is held in evaluation mode");
    tl_train(r.net);
    check(!tl_is_training(norm) && tl_is_training(free_norm), "also when all are to train");
    check(tl_fit(r.net, r.train, r.optimizer, .epochs = 2, .validation = r.validation) == TL_OK, "trained: %s", tl_error_message());
    TL_SCOPE
    {
        tl_tensor *held = tl_module_get(norm, "running_mean"), *moved = tl_module_get(free_norm, "running_mean");
        check(tl_item(tl_any(tl_ne(held, tl_scalar(0)))) == 0, "its statistics are as they were");
        check(tl_item(tl_any(tl_ne(moved, tl_scalar(0)))) == 1, "the other's are not");
    }
    tl_hold_eval(norm, false);
    check(!tl_is_training(norm), "let go of, it stays in the mode that it has");
    tl_train(r.net);
    check(tl_is_training(norm), "until it is to train");
    tl_hold_eval(NULL, true);
    end(&r);
}

static void test_early_stopping(void)
{
    struct run r = begin(4, false), s = begin(5, false);
    float now[WEIGHTS];
    const char *path = in_folder("best.safetensors");
    check(tl_fit(r.net, r.train, r.optimizer, .epochs = 20, .validation = r.validation, .metric = scripted, .function_ctx = r.history,
              .history = r.history, .watch_metric = true, .patience = 3, .restore_best = true, .on_epoch = keep_third,
              .callback_ctx = &r, .checkpoint = path) == TL_OK, "early stopping: %s", tl_error_message());
    ok(tl_history_count(r.history) == 6, "early stopping: three epochs after the best (%zu)", tl_history_count(r.history));
    weights_of(&r, now);
    ok(memcmp(now, best_weights, sizeof now) == 0, "early stopping: the best weights are put back");
    ok(tl_module_load(s.net, path) == TL_OK, "early stopping: weights of the checkpoint");
    weights_of(&s, now);
    ok(memcmp(now, best_weights, sizeof now) == 0, "early stopping: which are the best ones");
    end(&r), end(&s);
}

/* ---- Failures ----------------------------------------------------------------------------------------------------------------- */

static tl_status fail_at_once(const struct tl_fit_event *e, void *ctx)
{
    (void)e, (void)ctx;
    return tl_fail(TL_ERR_IO, "no more paper");
}

static void test_failures(void)
{
    struct run r = begin(6, true);
    check(tl_fit(r.net, r.train, r.optimizer, .epochs = 2) == TL_ERR_STATE, "NaN in the data: %s", tl_error_message());
    check(strstr(tl_error_message(), "epoch 1") && strstr(tl_error_message(), "batch") && strstr(tl_error_message(), "NaN"),
       "NaN in the data: the message says where");
    tl_error_clear();
    float w[WEIGHTS];
    weights_of(&r, w);
    bool finite = true;
    for (int i = 0; i < WEIGHTS; i++)
        finite = finite && isfinite(w[i]);
    ok(finite, "NaN in the data: the weights are still numbers");
    end(&r);

    r = begin(6, false);
    check(tl_fit(r.net, r.train, r.optimizer, .on_batch = fail_at_once) == TL_ERR_IO && strstr(tl_error_message(), "no more paper"),
       "a callback's error: %s", tl_error_message());
    tl_error_clear();
    check(tl_fit(r.net, r.train, r.optimizer, .epochs = -1) == TL_ERR_ARGUMENT, "epochs -1: %s", tl_error_message());
    tl_error_clear();
    check(tl_fit(r.net, NULL, r.optimizer, .epochs = 1) == TL_ERR_ARGUMENT, "no loader: %s", tl_error_message());
    tl_error_clear();
    check(tl_fit(r.net, r.train, r.optimizer, .watch_metric = true) == TL_ERR_ARGUMENT, "no metric to watch: %s", tl_error_message());
    tl_error_clear();
    check(tl_fit(r.net, r.train, r.optimizer, .resume = in_folder("none.safetensors")) == TL_ERR_IO, "no such checkpoint: %s",
       tl_error_message());
    tl_error_clear();
    end(&r);
}

static tl_tensor *silent_loss(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)output, (void)batch, (void)n, (void)ctx;
    return NULL;
}

static tl_tensor *silent_step(tl_module *m, tl_tensor *const *batch, int n, void *ctx)
{
    (void)m, (void)batch, (void)n, (void)ctx;
    return NULL;
}

static tl_tensor *silent_prepare(tl_tensor *input, void *ctx)
{
    (void)input, (void)ctx;
    return NULL;
}

static tl_tensor *silent_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)m, (void)x, (void)n;
    return NULL;
}

/* NULL without an error from what the user wrote is an error that says where it came from. */
static void test_silence(void)
{
    struct run r = begin(6, false);
    struct tl_evaluation e;
    const struct {
        const char *what;
        struct tl_fit_options o;
    } cases[] = {{"step", {.step = silent_step}},
                 {"loss", {.loss = silent_loss}},
                 {"prepare", {.prepare = silent_prepare}},
                 {"metric", {.metric = silent_loss}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[64];
        snprintf(words, sizeof words, "\"%s\" gave NULL", cases[i].what);
        check(tl_fit_with(r.net, r.train, r.optimizer, &cases[i].o) == TL_ERR_STATE && strstr(tl_error_message(), words),
              "fit: %s", tl_error_message());
        tl_error_clear();
        check(tl_evaluate(r.net, r.validation, &cases[i].o, NULL, NULL, &e) == TL_ERR_STATE && strstr(tl_error_message(), words),
              "evaluate: %s", tl_error_message());
        tl_error_clear();
    }
    static const struct tl_module_class silent = {sizeof silent, "Silent", silent_forward, NULL, NULL, 0};
    tl_module *m = tl_module_new(&silent, sizeof(char));
    TL_SCOPE check(!tl_forward(m, tl_zeros(TL_SHAPE(1), (struct tl_options){0})) && tl_error_code() == TL_ERR_STATE, "forward: %s",
                   tl_error_message());
    tl_error_clear();
    check(!tl_summarize(m, TL_SHAPE(4)) && strstr(tl_error_message(), "Silent"), "summary: %s", tl_error_message());
    tl_error_clear();
    tl_module_free(m);
    end(&r);
}

static void truncate_copy(const char *from, const char *to, long drop)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    fseek(in, 0, SEEK_END);
    long size = ftell(in) - drop;
    rewind(in);
    for (long i = 0; i < size; i++)
        fputc(fgetc(in), out);
    fclose(in);
    fclose(out);
}

/* A copy of a checkpoint that says that it is of this version of the format; 1 did not say. */
static void change_version(const char *from, const char *to, int64_t version)
{
    tl_state *s = tl_state_load(from), *other = tl_state_new();
    for (size_t i = 0; i < tl_state_count(s); i++)
        TL_SCOPE {
            tl_tensor *t = tl_state_at(s, i);
            if (strcmp(tl_state_name(s, i), "telar.checkpoint") == 0)
                t = version == 1 ? NULL : tl_full(TL_SHAPE(4), (double)version, (struct tl_options){.dtype = TL_I64});
            if (t)
                tl_state_add(other, tl_state_name(s, i), t);
        }
    tl_state_save(other, to);
    tl_state_free(s);
    tl_state_free(other);
}

static void test_bad_checkpoints(void)
{
    struct run r = begin(7, false), other = begin(8, false);
    const char *good = in_folder("good.safetensors"), *bad = in_folder("bad.safetensors");
    ok(tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = good, .history = r.history) == TL_OK, "a good checkpoint");
    float before[WEIGHTS], after[WEIGHTS];
    weights_of(&other, before);

    truncate_copy(good, bad, 100);
    struct tl_checkpoint c = {.module = other.net, .optimizer = other.optimizer, .history = other.history};
    check(tl_checkpoint_load(&c, bad) != TL_OK, "truncated checkpoint: %s", tl_error_message());
    tl_error_clear();
    ok(tl_module_save(r.net, bad) == TL_OK, "plain weights");
    check(tl_checkpoint_load(&c, bad) == TL_ERR_FORMAT, "plain weights are no checkpoint: %s", tl_error_message());
    tl_error_clear();
    tl_optimizer *sgd = tl_sgd(other.net, 0.1, .momentum = 0.9);
    c.optimizer = sgd;
    check(tl_checkpoint_load(&c, good) != TL_OK, "another optimizer's checkpoint: %s", tl_error_message());
    tl_error_clear();
    c.optimizer = NULL;
    c.schedules = (tl_schedule *const[]){other.schedule, NULL};
    check(tl_checkpoint_load(&c, good) == TL_ERR_STATE, "a checkpoint without a schedule: %s", tl_error_message());
    tl_error_clear();
    c.optimizer = other.optimizer;
    tl_optimizer_set_lr(other.optimizer, 0, 0.5);
    check(tl_checkpoint_load(&c, good) == TL_ERR_STATE && tl_optimizer_lr(other.optimizer, 0) == 0.5,
          "the same after the optimizer was loaded, which is put back (%g): %s", tl_optimizer_lr(other.optimizer, 0), tl_error_message());
    tl_error_clear();
    c.optimizer = NULL;
    c.schedules = NULL;
    c.extra = tl_state_new();
    check(tl_checkpoint_load(&c, good) == TL_ERR_STATE, "a checkpoint without anything of one's own: %s", tl_error_message());
    tl_error_clear();
    tl_state_free(c.extra);
    c.extra = NULL;
    c.stopping = tl_early_stopping_new(.patience = 1);
    check(tl_checkpoint_load(&c, good) == TL_ERR_STATE, "a checkpoint without early stopping: %s", tl_error_message());
    tl_error_clear();
    tl_early_stopping_free(c.stopping);
    c.stopping = NULL;
    change_version(good, bad, 1);
    check(tl_checkpoint_load(&c, bad) == TL_ERR_FORMAT && strstr(tl_error_message(), "earlier version"), "an old checkpoint: %s",
          tl_error_message());
    tl_error_clear();
    change_version(good, bad, 3);
    check(tl_checkpoint_load(&c, bad) == TL_ERR_FORMAT && strstr(tl_error_message(), "version 3"), "a checkpoint of the future: %s",
          tl_error_message());
    tl_error_clear();
    struct run third = begin(8, false);
    check(tl_module_load(third.net, bad) == TL_OK && same_weights(&third, &r), "whose weights can be loaded: %s",
          tl_error_message());
    end(&third);
    weights_of(&other, after);
    ok(memcmp(before, after, sizeof before) == 0 && c.epoch == 0 && tl_history_count(other.history) == 0,
       "failed loads changed nothing");
    tl_optimizer_free(sgd);
    end(&r), end(&other);
}

/* The state of `from`, but with other numbers under `name`, in the file `to`. */
static tl_status forge(const char *from, const char *to, const char *name, tl_dtype dtype, const void *numbers, int64_t n)
{
    tl_state *s = tl_state_load(from), *forged = tl_state_new();
    tl_status status = s && forged ? TL_OK : tl_error_code();
    TL_SCOPE
    {
        for (size_t i = 0; i < tl_state_count(s) && status == TL_OK; i++) {
            bool this_one = strcmp(tl_state_name(s, i), name) == 0;
            tl_tensor *t = this_one ? tl_from_data(TL_SHAPE(n), numbers, (struct tl_options){.dtype = dtype}) : tl_state_at(s, i);
            status = tl_state_add(forged, tl_state_name(s, i), t);
        }
    }
    if (status == TL_OK)
        status = tl_state_save(forged, to);
    tl_state_free(s);
    tl_state_free(forged);
    return status;
}

static void test_forged_checkpoints(void)
{
    const char *good = in_folder("good2.safetensors"), *bad = in_folder("forged.safetensors");
    struct run r = begin(11, false);
    ok(tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = good) == TL_OK, "a checkpoint to forge");
    struct tl_checkpoint c = {.module = r.net, .optimizer = r.optimizer};
    static const int64_t far[5] = {1, INT64_MAX, 0, 0, 0};
    ok(forge(good, bad, "telar.progress", TL_I64, far, 5) == TL_OK, "forged progress");
    check(tl_checkpoint_load(&c, bad) == TL_ERR_FORMAT, "more steps than can be: %s", tl_error_message());
    tl_error_clear();
    double groups[5] = {NAN, 0, 0.9, 0.01, 4};
    ok(forge(good, bad, "telar.optimizer.groups", TL_F64, groups, 5) == TL_OK, "forged rates");
    check(tl_checkpoint_load(&c, bad) == TL_ERR_FORMAT, "a learning rate of NaN: %s", tl_error_message());
    tl_error_clear();
    ok(tl_optimizer_lr(r.optimizer, 0) == 0.01, "the rates are as they were");
    end(&r);
}

/* The loss of the last batch is finite, the step after it ruins the weights. */
static tl_status ruin_last_step(const struct tl_fit_event *e, void *ctx)
{
    if (e->epoch == 2 && e->batch == e->batches - 1)
        tl_optimizer_set_lr(ctx, 0, 1e38);
    return TL_OK;
}

static void test_ruined(void)
{
    const char *path = in_folder("ruined.safetensors");
    struct run r = begin(12, false), s = begin(13, false);
    tl_optimizer *sgd = tl_sgd(r.net, 0.01);
    tl_status status = tl_fit(r.net, r.train, sgd, .epochs = 3, .validation = r.validation, .checkpoint = path, .on_batch = ruin_last_step,
                              .callback_ctx = sgd);
    check(status == TL_ERR_STATE && strstr(tl_error_message(), "validation loss"), "ruined by its last step: %s", tl_error_message());
    tl_error_clear();
    tl_optimizer *other = tl_sgd(s.net, 0.01);
    struct tl_checkpoint c = {.module = s.net, .optimizer = other};
    check(tl_checkpoint_load(&c, path) == TL_OK && c.epoch == 1, "the checkpoint of the epoch before is intact: %s", tl_error_message());
    tl_error_clear();
    tl_optimizer_free(sgd);
    tl_optimizer_free(other);
    end(&r), end(&s);
}

static void test_full_disk(void)
{
    struct run r = begin(9, false), s = begin(10, false);
    const char *path = in_folder("full.safetensors");
    ok(tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = path) == TL_OK, "full disk: a checkpoint before");
    struct rlimit old, small = {1000, 1000};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    tl_status status = tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = path);
    setrlimit(RLIMIT_FSIZE, &old);
    check(status == TL_ERR_IO, "full disk: %s", tl_error_message());
    tl_error_clear();
    struct tl_checkpoint c = {.module = s.net, .optimizer = s.optimizer};
    check(tl_checkpoint_load(&c, path) == TL_OK && c.epoch == 1, "full disk: the old checkpoint is intact: %s", tl_error_message());
    tl_error_clear();
    end(&r), end(&s);
}

/* Where nothing can be written, nothing is learnt for nothing. */
static void test_no_folder(void)
{
    struct run r = begin(9, false);
    float before[WEIGHTS], after[WEIGHTS];
    weights_of(&r, before);
    tl_status status = tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = in_folder("none/x.safetensors"), .history = r.history);
    check(status == TL_ERR_IO && strstr(tl_error_message(), "none/x.safetensors"), "a checkpoint in no folder: %s", tl_error_message());
    tl_error_clear();
    status = tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = in_folder("x.unknown"), .history = r.history);
    check(status == TL_ERR_UNSUPPORTED && strstr(tl_error_message(), ".safetensors"), "a checkpoint of no format: %s", tl_error_message());
    tl_error_clear();
    status = tl_fit(r.net, r.train, r.optimizer, .epochs = 1, .checkpoint = in_folder("x.safetensors"), .notes = (const char *const[]){"a", "\xff", NULL},
                    .history = r.history);
    check(status != TL_OK && strstr(tl_error_message(), "is not UTF-8") && access(in_folder("x.safetensors"), F_OK) != 0, "notes that no format holds: %s",
          tl_error_message());
    tl_error_clear();
    weights_of(&r, after);
    ok(tl_history_count(r.history) == 0 && memcmp(before, after, sizeof before) == 0, "is told before the first step");
    end(&r);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    test_history();
    test_learns();
    test_resume();
    test_whole();
    test_checkpoint();
    test_early_stopping();
    test_fewer_options();
    test_held();
    test_failures();
    test_silence();
    test_bad_checkpoints();
    test_forged_checkpoints();
    test_ruined();
    test_full_disk();
    test_no_folder();
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ok(system(command) == 0, "clean up");
    return done_testing();
}
