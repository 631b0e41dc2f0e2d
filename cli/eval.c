/* SPDX-License-Identifier: Apache-2.0
 *
 * telar eval.
 */
#include "cli/cli.h"

static tl_status print_evaluation(const struct job *j, const struct measured *m, const struct invocation *v)
{
    if (v->set.json) {
        struct json to = json_new(stdout);
        json_open(&to, '{');
        json_text_of(&to, "model", j->model->name);
        json_text_of(&to, "data", j->data_name);
        json_text_of(&to, "split", v->set.split);
        json_measured(&to, m);
        json_number_of(&to, "seconds", m->evaluation.seconds);
        json_close(&to, '}');
        json_end(&to);
        return TL_OK;
    }
    printf("%s on %s (%s), %lld samples: loss %.4f", j->model->name, j->data_name, v->set.split, (long long)m->evaluation.samples,
           m->evaluation.loss);
    print_scores(m);
    printf(" (%.2f s)\n\n", m->evaluation.seconds);
    return print_measured(m, v);
}

int run_eval(const struct invocation *v)
{
    if (!v->set.weights)
        return misused(v, "eval: which weights? --weights FILE");
    struct job j = {.only_run = true};
    struct measured m = {0};
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&j, v);
    if (s == TL_OK)
        s = job_data(&j, v, false, true);
    if (s == TL_OK)
        s = job_net(&j, v);
    if (s == TL_OK)
        s = job_measure(&j, v, j.test, &m);
    if (s == TL_OK)
        s = print_evaluation(&j, &m, v);
    tl_confusion_free(m.confusion);
    job_free(&j);
    return s == TL_OK ? EXIT_OK : failed();
}
