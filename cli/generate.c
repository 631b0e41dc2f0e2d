/* SPDX-License-Identifier: Apache-2.0
 *
 * telar generate: something new of a trained model. What it is, and so how it is shown, is the task's affair.
 */
#include "cli/cli.h"

/* An error if the line has options of the other kind. */
static int check_line(const struct invocation *v, const struct tl_model *m, const char *makes, const char *const *others)
{
    for (; *others; others++)
        if (given(v, *others))
            return misused(v, "generate: --%s has no meaning here: %s makes %s", *others, m->name, makes);
    return EXIT_OK;
}

static tl_status generate(struct job *j, const struct invocation *v, int *code)
{
    static const char *const of_text[] = {"prompt", "length", "temperature", "top-k", NULL}, *const of_pictures[] = {"output", "count", "columns", "input", NULL};
    uint64_t seed = choose_draw_seed(v);
    if (j->model->tasks & TL_GENERATE) {
        *code = check_line(v, j->model, "pictures", of_text);
        return *code == EXIT_OK ? generate_pictures(j, v, seed, code) : TL_OK;
    }
    if (j->model->advance) {
        *code = check_line(v, j->model, "text", of_pictures);
        return *code == EXIT_OK ? generate_text(j, v, seed) : TL_OK;
    }
    return tl_fail(TL_ERR_UNSUPPORTED, "generate: model %s makes nothing new; its task is to %s", j->model->name, tl_task_name(j->work.task));
}

int run_generate(const struct invocation *v)
{
    struct job j = {0};
    int code = EXIT_OK;
    if (!v->set.weights)
        return misused(v, "generate: which weights? --weights FILE");
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&j, v);
    if (s == TL_OK)
        s = job_net(&j, v);
    if (s == TL_OK)
        s = generate(&j, v, &code);
    job_free(&j);
    return s == TL_OK ? code : failed();
}
