/* SPDX-License-Identifier: Apache-2.0
 *
 * telar train.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/cli.h"

static tl_status stop_if_interrupted(const struct tl_fit_event *e, void *ctx)
{
    (void)e;
    (void)ctx;
    return interrupted() ? TL_ERR_STOPPED : TL_OK;
}

/* ---- The run ---------------------------------------------------------------------------------------------------------------- */

struct training {
    struct job job;
    uint64_t seed;
    tl_loader *train, *validation;
    tl_optimizer *optimizer;
    tl_schedule *schedule;
    tl_history *history;
    char seed_text[24];
};

static void choose_seed(struct training *t, const struct invocation *v)
{
    const char *noted = t->job.weights && v->set.resume ? tl_state_note(t->job.weights, "telar.seed") : NULL;
    uint32_t fresh = 0;
    if (given(v, "seed"))
        t->seed = (uint64_t)v->set.seed;
    else if (noted)
        t->seed = strtoull(noted, NULL, 10);
    else if (getrandom(&fresh, sizeof fresh, 0) == (ssize_t)sizeof fresh)
        t->seed = fresh;
    snprintf(t->seed_text, sizeof t->seed_text, "%llu", (unsigned long long)t->seed);
    tl_manual_seed(t->seed);
}

/* Sums in another order round otherwise: say so, rather than let bits differ without a word. */
static void warn_of_other_machine(const struct job *j, const struct invocation *v)
{
    const char *threads = tl_state_note(j->weights, "telar.threads"), *backend = tl_state_note(j->weights, "telar.backend");
    if (v->set.quiet || !threads || !backend || (atoi(threads) == tl_get_num_threads() && strcmp(backend, tl_backend_name()) == 0))
        return;
    fprintf(stderr, "telar: this run began with %s threads on %s and goes on with %d on %s: the last bits may differ\n", threads, backend,
            tl_get_num_threads(), tl_backend_name());
}

static tl_status make_schedule(struct training *t, const struct settings *s, int64_t batches)
{
    const char *name = s->schedule;
    double lr = tl_optimizer_lr(t->optimizer, 0);
    int64_t third = s->epochs / 3 > 0 ? s->epochs / 3 : 1;
    if (strcmp(name, "none") == 0)
        return TL_OK;
    if (strcmp(name, "step") == 0)
        t->schedule = tl_step_lr(t->optimizer, third, 0.1);
    else if (strcmp(name, "exponential") == 0)
        t->schedule = tl_exponential_lr(t->optimizer, 0.9);
    else if (strcmp(name, "cosine") == 0)
        t->schedule = tl_cosine_lr(t->optimizer, s->epochs, 0);
    else if (strcmp(name, "plateau") == 0)
        t->schedule = tl_plateau_lr(t->optimizer, .patience = 3);
    else if (strcmp(name, "one-cycle") == 0)
        t->schedule = tl_one_cycle_lr(t->optimizer, lr, s->epochs * batches);
    else
        return tl_fail(TL_ERR_FORMAT, "the checkpoint names an unknown schedule, \"%.60s\"; give one with --schedule", name);
    return t->schedule ? TL_OK : tl_error_code();
}

/* A number that a checkpoint notes; an error if it is none or out of range. */
static tl_status noted_number(const struct job *j, const char *key, double low, double high, double *number)
{
    const char *text = tl_state_note(j->weights, key);
    char *end;
    if (!text || !*text)
        return TL_OK;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= low && value <= high))
        return tl_fail(TL_ERR_FORMAT, "the checkpoint's note %s = \"%.60s\": expected a number from %g to %g", key, text, low, high);
    *number = value;
    return TL_OK;
}

/* A resumed run goes on with the settings that it had, unless the command line says otherwise. */
static tl_status recall(const struct job *j, struct invocation *v)
{
    const char *text;
    double batch = (double)v->set.batch, patience = (double)v->set.patience, hold_out = v->set.hold_out, clip = v->set.clip;
    tl_status s = TL_OK;
    if (!v->set.resume || !j->weights)
        return TL_OK;
    if (!given(v, "batch"))
        s = noted_number(j, "telar.batch", 1, 1 << 20, &batch);
    if (s == TL_OK && !given(v, "patience"))
        s = noted_number(j, "telar.patience", 0, 1e6, &patience);
    if (s == TL_OK && !given(v, "hold-out"))
        s = noted_number(j, "telar.hold_out", 0, 0.9, &hold_out);
    if (s == TL_OK && !given(v, "clip"))
        s = noted_number(j, "telar.clip", 0, 1e9, &clip);
    if (!given(v, "optimizer") && (text = tl_state_note(j->weights, "telar.optimizer")) && *text)
        v->set.optimizer = text;
    if (!given(v, "schedule") && (text = tl_state_note(j->weights, "telar.schedule")) && *text)
        v->set.schedule = text;
    v->set.batch = (int64_t)batch;
    v->set.patience = (int64_t)patience;
    v->set.hold_out = hold_out;
    v->set.clip = clip;
    return s;
}

/* Of data that are read in streams side by side a batch has one sample each, or the model's state could not be carried on. */
static tl_status follow_streams(const struct training *t, struct invocation *v)
{
    int64_t streams = tl_dataset_info(t->job.train)->streams;
    if (streams == 0 || v->set.batch == streams)
        return TL_OK;
    if (given(v, "batch"))
        return tl_fail(TL_ERR_ARGUMENT, "the data are read in %lld streams side by side, so a batch has as many samples, not %lld; leave --batch out, or set "
                                        "--data-option streams=%lld", (long long)streams, (long long)v->set.batch, (long long)v->set.batch);
    v->set.batch = streams;
    return TL_OK;
}

/* Where the command line is silent, as such a model is usually trained. A resumed run goes on as it was. */
static void follow_custom(const struct tl_model *m, struct invocation *v)
{
    const struct tl_model_training *usual = v->set.resume ? NULL : tl_model_training(m);
    if (!usual)
        return;
    if (usual->batch > 0 && !given(v, "batch"))
        v->set.batch = usual->batch;
    v->set.optimizer = usual_optimizer(m, v, &v->set.lr, &v->set.momentum);
}

static tl_status prepare_training(struct training *t, struct invocation *v)
{
    const struct settings *s = &v->set;
    tl_status status = await_interrupts(); /* which all threads that follow inherit */
    if (status == TL_OK)
        status = set_device(v);
    if (status == TL_OK)
        status = job_model(&t->job, v);
    if (status != TL_OK)
        return status;
    follow_custom(t->job.model, v);
    if ((status = recall(&t->job, v)) != TL_OK) {
        tl_error_prefix("%s: ", v->set.resume);
        return status;
    }
    if (v->set.resume)
        warn_of_other_machine(&t->job, v);
    status = job_data(&t->job, v, true, true);
    if (status != TL_OK)
        return status;
    choose_seed(t, v);
    if ((status = job_net(&t->job, v)) != TL_OK || (v->set.cache_features && (status = job_cache_features(&t->job, v)) != TL_OK))
        return status;
    if (trainable_count(t->job.trained) == 0)
        return tl_fail(TL_ERR_ARGUMENT, "--freeze %s: all parameters are frozen, and nothing is left to train; --replace puts in a fresh layer",
                       t->job.freeze ? t->job.freeze : "");
    if ((status = follow_streams(t, v)) != TL_OK)
        return status;
    bool streams = tl_dataset_info(t->job.train)->streams > 0;
    t->train = tl_loader_new(t->job.train, .batch_size = s->batch, .shuffle = !streams, .workers = (int)s->workers);
    t->validation = tl_loader_new(t->job.test, .batch_size = s->batch > 256 || streams ? s->batch : 256, .workers = (int)s->workers);
    /* A zero that was asked for is one; else zero stands for the optimizer's default. */
    double lr = s->lr == 0 && given(v, "lr") ? TL_ZERO : s->lr;
    double decay = s->weight_decay == 0 && given(v, "weight-decay") ? TL_ZERO : s->weight_decay;
    t->optimizer = t->train && t->validation ? tl_optimizer_named(s->optimizer, t->job.trained, lr, s->momentum, decay) : NULL;
    t->history = t->optimizer ? tl_history_new() : NULL;
    if (!t->history)
        return tl_error_code();
    return make_schedule(t, s, tl_loader_length(t->train));
}

static void free_training(struct training *t)
{
    tl_history_free(t->history);
    tl_schedule_free(t->schedule);
    tl_optimizer_free(t->optimizer);
    tl_loader_free(t->train);
    tl_loader_free(t->validation);
    job_free(&t->job);
}

static void print_head(const struct training *t, const struct invocation *v)
{
    const struct job *j = &t->job;
    printf("model:     %s%s%s%s, %lld parameters\n", j->model->name, *j->options ? " (" : "", j->options, *j->options ? ")" : "",
           (long long)tl_module_parameter_count(j->net));
    if (trainable_count(j->net) != tl_module_parameter_count(j->net))
        printf("trained:   %lld of them%s\n", (long long)trainable_count(j->net), j->trained != j->net ? ", on cached features" : "");
    printf("data:      %s, %lld samples to learn from, %lld to validate on\n", j->data_name, (long long)tl_dataset_size(j->train),
           (long long)tl_dataset_size(j->test));
    printf("optimizer: %s, learning rate %g, batches of %lld\n", tl_optimizer_name(t->optimizer), tl_optimizer_lr(t->optimizer, 0),
           (long long)v->set.batch);
    printf("device:    %s (%s), %d threads\nseed:      %s\n\n", tl_default_device(), tl_backend_name(), tl_get_num_threads(),
           t->seed_text);
    fflush(stdout);
}

static tl_status json_epoch(const struct tl_fit_event *e, void *ctx)
{
    const struct invocation *v = ctx;
    if (!v->set.json)
        return stop_if_interrupted(e, NULL);
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_integer_of(&j, "epoch", e->record->epoch);
    json_integer_of(&j, "steps", e->record->steps);
    json_number_of(&j, "train_loss", e->record->train_loss);
    json_number_of(&j, "train_loss_std", e->record->train_loss_std);
    json_number_of(&j, "train_metric", e->record->train_metric);
    json_number_of(&j, "validation_loss", e->record->validation_loss);
    json_number_of(&j, "validation_loss_std", e->record->validation_loss_std);
    json_number_of(&j, "validation_metric", e->record->validation_metric);
    json_number_of(&j, "learning_rate", e->record->learning_rate);
    json_number_of(&j, "seconds", e->record->seconds);
    json_close(&j, '}');
    json_end(&j);
    return stop_if_interrupted(e, NULL);
}

static tl_status fit(struct training *t, const struct invocation *v)
{
    const struct settings *s = &v->set;
    const struct job *j = &t->job;
    int64_t n_classes;
    const char *const *names = job_classes(j, &n_classes);
    char *classes = list_classes(names, n_classes);
    char resize[24], batch[24], hold_out[24], patience[24], clip[24], threads[24];
    snprintf(threads, sizeof threads, "%d", tl_get_num_threads());
    snprintf(resize, sizeof resize, "%lld", (long long)j->resize);
    snprintf(batch, sizeof batch, "%lld", (long long)s->batch);
    snprintf(hold_out, sizeof hold_out, "%.17g", s->hold_out);
    snprintf(patience, sizeof patience, "%lld", (long long)s->patience);
    snprintf(clip, sizeof clip, "%.17g", s->clip);
    const char *const notes[] = {"telar.model",       j->model->name,
                                 "telar.options",     j->options,
                                 "telar.seed",        t->seed_text,
                                 "telar.data",        j->data_name,
                                 "telar.data_path",   j->data_options.path ? j->data_options.path : "",
                                 "telar.data_options", j->data_text,
                                 "telar.classes",     classes ? classes : "",
                                 "telar.optimizer",   s->optimizer,
                                 "telar.schedule",    s->schedule,
                                 "telar.batch",       batch,
                                 "telar.hold_out",    hold_out,
                                 "telar.patience",    patience,
                                 "telar.clip",        clip,
                                 "telar.threads",     threads,
                                 "telar.backend",     tl_backend_name(),
                                 "telar.freeze",      j->freeze ? j->freeze : "",
                                 "telar.replace",     j->replace ? j->replace : "",
                                 "telar.resize",      j->resize ? resize : "",
                                 "telar.dtype",       tl_dtype_name(j->dtype),
                                 "telar.weights",     j->listed ? j->listed->name : "",
                                 NULL};
    bool talk = !s->quiet && !s->json;
    struct tl_fit_options o = {.struct_size = sizeof o, .epochs = s->epochs, .validation = t->validation, .schedule = t->schedule};
    job_functions(&t->job, &o);
    o.schedule_by_batch = strcmp(s->schedule, "one-cycle") == 0;
    o.clip_norm = s->clip;
    o.compile = s->compile;
    o.patience = s->patience;
    o.restore_best = s->patience > 0;
    o.on_batch = stop_if_interrupted;
    o.on_batch_needs_no_loss = true;
    o.on_epoch = json_epoch;
    o.callback_ctx = (void *)(uintptr_t)v;
    o.history = t->history;
    o.progress = talk ? stderr : NULL;
    o.lines = talk ? stdout : NULL;
    o.checkpoint = s->save;
    o.resume = s->resume;
    o.notes = notes;
    survive_interrupts();
    tl_status status = tl_fit_with(j->trained, t->train, t->optimizer, &o);
    free(classes);
    return status;
}

static tl_status write_pictures(const struct training *t, const struct invocation *v)
{
    char title[200];
    snprintf(title, sizeof title, "%s on %s", t->job.model->name, t->job.data_name);
    tl_status s = TL_OK;
    if (v->set.history)
        s = tl_history_save_csv(t->history, v->set.history);
    if (s == TL_OK && v->set.plot)
        s = tl_history_plot(t->history, v->set.plot, .title = title);
    return s;
}

static tl_status report(struct training *t, const struct invocation *v)
{
    struct measured m;
    tl_status s = job_measure(&t->job, v, t->job.test, &m);
    if (s == TL_OK && v->set.json) {
        struct json j = json_new(stdout);
        json_open(&j, '{');
        json_text_of(&j, "model", t->job.model->name);
        json_text_of(&j, "data", t->job.data_name);
        json_text_of(&j, "seed", t->seed_text);
        json_measured(&j, &m);
        json_close(&j, '}');
        json_end(&j);
    } else if (s == TL_OK) {
        printf("\non %lld held-out samples: loss %.4f", (long long)m.evaluation.samples, m.evaluation.loss);
        print_scores(&m);
        fputs(m.confusion ? "\n\n" : "\n", stdout);
        s = print_measured(&m, v);
    }
    tl_confusion_free(m.confusion);
    return s;
}

/* Names that cannot be written are told before there is something to lose. */
static int check_files(const struct invocation *v)
{
    const char *plot = v->set.plot, *dot = plot ? strrchr(plot, '.') : NULL;
    if (plot && (!dot || (strcmp(dot, ".svg") != 0 && strcmp(dot, ".png") != 0)))
        return misused(v, "--plot %s: expected a name ending in .svg or .png", plot);
    tl_status s = v->set.save ? tl_state_can_save(v->set.save) : TL_OK;
    if (s != TL_OK)
        tl_error_prefix(given(v, "save") ? "--save: " : "--resume without --save: ");
    if (s == TL_ERR_UNSUPPORTED)
        return misused(v, "%s", tl_error_message());
    if (s == TL_OK && v->set.history)
        s = tl_atomic_try(v->set.history);
    if (s == TL_OK && plot)
        s = tl_atomic_try(plot);
    return s == TL_OK ? EXIT_OK : failed();
}

static void print_tail(const struct invocation *v)
{
    if (v->set.save)
        printf("\nsaved:   %s\n", v->set.save);
    if (v->set.plot)
        printf("%spicture: %s\n", v->set.save ? "" : "\n", v->set.plot);
    if (interrupted())
        printf("interrupted%s\n", v->set.save ? "; go on with --resume" : ", and not saved");
}

int run_train(const struct invocation *line)
{
    struct invocation own = *line, *v = &own;
    if (v->set.weights && v->set.resume)
        return misused(v, "--weights and --resume exclude each other: a checkpoint has the weights");
    if (!v->set.save) /* or what is learnt now would be lost */
        v->set.save = v->set.resume;
    int code = check_files(v);
    if (code != EXIT_OK)
        return code;
    struct training t = {0};
    bool talk = !v->set.quiet && !v->set.json;
    tl_status s = prepare_training(&t, v);
    if (s == TL_OK && talk)
        print_head(&t, v);
    if (s == TL_OK)
        s = fit(&t, v);
    if (s == TL_OK && tl_history_count(t.history) > 0)
        s = report(&t, v);
    if (s == TL_OK && tl_history_count(t.history) > 0)
        s = write_pictures(&t, v);
    if (s == TL_OK && talk)
        print_tail(v);
    code = s == TL_OK ? (interrupted() ? 130 : EXIT_OK) : failed();
    free_training(&t);
    return code;
}
