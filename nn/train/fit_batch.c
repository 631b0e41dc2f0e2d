/* SPDX-License-Identifier: Apache-2.0
 *
 * The training loop's part for one batch: the step, and what it is counted with.
 */
#include "nn/train/fit.h"

static struct tl_update update_of(struct run *r, bool descends)
{
    return (struct tl_update){.module = r->module, .optimizer = descends ? r->optimizer : NULL, .o = r->o, .late = r->reads_late};
}

tl_status read_late(struct run *r)
{
    tl_status s = TL_OK;
    for (int i = 0; s == TL_OK && i < r->late.n; i++) {
        const struct late_number *l = &r->late.list[i];
        double loss = tl_item(l->loss), metric = l->metric ? tl_item(l->metric) : 0;
        const struct tl_update u = update_of(r, true);
        s = update_check(&u, loss);
        if (s != TL_OK)
            tl_error_prefix("batch %lld: ", (long long)l->batch);
        if (s == TL_OK && l->metric)
            weighted_add(&r->metric, metric, l->samples);
        if (s == TL_OK)
            weighted_add(&r->loss, loss, l->samples);
    }
    late_numbers_clear(&r->late);
    return s;
}

tl_status step_schedules(struct run *r, double metric)
{
    tl_status s = TL_OK;
    for (size_t i = 0; s == TL_OK && r->schedules[i]; i++)
        s = tl_schedule_step(r->schedules[i], metric);
    return s;
}

/* What the batch is counted with: `loss` and `metric`, or computed again after the step. */
static tl_status measure(struct run *r, tl_tensor **batch, tl_tensor *output, tl_tensor *loss, tl_tensor *metric, double *known,
                         int64_t samples)
{
    const struct tl_fit_options *o = r->o;
    bool recording = tl_set_grad_enabled(false);
    if (o->measure_after_step) {
        struct tl_update u = update_of(r, false);
        loss = update_loss(&u, batch, r->fields, &output);
        metric = u.metric;
    }
    if (tl_error_code() == TL_OK && o->metric && (o->step || o->update)) { /* these do not tell their output */
        tl_eval(r->module);
        output = forward_batch(r->module, batch, r->fields, o);
        tl_train(r->module);
    }
    if (tl_error_code() == TL_OK && o->metric && output)
        metric = result_of("metric", o->metric(tl_detach(output), batch, r->fields, o->function_ctx));
    tl_status s = tl_error_code();
    if (s == TL_OK && r->reads_late) {
        s = late_numbers_add(&r->late, loss, metric, samples, r->position.batch + 1);
    } else if (s == TL_OK) {
        if (o->measure_after_step)
            *known = tl_item(loss);
        if (metric)
            weighted_add(&r->metric, tl_item(metric), samples);
        if ((s = tl_error_code()) == TL_OK)
            weighted_add(&r->loss, *known, samples);
    }
    tl_set_grad_enabled(recording);
    return s;
}

/* The same by the program. Its step is taken when the loss can be looked at. */
static tl_status train_compiled(struct run *r, tl_tensor **batch, int64_t samples, double *loss)
{
    const struct tl_fit_options *o = r->o;
    tl_tensor *value, *metric;
    struct tl_update u = update_of(r, true);
    tl_status s = compiled_step(&r->compiled, batch, r->fields, &value, &metric);
    if (s == TL_OK && !r->reads_late) {
        *loss = tl_item(value);
        s = update_check(&u, *loss);
    }
    if (s == TL_OK && o->schedule_by_batch)
        s = step_schedules(r, *loss);
    if (s != TL_OK)
        return s;
    r->at.step++;
    if ((o->measure_after_step || (o->metric && !r->compiled.has_metric)) && o->prepare &&
        !(batch[0] = result_of("prepare", o->prepare(batch[0], o->function_ctx))))
        return tl_error_code();
    return measure(r, batch, NULL, value, metric, loss, samples);
}

tl_status train_batch(struct run *r, tl_tensor **batch, double *loss)
{
    const struct tl_fit_options *o = r->o;
    tl_status s = batch_to_device(batch, r->fields, module_device(r->module));
    if (s != TL_OK)
        return s;
    int64_t samples = tl_size(batch[0], 0);
    if (r->compiled.program)
        return train_compiled(r, batch, samples, loss);
    if (o->prepare && !(batch[0] = result_of("prepare", o->prepare(batch[0], o->function_ctx))))
        return tl_error_code();
    struct tl_update u = update_of(r, true);
    tl_tensor *output = NULL, *value = update_loss(&u, batch, r->fields, &output);
    if (!value)
        return tl_error_code();
    s = o->update ? TL_OK : tl_update_descend(&u, value, NULL);
    if (s == TL_OK && !r->reads_late) {
        *loss = tl_item(value);
        s = update_check(&u, *loss);
    }
    if (s == TL_OK && o->schedule_by_batch)
        s = step_schedules(r, *loss);
    if (s == TL_OK) {
        r->at.step++;
        s = measure(r, batch, output, value, u.metric, loss, samples);
    }
    return s;
}
