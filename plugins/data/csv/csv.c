/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugin for tables: "csv" reads any table of numbers with a label column; "digits" and "wine" are tables that are
 * installed with Telar. This file turns a table into features, labels and classes; table.c cuts the text.
 *
 * Labels are classes if they are text, or whole numbers of at most 100 different values, each standing twice in the
 * mean; classes are numbered in the order of their text (or number). Other numbers are targets of a regression.
 */
#include "table.h"

#include "../common/files.h"
#include "../common/rows.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BYTES ((size_t)1 << 32) /* of a table's text */
#define MAX_NUMBER_CLASSES 100

TL_PUBLIC extern const struct tl_plugin telar_plugin;

/* ---- The label column ------------------------------------------------------------------------------------------ */

/* Column number for the option `label`, or -1 and an error. */
static int64_t label_column(const struct table *t, const char *label)
{
    static const char *const usual[] = {"label", "class", "target", "variety"};

    if (label) {
        for (int64_t c = 0; t->names && c < t->columns; c++)
            if (strcmp(t->names[c], label) == 0)
                return c;
        char *end;
        long long number = strtoll(label, &end, 10);
        if (label[0] && *end == '\0' && number >= 0 && number < t->columns)
            return number;
        tl_fail(TL_ERR_NOT_FOUND, "%s: no label column \"%s\"; give a name of the header%s or a number from 0 to %" PRId64, t->path,
                label, t->names ? "" : " (this file has none)", t->columns - 1);
        return -1;
    }
    for (size_t i = 0; t->names && i < sizeof usual / sizeof *usual; i++)
        for (int64_t c = 0; c < t->columns; c++)
            if (strcasecmp(t->names[c], usual[i]) == 0)
                return c;
    return t->columns - 1;
}

struct label {
    const char *text;
    double number;
    int64_t row;
};

static int by_text(const void *a, const void *b)
{
    const struct label *x = a, *y = b;

    return strcmp(x->text, y->text);
}

static int by_number(const void *a, const void *b)
{
    const struct label *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* Read the label cells. *text: some are no numbers. An empty or NaN label is an error. */
static tl_status read_labels(const struct table *t, int64_t column, struct label *labels, bool *text, bool *whole)
{
    char where[400];

    *text = false;
    *whole = true;
    for (int64_t r = 0; r < t->rows; r++) {
        char *cell = t->cells[r * t->columns + column];
        cell += strspn(cell, " \t");
        for (size_t n = strlen(cell); n > 0 && strchr(" \t", cell[n - 1]); n--)
            cell[n - 1] = '\0';
        labels[r] = (struct label){.text = cell, .row = r};
        if (cell[0] == '\0' || strcasecmp(cell, "nan") == 0) {
            table_where(t, r, column, where, sizeof where);
            return tl_fail(TL_ERR_FORMAT, "%s: the label is %s", where, cell[0] ? "NaN" : "missing");
        }
        if (!table_number(cell, &labels[r].number))
            *text = true;
        else if (labels[r].number != floor(labels[r].number) || fabs(labels[r].number) > 1e9)
            *whole = false;
    }
    return TL_OK;
}

/* Count runs of equal labels in sorted order. */
static int64_t count_classes(const struct label *sorted, int64_t n, int (*order)(const void *, const void *))
{
    int64_t count = n > 0;

    for (int64_t i = 1; i < n; i++)
        count += order(&sorted[i - 1], &sorted[i]) != 0;
    return count;
}

/* Number the classes and copy their names into one block: pointers first, text behind. */
static tl_status name_classes(const struct label *sorted, int64_t n, int64_t n_classes, int (*order)(const void *, const void *),
                              struct rows *out)
{
    size_t bytes = (size_t)n_classes * sizeof(char *);

    for (int64_t i = 0; i < n; i++)
        if (i == 0 || order(&sorted[i - 1], &sorted[i]) != 0)
            bytes += strlen(sorted[i].text) + 1;
    char **names = malloc(bytes ? bytes : 1);
    out->labels = calloc((size_t)n + 1, sizeof *out->labels);
    if (!names || !out->labels) {
        free(names);
        return tl_fail(TL_ERR_NOMEM, "csv: no memory for %" PRId64 " labels", n);
    }
    char *text = (char *)(names + n_classes);
    int64_t class = -1;
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || order(&sorted[i - 1], &sorted[i]) != 0) {
            size_t size = strlen(sorted[i].text) + 1;
            names[++class] = memcpy(text, sorted[i].text, size);
            text += size;
        }
        out->labels[sorted[i].row] = class;
    }
    out->n_classes = n_classes;
    out->classes = (const char *const *)names;
    out->owned[0] = names;
    return TL_OK;
}

static tl_status take_labels(const struct table *t, int64_t column, struct label *labels, struct rows *out)
{
    bool text, whole;
    tl_status s = read_labels(t, column, labels, &text, &whole);

    if (s != TL_OK)
        return s;
    int (*order)(const void *, const void *) = text ? by_text : by_number;
    bool classes = text;
    const size_t rows = t->rows > 0 ? (size_t)t->rows : 0;
    if (!text && !(out->targets = calloc(rows + 1, sizeof *out->targets)))
        return tl_fail(TL_ERR_NOMEM, "csv: no memory for %" PRId64 " targets", t->rows);
    for (int64_t r = 0; !text && r < t->rows; r++)
        out->targets[r] = (float)labels[r].number;
    qsort(labels, (size_t)t->rows, sizeof *labels, order);
    int64_t n_classes = count_classes(labels, t->rows, order);
    if (!text)
        classes = whole && n_classes <= MAX_NUMBER_CLASSES && n_classes * 2 <= t->rows;
    if (!classes)
        return TL_OK;
    free(out->targets);
    out->targets = NULL;
    return name_classes(labels, t->rows, n_classes, order, out);
}

/* ---- Features --------------------------------------------------------------------------------------------------- */

static tl_status bad_cell(const struct table *t, int64_t row, int64_t column)
{
    const char *cell = t->cells[row * t->columns + column];
    char where[400];

    table_where(t, row, column, where, sizeof where);
    if (cell[strspn(cell, " \t")] == '\0')
        return tl_fail(TL_ERR_FORMAT, "%s: the cell is empty; every feature must be a number", where);
    return tl_fail(TL_ERR_FORMAT, "%s: \"%.40s\" is not a finite number%s", where, cell,
                   strchr(cell, ',') ? " (the decimal sign must be a point)" : "");
}

/* All columns but the label's, as f32. */
static tl_status take_features(const struct table *t, int64_t label, struct rows *out)
{
    int64_t width = t->columns - 1, at = 0;

    if (width < 1)
        return tl_fail(TL_ERR_FORMAT, "%s: there is one column only (cut at '%c'); features and a label are needed", t->path,
                       t->delimiter);
    out->floats = calloc((size_t)(t->rows * width), sizeof *out->floats); /* fewer than the cells that were read */
    if (!out->floats)
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for %" PRId64 " x %" PRId64 " numbers", t->path, t->rows, width);
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t c = 0; c < t->columns; c++) {
            double v;
            if (c == label)
                continue;
            if (!table_number(t->cells[r * t->columns + c], &v) || fabs(v) > 3.4028234e38)
                return bad_cell(t, r, c);
            out->floats[at++] = (float)v;
        }
    out->n = t->rows;
    out->ndim = 1;
    out->shape[0] = width;
    return TL_OK;
}

/* Names of the features: copied, since the text goes. */
static tl_status take_columns(const struct table *t, int64_t label, struct rows *out)
{
    size_t bytes = (size_t)t->columns * sizeof(char *);

    if (!t->names)
        return TL_OK;
    for (int64_t c = 0; c < t->columns; c++)
        bytes += strlen(t->names[c]) + 1;
    char **names = malloc(bytes);
    if (!names)
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for its header", t->path);
    char *text = (char *)(names + t->columns);
    for (int64_t c = 0, at = 0; c < t->columns; c++) {
        if (c == label)
            continue;
        size_t size = strlen(t->names[c]) + 1;
        names[at++] = memcpy(text, t->names[c], size);
        text += size;
    }
    out->columns = (const char *const *)names;
    out->owned[1] = names;
    return TL_OK;
}

/* Zero mean and unit deviation for every column, learned from the rows of the training part. */
static tl_status standardize(struct rows *r, const struct tl_data_options *o)
{
    int64_t width = rows_width(r), n_train = r->n, n_test = 0;
    int64_t *order = calloc((size_t)r->n + 1, sizeof *order), *same = calloc((size_t)r->n + 1, sizeof *same);
    tl_status s = order && same ? TL_OK : tl_fail(TL_ERR_NOMEM, "csv: no memory to standardize %" PRId64 " rows", r->n);

    for (int64_t i = 0; s == TL_OK && i < r->n; i++)
        order[i] = i;
    if (s == TL_OK && o->split)
        s = tl_stratified_order(r->labels ? r->labels : same, r->n, rows_test_share(o), o->seed, order, &n_test);
    n_train -= n_test;
    if (s == TL_OK && n_train < 1)
        s = tl_fail(TL_ERR_ARGUMENT, "csv: no row is left in the training part to learn the scale from");
    if (s == TL_OK) {
        TL_SCOPE
        {
            tl_tensor *train = tl_empty(TL_SHAPE(n_train, width), (struct tl_options){.dtype = TL_F32, .device = "cpu"});
            float *to = train ? tl_data_mut(train) : NULL;
            for (int64_t i = 0; to && i < n_train; i++)
                memcpy(to + i * width, r->floats + order[i] * width, (size_t)width * sizeof *to);
            tl_scaler *scaler = to ? tl_scaler_fit(train) : NULL;
            if (!scaler) {
                s = tl_error_code();
                break;
            }
            const double *mean = tl_scaler_mean(scaler), *deviation = tl_scaler_deviation(scaler);
            for (int64_t i = 0; i < r->n * width; i++)
                r->floats[i] = (float)(((double)r->floats[i] - mean[i % width]) / deviation[i % width]);
            tl_scaler_free(scaler);
        }
    }
    free(same);
    free(order);
    return s;
}

/* ---- Opening ------------------------------------------------------------------------------------------------------ */

/* The digits are pictures of 8 x 8 with values 0 to 16: bytes if raw, else in [0, 1]. */
static tl_status shape_digits(const struct table *t, struct rows *r, bool raw)
{
    int64_t n = r->n * 64;

    if (rows_width(r) != 64 || !r->labels || r->n_classes != 10)
        return tl_fail(TL_ERR_FORMAT, "%s: digits are rows of 64 values and a label of 10, not %" PRId64 " values and %" PRId64 " classes",
                       t->path, rows_width(r), r->n_classes);
    for (int64_t i = 0; i < n; i++)
        if (!(r->floats[i] >= 0 && r->floats[i] <= 16) || r->floats[i] != floorf(r->floats[i]))
            return tl_fail(TL_ERR_FORMAT, "%s:%" PRId64 ": pixel %" PRId64 " is %g, not a whole number from 0 to 16", t->path,
                           t->lines[i / 64], i % 64, (double)r->floats[i]);
    r->ndim = 3;
    r->shape[0] = 1;
    r->shape[1] = r->shape[2] = 8;
    if (!raw) {
        for (int64_t i = 0; i < n; i++)
            r->floats[i] /= 16;
        return TL_OK;
    }
    if (!(r->bytes = calloc((size_t)r->n, 64)))
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for %" PRId64 " pixels", t->path, n);
    for (int64_t i = 0; i < n; i++)
        r->bytes[i] = (unsigned char)r->floats[i];
    free(r->floats);
    r->floats = NULL;
    r->raw = true;
    return TL_OK;
}

static tl_status convert(const struct table *t, const char *name, const struct tl_data_options *o, struct rows *r)
{
    bool digits = strcmp(name, "digits") == 0;
    int64_t label = label_column(t, o->label);
    struct label *labels = label < 0 ? NULL : calloc((size_t)t->rows, sizeof *labels);
    tl_status s;

    if (label < 0)
        return tl_error_code();
    if (!labels)
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for %" PRId64 " labels", t->path, t->rows);
    if ((s = take_features(t, label, r)) == TL_OK && (s = take_labels(t, label, labels, r)) == TL_OK &&
        (s = take_columns(t, label, r)) == TL_OK && digits)
        s = shape_digits(t, r, o->raw && !o->standardize);
    if (s == TL_OK && o->standardize)
        s = standardize(r, o);
    free(labels);
    return s;
}

static tl_status check_options(const struct tl_data_options *o)
{
    if (o->delimiter && (strlen(o->delimiter) != 1 || strchr("\"\r\n", o->delimiter[0])))
        return tl_fail(TL_ERR_ARGUMENT, "csv: the delimiter must be one character, not \"%s\"", o->delimiter);
    return rows_which_split("csv", o) == -2 ? TL_ERR_ARGUMENT : TL_OK;
}

static tl_dataset *open_file(const char *name, const char *path, const struct tl_data_options *o)
{
    struct bytes text = {0};
    struct table t = {0};
    struct rows r = {.name = "csv"};
    tl_dataset *d = NULL;

    if (check_options(o) != TL_OK || files_read(path, MAX_BYTES, &text) != TL_OK)
        return NULL;
    if (table_parse(path, (char *)text.data, text.size, o->delimiter ? o->delimiter[0] : 0, o->no_header, &t) == TL_OK) {
        if (convert(&t, name, o, &r) == TL_OK)
            d = rows_split(rows_dataset(&r), o);
        else
            rows_discard(&r);
        table_clear(&t);
    }
    free(text.data);
    return d;
}

/* Is this plugin run from the build tree, and not from where it is installed? */
static bool in_build_tree(void)
{
    char real[PATH_MAX], build[PATH_MAX];
    Dl_info info;

    if (!dladdr(&telar_plugin, &info) || !info.dli_fname || !realpath(info.dli_fname, real) || !realpath(TL_BUILD_DIR, build))
        return false;
    size_t n = strlen(build);
    return strncmp(real, build, n) == 0 && real[n] == '/';
}

/* folder/name.csv or folder/name.csv.gz, malloc()ed, if it is there; else NULL. */
static char *table_in(const char *folder, const char *name)
{
    static const char *const endings[] = {".csv", ".csv.gz"};

    for (size_t i = 0; i < 2; i++) {
        char *path = files_join(folder, name, endings[i]);
        if (path && files_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

/* A table by name: in the user's data folders, then the one of the build tree or the installed one. */
static tl_dataset *open_named(const char *name, const struct tl_data_options *o)
{
    const char *own = in_build_tree() ? TL_BUILD_DATA_DIR : TL_DATA_DIR;
    char *folder, *path = NULL;
    char looked[600] = "";

    for (int i = 0; !path && (folder = files_place(i, NULL, "")); i++) {
        size_t used = strlen(looked);
        snprintf(looked + used, sizeof looked - used, "%s, ", folder);
        path = table_in(folder, name);
        free(folder);
    }
    if (!path)
        path = table_in(own, name);
    if (!path) {
        tl_fail(TL_ERR_NOT_FOUND, "%s: no %s.csv or %s.csv.gz in %s%s", name, name, name, looked, own);
        return NULL;
    }
    tl_dataset *d = open_file(name, path, o);
    free(path);
    return d;
}

static tl_dataset *csv_open(const char *name, const struct tl_data_options *o)
{
    if (o->path)
        return open_file(name, o->path, o);
    if (strcmp(name, "csv") == 0) {
        tl_fail(TL_ERR_ARGUMENT, "csv: give the path of a table");
        return NULL;
    }
    return open_named(name, o);
}

static const char *const names[] = {
    "csv", "any table of numbers with a label column (.csv, .tsv, also compressed)",
    "digits", "1,797 handwritten digits of 8 x 8 (UCI, installed with Telar)",
    "wine", "178 wines, 13 measurements, 3 cultivars (UCI, installed with Telar)",
    NULL,
};

static const struct tl_data_plugin table_plugin = {
    .struct_size = sizeof(struct tl_data_plugin),
    .names = names,
    .open = csv_open,
};

static tl_status plugin_open(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    (void)host;
    (void)err;
    *iface = &table_plugin;
    return TL_OK;
}

TL_PUBLIC const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_DATA_ABI,
    .kind = "data",
    .name = "csv",
    .version = "1.0",
    .summary = "tables of comma-separated values; digits and wine",
    .open = plugin_open,
};
