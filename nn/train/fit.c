/* SPDX-License-Identifier: Apache-2.0
 *
 * The training loop. Everything that a run needs to go on after a stop is in struct run and in the objects that it
 * names, so a checkpoint can be taken after any step: an epoch that is under way is resumed by drawing its order again
 * from the generator's state at its beginning and skipping the batches that are done.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/optim/early_stopping.h"
#include "nn/train/checkpoint.h"
#include "nn/train/fit.h"

static tl_status call_back(struct run *r, tl_fit_callback callback, double loss, const struct tl_epoch *record)
{
    if (!callback)
        return TL_OK;
    struct tl_fit_event e = {r->module, record ? r->at.epoch : r->at.epoch + 1, r->o->epochs > 0 ? r->o->epochs : 1, r->position.batch,
                             tl_loader_length(r->train), r->at.step, loss, weighted_mean(&r->loss), record};
    tl_status s = TL_OK;
    TL_SCOPE s = callback(&e, r->o->callback_ctx);
    if (s == TL_ERR_STOPPED) {
        r->stop = true;
        tl_error_clear();
        return TL_OK;
    }
    if (s != TL_OK && tl_error_code() == TL_OK)
        tl_fail(s, "a callback stopped training without saying why");
    return s;
}

/* ---- One epoch -------------------------------------------------------------------------------------------------------- */

static void note_generators(struct run *r)
{
    tl_generator_get_state(tl_default_generator(), r->position.epoch_generator);
    if (r->o->generator)
        tl_generator_get_state(r->o->generator, r->position.loader_generator);
}

/* Start the loader where an interrupted epoch stood. */
static tl_status reenter_epoch(struct run *r)
{
    unsigned char now[TL_GENERATOR_STATE_SIZE], loader_now[TL_GENERATOR_STATE_SIZE];
    tl_generator_get_state(tl_default_generator(), now);
    tl_status s = tl_generator_set_state(tl_default_generator(), r->position.epoch_generator);
    if (s == TL_OK && r->o->generator) {
        tl_generator_get_state(r->o->generator, loader_now);
        s = tl_generator_set_state(r->o->generator, r->position.loader_generator);
    }
    if (s == TL_OK)
        s = tl_loader_start(r->train);
    for (int64_t i = 0; s == TL_OK && i < r->position.batch; i++)
        TL_SCOPE {
            tl_tensor *batch[TL_MAX_FIELDS];
            if (tl_loader_next(r->train, batch) != 1)
                s = tl_fail(TL_ERR_STATE, "the checkpoint is at batch %lld, but the epoch has %lld: not the same data or batch size",
                            (long long)r->position.batch, (long long)tl_loader_length(r->train));
        }
    if (s == TL_OK)
        s = tl_generator_set_state(tl_default_generator(), now);
    if (s == TL_OK && r->o->generator)
        s = tl_generator_set_state(r->o->generator, loader_now);
    const double *k = r->position.running;
    r->loss = (struct weighted){k[0], k[1], (int64_t)k[2]};
    r->metric = (struct weighted){k[3], k[4], (int64_t)k[5]};
    return s;
}

static tl_status enter_epoch(struct run *r)
{
    r->epoch_begun = clock_seconds();
    if (r->position.batch > 0)
        return reenter_epoch(r);
    r->loss = r->metric = (struct weighted){0, 0, 0};
    note_generators(r);
    return tl_loader_start(r->train);
}

static tl_status run_batches(struct run *r, tl_progress *bar)
{
    tl_status s = TL_OK;
    for (int more = 1; s == TL_OK && more == 1 && !r->stop;) {
        double loss = NAN;
        TL_SCOPE {
            tl_tensor *batch[TL_MAX_FIELDS];
            more = tl_loader_next(r->train, batch);
            if (more < 0)
                s = tl_error_code();
            if (more != 1)
                break;
            s = train_batch(r, batch, &loss);
        }
        if (s != TL_OK)
            tl_error_prefix("batch %lld: ", (long long)r->position.batch + 1);
        if (s != TL_OK || more != 1)
            break;
        r->position.batch++;
        if (late_numbers_due(&r->late) && (s = read_late(r)) != TL_OK)
            break;
        s = call_back(r, r->o->on_batch, loss, NULL);
        char note[32];
        snprintf(note, sizeof note, "loss %.4f", weighted_mean(&r->loss));
        tl_progress_update(bar, r->position.batch, note);
    }
    return s;
}

static tl_status train_epoch(struct run *r)
{
    char label[64];
    snprintf(label, sizeof label, "epoch %lld/%lld", (long long)r->at.epoch + 1, (long long)r->o->epochs);
    tl_train(r->module);
    tl_status s = enter_epoch(r);
    if (s != TL_OK)
        return s;
    tl_progress *bar = tl_progress_new(r->o->progress, label, tl_loader_length(r->train));
    s = run_batches(r, bar);
    if (s == TL_OK)
        s = read_late(r);
    tl_progress_end(bar);
    if (s == TL_OK && r->loss.n == 0 && !r->stop)
        s = tl_fail(TL_ERR_ARGUMENT, "the training data have no batch");
    return s;
}

/* ---- Between epochs --------------------------------------------------------------------------------------------------- */

static double watched(const struct tl_fit_options *o, const struct tl_epoch *e)
{
    if (o->watch_metric)
        return o->validation ? e->validation_metric : e->train_metric;
    return o->validation ? e->validation_loss : e->train_loss;
}

static tl_status judge(struct run *r, double value)
{
    const struct tl_fit_options *o = r->o;
    int64_t best;
    bool stop = false;
    tl_status s = r->at.stopping ? tl_early_stopping_step(r->at.stopping, value, &stop) : TL_OK;
    if (s == TL_OK && stop) {
        r->stop = true;
        tl_early_stopping_best(r->at.stopping, &best);
        if (o->lines)
            fprintf(o->lines, "no improvement for %lld epochs: stopping; the best was epoch %lld\n", (long long)o->patience,
                    (long long)(r->at.epoch - r->at.stopping->t + best));
    }
    return s;
}

static tl_status save(struct run *r)
{
    const double running[] = {r->loss.mean,   r->loss.squares,   (double)r->loss.n,
                              r->metric.mean, r->metric.squares, (double)r->metric.n};
    memcpy(r->position.running, running, sizeof running);
    return r->o->checkpoint ? checkpoint_save(&r->at, &r->position, r->o->checkpoint) : TL_OK;
}

static tl_status finish_epoch(struct run *r)
{
    const struct tl_fit_options *o = r->o;
    struct tl_evaluation v = {0, NAN, NAN, NAN, NAN, 0};
    tl_status s = o->validation ? tl_evaluate(r->module, o->validation, o, NULL, NULL, &v) : TL_OK;
    if (s != TL_OK)
        return s;
    /* The last step of an epoch can ruin the weights with a loss that was finite before it: they must not take a good checkpoint's
     * place. */
    if (v.samples > 0 && !isfinite(v.loss) && !o->allow_nonfinite)
        return tl_fail(TL_ERR_STATE, "the validation loss is %s; look for NaN or infinity in the data, or lower the learning rate (now %g)",
                       isnan(v.loss) ? "NaN" : "infinite", tl_optimizer_lr(r->optimizer, 0));
    r->at.epoch++;
    r->position.batch = 0;
    struct tl_epoch e = {r->at.epoch, r->at.step, weighted_mean(&r->loss), weighted_std(&r->loss), v.loss, v.loss_std,
                         weighted_mean(&r->metric), weighted_std(&r->metric), v.metric, v.metric_std,
                         tl_optimizer_lr(r->optimizer, 0), clock_seconds() - r->epoch_begun};
    s = tl_history_add(r->history, &e);
    if (o->lines)
        print_epoch(o->lines, &e, o, r->lines++ == 0, tl_history_metric_name(r->history));
    if (s == TL_OK)
        s = judge(r, watched(o, &e));
    if (s == TL_OK && !o->schedule_by_batch)
        s = step_schedules(r, watched(o, &e));
    if (s == TL_OK)
        s = call_back(r, o->on_epoch, e.train_loss, &e);
    return s;
}

/* A checkpoint that cannot be written (no folder, no room, a format that does not hold such a state) is told before an epoch is lost by it. */
static tl_status try_checkpoint(const struct run *r)
{
    if (!r->o->checkpoint)
        return TL_OK;
    tl_state *s = checkpoint_collect(&r->at, &r->position);
    tl_status status = s ? tl_state_try(s, r->o->checkpoint) : tl_error_code();
    tl_state_free(s);
    if (status != TL_OK)
        tl_error_prefix("fit: checkpoint: ");
    return status;
}

static tl_status loop(struct run *r)
{
    const struct tl_fit_options *o = r->o;
    int64_t every = o->checkpoint_every > 0 ? o->checkpoint_every : 1;
    if (r->at.epoch >= o->epochs) { /* resumed where the end was */
        if (o->lines)
            fprintf(o->lines, "nothing to do: already at epoch %lld; asked for %lld in all\n", (long long)r->at.epoch,
                    (long long)o->epochs);
        return save(r);
    }
    if (o->resume && o->lines)
        print_resumed(r);
    tl_status s = try_checkpoint(r);
    while (s == TL_OK && !r->stop && r->at.epoch < o->epochs) {
        s = train_epoch(r);
        bool whole = s == TL_OK && !(r->stop && r->position.batch < tl_loader_length(r->train));
        if (whole)
            s = finish_epoch(r);
        if (s != TL_OK) {
            tl_error_prefix("fit: epoch %lld: ", (long long)r->at.epoch + 1);
            break;
        }
        if (r->stop || r->at.epoch == o->epochs || (whole && r->at.epoch % every == 0))
            s = save(r);
    }
    return s;
}

/* ---- The run ---------------------------------------------------------------------------------------------------------- */

static tl_status check_options(tl_module *m, tl_loader *train, tl_optimizer *optimizer, const struct tl_fit_options *o)
{
    if (!m || !train || !optimizer)
        return tl_fail(TL_ERR_ARGUMENT, "fit: a module, a loader and an optimizer are needed");
    if (o->epochs < 1)
        return tl_fail(TL_ERR_ARGUMENT, "fit: %lld epochs; expected at least 1", (long long)o->epochs);
    if (o->watch_metric && !update_has_metric(o))
        return tl_fail(TL_ERR_ARGUMENT, "fit: watch_metric is set, but there is no metric");
    return TL_OK;
}

static tl_status resume(struct run *r)
{
    if (!r->o->resume)
        return TL_OK;
    tl_status s = checkpoint_load(&r->at, &r->position, r->o->resume);
    if (s == TL_OK && r->position.batch >= tl_loader_length(r->train))
        s = tl_fail(TL_ERR_STATE, "checkpoint %s: it is at batch %lld of an epoch, but there are %lld: not the same data or batch size",
                    r->o->resume, (long long)r->position.batch, (long long)tl_loader_length(r->train));
    return s;
}

static tl_status start(struct run *r)
{
    const struct tl_fit_options *o = r->o;
    if (update_has_metric(o)) {
        const char *name = o->metric_name ? o->metric_name : o->metric == tl_metric_accuracy ? "accuracy" : "metric";
        tl_status s = tl_history_set_metric_name(r->history, name);
        if (s != TL_OK)
            return s;
    }
    return resume(r);
}

/* The schedule and those of the list, in one. */
static tl_schedule **list_schedules(const struct tl_fit_options *o)
{
    size_t more = 0, n = 0;
    while (o->schedules && o->schedules[more])
        more++;
    tl_schedule **list = calloc(more + 2, sizeof *list);
    if (!list) {
        tl_fail(TL_ERR_NOMEM, "fit: out of memory");
        return NULL;
    }
    if (o->schedule)
        list[n++] = o->schedule;
    for (size_t i = 0; i < more; i++)
        list[n++] = o->schedules[i];
    return list;
}

/* Patience counts the epochs that are borne, here and in tl_fit_options, but for the last. */
static tl_early_stopping *make_stopping(tl_module *m, const struct tl_fit_options *o)
{
    return tl_early_stopping_new(.patience = o->patience > 0 ? o->patience - 1 : INT64_MAX, .min_delta = o->min_delta,
                                 .rises = o->watch_metric && !o->metric_falls, .module = !o->restore_best ? NULL : o->whole ? o->whole : m);
}

static tl_status prepare(struct run *r)
{
    const struct tl_fit_options *o = r->o;
    r->fields = tl_dataset_info(tl_loader_dataset(r->train))->n_fields;
    r->history = o->history ? o->history : tl_history_new();
    r->schedules = r->history ? list_schedules(o) : NULL;
    if (!r->schedules)
        return tl_error_code();
    r->at = (struct tl_checkpoint){.struct_size = sizeof r->at, .module = o->whole ? o->whole : r->module, .optimizer = r->optimizer, .schedules = r->schedules,
                                   .generator = o->generator, .history = r->history, .extra = o->extra, .notes = o->notes};
    if ((o->patience > 0 || o->restore_best) && !(r->at.stopping = make_stopping(r->module, o)))
        return tl_error_code();
    return start(r);
}

tl_status tl_fit_with(tl_module *m, tl_loader *train, tl_optimizer *optimizer, const struct tl_fit_options *given)
{
    struct tl_fit_options o;
    options_taken(&o, sizeof o, given);
    o.epochs = o.epochs ? o.epochs : 1;
    tl_status s = check_options(m, train, optimizer, &o);
    if (s != TL_OK)
        return s;
    struct run r = {.module = m, .train = train, .optimizer = optimizer, .o = &o};
    r.reads_late = strcmp(module_device(m), "cpu") != 0 && (!o.on_batch || o.on_batch_needs_no_loss) && !o.schedule_by_batch;
    s = prepare(&r);
    if (s == TL_OK && o.compile)
        s = compiled_open(&r.compiled, m, optimizer, &o);
    if (s == TL_OK)
        s = loop(&r);
    compiled_close(&r.compiled);
    late_numbers_clear(&r.late);
    if (s == TL_OK && o.restore_best && r.at.stopping->weights && r.position.batch == 0)
        s = tl_early_stopping_restore(r.at.stopping);
    tl_eval(m);
    tl_early_stopping_free(r.at.stopping);
    free(r.schedules);
    if (!o.history)
        tl_history_free(r.history);
    return s;
}
