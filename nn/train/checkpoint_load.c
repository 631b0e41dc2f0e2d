/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading checkpoints. First a copy is taken of everything that will be overwritten, so that a file that fails half way changes
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/optim/early_stopping.h"
#include "nn/train/checkpoint.h"

/* Read `n` elements under a name; a missing name or another shape is an error. */
static tl_status read_numbers(const tl_state *s, const char *name, tl_dtype dtype, void *to, int64_t n)
{
    tl_tensor *t = tl_state_get(s, name);
    if (!t)
        return tl_fail(TL_ERR_FORMAT, "there is no \"%s\": not a checkpoint of this kind of run", name);
    if (tl_numel(t) != n || tl_dtype_of(t) != dtype)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": expected %lld elements of %s, got %lld of %s", name, (long long)n,
                       tl_dtype_name(dtype), (long long)tl_numel(t), tl_dtype_name(tl_dtype_of(t)));
    return tl_copy_out(t, dtype, to, (size_t)n * tl_dtype_size(dtype));
}

/* A file being read. */
struct reading {
    const tl_state *state;
    int64_t head[HEAD];
    bool fit; /* for tl_fit(), which can go on within an epoch, and may begin to watch for early stopping */
};

static tl_status read_head(struct reading *r)
{
    if (!tl_state_get(r->state, PREFIX "progress"))
        return tl_fail(TL_ERR_FORMAT, "these are weights without the state of a training run; load them as weights");
    if (!tl_state_get(r->state, PREFIX "checkpoint"))
        return tl_fail(TL_ERR_FORMAT, "it was written by an earlier version, in version 1 of the format; this one reads version %d. "
                       "Its weights can be loaded", VERSION);
    tl_status status = read_numbers(r->state, PREFIX "checkpoint", TL_I64, r->head, HEAD);
    if (status == TL_OK && r->head[HEAD_VERSION] != VERSION)
        status = tl_fail(TL_ERR_FORMAT, "it is in version %lld of the format; this one reads version %d. Its weights can be loaded",
                         (long long)r->head[HEAD_VERSION], VERSION);
    return status;
}

static tl_status load_weights(const struct tl_checkpoint *c, const struct reading *r)
{
    if (!c->module)
        return TL_OK;
    tl_state *weights = state_part(r->state, r->head[HEAD_STOPPING] == STOPPING_OWNS_PLAIN_NAMES ? PREFIX "last." : "");
    tl_status status = weights ? tl_module_load_state(c->module, weights, true) : tl_error_code();
    tl_state_free(weights);
    return status;
}

static tl_status load_generators(struct tl_checkpoint *c, struct position *p, const tl_state *s)
{
    unsigned char bytes[TL_GENERATOR_STATE_SIZE];
    tl_status status = TL_OK;
    if (p->batch > 0)
        status = read_numbers(s, PREFIX "epoch.generator", TL_U8, p->epoch_generator, TL_GENERATOR_STATE_SIZE);
    if (status == TL_OK && p->batch > 0 && c->generator)
        status = read_numbers(s, PREFIX "epoch.loader_generator", TL_U8, p->loader_generator, TL_GENERATOR_STATE_SIZE);
    if (status == TL_OK && c->generator) {
        status = read_numbers(s, PREFIX "loader_generator", TL_U8, bytes, TL_GENERATOR_STATE_SIZE);
        if (status == TL_OK)
            status = tl_generator_set_state(c->generator, bytes);
    }
    if (status == TL_OK)
        status = read_numbers(s, PREFIX "generator", TL_U8, bytes, TL_GENERATOR_STATE_SIZE);
    return status == TL_OK ? tl_generator_set_state(tl_default_generator(), bytes) : status;
}

static tl_status load_progress(struct tl_checkpoint *c, struct position *p, const struct reading *r)
{
    int64_t progress[PROGRESS];
    tl_status status = read_numbers(r->state, PREFIX "progress", TL_I64, progress, PROGRESS);
    for (int i = 0; status == TL_OK && i < PROGRESS; i++)
        if (progress[i] < 0 || progress[i] > MOST)
            status = tl_fail(TL_ERR_FORMAT, "\"telar.progress\": %lld at place %d cannot be a number of epochs, steps or batches",
                             (long long)progress[i], i);
    if (status == TL_OK && progress[2] > 0 && !r->fit && c->optimizer)
        status = tl_fail(TL_ERR_STATE, "it was written within epoch %lld, after batch %lld; only tl_fit() can go on from there",
                         (long long)progress[0] + 1, (long long)progress[2]);
    if (status == TL_OK && progress[2] > 0)
        status = read_numbers(r->state, PREFIX "running", TL_F64, p->running, 6);
    if (status != TL_OK)
        return status;
    c->epoch = progress[0];
    c->step = progress[1];
    p->batch = progress[2];
    return TL_OK;
}

static tl_status load_schedules(const struct tl_checkpoint *c, const struct reading *r)
{
    char prefix[64];
    size_t n = count_schedules(c);
    tl_status status = TL_OK;
    if ((int64_t)n != r->head[HEAD_SCHEDULES] && (n > 0 || r->fit))
        return tl_fail(TL_ERR_STATE, "it holds %lld learning-rate schedules, and there are %zu here",
                       (long long)r->head[HEAD_SCHEDULES], n);
    for (size_t i = 0; status == TL_OK && i < n; i++) {
        snprintf(prefix, sizeof prefix, PREFIX "schedule.%zu.", i);
        status = tl_schedule_load_state(c->schedules[i], r->state, prefix);
    }
    return status;
}

static tl_status load_stopping(const struct tl_checkpoint *c, const struct reading *r)
{
    if (!c->stopping || (r->fit && r->head[HEAD_STOPPING] == NO_STOPPING))
        return TL_OK;
    if (r->head[HEAD_STOPPING] == NO_STOPPING)
        return tl_fail(TL_ERR_STATE, "it was saved without early stopping");
    if (r->head[HEAD_STOPPING] != STOPPING_OWNS_PLAIN_NAMES)
        return tl_early_stopping_load_state(c->stopping, r->state, PREFIX "stopping.");
    tl_state *best = state_part(r->state, "");
    tl_status status = best ? early_stopping_load(c->stopping, r->state, PREFIX "stopping.", best) : tl_error_code();
    tl_state_free(best);
    return status;
}

/* The user's tensors keep their places if they fit, so that who holds them sees the values that were loaded. */
static tl_status keep_places(const tl_state *present, const tl_state *loaded, tl_state *next)
{
    tl_status status = TL_OK;
    for (size_t i = 0; status == TL_OK && i < tl_state_count(loaded); i++) {
        const char *name = tl_state_name(loaded, i);
        tl_tensor *from = tl_state_at(loaded, i), *to = tl_state_get(present, name);
        bool fits = to && tl_dtype_of(to) == tl_dtype_of(from) && tl_ndim(to) == tl_ndim(from) &&
                    memcmp(tl_shape(to), tl_shape(from), (size_t)tl_ndim(to) * sizeof(int64_t)) == 0;
        if (fits)
            TL_NO_GRAD TL_SCOPE status = tl_copy_(to, from) ? TL_OK : tl_error_code();
        if (status == TL_OK)
            status = tl_state_add(next, name, fits ? to : from);
    }
    return status;
}

static tl_status load_extra(const struct tl_checkpoint *c, const struct reading *r)
{
    static const char prefix[] = PREFIX "extra.";
    size_t skip = sizeof prefix - 1;
    if (!c->extra)
        return TL_OK;
    if (!r->head[HEAD_EXTRA])
        return tl_fail(TL_ERR_STATE, "it was saved without extra tensors and notes");
    tl_state *loaded = state_part(r->state, prefix), *next = loaded ? tl_state_new() : NULL;
    tl_status status = next ? keep_places(c->extra, loaded, next) : tl_error_code();
    for (size_t i = 0; status == TL_OK && i < tl_state_note_count(r->state); i++) {
        const char *key = tl_state_note_key(r->state, i);
        if (strncmp(key, prefix, skip) == 0)
            status = tl_state_set_note(next, key + skip, tl_state_note(r->state, key));
    }
    if (status == TL_OK)
        tl_state_swap(c->extra, next);
    tl_state_free(next);
    tl_state_free(loaded);
    return status;
}

static tl_status apply(struct tl_checkpoint *c, struct position *p, const struct reading *r)
{
    tl_status status = load_progress(c, p, r);
    if (status == TL_OK)
        status = load_weights(c, r);
    if (status == TL_OK && c->optimizer)
        status = tl_optimizer_load_state(c->optimizer, r->state, PREFIX "optimizer.");
    if (status == TL_OK)
        status = load_schedules(c, r);
    if (status == TL_OK)
        status = load_stopping(c, r);
    if (status == TL_OK)
        status = load_extra(c, r);
    if (status == TL_OK)
        status = load_generators(c, p, r->state);
    if (status == TL_OK && c->history)
        status = history_load(r->state, c->history);
    return status;
}

/* What c's objects hold now, copied. */
static tl_state *backup_of(const struct tl_checkpoint *c)
{
    static const struct position between = {0};
    struct tl_checkpoint present = *c;
    present.epoch = present.step = 0;
    present.notes = NULL;
    tl_state *shared = checkpoint_collect(&present, &between), *copy = shared ? tl_state_clone(shared) : NULL;
    tl_state_free(shared);
    return copy;
}

/* Undo what a failed apply() has done, and leave its error. */
static void put_back(const struct tl_checkpoint *c, const tl_state *backup)
{
    tl_status code = tl_error_code();
    char *message = strdup(tl_error_message());
    struct tl_checkpoint scratch = *c;
    struct position position = {0};
    struct reading r = {.state = backup};
    tl_error_clear();
    if (read_head(&r) != TL_OK || apply(&scratch, &position, &r) != TL_OK)
        tl_log_message(TL_LOG_ERROR, "checkpoint", "what was there before could not be put back: %s", tl_error_message());
    tl_error_clear();
    tl_fail(code, "%s", message ? message : "out of memory");
    free(message);
}

tl_status checkpoint_load(struct tl_checkpoint *c, struct position *p, const char *path)
{
    struct reading r = {.state = tl_state_load(path), .fit = p != NULL};
    if (!r.state)
        return tl_error_code();
    struct tl_checkpoint result = *c;
    struct position position = {0};
    tl_state *backup = NULL;
    tl_status status = read_head(&r);
    if (status == TL_OK)
        status = (backup = backup_of(c)) ? TL_OK : tl_error_code();
    if (status == TL_OK && (status = apply(&result, &position, &r)) != TL_OK)
        put_back(c, backup);
    if (status == TL_OK) {
        *c = result;
        if (p)
            *p = position;
    } else {
        tl_error_prefix("checkpoint %s: ", path);
    }
    tl_state_free(backup);
    tl_state_free((tl_state *)(uintptr_t)r.state);
    return status;
}

tl_status tl_checkpoint_load(struct tl_checkpoint *c, const char *path)
{
    if (!c || !path)
        return tl_fail(TL_ERR_ARGUMENT, "checkpoint: missing argument");
    struct tl_checkpoint all = checkpoint_taken(c);
    tl_status status = checkpoint_load(&all, NULL, path);
    if (status == TL_OK) {
        c->epoch = all.epoch;
        c->step = all.step;
    }
    return status;
}

tl_state *tl_state_weights(const tl_state *s)
{
    if (s)
        return state_part(s, "");
    tl_fail(TL_ERR_ARGUMENT, "state: there is none to take weights from");
    return NULL;
}
