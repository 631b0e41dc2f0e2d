/* SPDX-License-Identifier: Apache-2.0
 *
 * telar predict: samples drawn at random from a part of the data, or pictures of the user's own, with what the model says of
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"

enum { SHOWN = 3 };

/* One sample's outcome. */
struct prediction {
    int64_t sample, label; /* label -1: the data have none */
    const char *file;      /* of a picture; NULL: a sample */
    float *probabilities;
    int64_t classes;
};

/* ---- Words ------------------------------------------------------------------------------------------------------------------ */

/* Names of another number of classes than the network tells apart are not its own. */
static const char *class_name(const struct job *j, const struct prediction *p, int64_t i, char *buffer, size_t size)
{
    int64_t n;
    const char *const *names = job_classes(j, &n);
    if (names && n == p->classes && i >= 0 && i < n)
        return names[i];
    snprintf(buffer, size, "%lld", (long long)i);
    return buffer;
}

/* The k-th most likely class: k is small, so a selection by repeated maximum does. */
static int64_t ranked(const struct prediction *p, int k)
{
    int64_t chosen[SHOWN + 1];
    for (int round = 0; round <= k; round++) {
        int64_t best = -1;
        for (int64_t i = 0; i < p->classes; i++) {
            bool taken = false;
            for (int r = 0; r < round; r++)
                taken = taken || chosen[r] == i;
            if (!taken && (best < 0 || p->probabilities[i] > p->probabilities[best]))
                best = i;
        }
        chosen[round] = best;
    }
    return chosen[k];
}

/* What is spoken of: a picture's file, or the number of a sample. */
static void print_subject(int64_t sample, const char *file)
{
    if (file)
        print_harmless(stdout, file, 4096);
    else
        printf("sample %lld", (long long)sample);
}

static void json_subject(struct json *to, int64_t sample, const char *file)
{
    if (file)
        json_text_of(to, "file", file);
    else
        json_integer_of(to, "sample", sample);
}

static void print_prediction(const struct job *j, const struct prediction *p)
{
    char a[32], b[32];
    int64_t best = ranked(p, 0);
    print_subject(p->sample, p->file);
    fputs(": ", stdout);
    print_harmless(stdout, class_name(j, p, best, a, sizeof a), 200);
    if (p->label == best)
        fputs(" (right)", stdout);
    else if (p->label >= 0) {
        fputs(" (wrong: it is ", stdout);
        print_harmless(stdout, class_name(j, p, p->label, b, sizeof b), 200);
        fputc(')', stdout);
    }
    fputc('\n', stdout);
    for (int k = 0; k < SHOWN && k < p->classes; k++) {
        int64_t i = ranked(p, k);
        printf("    %5.1f %%  ", 100 * (double)p->probabilities[i]);
        print_harmless(stdout, class_name(j, p, i, a, sizeof a), 200);
        fputc('\n', stdout);
    }
}

static void json_prediction(const struct job *j, const struct prediction *p)
{
    char buffer[32];
    struct json to = json_new(stdout);
    json_open(&to, '{');
    json_subject(&to, p->sample, p->file);
    json_text_of(&to, "class", class_name(j, p, ranked(p, 0), buffer, sizeof buffer));
    if (p->label >= 0)
        json_text_of(&to, "label", class_name(j, p, p->label, buffer, sizeof buffer));
    json_key(&to, "probabilities");
    json_open(&to, '{');
    for (int64_t i = 0; i < p->classes; i++)
        json_number_of(&to, class_name(j, p, i, buffer, sizeof buffer), (double)p->probabilities[i]);
    json_close(&to, '}');
    json_close(&to, '}');
    json_end(&to);
}

/* ---- Work ------------------------------------------------------------------------------------------------------------------- */

/* *x becomes what the model gets. */
static tl_tensor *output_of(struct job *j, tl_tensor *input, tl_tensor **x)
{
    const char *device = tl_default_device();
    *x = device ? tl_to_device(input, device) : NULL;
    *x = job_prepare(j, *x);
    return *x ? tl_forward(j->net, *x) : NULL;
}

/* Numbers predicted, beside those of the data if they have some (target not NULL). */
static tl_status predict_numbers(struct job *j, const struct invocation *v, int64_t sample, const char *file, tl_tensor *input,
                                 tl_tensor *target)
{
    tl_tensor *x, *y = output_of(j, input, &x);
    int64_t n = y ? tl_numel(y) : 0;
    double *numbers = y && (!target || n == tl_numel(target)) ? calloc((size_t)n * 2 + 1, sizeof *numbers) : NULL;
    if (!y)
        return tl_error_code();
    if (!numbers && !target)
        return tl_fail(TL_ERR_NOMEM, "predict: out of memory");
    if (!numbers)
        return tl_fail(TL_ERR_SHAPE, "predict: model %s gives %lld numbers a sample, the data have %lld", j->model->name, (long long)n,
                       (long long)tl_numel(target));
    size_t size = (size_t)n * sizeof *numbers;
    tl_status s = tl_copy_out(y, TL_F64, numbers, size);
    if (s == TL_OK && target)
        s = tl_copy_out(target, TL_F64, numbers + n, size);
    if (s == TL_OK && v->set.json) {
        struct json to = json_new(stdout);
        json_open(&to, '{');
        json_subject(&to, sample, file);
        for (int k = 0; k < (target ? 2 : 1); k++) {
            json_key(&to, k ? "target" : "output");
            json_open(&to, '[');
            for (int64_t i = 0; i < n; i++)
                json_number(&to, numbers[k * n + i]);
            json_close(&to, ']');
        }
        json_close(&to, '}');
        json_end(&to);
    } else if (s == TL_OK) {
        print_subject(sample, file);
        fputc(':', stdout);
        for (int64_t i = 0; i < n; i++) {
            printf("%s %.6g", i ? "," : "", numbers[i]);
            if (target)
                printf(" (it is %.6g)", numbers[n + i]);
        }
        fputc('\n', stdout);
    }
    free(numbers);
    return s;
}

static tl_status probabilities_of(struct job *j, tl_tensor *input, struct prediction *p)
{
    tl_tensor *x, *y = output_of(j, input, &x);
    if (!y)
        return tl_error_code();
    if (j->work.task == TL_LANGUAGE)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s is a language model: telar generate has it write", j->model->name);
    if (tl_ndim(y) != 2 || tl_size(y, 0) != 1)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s does not classify", j->model->name);
    y = tl_softmax(y, 1);
    p->classes = y ? tl_size(y, 1) : 0;
    p->probabilities = y ? malloc((size_t)p->classes * sizeof(float)) : NULL;
    if (!p->probabilities)
        return tl_fail(TL_ERR_NOMEM, "predict: out of memory");
    return tl_copy_out(y, TL_F32, p->probabilities, (size_t)p->classes * sizeof(float));
}

/* A model that gives its input back: both, and how far apart they are. */
static tl_status reconstruct_sample(struct job *j, const struct invocation *v, const struct tl_dataset_info *info, int64_t sample,
                                    const char *file, tl_tensor *input, struct grid *pairs)
{
    tl_tensor *x, *y = output_of(j, input, &x);
    if (y && tl_numel(y) != tl_numel(x))
        return tl_fail(TL_ERR_SHAPE, "predict: model %s gives %lld values for an input of %lld", j->model->name, (long long)tl_numel(y),
                       (long long)tl_numel(x));
    tl_tensor *error = y ? tl_mse_loss(tl_reshape(y, tl_ndim(x), tl_shape(x)), x) : NULL;
    double value = error ? tl_item(error) : 0;
    if (tl_error_code() != TL_OK)
        return tl_error_code();
    if (v->set.output && (grid_add(pairs, x) != TL_OK || grid_add(pairs, y) != TL_OK))
        return tl_error_code();
    if (v->set.json) {
        struct json to = json_new(stdout);
        json_open(&to, '{');
        json_subject(&to, sample, file);
        json_number_of(&to, "mean_squared_error", value);
        json_close(&to, '}');
        json_end(&to);
        return TL_OK;
    }
    print_subject(sample, file);
    printf(": input and output, mean squared error %.4g\n", value);
    return v->set.quiet ? TL_OK : draw_pictures(x, y, info);
}

/* One sample of `data`, or the only one of the picture `file`. */
static tl_status predict_sample(struct job *j, const struct invocation *v, tl_dataset *data, int64_t sample, const char *file, struct grid *pairs)
{
    const struct tl_dataset_info *info = tl_dataset_info(data);
    tl_tensor *fields[TL_MAX_FIELDS] = {NULL};
    struct prediction p = {.sample = sample, .label = -1, .file = file};
    tl_status s = tl_dataset_batch(data, &sample, 1, fields);
    if (s == TL_OK && j->work.task == TL_RECONSTRUCT)
        return reconstruct_sample(j, v, info, sample, file, fields[0], pairs);
    if (s == TL_OK && j->work.task == TL_REGRESS)
        return predict_numbers(j, v, sample, file, fields[0], info->n_fields > 1 ? fields[info->n_fields - 1] : NULL);
    if (s == TL_OK)
        s = probabilities_of(j, fields[0], &p);
    if (s == TL_OK && info->n_fields > 1 && info->n_classes > 0)
        p.label = tl_item_i64(fields[info->n_fields - 1]);
    if (s == TL_OK && tl_error_code() == TL_OK && v->set.json) {
        json_prediction(j, &p);
    } else if (s == TL_OK && tl_error_code() == TL_OK) {
        s = v->set.quiet ? TL_OK : draw_pictures(fields[0], NULL, info);
        print_prediction(j, &p);
    }
    free(p.probabilities);
    return s == TL_OK ? tl_error_code() : s;
}

static tl_status predict_samples(struct job *j, const struct invocation *v, struct grid *pairs)
{
    int64_t size = tl_dataset_size(j->test), count = v->set.count < size ? v->set.count : size;
    tl_generator *g = tl_generator_new(choose_draw_seed(v));
    tl_tensor *order = g ? tl_randperm_with(size, g, (struct tl_options){.device = "cpu"}) : NULL;
    const int64_t *samples = order ? tl_data(order) : NULL;
    tl_status s = samples ? TL_OK : tl_error_code();
    for (int64_t i = 0; s == TL_OK && i < count; i++)
        TL_SCOPE s = predict_sample(j, v, j->test, samples[i], NULL, pairs);
    tl_generator_free(g);
    return s;
}

/* ---- Pictures -------------------------------------------------------------------------------------------------------------------- */

/* How a picture is brought into the form that the model takes: options of the data set "folder". */
static tl_status picture_options(const struct job *j, char *text, size_t size)
{
    int64_t shape[TL_MAX_DIMS];
    int n = j->model->input_shape(j->config, shape);
    if (n != 3 || (shape[0] != 1 && shape[0] != 3)) {
        text[0] = '\0';
        for (int i = 0; i < n && i < TL_MAX_DIMS; i++) {
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%s%lld", i ? " x " : "", (long long)shape[i]);
        }
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s does not take pictures: its input is [%s], not one or three channels of "
                       "height and width", j->model->name, text);
    }
    const char *grey = shape[0] == 1 ? ",grey" : "";
    const struct tl_picture_form *form = tl_model_pictures(j->model);
    if (form && form->crop > 0 && form->resize >= form->crop && shape[1] == shape[2]) /* of another size, in the same proportion */
        snprintf(text, size, "resize=%lld,crop=%lld%s", (long long)((shape[1] * form->resize + form->crop / 2) / form->crop), (long long)shape[1], grey);
    else
        snprintf(text, size, "height=%lld,width=%lld%s", (long long)shape[1], (long long)shape[2], grey);
    return TL_OK;
}

static tl_status predict_picture(struct job *j, const struct invocation *v, const char *path, const char *options, struct grid *pairs)
{
    tl_dataset *picture = tl_data_open("folder", .path = path, .options = options);
    tl_status s = picture ? predict_sample(j, v, picture, 0, path, pairs) : tl_error_code();
    tl_dataset_free(picture);
    return s;
}

/* Every picture; one that fails is told and does not keep the others back. */
static int predict_pictures(struct job *j, const struct invocation *v, int first, struct grid *pairs)
{
    char options[200];
    int code = EXIT_OK;
    if (picture_options(j, options, sizeof options) != TL_OK)
        return failed();
    for (int i = first; i < v->n_arguments; i++) {
        tl_status s = TL_OK;
        TL_SCOPE s = predict_picture(j, v, v->arguments[i], options, pairs);
        if (s != TL_OK)
            code = failed();
        tl_error_clear();
    }
    return code;
}

/* The line's arguments are a model or none, then pictures or none. */
static int check_line(const struct invocation *v, int first)
{
    static const char *const of_data[] = {"data", "path", "data-option", "label", "no-header", "standardize", "split", "count", "seed"};
    if (!v->set.weights)
        return misused(v, "predict: which weights? --weights FILE");
    for (int i = first; i < v->n_arguments; i++)
        if (!names_picture(v->arguments[i]))
            return misused(v, "predict: unexpected argument \"%s\": expected pictures, with names ending in .jpg, .jpeg or .png",
                           v->arguments[i]);
    for (size_t i = 0; first < v->n_arguments && i < sizeof of_data / sizeof *of_data; i++)
        if (given(v, of_data[i]))
            return misused(v, "predict: --%s is for samples of a data set, and pictures are given", of_data[i]);
    return EXIT_OK;
}

/* ---- Pairs of pictures ------------------------------------------------------------------------------------------------------------ */

enum { PAIRS_IN_A_ROW = 4 };

/* Room for the pairs that --output asks for. */
static tl_status begin_pairs(const struct job *j, const struct invocation *v, int64_t samples, struct grid *pairs)
{
    int64_t shape[TL_MAX_DIMS];
    const struct tl_dataset_info *info = j->test ? tl_dataset_info(j->test) : NULL;
    if (!v->set.output)
        return TL_OK;
    if (j->work.task != TL_RECONSTRUCT)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: --output is for models that reconstruct their input; the task of %s is to %s", j->model->name,
                       tl_task_name(j->work.task));
    int ndim = info && !j->resize ? info->ndim : j->model->input_shape(j->config, shape);
    tl_status s = grid_can_write(v->set.output);
    return s == TL_OK ? grid_begin(pairs, ndim, info && !j->resize ? info->shape : shape, 2 * samples, 2 * PAIRS_IN_A_ROW) : s;
}

static int64_t samples_asked_for(const struct job *j, const struct invocation *v, int first)
{
    if (first < v->n_arguments)
        return v->n_arguments - first;
    int64_t size = tl_dataset_size(j->test);
    return v->set.count < size ? v->set.count : size;
}

int run_predict(const struct invocation *v)
{
    int first = v->n_arguments && !names_picture(v->arguments[0]), code = check_line(v, first);
    bool pictures = first < v->n_arguments;
    struct job j = {0};
    struct grid pairs = {0};
    if (code != EXIT_OK)
        return code;
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&j, v);
    if (s == TL_OK && !pictures)
        s = job_data(&j, v, false, true);
    if (s == TL_OK)
        s = job_net(&j, v);
    if (s == TL_OK && j.work.task == TL_GENERATE)
        s = tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s has nothing to say of samples; it makes them: telar generate", j.model->name);
    if (s == TL_OK)
        s = begin_pairs(&j, v, samples_asked_for(&j, v, first), &pairs);
    if (s == TL_OK) {
        tl_eval(j.net);
        TL_NO_GRAD {
            if (pictures)
                code = predict_pictures(&j, v, first, &pairs);
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
