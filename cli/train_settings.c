/* SPDX-License-Identifier: Apache-2.0
 *
 * What telar train is told beside the command line, and what it notes for the next time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/train.h"

void choose_seed(struct training *t, const struct invocation *v)
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
void warn_of_other_machine(const struct job *j, const struct invocation *v)
{
    const char *threads = tl_state_note(j->weights, "telar.threads"), *backend = tl_state_note(j->weights, "telar.backend");
    if (v->set.quiet || !threads || !backend || (atoi(threads) == tl_get_num_threads() && strcmp(backend, tl_backend_name()) == 0))
        return;
    fprintf(stderr, "telar: this run began with %s threads on %s and goes on with %d on %s: the last bits may differ\n", threads, backend,
            tl_get_num_threads(), tl_backend_name());
}

tl_status make_schedule(struct training *t, const struct settings *s, int64_t batches)
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
tl_status recall(const struct job *j, struct invocation *v)
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
tl_status follow_streams(const struct training *t, struct invocation *v)
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
void follow_custom(const struct tl_model *m, struct invocation *v)
{
    const struct tl_model_training *usual = v->set.resume ? NULL : tl_model_training(m);
    if (!usual)
        return;
    if (usual->batch > 0 && !given(v, "batch"))
        v->set.batch = usual->batch;
    v->set.optimizer = usual_optimizer(m, v, &v->set.lr, &v->set.momentum);
}

/* ---- Notes ---------------------------------------------------------------------------------------------------------------- */

/* Text NULL: an empty one. */
static void note_text(struct notes *n, const char *key, const char *text)
{
    if (n->n < MOST_NOTES) {
        n->list[2 * n->n] = key;
        n->list[2 * n->n + 1] = text ? text : "";
    }
    n->n++;
}

static void note_number(struct notes *n, const char *key, double number)
{
    char *text = n->numbers[n->n < MOST_NOTES ? n->n : 0];
    snprintf(text, NUMBER_TEXT, "%.17g", number);
    note_text(n, key, text);
}

tl_status collect_notes(struct notes *n, const struct training *t, const struct invocation *v)
{
    const struct settings *s = &v->set;
    const struct job *j = &t->job;
    int64_t n_classes;
    const char *const *names = job_classes(j, &n_classes);
    *n = (struct notes){.classes = list_classes(names, n_classes)};
    note_text(n, "telar.model", j->model->name);
    note_text(n, "telar.options", j->options);
    note_text(n, "telar.weights", j->listed ? j->listed->name : NULL);
    note_text(n, "telar.seed", t->seed_text);
    note_text(n, "telar.data", j->data_name);
    note_text(n, "telar.data_path", j->data_options.path);
    note_text(n, "telar.data_options", j->data_text);
    note_text(n, "telar.classes", n->classes);
    note_text(n, "telar.optimizer", s->optimizer);
    note_text(n, "telar.schedule", s->schedule);
    note_number(n, "telar.batch", (double)s->batch);
    note_number(n, "telar.hold_out", s->hold_out);
    note_number(n, "telar.patience", (double)s->patience);
    note_number(n, "telar.clip", s->clip);
    note_number(n, "telar.threads", tl_get_num_threads());
    note_text(n, "telar.backend", tl_backend_name());
    note_text(n, "telar.freeze", j->freeze);
    note_text(n, "telar.replace", j->replace);
    if (j->resize)
        note_number(n, "telar.resize", (double)j->resize);
    note_text(n, "telar.dtype", tl_dtype_name(j->dtype));
    if (n->n <= MOST_NOTES)
        return TL_OK;
    free(n->classes);
    return tl_fail(TL_ERR_LIMIT, "%d notes; there is room for %d", n->n, (int)MOST_NOTES);
}
