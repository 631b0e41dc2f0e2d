/* SPDX-License-Identifier: Apache-2.0
 *
 * telar predict: samples drawn at random from a part of the data, with what the model says of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/cli.h"

enum { SHOWN = 3, LARGEST_PICTURE = 40 };

/* One sample's outcome. */
struct prediction {
    int64_t sample, label; /* label -1: the data have none */
    float *probabilities;
    int64_t classes;
};

/* ---- Pictures in the terminal ----------------------------------------------------------------------------------------------- */

/* Pictures are [1, h, w] or [h, w], and small enough for a terminal. */
static bool picture_size(const struct tl_dataset_info *info, int64_t *h, int64_t *w)
{
    int n = info->ndim;
    if (!(n == 2 || (n == 3 && info->shape[0] == 1)))
        return false;
    *h = info->shape[n - 2];
    *w = info->shape[n - 1];
    return *h <= LARGEST_PICTURE && *w <= LARGEST_PICTURE;
}

static void draw_row(const float *pixels, int64_t w, float low, float high)
{
    static const char *const shades[] = {"  ", "░░", "▒▒", "▓▓", "██"};
    fputs("    ", stdout);
    for (int64_t x = 0; x < w; x++) {
        float share = high > low ? (pixels[x] - low) / (high - low) : 0;
        int shade = (int)lroundf(share * 4);
        fputs(shades[shade < 0 ? 0 : shade > 4 ? 4 : shade], stdout);
    }
    fputc('\n', stdout);
}

static tl_status draw_picture(tl_tensor *sample, const struct tl_dataset_info *info)
{
    int64_t h, w;
    float pixels[LARGEST_PICTURE * LARGEST_PICTURE], low = INFINITY, high = -INFINITY;
    if (!picture_size(info, &h, &w) || h * w == 0)
        return TL_OK;
    tl_status s = tl_copy_out(sample, TL_F32, pixels, (size_t)(h * w) * sizeof *pixels);
    if (s != TL_OK)
        return s;
    for (int64_t i = 0; i < h * w; i++) {
        low = fminf(low, pixels[i]);
        high = fmaxf(high, pixels[i]);
    }
    for (int64_t y = 0; y < h; y++)
        draw_row(pixels + y * w, w, low, high);
    return TL_OK;
}

/* ---- Words ------------------------------------------------------------------------------------------------------------------ */

static const char *class_name(const struct job *j, int64_t i, char *buffer, size_t size)
{
    int64_t n;
    const char *const *names = job_classes(j, &n);
    if (names && i >= 0 && i < n)
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

static void print_prediction(const struct job *j, const struct prediction *p)
{
    char a[32], b[32];
    int64_t best = ranked(p, 0);
    printf("sample %lld: %s", (long long)p->sample, class_name(j, best, a, sizeof a));
    if (p->label >= 0)
        printf(best == p->label ? " (right)" : " (wrong: it is %s)", class_name(j, p->label, b, sizeof b));
    fputc('\n', stdout);
    for (int k = 0; k < SHOWN && k < p->classes; k++) {
        int64_t i = ranked(p, k);
        printf("    %5.1f %%  %s\n", 100 * (double)p->probabilities[i], class_name(j, i, a, sizeof a));
    }
}

static void json_prediction(const struct job *j, const struct prediction *p)
{
    char buffer[32];
    struct json to = json_new(stdout);
    json_open(&to, '{');
    json_integer_of(&to, "sample", p->sample);
    json_text_of(&to, "class", class_name(j, ranked(p, 0), buffer, sizeof buffer));
    if (p->label >= 0)
        json_text_of(&to, "label", class_name(j, p->label, buffer, sizeof buffer));
    json_key(&to, "probabilities");
    json_open(&to, '{');
    for (int64_t i = 0; i < p->classes; i++)
        json_number_of(&to, class_name(j, i, buffer, sizeof buffer), (double)p->probabilities[i]);
    json_close(&to, '}');
    json_close(&to, '}');
    json_end(&to);
}

/* ---- Work ------------------------------------------------------------------------------------------------------------------- */

static tl_status probabilities_of(struct job *j, tl_tensor *input, struct prediction *p)
{
    const char *device = tl_default_device();
    tl_tensor *x = device ? tl_to_device(input, device) : NULL;
    if (x && j->model->preprocess)
        x = j->model->preprocess(j->config, x);
    tl_tensor *y = x ? tl_forward(j->net, x) : NULL;
    if (!y)
        return tl_error_code();
    if (tl_ndim(y) != 2 || tl_size(y, 0) != 1)
        return tl_fail(TL_ERR_UNSUPPORTED, "predict: model %s does not classify", j->model->name);
    y = tl_softmax(y, 1);
    p->classes = y ? tl_size(y, 1) : 0;
    p->probabilities = y ? malloc((size_t)p->classes * sizeof(float)) : NULL;
    if (!p->probabilities)
        return tl_fail(TL_ERR_NOMEM, "predict: out of memory");
    return tl_copy_out(y, TL_F32, p->probabilities, (size_t)p->classes * sizeof(float));
}

static tl_status predict_sample(struct job *j, const struct invocation *v, int64_t sample)
{
    const struct tl_dataset_info *info = tl_dataset_info(j->test);
    tl_tensor *fields[TL_MAX_FIELDS] = {NULL};
    struct prediction p = {.sample = sample, .label = -1};
    tl_status s = tl_dataset_batch(j->test, &sample, 1, fields);
    if (s == TL_OK)
        s = probabilities_of(j, fields[0], &p);
    if (s == TL_OK && info->n_fields > 1 && info->n_classes > 0)
        p.label = tl_item_i64(fields[info->n_fields - 1]);
    if (s == TL_OK && tl_error_code() == TL_OK && v->set.json) {
        json_prediction(j, &p);
    } else if (s == TL_OK && tl_error_code() == TL_OK) {
        s = v->set.quiet ? TL_OK : draw_picture(fields[0], info);
        print_prediction(j, &p);
    }
    free(p.probabilities);
    return s == TL_OK ? tl_error_code() : s;
}

static tl_status predict_samples(struct job *j, const struct invocation *v)
{
    int64_t size = tl_dataset_size(j->test), count = v->set.count < size ? v->set.count : size;
    uint64_t seed = (uint64_t)v->set.seed;
    if (!given(v, "seed") && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = 0;
    tl_generator *g = tl_generator_new(seed);
    tl_tensor *order = g ? tl_randperm_with(size, g, (struct tl_options){.device = "cpu"}) : NULL;
    const int64_t *samples = order ? tl_data(order) : NULL;
    tl_status s = samples ? TL_OK : tl_error_code();
    for (int64_t i = 0; s == TL_OK && i < count; i++)
        TL_SCOPE s = predict_sample(j, v, samples[i]);
    tl_generator_free(g);
    return s;
}

int run_predict(const struct invocation *v)
{
    if (!v->set.weights)
        return misused(v, "predict: which weights? --weights FILE");
    struct job j = {0};
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&j, v);
    if (s == TL_OK)
        s = job_data(&j, v, false, true);
    if (s == TL_OK)
        s = job_net(&j, v);
    if (s == TL_OK) {
        tl_eval(j.net);
        TL_NO_GRAD TL_SCOPE s = predict_samples(&j, v);
    }
    job_free(&j);
    return s == TL_OK ? EXIT_OK : failed();
}
