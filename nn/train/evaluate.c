/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a module over a loader without training it.
 */
#include <math.h>

#include "nn/train/train.h"

struct evaluation {
    tl_module *module;
    const struct tl_fit_options *o;
    tl_status (*each)(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx);
    void *ctx;
    int fields;
    struct weighted loss, metric;
};

static tl_status measure(struct weighted *w, tl_tensor *value, int64_t samples)
{
    if (!value)
        return tl_error_code();
    double x = tl_item(value);
    if (tl_error_code() != TL_OK)
        return tl_error_code();
    weighted_add(w, x, samples);
    return TL_OK;
}

static tl_status evaluate_batch(struct evaluation *e, tl_tensor **batch)
{
    const struct tl_fit_options *o = e->o;
    int n = e->fields;
    tl_status s = batch_to_device(batch, n, module_device(e->module));
    if (s != TL_OK)
        return s;
    int64_t samples = tl_size(batch[0], 0);
    if (o->prepare && !(batch[0] = result_of("prepare", o->prepare(batch[0], o->function_ctx))))
        return tl_error_code();
    struct tl_update u = {.module = e->module, .o = o};
    tl_tensor *output = NULL;
    s = measure(&e->loss, update_loss(&u, batch, n, &output), samples);
    if (s == TL_OK && u.metric && !o->metric)
        s = measure(&e->metric, u.metric, samples);
    if (s != TL_OK || (!output && !o->metric && !e->each))
        return s;
    if (!output && !(output = forward_batch(e->module, batch, n, o)))
        return tl_error_code();
    if (s == TL_OK && o->metric)
        s = measure(&e->metric, result_of("metric", o->metric(output, batch, n, o->function_ctx)), samples);
    if (s == TL_OK && e->each)
        s = e->each(output, batch, n, e->ctx);
    return s;
}

static tl_status evaluate_all(struct evaluation *e, tl_loader *loader)
{
    tl_progress *bar = tl_progress_new(e->o->progress, "evaluating", tl_loader_length(loader));
    tl_status s = tl_loader_start(loader);
    int more = 1;
    for (int64_t i = 0; s == TL_OK && more == 1; i++) {
        TL_SCOPE {
            tl_tensor *batch[TL_MAX_FIELDS];
            more = tl_loader_next(loader, batch);
            if (more < 0)
                s = tl_error_code();
            else if (more == 1)
                s = evaluate_batch(e, batch);
        }
        if (s != TL_OK)
            tl_error_prefix("batch %lld: ", (long long)i + 1);
        tl_progress_update(bar, i + 1, NULL);
    }
    tl_progress_end(bar);
    return s;
}

tl_status tl_evaluate(tl_module *m, tl_loader *loader, const struct tl_fit_options *given,
                      tl_status (*each)(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx), void *ctx,
                      struct tl_evaluation *result)
{
    struct tl_fit_options o;
    options_taken(&o, sizeof o, given);
    if (!m || !loader)
        return tl_fail(TL_ERR_ARGUMENT, "evaluate: missing argument");
    double begun = clock_seconds();
    struct evaluation e = {.module = m, .o = &o, .each = each, .ctx = ctx};
    e.fields = tl_dataset_info(tl_loader_dataset(loader))->n_fields;
    bool training = tl_is_training(m), recording = tl_set_grad_enabled(false);
    tl_eval(m);
    tl_status s = evaluate_all(&e, loader);
    if (training)
        tl_train(m);
    tl_set_grad_enabled(recording);
    if (s != TL_OK)
        tl_error_prefix("evaluate: ");
    if (s == TL_OK && result)
        *result = (struct tl_evaluation){e.loss.n, weighted_mean(&e.loss), weighted_std(&e.loss), weighted_mean(&e.metric),
                                         weighted_std(&e.metric), clock_seconds() - begun};
    return s;
}
