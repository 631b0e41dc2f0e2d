/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model says of a batch of samples or pictures, one after the other, in words or as JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"

enum { SHOWN = 5 };

/* What is spoken of: a picture's file, or the number of a sample. */
static void print_subject(const struct subject *s)
{
    if (s->file)
        print_harmless(stdout, s->file, 4096);
    else
        printf("sample %lld", (long long)s->sample);
}

static struct json json_subject(const struct subject *s)
{
    struct json to = json_new(stdout);
    json_open(&to, '{');
    if (s->file)
        json_text_of(&to, "file", s->file);
    else
        json_integer_of(&to, "sample", s->sample);
    return to;
}

static void json_finish(struct json *to)
{
    json_close(to, '}');
    json_end(to);
}

void json_unread(const char *file, const char *message)
{
    struct json to = json_subject(&(struct subject){.file = file});
    json_text_of(&to, "error", message);
    json_finish(&to);
}

/* What is to be learnt of the inputs; NULL: nothing. */
static tl_tensor *targets_of(const struct samples *b)
{
    return b->n_fields > 1 ? b->fields[b->n_fields - 1] : NULL;
}

/* n numbers of each of the batch's rows; NULL and an error. */
static double *rows_of(tl_tensor *t, size_t n)
{
    double *numbers = t ? malloc(n * sizeof *numbers + 1) : NULL;
    if (t && !numbers)
        tl_fail(TL_ERR_NOMEM, "predict: out of memory");
    if (numbers && tl_copy_out(t, TL_F64, numbers, n * sizeof *numbers) != TL_OK) {
        free(numbers);
        return NULL;
    }
    return numbers;
}

/* ---- Classes ---------------------------------------------------------------------------------------------------------------- */

struct chances {
    const double *of; /* one a class */
    int64_t classes;
    int64_t label; /* -1: the data have none */
    int64_t best[SHOWN];
    int shown;
};

/* Names of another number of classes than the network tells apart are not its own. */
static const char *class_name(const struct job *j, const struct chances *c, int64_t i, char *buffer, size_t size)
{
    int64_t n;
    const char *const *names = job_classes(j, &n);
    if (names && n == c->classes && i >= 0 && i < n)
        return names[i];
    snprintf(buffer, size, "%lld", (long long)i);
    return buffer;
}

/* The most likely classes; of equal ones the first. */
static void find_best(struct chances *c)
{
    for (c->shown = 0; c->shown < SHOWN && c->shown < c->classes; c->shown++) {
        int64_t best = -1;
        for (int64_t i = 0; i < c->classes; i++) {
            bool taken = false;
            for (int k = 0; k < c->shown; k++)
                taken = taken || c->best[k] == i;
            if (!taken && (best < 0 || c->of[i] > c->of[best]))
                best = i;
        }
        c->best[c->shown] = best;
    }
}

static void print_chances(const struct job *j, const struct subject *s, const struct chances *c)
{
    char a[32], b[32];
    print_subject(s);
    fputs(": ", stdout);
    print_harmless(stdout, class_name(j, c, c->best[0], a, sizeof a), 200);
    if (c->label == c->best[0])
        fputs(" (right)", stdout);
    else if (c->label >= 0) {
        fputs(" (wrong: it is ", stdout);
        print_harmless(stdout, class_name(j, c, c->label, b, sizeof b), 200);
        fputc(')', stdout);
    }
    fputc('\n', stdout);
    for (int k = 0; k < c->shown; k++) {
        printf("    %5.1f %%  ", 100 * c->of[c->best[k]]);
        print_harmless(stdout, class_name(j, c, c->best[k], a, sizeof a), 200);
        fputc('\n', stdout);
    }
}

/* Several classes may bear one name (two of ImageNet's are called crane), so none is a key. */
static void json_chances(const struct job *j, const struct subject *s, const struct chances *c)
{
    char buffer[32];
    struct json to = json_subject(s);
    json_text_of(&to, "class", class_name(j, c, c->best[0], buffer, sizeof buffer));
    if (c->label >= 0)
        json_text_of(&to, "label", class_name(j, c, c->label, buffer, sizeof buffer));
    json_key(&to, "best");
    json_open(&to, '[');
    for (int k = 0; k < c->shown; k++) {
        json_open(&to, '{');
        json_integer_of(&to, "index", c->best[k]);
        json_number_of(&to, "probability", c->of[c->best[k]]);
        json_text_of(&to, "class", class_name(j, c, c->best[k], buffer, sizeof buffer));
        json_close(&to, '}');
    }
    json_close(&to, ']');
    json_key(&to, "probabilities");
    json_open(&to, '[');
    for (int64_t i = 0; i < c->classes; i++)
        json_number(&to, c->of[i]);
    json_close(&to, ']');
    json_finish(&to);
}

static tl_status show_classes(struct job *j, const struct invocation *v, const struct samples *b, tl_tensor *y)
{
    if (j->work.task == TL_LANGUAGE)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s is a language model: telar generate has it write", j->model->name);
    if (tl_ndim(y) != 2 || tl_size(y, 0) != b->n)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s does not classify", j->model->name);
    tl_tensor *targets = targets_of(b);
    bool labelled = targets && b->info.n_classes > 0;
    int64_t classes = tl_size(y, 1);
    double *chances = rows_of(tl_softmax(y, 1), (size_t)(b->n * classes));
    double *labels = chances && labelled ? rows_of(targets, (size_t)b->n) : NULL;
    tl_status s = chances && (labels || !labelled) && classes > 0 ? TL_OK : tl_error_code();
    for (int64_t i = 0; s == TL_OK && classes > 0 && i < b->n; i++) {
        struct chances c = {.of = chances + i * classes, .classes = classes, .label = labels ? (int64_t)labels[i] : -1};
        find_best(&c);
        if (!v->set.json && !v->set.quiet)
            s = draw_pictures(tl_narrow(b->fields[0], 0, i, 1), NULL, &b->info);
        if (s == TL_OK && v->set.json)
            json_chances(j, &b->of[i], &c);
        else if (s == TL_OK)
            print_chances(j, &b->of[i], &c);
    }
    free(chances);
    free(labels);
    return s;
}

/* ---- Numbers ---------------------------------------------------------------------------------------------------------------- */

static void print_numbers(const struct subject *s, int64_t n, const double *predicted, const double *wanted)
{
    print_subject(s);
    fputc(':', stdout);
    for (int64_t i = 0; i < n; i++) {
        printf("%s %.6g", i ? "," : "", predicted[i]);
        if (wanted)
            printf(" (it is %.6g)", wanted[i]);
    }
    fputc('\n', stdout);
}

static void json_numbers(const struct subject *s, int64_t n, const double *predicted, const double *wanted)
{
    struct json to = json_subject(s);
    for (int k = 0; k < (wanted ? 2 : 1); k++) {
        json_key(&to, k ? "target" : "output");
        json_open(&to, '[');
        for (int64_t i = 0; i < n; i++)
            json_number(&to, k ? wanted[i] : predicted[i]);
        json_close(&to, ']');
    }
    json_finish(&to);
}

static tl_status show_numbers(struct job *j, const struct invocation *v, const struct samples *b, tl_tensor *y)
{
    int64_t n = tl_numel(y) / b->n;
    tl_tensor *targets = targets_of(b);
    if (tl_numel(y) % b->n != 0 || (targets && tl_numel(targets) != tl_numel(y)))
        return tl_fail(TL_ERR_SHAPE, "predict: model %s gives %lld numbers a sample, the data have %lld", j->model->name, (long long)n,
                       (long long)(targets ? tl_numel(targets) / b->n : 0));
    double *predicted = rows_of(y, (size_t)(n * b->n)), *wanted = predicted && targets ? rows_of(targets, (size_t)(n * b->n)) : NULL;
    tl_status s = predicted && (wanted || !targets) ? TL_OK : tl_error_code();
    for (int64_t i = 0; s == TL_OK && i < b->n; i++)
        (v->set.json ? json_numbers : print_numbers)(&b->of[i], n, predicted + i * n, wanted ? wanted + i * n : NULL);
    free(predicted);
    free(wanted);
    return s;
}

/* ---- Reconstructions ---------------------------------------------------------------------------------------------------------- */

/* A model that gives its input back: both, and how far apart they are. */
static tl_status show_reconstructions(struct job *j, const struct invocation *v, const struct samples *b, tl_tensor *x, tl_tensor *y)
{
    if (tl_numel(y) != tl_numel(x))
        return tl_fail(TL_ERR_SHAPE, "predict: model %s gives %lld values for an input of %lld", j->model->name, (long long)(tl_numel(y) / b->n),
                       (long long)(tl_numel(x) / b->n));
    y = tl_reshape(y, tl_ndim(x), tl_shape(x));
    for (int64_t i = 0; i < b->n; i++) {
        tl_tensor *in = tl_narrow(x, 0, i, 1), *out = tl_narrow(y, 0, i, 1), *error = tl_mse_loss(out, in);
        double value = error ? tl_item(error) : 0;
        if (tl_error_code() != TL_OK)
            return tl_error_code();
        if (v->set.output && (grid_add(b->pairs, in) != TL_OK || grid_add(b->pairs, out) != TL_OK))
            return tl_error_code();
        if (v->set.json) {
            struct json to = json_subject(&b->of[i]);
            json_number_of(&to, "mean_squared_error", value);
            json_finish(&to);
            continue;
        }
        print_subject(&b->of[i]);
        printf(": input and output, mean squared error %.4g\n", value);
        if (!v->set.quiet && draw_pictures(in, out, &b->info) != TL_OK)
            return tl_error_code();
    }
    return TL_OK;
}

/* The inputs in the model's form, *x, and what it gives for the batch. */
static tl_tensor *output_of(struct job *j, const struct samples *b, tl_tensor **x)
{
    const char *device = tl_default_device();
    tl_tensor *batch[TL_MAX_FIELDS];
    for (int f = 0; f < b->n_fields; f++)
        if (!device || !(batch[f] = tl_to_device(b->fields[f], device)))
            return NULL;
    *x = batch[0] = job_prepare(j, batch[0]);
    return *x ? tl_model_forward(j->model, j->config, j->net, batch, b->n_fields) : NULL;
}

tl_status show_outcomes(struct job *j, const struct invocation *v, const struct samples *b)
{
    tl_tensor *x = NULL, *y = output_of(j, b, &x);
    if (!y)
        return tl_error_code();
    tl_status s = j->work.task == TL_RECONSTRUCT ? show_reconstructions(j, v, b, x, y)
                  : j->work.task == TL_REGRESS   ? show_numbers(j, v, b, y)
                                                 : show_classes(j, v, b, y);
    return s == TL_OK ? tl_error_code() : s;
}
