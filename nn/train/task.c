/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model is trained for: which task model and data have in common, and loss and metric of each. Sizes are compared
 * before anything is computed, so that no broadcasting can hide a mistake.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <telar/model.h>

#include "nn/train/train.h"

static const struct {
    enum tl_task task;
    const char *name, *wants; /* of the data */
} tasks[] = {{TL_CLASSIFY, "classify", "classes"},
             {TL_LANGUAGE, "language", "classes (a vocabulary)"},
             {TL_REGRESS, "regress", "numbers to predict"},
             {TL_RECONSTRUCT, "reconstruct", "samples"},
             {TL_GENERATE, "generate", "samples"}};
enum { TASKS = sizeof tasks / sizeof *tasks };

const char *tl_task_name(enum tl_task t)
{
    for (size_t i = 0; i < TASKS; i++)
        if (tasks[i].task == t)
            return tasks[i].name;
    return "unknown";
}

static bool fits(enum tl_task t, const struct tl_dataset_info *info)
{
    switch (t) {
    case TL_CLASSIFY:
    case TL_LANGUAGE:
        return info->n_classes > 0 && info->n_fields > 1;
    case TL_REGRESS:
        return info->n_targets > 0 && info->n_fields > 1;
    case TL_RECONSTRUCT:
    case TL_GENERATE:
        return true;
    }
    return false;
}

/* Without a preprocess of its own, a model takes samples of as many values as its input has. */
static tl_status check_size(const struct tl_job *j, const struct tl_dataset_info *info)
{
    int64_t shape[TL_MAX_DIMS], values, came = 1;
    if (!info || j->model->preprocess)
        return TL_OK;
    int ndim = model_input_shape(j->model, j->config, shape, &values);
    if (ndim < 0)
        return tl_error_code();
    for (int i = 0; i < info->ndim; i++)
        if (__builtin_mul_overflow(came, info->shape[i], &came))
            return tl_fail(TL_ERR_LIMIT, "samples of more values than can be counted");
    return came == values ? TL_OK : model_refuses_size(j->model, ndim, shape, values, came);
}

tl_status tl_job_start(struct tl_job *j, const struct tl_model *m, const struct tl_config *c, const struct tl_dataset_info *info)
{
    char wants[120] = "";
    if (!j || !m || !c)
        return tl_fail(TL_ERR_ARGUMENT, "job_start: a model and its configuration are needed");
    *j = (struct tl_job){.model = m, .config = c, .outputs = !info ? 0 : info->n_classes > 0 ? info->n_classes : info->n_targets};
    for (size_t i = 0; i < TASKS; i++) {
        if (!(m->tasks & (uint32_t)tasks[i].task))
            continue;
        if (!info || fits(tasks[i].task, info)) {
            j->task = tasks[i].task;
            return check_size(j, info);
        }
        size_t used = strlen(wants);
        snprintf(wants + used, sizeof wants - used, "%s%s", used ? " or " : "", tasks[i].wants);
    }
    if (info->n_targets > 0)
        return tl_fail(TL_ERR_ARGUMENT, "model %s needs data with %s; these have %" PRId64 " number%s to predict and no classes", m->name, wants,
                       info->n_targets, info->n_targets == 1 ? "" : "s");
    if (info->n_classes > 0)
        return tl_fail(TL_ERR_ARGUMENT, "model %s needs data with %s; these have %" PRId64 " classes", m->name, wants, info->n_classes);
    return tl_fail(TL_ERR_ARGUMENT, "model %s needs data with %s; these have neither classes nor numbers to predict", m->name, wants);
}

/* ---- Targets ------------------------------------------------------------------------------------------------------- */

static tl_status shape_error(const struct tl_job *j, const tl_tensor *output, const char *expected)
{
    char came[200];
    shape_text(came, sizeof came, output);
    return tl_fail(TL_ERR_SHAPE, "model %s (%s): its output is %s; expected %s", j->model->name, tl_task_name(j->task), came, expected);
}

/* Logits must be as many as there are classes: ten outputs for three classes would train, and mean nothing. */
static bool check_logits(const struct tl_job *j, const tl_tensor *output, int ndim)
{
    char expected[120];
    int64_t n = tl_ndim(output) == ndim ? tl_size(output, -1) : -1;
    if (n > 0 && (j->outputs == 0 || n == j->outputs))
        return true;
    snprintf(expected, sizeof expected, "[samples x %s%" PRId64 "], one logit a class of the data", ndim == 3 ? "positions x " : "", j->outputs);
    if (j->outputs == 0)
        snprintf(expected, sizeof expected, "[samples x %sclasses]", ndim == 3 ? "positions x " : "");
    shape_error(j, output, expected);
    return false;
}

/* Logits and labels of all positions one below the other. */
static bool flatten_positions(const struct tl_job *j, tl_tensor **output, tl_tensor **labels)
{
    if (!check_logits(j, *output, 3))
        return false;
    int64_t positions = tl_size(*output, 0) * tl_size(*output, 1);
    if (tl_numel(*labels) != positions) {
        tl_fail(TL_ERR_SHAPE, "model %s (language): logits for %" PRId64 " positions, but labels for %" PRId64, j->model->name, positions,
                tl_numel(*labels));
        return false;
    }
    *output = tl_reshape(*output, TL_SHAPE(positions, tl_size(*output, 2)));
    *labels = tl_reshape(*labels, TL_SHAPE(positions));
    return *output && *labels;
}

/* The numbers to compare with, in the output's shape. */
static tl_tensor *target_of(const struct tl_job *j, tl_tensor *output, tl_tensor *const *batch, int n)
{
    tl_tensor *target = j->task == TL_RECONSTRUCT ? batch[0] : n > 1 ? batch[n - 1] : NULL;
    if (!target) {
        tl_fail(TL_ERR_ARGUMENT, "model %s (%s): batches have no target", j->model->name, tl_task_name(j->task));
        return NULL;
    }
    target = match_target(output, target);
    if (!target)
        tl_error_prefix("model %s (%s): ", j->model->name, tl_task_name(j->task));
    return target;
}

/* ---- Losses and metrics --------------------------------------------------------------------------------------------- */

static tl_tensor *loss(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    const struct tl_job *j = ctx;
    tl_tensor *labels = batch[n - 1];
    switch (j->task) {
    case TL_CLASSIFY:
        return check_logits(j, output, 2) ? tl_cross_entropy(output, labels) : NULL;
    case TL_LANGUAGE:
        return flatten_positions(j, &output, &labels) ? tl_cross_entropy(output, labels) : NULL;
    case TL_REGRESS:
    case TL_RECONSTRUCT:
        return tl_mse_loss(output, target_of(j, output, batch, n));
    case TL_GENERATE:
        break;
    }
    tl_fail(TL_ERR_STATE, "model %s (%s): no loss but that of its step or update", j->model->name, tl_task_name(j->task));
    return NULL;
}

static tl_tensor *metric(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    const struct tl_job *j = ctx;
    tl_tensor *labels = batch[n - 1];
    if (j->task == TL_CLASSIFY)
        return check_logits(j, output, 2) ? tl_accuracy(output, labels) : NULL;
    if (j->task == TL_LANGUAGE)
        return flatten_positions(j, &output, &labels) ? tl_accuracy(output, labels) : NULL;
    return tl_l1_loss(output, target_of(j, output, batch, n));
}

static tl_tensor *prepare(tl_tensor *input, void *ctx)
{
    const struct tl_job *j = ctx;
    return tl_model_preprocess(j->model, j->config, input);
}

static tl_tensor *step(tl_module *m, tl_tensor *const *batch, int n, void *ctx)
{
    const struct tl_job *j = ctx;
    tl_tensor *value = j->model->step(j->config, m, batch, n);
    if (!value && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: step() gave NULL without an error", j->model->name);
    return value;
}

static tl_tensor *forward(tl_module *m, tl_tensor *const *batch, int n, void *ctx)
{
    const struct tl_job *j = ctx;
    return tl_model_forward(j->model, j->config, m, batch, n);
}

static tl_tensor *update(tl_module *m, tl_tensor *const *batch, int n, tl_update *u, void *ctx)
{
    const struct tl_job *j = ctx;
    tl_tensor *value = j->model->update(j->config, m, batch, n, u);
    if (!value && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: update() gave NULL without an error", j->model->name);
    return value;
}

void tl_job_fit_options(struct tl_job *j, struct tl_fit_options *o)
{
    if (!j || !j->model || !o) {
        tl_fail(TL_ERR_ARGUMENT, "job_fit_options: a job that was started and options are needed");
        return;
    }
    o->function_ctx = j;
    o->prepare = prepare;
    o->step = j->model->step ? step : NULL;
    o->forward = j->model->forward ? forward : NULL;
    o->update = j->model->update ? update : NULL;
    o->loss = loss;
    if (o->update && j->model->metric) {
        o->metric_name = j->model->metric;
        o->metric_falls = true;
        return;
    }
    if (j->task == TL_GENERATE)
        return;
    o->metric = metric;
    o->metric_falls = j->task == TL_REGRESS || j->task == TL_RECONSTRUCT;
    o->metric_name = o->metric_falls ? "abs. error" : "accuracy";
}
