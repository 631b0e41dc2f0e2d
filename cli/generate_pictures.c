/* SPDX-License-Identifier: Apache-2.0
 *
 * telar generate, of a model whose task is to generate: samples that look like those of the data, a grid of pictures in a file.
 */
#include "cli/cli.h"
#include "cli/grid.h"

enum { AT_ONCE = 256 };

/* --input, or what the model's input_shape says, without the batch. */
static int sample_shape(const struct job *j, const struct invocation *v, int64_t shape[TL_MAX_DIMS], int *code)
{
    int64_t with_batch[TL_MAX_DIMS];
    int ndim = job_input(j, v, with_batch);
    if (ndim < 0)
        *code = EXIT_USAGE;
    for (int i = 1; i < ndim; i++)
        shape[i - 1] = with_batch[i];
    return ndim - 1;
}

static tl_status make_pictures(const struct job *j, struct grid *g)
{
    tl_status s = TL_OK;
    while (s == TL_OK && g->count < g->capacity) {
        int64_t left = g->capacity - g->count;
        TL_SCOPE s = grid_add(g, tl_model_generate(j->model, j->config, j->net, left < AT_ONCE ? left : AT_ONCE));
    }
    return s;
}

static void report(const struct job *j, const struct invocation *v, const struct grid *g, uint64_t seed)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    if (v->set.json) {
        struct json to = json_new(stdout);
        json_open(&to, '{');
        json_text_of(&to, "model", j->model->name);
        json_integer_of(&to, "samples", g->count);
        json_shape_of(&to, "shape", 3, (const int64_t[]){g->channels, g->height, g->width});
        json_text_of(&to, "seed", text);
        json_text_of(&to, "file", v->set.output);
        json_close(&to, '}');
        json_end(&to);
    } else if (!v->set.quiet) {
        printf("%s: %lld samples of %s, seed %s\n", v->set.output, (long long)g->count, j->model->name, text);
    }
}

tl_status generate_pictures(struct job *j, const struct invocation *v, uint64_t seed, int *code)
{
    int64_t shape[TL_MAX_DIMS];
    struct grid g = {0};
    if (!v->set.output) {
        *code = misused(v, "generate: %s makes pictures: where to? --output FILE.png", j->model->name);
        return TL_OK;
    }
    tl_manual_seed(seed);
    int ndim = sample_shape(j, v, shape, code);
    tl_status s = grid_can_write(v->set.output);
    if (s != TL_OK || *code != EXIT_OK)
        return s;
    s = grid_begin(&g, ndim, shape, v->set.count, v->set.columns);
    if (s != TL_OK)
        tl_error_prefix("generate: model %s: ", j->model->name);
    if (s == TL_OK)
        s = make_pictures(j, &g);
    if (s == TL_OK)
        s = grid_write(&g, v->set.output);
    if (s == TL_OK)
        report(j, v, &g, seed);
    grid_free(&g);
    return s;
}
