/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints. One state dictionary, one file:
 *
 *     <name>                     weights to use: of the best epoch if there is one, else the present ones
 *     telar.last.<name>          present weights, where those above are not
 *     telar.optimizer.…          moments, rates        telar.schedule.…  position
 *     telar.generator            default generator     telar.loader_generator   the loader's own
 *     telar.epoch.generator, telar.epoch.loader_generator, telar.running   of an epoch that is under way
 *     telar.progress             i64: epoch, step, best epoch, batch, 1 if the weights to use are the best epoch's
 *     telar.best                 f64: best value
 *     telar.history              f64 [epochs, 12]
 *
 * Loading first takes a copy of everything that it will overwrite, so that a file that fails half way changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/train/train.h"

#define PREFIX "telar."
enum { EPOCH_COLUMNS = 12, PROGRESS = 5 };

static bool is_own(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* ---- States -------------------------------------------------------------------------------------------------------- */

static tl_status add_all(tl_state *to, const tl_state *from, const char *prefix, bool clone)
{
    char name[1024];
    tl_status s = from ? TL_OK : tl_error_code();
    for (size_t i = 0; s == TL_OK && i < tl_state_count(from); i++) {
        snprintf(name, sizeof name, "%s%s", prefix, tl_state_name(from, i));
        TL_SCOPE {
            tl_tensor *t = tl_state_at(from, i);
            TL_NO_GRAD t = clone ? tl_clone(t) : t;
            s = t ? tl_state_add(to, name, t) : tl_error_code();
        }
    }
    return s;
}

tl_state *state_clone(const tl_state *from)
{
    tl_state *to = from ? tl_state_new() : NULL;
    if (to && add_all(to, from, "", true) != TL_OK) {
        tl_state_free(to);
        return NULL;
    }
    return to;
}

/* Entries whose names begin with `prefix`, which is taken off; with "", those that are not Telar's own. NULL and an error. */
static tl_state *part_of(const tl_state *from, const char *prefix)
{
    size_t skip = strlen(prefix);
    tl_state *to = tl_state_new();
    for (size_t i = 0; to && i < tl_state_count(from); i++) {
        const char *name = tl_state_name(from, i);
        bool wanted = skip ? strncmp(name, prefix, skip) == 0 : !is_own(name);
        if (wanted && tl_state_add(to, name + skip, tl_state_at(from, i)) != TL_OK) {
            tl_state_free(to);
            return NULL;
        }
    }
    return to;
}

static tl_status add_bytes(tl_state *s, const char *name, const unsigned char *bytes)
{
    tl_status status = TL_OK;
    TL_SCOPE {
        tl_tensor *t = tl_from_data(TL_SHAPE(TL_GENERATOR_STATE_SIZE), bytes, (struct tl_options){.dtype = TL_U8, .device = "cpu"});
        status = t ? tl_state_add(s, name, t) : tl_error_code();
    }
    return status;
}

static tl_status add_numbers(tl_state *s, const char *name, tl_dtype dtype, const void *numbers, int64_t n)
{
    tl_status status = TL_OK;
    TL_SCOPE {
        tl_tensor *t = tl_from_data(TL_SHAPE(n), numbers, (struct tl_options){.dtype = dtype, .device = "cpu"});
        status = t ? tl_state_add(s, name, t) : tl_error_code();
    }
    return status;
}

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

/* ---- History ------------------------------------------------------------------------------------------------------- */

static void epoch_to_row(const struct tl_epoch *e, double row[EPOCH_COLUMNS])
{
    const double values[EPOCH_COLUMNS] = {(double)e->epoch,     (double)e->steps,         e->train_loss,
                                          e->train_loss_std,    e->validation_loss,       e->validation_loss_std,
                                          e->train_metric,      e->train_metric_std,      e->validation_metric,
                                          e->validation_metric_std, e->learning_rate,     e->seconds};
    memcpy(row, values, sizeof values);
}

static struct tl_epoch epoch_from_row(const double r[EPOCH_COLUMNS])
{
    return (struct tl_epoch){(int64_t)r[0], (int64_t)r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11]};
}

static tl_status add_history(tl_state *s, const tl_history *h)
{
    size_t n = tl_history_count(h);
    tl_status status = tl_state_set_note(s, "telar.metric", tl_history_metric_name(h));
    if (status != TL_OK || n == 0)
        return status;
    double *rows = calloc(n, EPOCH_COLUMNS * sizeof *rows);
    if (!rows)
        return tl_fail(TL_ERR_NOMEM, "checkpoint: out of memory");
    for (size_t i = 0; i < n; i++)
        epoch_to_row(tl_history_at(h, i), rows + i * EPOCH_COLUMNS);
    TL_SCOPE {
        tl_tensor *t = tl_from_data(TL_SHAPE((int64_t)n, EPOCH_COLUMNS), rows, (struct tl_options){.dtype = TL_F64, .device = "cpu"});
        status = t ? tl_state_add(s, PREFIX "history", t) : tl_error_code();
    }
    free(rows);
    return status;
}

static tl_status read_history(const tl_state *s, tl_history *h)
{
    tl_tensor *t = tl_state_get(s, PREFIX "history");
    if (t && (tl_ndim(t) != 2 || tl_size(t, 1) != EPOCH_COLUMNS || tl_dtype_of(t) != TL_F64))
        return tl_fail(TL_ERR_FORMAT, "\"telar.history\": expected f64 [epochs, %d]", EPOCH_COLUMNS);
    size_t n = t ? (size_t)tl_size(t, 0) : 0;
    double *rows = calloc(n ? n : 1, EPOCH_COLUMNS * sizeof *rows);
    if (!rows)
        return tl_fail(TL_ERR_NOMEM, "checkpoint: out of memory");
    tl_status status = n ? tl_copy_out(t, TL_F64, rows, n * EPOCH_COLUMNS * sizeof *rows) : TL_OK;
    for (size_t i = 0; status == TL_OK && i < n; i++)
        if (!(rows[i * EPOCH_COLUMNS] >= 0 && rows[i * EPOCH_COLUMNS] < 1e15 && rows[i * EPOCH_COLUMNS + 1] >= 0 &&
              rows[i * EPOCH_COLUMNS + 1] < 1e15))
            status = tl_fail(TL_ERR_FORMAT, "\"telar.history\": row %zu has no epoch number", i);
    if (status == TL_OK)
        history_clear(h);
    for (size_t i = 0; status == TL_OK && i < n; i++) {
        struct tl_epoch e = epoch_from_row(rows + i * EPOCH_COLUMNS);
        status = tl_history_add(h, &e);
    }
    free(rows);
    const char *metric = tl_state_note(s, "telar.metric");
    return status == TL_OK && metric ? tl_history_set_metric_name(h, metric) : status;
}

/* ---- Saving -------------------------------------------------------------------------------------------------------- */

static tl_status add_weights(tl_state *s, const struct tl_checkpoint *c)
{
    if (!c->module)
        return TL_OK;
    tl_state *present = tl_module_state(c->module);
    tl_status status = present ? TL_OK : tl_error_code();
    if (status == TL_OK && c->best_state) {
        status = add_all(s, c->best_state, "", false);
        if (status == TL_OK && c->best_epoch != c->epoch)
            status = add_all(s, present, PREFIX "last.", false);
    } else if (status == TL_OK) {
        status = add_all(s, present, "", false);
    }
    tl_state_free(present);
    return status;
}

static tl_status add_generators(tl_state *s, const struct tl_checkpoint *c)
{
    unsigned char bytes[TL_GENERATOR_STATE_SIZE];
    tl_generator_get_state(tl_default_generator(), bytes);
    tl_status status = add_bytes(s, PREFIX "generator", bytes);
    if (status == TL_OK && c->generator) {
        tl_generator_get_state(c->generator, bytes);
        status = add_bytes(s, PREFIX "loader_generator", bytes);
    }
    if (status == TL_OK && c->batch > 0)
        status = add_bytes(s, PREFIX "epoch.generator", c->epoch_generator);
    if (status == TL_OK && c->batch > 0 && c->generator)
        status = add_bytes(s, PREFIX "epoch.loader_generator", c->loader_generator);
    return status;
}

static tl_status add_notes(tl_state *s, const char *const *notes)
{
    tl_status status = tl_state_set_note(s, "telar.version", tl_version_string());
    for (size_t i = 0; status == TL_OK && notes && notes[i] && notes[i + 1]; i += 2)
        status = tl_state_set_note(s, notes[i], notes[i + 1]);
    return status;
}

/* Everything but the module's weights, which collect() and a backup treat differently. */
static tl_status add_training(tl_state *s, const struct tl_checkpoint *c)
{
    const int64_t progress[PROGRESS] = {c->epoch, c->step, c->best_epoch, c->batch, c->best_state != NULL};
    tl_status status = add_numbers(s, PREFIX "progress", TL_I64, progress, PROGRESS);
    if (status == TL_OK)
        status = add_numbers(s, PREFIX "best", TL_F64, &c->best, 1);
    if (status == TL_OK && c->batch > 0)
        status = add_numbers(s, PREFIX "running", TL_F64, c->running, 6);
    if (status == TL_OK && c->optimizer)
        status = tl_optimizer_save_state(c->optimizer, s, PREFIX "optimizer.");
    if (status == TL_OK && c->schedule)
        status = tl_schedule_save_state(c->schedule, s, PREFIX "schedule.");
    if (status == TL_OK)
        status = add_generators(s, c);
    if (status == TL_OK && c->history)
        status = add_history(s, c->history);
    return status;
}

static tl_state *collect(const struct tl_checkpoint *c)
{
    tl_state *s = tl_state_new();
    tl_status status = s ? add_weights(s, c) : tl_error_code();
    if (status == TL_OK)
        status = add_training(s, c);
    if (status == TL_OK)
        status = add_notes(s, c->notes);
    if (status == TL_OK)
        return s;
    tl_state_free(s);
    return NULL;
}

tl_status tl_checkpoint_save(const struct tl_checkpoint *c, const char *path)
{
    if (!c || !path)
        return tl_fail(TL_ERR_ARGUMENT, "checkpoint: missing argument");
    tl_state *s = collect(c);
    tl_status status = s ? tl_state_save(s, path) : tl_error_code();
    tl_state_free(s);
    return status;
}

/* ---- Loading ------------------------------------------------------------------------------------------------------- */

static tl_status load_weights(const struct tl_checkpoint *c, const tl_state *s)
{
    if (!c->module)
        return TL_OK;
    tl_state *weights = part_of(s, PREFIX "last.");
    if (weights && tl_state_count(weights) == 0) {
        tl_state_free(weights);
        weights = part_of(s, "");
    }
    tl_status status = weights ? tl_module_load_state(c->module, weights, true) : tl_error_code();
    tl_state_free(weights);
    return status;
}

static tl_status load_generators(struct tl_checkpoint *c, const tl_state *s)
{
    unsigned char bytes[TL_GENERATOR_STATE_SIZE];
    tl_status status = TL_OK;
    if (c->batch > 0)
        status = read_numbers(s, PREFIX "epoch.generator", TL_U8, c->epoch_generator, TL_GENERATOR_STATE_SIZE);
    if (status == TL_OK && c->batch > 0 && c->generator)
        status = read_numbers(s, PREFIX "epoch.loader_generator", TL_U8, c->loader_generator, TL_GENERATOR_STATE_SIZE);
    if (status == TL_OK && c->generator) {
        status = read_numbers(s, PREFIX "loader_generator", TL_U8, bytes, TL_GENERATOR_STATE_SIZE);
        if (status == TL_OK)
            status = tl_generator_set_state(c->generator, bytes);
    }
    if (status == TL_OK)
        status = read_numbers(s, PREFIX "generator", TL_U8, bytes, TL_GENERATOR_STATE_SIZE);
    return status == TL_OK ? tl_generator_set_state(tl_default_generator(), bytes) : status;
}

static tl_status load_progress(struct tl_checkpoint *c, const tl_state *s)
{
    int64_t progress[PROGRESS];
    tl_status status = read_numbers(s, PREFIX "progress", TL_I64, progress, PROGRESS);
    for (int i = 0; status == TL_OK && i < PROGRESS; i++)
        if (progress[i] < 0)
            status = tl_fail(TL_ERR_FORMAT, "\"telar.progress\": %lld is negative", (long long)progress[i]);
    if (status == TL_OK)
        status = read_numbers(s, PREFIX "best", TL_F64, &c->best, 1);
    if (status == TL_OK && progress[3] > 0)
        status = read_numbers(s, PREFIX "running", TL_F64, c->running, 6);
    if (status != TL_OK)
        return status;
    c->epoch = progress[0];
    c->step = progress[1];
    c->best_epoch = progress[2];
    c->batch = progress[3];
    return TL_OK;
}

static tl_status apply(struct tl_checkpoint *c, const tl_state *s)
{
    tl_status status = load_progress(c, s);
    if (status == TL_OK)
        status = load_weights(c, s);
    if (status == TL_OK && c->optimizer)
        status = tl_optimizer_load_state(c->optimizer, s, PREFIX "optimizer.");
    if (status == TL_OK && c->schedule)
        status = tl_schedule_load_state(c->schedule, s, PREFIX "schedule.");
    if (status == TL_OK)
        status = load_generators(c, s);
    if (status == TL_OK && c->history)
        status = read_history(s, c->history);
    return status;
}

/* The weights under plain names are the best epoch's when early stopping was at work. */
static tl_status load_best(struct tl_checkpoint *c, const tl_state *s)
{
    int64_t progress[PROGRESS];
    tl_status status = read_numbers(s, PREFIX "progress", TL_I64, progress, PROGRESS);
    if (status != TL_OK || !progress[PROGRESS - 1])
        return status;
    tl_state *best = part_of(s, "");
    c->best_state = best ? state_clone(best) : NULL;
    tl_state_free(best);
    return c->best_state ? TL_OK : tl_error_code();
}

/* What c's objects hold now, copied. */
static tl_state *backup_of(const struct tl_checkpoint *c)
{
    struct tl_checkpoint present = *c;
    present.best_state = NULL;
    present.epoch = present.step = present.best_epoch = present.batch = 0;
    present.notes = NULL;
    tl_state *shared = collect(&present), *copy = state_clone(shared);
    tl_state_free(shared);
    return copy;
}

/* Undo what a failed apply() has done, and leave its error. */
static void put_back(const struct tl_checkpoint *c, const tl_state *backup)
{
    tl_status code = tl_error_code();
    char *message = strdup(tl_error_message());
    struct tl_checkpoint scratch = *c;
    tl_error_clear();
    if (apply(&scratch, backup) != TL_OK)
        tl_error_clear();
    tl_fail(code, "%s", message ? message : "out of memory");
    free(message);
}

tl_status tl_checkpoint_load(struct tl_checkpoint *c, const char *path)
{
    if (!c || !path)
        return tl_fail(TL_ERR_ARGUMENT, "checkpoint: missing argument");
    tl_state *s = tl_state_load(path);
    if (!s)
        return tl_error_code();
    struct tl_checkpoint result = *c;
    result.best_state = NULL;
    tl_state *backup = NULL;
    tl_status status = TL_OK;
    if (!tl_state_get(s, PREFIX "progress"))
        status = tl_fail(TL_ERR_FORMAT, "these are weights without the state of a training run; load them as weights");
    if (status == TL_OK)
        status = (backup = backup_of(c)) ? TL_OK : tl_error_code();
    if (status == TL_OK) {
        status = apply(&result, s);
        if (status == TL_OK)
            status = load_best(&result, s);
        if (status != TL_OK)
            put_back(c, backup);
    }
    if (status == TL_OK)
        *c = result;
    else
        tl_error_prefix("checkpoint %s: ", path);
    tl_state_free(backup);
    tl_state_free(s);
    return status;
}

tl_state *tl_state_weights(const tl_state *s)
{
    return s ? part_of(s, "") : NULL;
}

tl_status tl_module_load_weights(tl_module *m, const char *path)
{
    if (!m || !path)
        return tl_fail(TL_ERR_ARGUMENT, "weights: missing argument");
    tl_state *s = tl_state_load(path);
    tl_state *weights = s ? part_of(s, "") : NULL;
    tl_status status = weights ? tl_module_load_state(m, weights, true) : tl_error_code();
    if (s && status != TL_OK)
        tl_error_prefix("weights %s: ", path);
    tl_state_free(weights);
    tl_state_free(s);
    return status;
}
