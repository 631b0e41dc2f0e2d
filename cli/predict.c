/* SPDX-License-Identifier: Apache-2.0
 *
 * telar predict: samples drawn at random from a part of the data, or pictures of the user's own, with what the model says of
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"

/* ---- Pairs of pictures ------------------------------------------------------------------------------------------------------------ */

enum { PAIRS_IN_A_ROW = 4 };

/* Room for the pairs that --output asks for. */
static tl_status begin_pairs(const struct job *j, const struct invocation *v, int64_t samples, struct grid *pairs)
{
    int64_t shape[TL_MAX_DIMS];
    const struct tl_dataset_info *info = j->test ? tl_dataset_info(j->test) : NULL;
    if (!v->set.output || samples < 1)
        return TL_OK;
    if (j->work.task != TL_RECONSTRUCT)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: --output is for models that reconstruct their input; the task of %s is to %s", j->model->name,
                       tl_task_name(j->work.task));
    int ndim = info && !j->resize ? info->ndim : j->model->input_shape(j->config, shape);
    tl_status s = grid_can_write(v->set.output);
    return s == TL_OK ? grid_begin(pairs, ndim, info && !j->resize ? info->shape : shape, 2 * samples, 2 * PAIRS_IN_A_ROW) : s;
}

/* ---- Samples of the data --------------------------------------------------------------------------------------------------------- */

static tl_status predict_drawn(struct job *j, const struct invocation *v, const int64_t *drawn, int64_t n, struct subject *of, struct grid *pairs)
{
    const struct tl_dataset_info *info = tl_dataset_info(j->test);
    struct samples b = {.of = of, .n = n, .n_fields = info->n_fields, .info = *info, .pairs = pairs};
    for (int64_t i = 0; i < n; i++)
        of[i] = (struct subject){.sample = drawn[i]};
    tl_status s = tl_dataset_batch(j->test, drawn, n, b.fields);
    return s == TL_OK ? show_outcomes(j, v, &b) : s;
}

static tl_status predict_samples(struct job *j, const struct invocation *v, struct grid *pairs)
{
    int64_t size = tl_dataset_size(j->test), count = v->set.count < size ? v->set.count : size;
    tl_generator *g = tl_generator_new(choose_draw_seed(v));
    tl_tensor *order = g ? tl_randperm_with(size, g, (struct tl_options){.device = "cpu"}) : NULL;
    const int64_t *drawn = order ? tl_data(order) : NULL;
    struct subject *of = drawn ? calloc((size_t)v->set.batch, sizeof *of) : NULL;
    tl_status s = of ? begin_pairs(j, v, count, pairs) : drawn ? tl_fail(TL_ERR_NOMEM, "predict: out of memory") : tl_error_code();
    for (int64_t i = 0; s == TL_OK && i < count; i += v->set.batch)
        TL_SCOPE s = predict_drawn(j, v, drawn + i, v->set.batch < count - i ? v->set.batch : count - i, of, pairs);
    free(of);
    tl_generator_free(g);
    return s;
}

/* ---- Pictures -------------------------------------------------------------------------------------------------------------------- */

static tl_tensor *read_picture(const char *path, const char *options, struct tl_dataset_info *info)
{
    tl_tensor *fields[TL_MAX_FIELDS] = {NULL};
    tl_dataset *picture = tl_data_open("folder", .path = path, .options = options);
    tl_status s = picture ? tl_dataset_batch(picture, &(int64_t){0}, 1, fields) : tl_error_code();
    if (s == TL_OK) {
        *info = *tl_dataset_info(picture);
        info->classes = NULL; /* which goes with the data set */
    }
    tl_dataset_free(picture);
    return s == TL_OK ? fields[0] : NULL;
}

static tl_status predict_batch(struct job *j, const struct invocation *v, const char *options, char *const *paths, int64_t n, struct grid *pairs,
                               int *code)
{
    struct samples b = {.of = calloc((size_t)n, sizeof *b.of), .n_fields = 1, .pairs = pairs};
    tl_tensor **pictures = calloc((size_t)n, sizeof *pictures);
    tl_status s = b.of && pictures ? TL_OK : tl_fail(TL_ERR_NOMEM, "predict: out of memory");
    for (int64_t i = 0; s == TL_OK && i < n; i++) {
        pictures[b.n] = read_picture(paths[i], options, &b.info);
        if (pictures[b.n])
            b.of[b.n++] = (struct subject){.file = paths[i]};
        else
            tell_unread(v, paths[i], code);
    }
    if (s == TL_OK && b.n > 0) {
        b.fields[0] = tl_cat((int)b.n, pictures, 0);
        s = b.fields[0] ? show_outcomes(j, v, &b) : tl_error_code();
    }
    free(b.of);
    free(pictures);
    return s;
}

static tl_status predict_pictures(struct job *j, const struct invocation *v, int first, struct grid *pairs, int *code)
{
    struct paths l = {0};
    char *options = tl_model_picture_options(j->model, j->config);
    tl_status s = options ? TL_OK : tl_error_code();
    if (s != TL_OK)
        tl_error_prefix("predict: ");
    for (int i = first; s == TL_OK && i < v->n_arguments; i++)
        if (paths_add(&l, v, v->arguments[i], code) != TL_OK)
            tell_unread(v, v->arguments[i], code);
    if (s == TL_OK)
        s = begin_pairs(j, v, (int64_t)l.n, pairs);
    for (size_t i = 0; s == TL_OK && i < l.n; i += (size_t)v->set.batch) {
        size_t n = l.n - i < (size_t)v->set.batch ? l.n - i : (size_t)v->set.batch;
        TL_SCOPE s = predict_batch(j, v, options, l.paths + i, (int64_t)n, pairs, code);
        fflush(stdout);
    }
    paths_free(&l);
    free(options);
    return s;
}

/* ---- The command ------------------------------------------------------------------------------------------------------------------- */

/* The line's arguments are a model or none, then pictures or none. */
static int check_line(const struct invocation *v, int first)
{
    static const char *const of_data[] = {"data", "path", "data-option", "label", "no-header", "standardize", "split", "count", "seed"};
    if (!v->set.weights)
        return misused(v, "predict: which weights? --weights FILE");
    for (int i = first; i < v->n_arguments; i++)
        if (!names_pictures(v->arguments[i]) && !is_folder(v->arguments[i]))
            return misused(v, "predict: unexpected argument \"%s\": expected pictures, with names ending in .jpg, .jpeg or .png, or folders of them",
                           v->arguments[i]);
    for (size_t i = 0; first < v->n_arguments && i < sizeof of_data / sizeof *of_data; i++)
        if (given(v, of_data[i]))
            return misused(v, "predict: --%s is for samples of a data set, and pictures are given", of_data[i]);
    return EXIT_OK;
}

int run_predict(const struct invocation *v)
{
    int first = v->n_arguments && !names_pictures(v->arguments[0]), code = check_line(v, first);
    bool pictures = first < v->n_arguments;
    struct job j = {.only_run = true};
    struct grid pairs = {0};
    if (code != EXIT_OK)
        return code;
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&j, v);
    if (s != TL_OK && first && is_folder(v->arguments[0]))
        tl_error_prefix("(if the folder is meant: ./%s) ", v->arguments[0]);
    if (s == TL_OK && !pictures)
        s = job_data(&j, v, false, true);
    if (s == TL_OK)
        s = job_net(&j, v);
    if (s == TL_OK && j.work.task == TL_GENERATE)
        s = tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s has nothing to say of samples; it makes them: telar generate", j.model->name);
    if (s == TL_OK) {
        tl_eval(j.net);
        TL_NO_GRAD {
            if (pictures)
                s = predict_pictures(&j, v, first, &pairs, &code);
            else
                TL_SCOPE s = predict_samples(&j, v, &pairs);
        }
    }
    if (s == TL_OK && pairs.count > 0)
        s = grid_write(&pairs, v->set.output);
    grid_free(&pairs);
    job_free(&j);
    return s == TL_OK ? code : failed();
}
