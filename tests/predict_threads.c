/* SPDX-License-Identifier: Apache-2.0
 *
 * One module with loaded weights predicts from eight threads at once, and each gets the bits that one thread alone gets. Nobody has used
 * the module before them, so they also meet in what is prepared at the first use: packed weights, plans, representations.
 */
#include "files.h"

#include <pthread.h>
#include <telar/model.h>
#include <telar/nn.h>

enum { THREADS = 8, INPUTS = 8, BATCH = 2, CLASSES = 10, ROUNDS = 4, VALUES = BATCH * CLASSES };

struct work {
    const struct tl_model *model;
    const struct tl_config *config;
    tl_module *net;
    tl_tensor *inputs[INPUTS];
    float alone[INPUTS][VALUES];
    pthread_barrier_t start;
};

struct thread {
    struct work *work;
    int number, wrong;
    char words[300];
};

/* What `net` says of input i; false and an error. */
static bool predict(const struct work *w, tl_module *net, int i, float values[VALUES])
{
    bool good = false;
    TL_SCOPE TL_NO_GRAD
    {
        tl_tensor *x = tl_model_preprocess(w->model, w->config, w->inputs[i]), *y = tl_softmax(tl_forward(net, x), 1);
        good = y && tl_numel(y) == VALUES && tl_copy_out(y, TL_F32, values, VALUES * sizeof *values) == TL_OK;
    }
    return good;
}

static void *run(void *p)
{
    struct thread *t = p;
    pthread_barrier_wait(&t->work->start);
    for (int k = 0; k < ROUNDS * INPUTS; k++) {
        int i = (k + t->number) % INPUTS; /* all begin with another */
        float values[VALUES] = {0};
        if (!predict(t->work, t->work->net, i, values) || memcmp(values, t->work->alone[i], sizeof values) != 0)
            t->wrong++;
    }
    snprintf(t->words, sizeof t->words, "%s", tl_error_message());
    return NULL;
}

/* Built with weights of its own, and then given those of the file. */
static tl_module *loaded(const struct work *w, const char *path)
{
    tl_module *net = tl_model_build_with(w->model, w->config);
    if (!net || tl_module_load(net, path) != TL_OK)
        bail_out("a module: %s", tl_error_message());
    tl_eval(net);
    return net;
}

int main(void)
{
    static struct work w;
    static struct thread threads[THREADS];
    pthread_t ids[THREADS];
    const char *path;
    int differ = 0, same = 0;

    files_begin("predict_threads");
    path = files_name("resnet20.safetensors");
    w.model = tl_model_find("resnet20");
    w.config = w.model ? tl_model_configure(w.model, "width=8") : NULL;
    if (!w.config)
        return skip_all("no model resnet20: %s", tl_error_message());
    tl_manual_seed(5);
    tl_module *first = tl_model_build_with(w.model, w.config);
    if (!first || tl_module_save(first, path) != TL_OK)
        bail_out("weights: %s", tl_error_message());
    TL_SCOPE
    {
        for (int i = 0; i < INPUTS; i++)
            w.inputs[i] = tl_rand(TL_SHAPE(BATCH, 3, 32, 32), (struct tl_options){0});
        tl_module *twin = loaded(&w, path);
        for (int i = 0; i < INPUTS; i++)
            if (!predict(&w, twin, i, w.alone[i]))
                bail_out("alone: %s", tl_error_message());
        tl_module_free(twin);
        for (int i = 1; i < INPUTS; i++)
            differ += memcmp(w.alone[0], w.alone[i], sizeof w.alone[0]) != 0;
        is_int(differ, INPUTS - 1, "every input has its own answer");

        w.net = loaded(&w, path);
        pthread_barrier_init(&w.start, NULL, THREADS);
        for (int i = 0; i < THREADS; i++) {
            threads[i] = (struct thread){.work = &w, .number = i};
            if (pthread_create(&ids[i], NULL, run, &threads[i]) != 0)
                bail_out("no thread");
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(ids[i], NULL);
            if (!is_int(threads[i].wrong, 0, "thread %d gets the bits that one alone gets", i))
                diag("%s", threads[i].words);
        }
        pthread_barrier_destroy(&w.start);
        for (int i = 0; i < INPUTS; i++) {
            float after[VALUES];
            same += predict(&w, w.net, i, after) && memcmp(after, w.alone[i], sizeof after) == 0;
        }
        is_int(same, INPUTS, "and so does the one that is left");
        tl_module_free(w.net);
    }
    tl_module_free(first);
    tl_config_free((struct tl_config *)w.config);
    files_end();
    return done_testing();
}
