/* SPDX-License-Identifier: Apache-2.0
 *
 * Confusion matrix and classification report. The matrix counts (true class, predicted class); precision, recall and F1
 * come from its rows and columns:
 *
 *     precision = tp / (tp + fp)     recall = tp / (tp + fn)     F1 = 2 tp / (2 tp + fp + fn)
 *
 * where a quotient of zeros is `zero_division`. The report's text is laid out as scikit-learn's, so that the two can be
 * compared line by line.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/numbers.h"
#include "nn/train/train.h"

struct tl_confusion {
    int64_t classes, total;
    char **names;
    int64_t *counts; /* [truth * classes + predicted] */
};

/* A matrix of this many classes has 128 MiB of counts: more is a mistake, such as a regression's targets. */
enum { MAX_CLASSES = 4096 };

tl_confusion *tl_confusion_new(int64_t classes, const char *const *names)
{
    if (classes < 1 || classes > MAX_CLASSES) {
        tl_fail(TL_ERR_ARGUMENT, "confusion matrix: %lld classes; expected 1 to %d", (long long)classes, MAX_CLASSES);
        return NULL;
    }
    tl_confusion *c = calloc(1, sizeof *c);
    size_t n = (size_t)classes;
    if (c) {
        c->classes = classes;
        c->counts = calloc(n * n, sizeof *c->counts);
        c->names = calloc(n, sizeof *c->names);
    }
    bool ok = c && c->counts && c->names;
    for (size_t i = 0; ok && i < n; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        c->names[i] = strdup(names && names[i] ? names[i] : number);
        ok = c->names[i] != NULL;
    }
    if (ok)
        return c;
    tl_confusion_free(c);
    tl_fail(TL_ERR_NOMEM, "confusion matrix: out of memory for %lld classes", (long long)classes);
    return NULL;
}

void tl_confusion_free(tl_confusion *c)
{
    if (!c)
        return;
    for (int64_t i = 0; c->names && i < c->classes; i++)
        free(c->names[i]);
    free(c->names);
    free(c->counts);
    free(c);
}

static tl_status check_labels(const tl_confusion *c, const int64_t *labels, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= c->classes)
            return tl_fail(TL_ERR_INDEX, "confusion matrix: %s %lld at position %lld; expected 0 to %lld", what,
                           (long long)labels[i], (long long)i, (long long)(c->classes - 1));
    return TL_OK;
}

tl_status tl_confusion_add(tl_confusion *c, tl_tensor *truth, tl_tensor *predicted)
{
    if (!c || !truth || !predicted)
        return tl_fail(TL_ERR_ARGUMENT, "confusion matrix: missing argument");
    int64_t n = tl_numel(truth);
    if (n != tl_numel(predicted))
        return tl_fail(TL_ERR_SHAPE, "confusion matrix: %lld labels, but %lld predictions", (long long)n,
                       (long long)tl_numel(predicted));
    if (tl_dtype_is_float(tl_dtype_of(truth)) || tl_dtype_is_float(tl_dtype_of(predicted)))
        return tl_fail(TL_ERR_DTYPE, "confusion matrix: expected integer labels, got %s and %s",
                       tl_dtype_name(tl_dtype_of(truth)), tl_dtype_name(tl_dtype_of(predicted)));
    if (n == 0)
        return TL_OK;
    size_t bytes = (size_t)n * sizeof(int64_t);
    int64_t *t = malloc(bytes), *p = malloc(bytes);
    tl_status s = t && p ? TL_OK : tl_fail(TL_ERR_NOMEM, "confusion matrix: out of memory");
    if (s == TL_OK)
        s = tl_copy_out(truth, TL_I64, t, bytes);
    if (s == TL_OK)
        s = tl_copy_out(predicted, TL_I64, p, bytes);
    if (s == TL_OK)
        s = check_labels(c, t, n, "label");
    if (s == TL_OK)
        s = check_labels(c, p, n, "prediction");
    for (int64_t i = 0; s == TL_OK && i < n; i++)
        c->counts[t[i] * c->classes + p[i]]++;
    if (s == TL_OK)
        c->total += n;
    free(t);
    free(p);
    return s;
}

int64_t tl_confusion_classes(const tl_confusion *c)
{
    return c ? c->classes : 0;
}

const char *tl_confusion_name(const tl_confusion *c, int64_t i)
{
    return c && i >= 0 && i < c->classes ? c->names[i] : "";
}

int64_t tl_confusion_at(const tl_confusion *c, int64_t truth, int64_t predicted)
{
    if (!c || truth < 0 || truth >= c->classes || predicted < 0 || predicted >= c->classes)
        return 0;
    return c->counts[truth * c->classes + predicted];
}

int64_t tl_confusion_total(const tl_confusion *c)
{
    return c ? c->total : 0;
}

static int64_t row_sum(const tl_confusion *c, int64_t i)
{
    int64_t n = 0;
    for (int64_t j = 0; j < c->classes; j++)
        n += c->counts[i * c->classes + j];
    return n;
}

static int64_t column_sum(const tl_confusion *c, int64_t j)
{
    int64_t n = 0;
    for (int64_t i = 0; i < c->classes; i++)
        n += c->counts[i * c->classes + j];
    return n;
}

static double quotient(int64_t a, int64_t b, double zero_division)
{
    return b ? (double)a / (double)b : zero_division;
}

struct tl_scores tl_confusion_scores(const tl_confusion *c, int64_t i, double zero_division)
{
    struct tl_scores s = {zero_division, zero_division, zero_division, 0};
    if (!c || i < 0 || i >= c->classes)
        return s;
    int64_t hit = tl_confusion_at(c, i, i), truth = row_sum(c, i), predicted = column_sum(c, i);
    s.precision = quotient(hit, predicted, zero_division);
    s.recall = quotient(hit, truth, zero_division);
    s.f1 = quotient(2 * hit, truth + predicted, zero_division);
    s.support = truth;
    return s;
}

static bool appears(const tl_confusion *c, int64_t i)
{
    return row_sum(c, i) > 0 || column_sum(c, i) > 0;
}

/* A weighted sum that leaves NaNs out, as scikit-learn's averages do. */
struct mean {
    double sum, weight;
};

static void mean_add(struct mean *m, double value, double weight)
{
    if (isnan(value))
        return;
    m->sum += value * weight;
    m->weight += weight;
}

static double mean_value(const struct mean *m, double zero_division)
{
    return m->weight > 0 ? m->sum / m->weight : zero_division;
}

static struct tl_scores average(const tl_confusion *c, bool weighted, double zero_division, bool all)
{
    struct mean precision = {0, 0}, recall = {0, 0}, f1 = {0, 0};
    for (int64_t i = 0; c && i < c->classes; i++) {
        if (!all && !appears(c, i))
            continue;
        struct tl_scores s = tl_confusion_scores(c, i, zero_division);
        double weight = weighted ? (double)s.support : 1;
        mean_add(&precision, s.precision, weight);
        mean_add(&recall, s.recall, weight);
        mean_add(&f1, s.f1, weight);
    }
    return (struct tl_scores){mean_value(&precision, zero_division), mean_value(&recall, zero_division),
                              mean_value(&f1, zero_division), c ? c->total : 0};
}

struct tl_scores tl_confusion_average(const tl_confusion *c, bool weighted, double zero_division)
{
    return average(c, weighted, zero_division, false);
}

double tl_confusion_accuracy(const tl_confusion *c)
{
    int64_t hits = 0;
    for (int64_t i = 0; c && i < c->classes; i++)
        hits += c->counts[i * c->classes + i];
    return c ? quotient(hits, c->total, 0) : 0;
}

/* Right-align UTF-8 text in `width` columns; printf's %*s counts bytes. */
static void put_right(FILE *to, const char *text, int width)
{
    fprintf(to, "%*s", width - text_columns(text) > 0 ? width - text_columns(text) : 0, "");
    for (; *text; text++) /* names come from files: none may steer the terminal */
        fputc((unsigned char)*text < 32 || *text == 127 ? '?' : *text, to);
}

static void put_number(FILE *to, double x, int digits)
{
    if (isnan(x))
        fprintf(to, " %9s", "nan");
    else
        fprintf(to, " %9.*f", digits, x);
}

static void put_scores(FILE *to, const char *name, int width, struct tl_scores s, int digits)
{
    put_right(to, name, width);
    fputc(' ', to);
    put_number(to, s.precision, digits);
    put_number(to, s.recall, digits);
    put_number(to, s.f1, digits);
    fprintf(to, " %9lld\n", (long long)s.support);
}

static void write_report(FILE *to, const tl_confusion *c, int digits, double zero, bool all)
{
    int width = (int)strlen("weighted avg");
    if (digits > width)
        width = digits;
    for (int64_t i = 0; i < c->classes; i++)
        if ((all || appears(c, i)) && text_columns(c->names[i]) > width)
            width = text_columns(c->names[i]);
    fprintf(to, "%*s  %9s %9s %9s %9s\n\n", width, "", "precision", "recall", "f1-score", "support");
    for (int64_t i = 0; i < c->classes; i++)
        if (all || appears(c, i))
            put_scores(to, c->names[i], width, tl_confusion_scores(c, i, zero), digits);
    fputc('\n', to);
    put_right(to, "accuracy", width);
    fprintf(to, "  %9s %9s", "", "");
    put_number(to, tl_confusion_accuracy(c), digits);
    fprintf(to, " %9lld\n", (long long)c->total);
    put_scores(to, "macro avg", width, average(c, false, zero, all), digits);
    put_scores(to, "weighted avg", width, average(c, true, zero, all), digits);
}

char *tl_classification_report(const tl_confusion *c, const struct tl_report_options *given)
{
    struct tl_report_options o;
    options_taken(&o, sizeof o, given);
    if (!c) {
        tl_fail(TL_ERR_ARGUMENT, "classification report: no confusion matrix");
        return NULL;
    }
    int digits = o.digits > 0 ? o.digits : 2;
    if (digits > 17)
        digits = 17;
    struct text text;
    if (!text_open(&text))
        return NULL;
    struct plain_numbers plain = plain_numbers_begin();
    write_report(text.to, c, digits, o.zero_division, o.all_classes);
    plain_numbers_end(&plain);
    return text_close(&text);
}

/* Width of the widest number, and at least of the widest name: columns are as wide as that. */
static int cell_width(const tl_confusion *c)
{
    int width = 1;
    for (int64_t i = 0; i < c->classes * c->classes; i++) {
        int w = snprintf(NULL, 0, "%lld", (long long)c->counts[i]);
        width = w > width ? w : width;
    }
    for (int64_t i = 0; i < c->classes; i++) {
        int w = text_columns(c->names[i]);
        width = w > width ? w : width;
    }
    return width;
}

char *tl_confusion_to_string(const tl_confusion *c)
{
    if (!c) {
        tl_fail(TL_ERR_ARGUMENT, "confusion matrix: none given");
        return NULL;
    }
    struct text text;
    if (!text_open(&text))
        return NULL;
    int width = cell_width(c), name = width < 6 ? 6 : width;
    put_right(text.to, "true", name);
    fputs(" |", text.to);
    for (int64_t j = 0; j < c->classes; j++) {
        fputc(' ', text.to);
        put_right(text.to, c->names[j], width);
    }
    fputs("  <- predicted\n", text.to);
    for (int i = 0; i < name + 2 + (width + 1) * (int)c->classes; i++)
        fputc(i == name + 1 ? '+' : '-', text.to);
    fputc('\n', text.to);
    for (int64_t i = 0; i < c->classes; i++) {
        put_right(text.to, c->names[i], name);
        fputs(" |", text.to);
        for (int64_t j = 0; j < c->classes; j++) {
            int64_t n = tl_confusion_at(c, i, j);
            if (n)
                fprintf(text.to, " %*lld", width, (long long)n);
            else
                fprintf(text.to, " %*s", width, ".");
        }
        fputc('\n', text.to);
    }
    return text_close(&text);
}
