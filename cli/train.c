/* SPDX-License-Identifier: Apache-2.0
 *
 * telar train.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/train.h"

static tl_status stop_if_interrupted(const struct tl_fit_event *e, void *ctx)
{
    (void)e;
    (void)ctx;
    return interrupted() ? TL_ERR_STOPPED : TL_OK;
}

/* ---- The run ---------------------------------------------------------------------------------------------------------------- */

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
    struct notes notes;
    if (collect_notes(&notes, t, v) != TL_OK)
        return tl_error_code();
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
    o.notes = notes.list;
    survive_interrupts();
    tl_status status = tl_fit_with(j->trained, t->train, t->optimizer, &o);
    free(notes.classes);
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
