/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model does on a part of its data, measured, in words and as JSON.
 */
#include <math.h>
#include <stdlib.h>

#include "cli/cli.h"

/* What sees every output. */
struct scorer {
    tl_confusion *confusion;
    tl_regression *regression;
};

static tl_status score(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    struct scorer *s = ctx;
    if (s->regression)
        return tl_regression_add(s->regression, output, batch[n - 1]);
    tl_tensor *predicted = tl_argmax(output, .dims = TL_DIMS(1));
    return predicted ? tl_confusion_add(s->confusion, batch[n - 1], predicted) : tl_error_code();
}

tl_status job_measure(struct job *j, const struct invocation *v, tl_dataset *data, struct measured *m)
{
    struct tl_fit_options o = {.struct_size = sizeof o, .progress = v->set.quiet || v->set.json ? NULL : stderr};
    struct scorer scorer = {NULL, NULL};
    job_functions(j, &o);
    int64_t classes;
    const char *const *names = job_classes(j, &classes);
    *m = (struct measured){.task = j->work.task, .metric = o.update && !o.metric ? o.metric_name : NULL};
    if (j->work.task == TL_CLASSIFY && !(scorer.confusion = m->confusion = tl_confusion_new(classes, names)))
        return tl_error_code();
    if (j->work.task == TL_REGRESS && !(scorer.regression = tl_regression_new(j->work.outputs)))
        return tl_error_code();
    int64_t batch = tl_dataset_info(data)->streams ? tl_dataset_info(data)->streams : v->set.batch > 1 ? v->set.batch : 256;
    tl_loader *loader = tl_loader_new(data, .batch_size = batch, .workers = (int)v->set.workers);
    bool scored = scorer.confusion || scorer.regression;
    tl_status s = loader ? tl_evaluate(j->trained, loader, &o, scored ? score : NULL, &scorer, &m->evaluation) : tl_error_code();
    m->regression = scorer.regression != NULL;
    m->scores = tl_regression_scores(scorer.regression);
    tl_regression_free(scorer.regression);
    tl_loader_free(loader);
    return s;
}

void print_scores(const struct measured *m)
{
    if (m->confusion)
        printf(", accuracy %.2f %%", 100 * tl_confusion_accuracy(m->confusion));
    if (m->regression)
        printf(", R² %.4f, mean absolute error %.4g", m->scores.r2, m->scores.mean_absolute_error);
    if (m->metric)
        printf(", %s %.4f", m->metric, m->evaluation.metric);
    else if (m->task == TL_RECONSTRUCT)
        printf(", mean absolute error %.4g", m->evaluation.metric);
    else if (m->task == TL_LANGUAGE)
        printf(", perplexity %.4g, accuracy %.2f %%", exp(m->evaluation.loss), 100 * m->evaluation.metric);
}

tl_status print_measured(const struct measured *m, const struct invocation *v)
{
    if (!m->confusion)
        return TL_OK;
    char *report = tl_classification_report(m->confusion, NULL);
    char *matrix = report && v->set.confusion ? tl_confusion_to_string(m->confusion) : NULL;
    if (report)
        fputs(report, stdout);
    if (matrix)
        printf("\n%s", matrix);
    free(report);
    free(matrix);
    return tl_error_code();
}

void json_measured(struct json *to, const struct measured *m)
{
    json_integer_of(to, "samples", m->evaluation.samples);
    json_text_of(to, "task", tl_task_name(m->task));
    json_number_of(to, "loss", m->evaluation.loss);
    if (m->regression)
        json_number_of(to, "r2", m->scores.r2);
    if (m->metric) {
        json_text_of(to, "metric_name", m->metric);
        json_number_of(to, "metric", m->evaluation.metric);
        return;
    }
    if (m->regression || m->task == TL_RECONSTRUCT)
        json_number_of(to, "mean_absolute_error", m->regression ? m->scores.mean_absolute_error : m->evaluation.metric);
    if (m->task == TL_LANGUAGE)
        json_number_of(to, "perplexity", exp(m->evaluation.loss));
    if (m->task == TL_LANGUAGE)
        json_number_of(to, "accuracy", m->evaluation.metric);
    if (!m->confusion)
        return;
    json_number_of(to, "accuracy", tl_confusion_accuracy(m->confusion));
    json_key(to, "classes");
    json_open(to, '[');
    for (int64_t i = 0; i < tl_confusion_classes(m->confusion); i++) {
        struct tl_scores s = tl_confusion_scores(m->confusion, i, 0);
        json_open(to, '{');
        json_text_of(to, "name", tl_confusion_name(m->confusion, i));
        json_number_of(to, "precision", s.precision);
        json_number_of(to, "recall", s.recall);
        json_number_of(to, "f1", s.f1);
        json_integer_of(to, "support", s.support);
        json_close(to, '}');
    }
    json_close(to, ']');
}
