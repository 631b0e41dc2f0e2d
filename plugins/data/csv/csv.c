/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugin for tables: "csv" reads any table of numbers with a label column; "digits" and "wine" are tables that are
 * installed with Telar. This file turns a table into features, labels and classes; table.c cuts the text.
 *
 * Labels are classes if they are text, or whole numbers of at most 100 different values, each standing twice in the
 * mean; classes are numbered in the order of their text (or number). Other numbers are targets of a regression, and one cell
 * among them that is no number is a mistake and not the first of as many classes as there are rows. The option "target" decides
 * where this guess is wrong.
 */
#include "table.h"

#include "../common/files.h"
#include "../common/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BYTES ((size_t)1 << 32) /* of a table's text */
#define MAX_NUMBER_CLASSES 100
#define BEYOND 0x1.ffffffp127 /* from here on a number rounds to infinity in f32 */

/* What the user wants, read from the options of the source. */
struct wishes {
    const char *label, *delimiter, *target, *drop;
    bool no_header, standardize, raw;
};

/* ---- The label column ------------------------------------------------------------------------------------------ */

/* Column by name or number; -1 if there is none. */
static int64_t find_column(const struct table *t, const char *which)
{
    for (int64_t c = 0; t->names && c < t->columns; c++)
        if (strcmp(t->names[c], which) == 0)
            return c;
    char *end;
    long long number = strtoll(which, &end, 10);
    return which[0] && *end == '\0' && number >= 0 && number < t->columns ? number : -1;
}

static tl_status no_column(const struct table *t, const char *what, const char *which)
{
    return tl_fail(TL_ERR_NOT_FOUND, "%s: no %scolumn \"%s\"; give a name of the header%s or a number from 0 to %" PRId64, t->path, what, which,
                   t->names ? "" : " (this file has none)", t->columns - 1);
}

/* Column number for the option `label`, or -1 and an error. */
static int64_t label_column(const struct table *t, const char *label)
{
    static const char *const usual[] = {"label", "class", "target", "variety"};

    if (label) {
        int64_t c = find_column(t, label);
        if (c < 0)
            no_column(t, "label ", label);
        return c;
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

static const char *first_text(const struct label *labels, int64_t n)
{
    double v;

    for (int64_t i = 0; i < n; i++)
        if (!table_number(labels[i].text, &v))
            return labels[i].text;
    return "";
}

/* Targets are f32. */
static tl_status check_targets(const struct table *t, int64_t column, const struct label *labels)
{
    char where[400];

    for (int64_t r = 0; r < t->rows; r++)
        if (fabs(labels[r].number) >= BEYOND) {
            table_where(t, labels[r].row, column, where, sizeof where);
            return tl_fail(TL_ERR_LIMIT, "%s: the label %.40s is beyond the range of f32", where, labels[r].text);
        }
    return TL_OK;
}

/* Text labels that hardly ever repeat: if most are numbers, the others are mistakes in a column of targets. */
static tl_status check_text_labels(const struct table *t, int64_t column)
{
    int64_t odd = -1, numbers = 0;
    char where[400];
    double ignored;

    for (int64_t r = 0; r < t->rows; r++)
        if (table_number(t->cells[r * t->columns + column], &ignored))
            numbers++;
        else if (odd < 0)
            odd = r;
    if (odd < 0 || numbers * 2 <= t->rows)
        return TL_OK;
    table_where(t, odd, column, where, sizeof where);
    return tl_fail(TL_ERR_FORMAT, "%s: the label \"%.40s\" is not a finite number, as %" PRId64 " of the %" PRId64 " labels are", where,
                   t->cells[odd * t->columns + column], numbers, t->rows);
}

static tl_status take_labels(const struct table *t, int64_t column, const char *target, struct label *labels, struct rows *out)
{
    bool text, whole;
    tl_status s = read_labels(t, column, labels, &text, &whole);

    if (s != TL_OK)
        return s;
    if (text && strcmp(target, "numbers") == 0)
        return tl_fail(TL_ERR_FORMAT, "%s: target=numbers, but the label column holds text, such as \"%.40s\"", t->path, first_text(labels, t->rows));
    int (*order)(const void *, const void *) = text ? by_text : by_number;
    bool classes = text;
    const size_t rows = t->rows > 0 ? (size_t)t->rows : 0;
    if (!text && !(out->targets = calloc(rows + 1, sizeof *out->targets)))
        return tl_fail(TL_ERR_NOMEM, "csv: no memory for %" PRId64 " targets", t->rows);
    qsort(labels, (size_t)t->rows, sizeof *labels, order);
    int64_t n_classes = count_classes(labels, t->rows, order);
    if (text && strcmp(target, "auto") == 0 && n_classes * 2 > t->rows && (s = check_text_labels(t, column)) != TL_OK)
        return s;
    if (!text)
        classes = strcmp(target, "classes") == 0 || (whole && n_classes <= MAX_NUMBER_CLASSES && n_classes * 2 <= t->rows);
    if (strcmp(target, "numbers") == 0)
        classes = false;
    if (!classes) {
        if ((s = check_targets(t, column, labels)) != TL_OK)
            return s;
        for (int64_t r = 0; r < t->rows; r++)
            out->targets[labels[r].row] = (float)labels[r].number;
        return TL_OK;
    }
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
                   strchr(cell, ',') ? " (the decimal sign must be a point)" : "; the option drop leaves columns out");
}

/* Mark the columns that are features: all but the label's and those that `drop` names, with colons between. Returns a malloc()ed
 * table of flags, or NULL and an error. */
static bool *feature_columns(const struct table *t, int64_t label, const char *drop, int64_t *width)
{
    bool *used = calloc((size_t)t->columns, sizeof *used);
    char *copy = strdup(drop ? drop : ""), *rest = copy;

    if (!used || !copy)
        tl_fail(TL_ERR_NOMEM, "%s: no memory for its columns", t->path);
    for (int64_t c = 0; used && c < t->columns; c++)
        used[c] = c != label;
    for (char *name; used && copy && (name = strsep(&rest, ":"));) {
        int64_t c = *name ? find_column(t, name) : label;
        if (c >= 0)
            used[c] = false;
        else
            no_column(t, "", name);
    }
    *width = 0;
    for (int64_t c = 0; used && c < t->columns; c++)
        *width += used[c];
    if (used && *width < 1)
        tl_fail(TL_ERR_FORMAT, "%s: %s (cut at '%c'); features and a label are needed", t->path,
                t->columns == 1 ? "there is one column only" : "no column is left for features", t->delimiter);
    free(copy);
    if (tl_error_code() == TL_OK)
        return used;
    free(used);
    return NULL;
}

/* Columns of features, as f32. */
static tl_status take_features(const struct table *t, const bool *used, int64_t width, struct rows *out)
{
    int64_t at = 0;

    out->floats = calloc((size_t)(t->rows * width), sizeof *out->floats); /* fewer than the cells that were read */
    if (!out->floats)
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for %" PRId64 " x %" PRId64 " numbers", t->path, t->rows, width);
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t c = 0; c < t->columns; c++) {
            double v;
            if (!used[c])
                continue;
            if (!table_number(t->cells[r * t->columns + c], &v) || fabs(v) >= BEYOND)
                return bad_cell(t, r, c);
            out->floats[at++] = (float)v;
        }
    out->n = t->rows;
    out->ndim = 1;
    out->shape[0] = width;
    return TL_OK;
}

/* Names of the features: copied, since the text goes. */
static tl_status take_columns(const struct table *t, const bool *used, struct rows *out)
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
        if (!used[c])
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
static tl_status standardize(struct rows *r, const struct tl_data_request *q)
{
    int64_t width = rows_width(r), n_train = r->n, n_test = 0;
    int64_t *order = calloc((size_t)r->n + 1, sizeof *order), *same = calloc((size_t)r->n + 1, sizeof *same);
    tl_status s = order && same ? TL_OK : tl_fail(TL_ERR_NOMEM, "csv: no memory to standardize %" PRId64 " rows", r->n);

    for (int64_t i = 0; s == TL_OK && i < r->n; i++)
        order[i] = i;
    if (s == TL_OK && q->split != TL_SPLIT_ALL) /* as tl_data_split() will cut */
        s = tl_stratified_order(r->labels ? r->labels : same, r->n, q->test_share, q->seed, order, &n_test);
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

static tl_status convert(const struct table *t, const struct wishes *w, const struct tl_data_request *q, struct rows *r)
{
    bool digits = strcmp(q->name, "digits") == 0;
    int64_t label = label_column(t, w->label);
    int64_t width = 0;
    bool *used = label < 0 ? NULL : feature_columns(t, label, w->drop, &width);
    struct label *labels = used ? calloc((size_t)t->rows, sizeof *labels) : NULL;
    tl_status s;

    if (!used)
        return tl_error_code();
    if (!labels) {
        free(used);
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for %" PRId64 " labels", t->path, t->rows);
    }
    if ((s = take_features(t, used, width, r)) == TL_OK && (s = take_labels(t, label, w->target, labels, r)) == TL_OK &&
        (s = take_columns(t, used, r)) == TL_OK && digits)
        s = shape_digits(t, r, w->raw && !w->standardize);
    if (s == TL_OK && w->standardize)
        s = standardize(r, q);
    free(labels);
    free(used);
    return s;
}

static bool read_wishes(const struct tl_data_request *q, struct wishes *w)
{
    *w = (struct wishes){.target = "auto", .standardize = tl_config_bool(q->config, "standardize")};
    if (strcmp(q->name, "digits") == 0) {
        w->raw = tl_config_bool(q->config, "raw");
        return tl_error_code() == TL_OK;
    }
    w->label = tl_config_text(q->config, "label");
    w->delimiter = tl_config_text(q->config, "delimiter");
    w->drop = tl_config_text(q->config, "drop");
    w->target = tl_config_choice(q->config, "target");
    w->no_header = tl_config_bool(q->config, "no-header");
    if (w->delimiter && strcmp(w->delimiter, "tab") == 0)
        w->delimiter = "\t";
    if (w->delimiter && (strlen(w->delimiter) != 1 || strchr("\"\r\n", w->delimiter[0])))
        tl_fail(TL_ERR_ARGUMENT, "csv: the delimiter must be one character, or the word tab, not \"%s\"", w->delimiter);
    return tl_error_code() == TL_OK;
}

static tl_dataset *open_file(const char *path, const struct tl_data_request *q)
{
    struct bytes text = {0};
    struct table t = {0};
    struct rows r = {0};
    struct wishes w;
    tl_dataset *d = NULL;

    if (!read_wishes(q, &w) || files_read(path, MAX_BYTES, &text) != TL_OK)
        return NULL;
    if (table_parse(path, (char *)text.data, text.size, w.delimiter ? w.delimiter[0] : 0, w.no_header, &t) == TL_OK) {
        if (convert(&t, &w, q, &r) == TL_OK)
            d = tl_data_split(rows_dataset(&r), q);
        else
            rows_discard(&r);
        table_clear(&t);
    }
    free(text.data);
    return d;
}

/* folder/name.csv or folder/name.csv.gz, malloc()ed, if it is there; else NULL. */
static char *table_in(const char *folder, const char *name)
{
    static const char *const suffixes[] = {".csv", ".csv.gz"};

    for (size_t i = 0; i < 2; i++) {
        char *path = files_join(folder, name, suffixes[i]);
        if (path && files_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

static bool holds_table(const char *folder, const char *name)
{
    char *path = table_in(folder, name);
    bool found = path != NULL;
    free(path);
    return found;
}

/* A table by name, where data are looked for. */
static tl_dataset *open_named(const struct tl_data_request *q)
{
    char looked[600] = "";
    char *folder = files_find("", holds_table, q->name, looked, sizeof looked), *path = folder ? table_in(folder, q->name) : NULL;
    tl_dataset *d = path ? open_file(path, q) : NULL;

    if (!folder)
        tl_fail(TL_ERR_NOT_FOUND, "%s: no %s.csv or %s.csv.gz in %s", q->name, q->name, q->name, looked);
    free(folder);
    free(path);
    return d;
}

static tl_dataset *csv_open(const struct tl_data_request *q)
{
    if (q->path)
        return open_file(q->path, q);
    if (strcmp(q->name, "csv") == 0) {
        tl_fail(TL_ERR_ARGUMENT, "csv: give the path of a table");
        return NULL;
    }
    return open_named(q);
}

static const char *const targets[] = {"auto", "classes", "numbers", NULL};

#define STANDARDIZE \
    {.name = "standardize", .help = "bring every column of features to mean 0 and deviation 1, those of the training part", \
     .kind = TL_OPTION_BOOL, .fallback = "no"}

static const struct tl_plugin_option table_options[] = {
    {.name = "label", .help = "name or number (from 0) of the column to predict; default: one named label, class, target or variety, else the last",
     .kind = TL_OPTION_TEXT},
    {.name = "target", .help = "what that column holds: classes, numbers, or what it looks like", .kind = TL_OPTION_CHOICE,
     .fallback = "auto", .choices = targets},
    {.name = "drop", .help = "names or numbers of columns to leave out, with colons between", .kind = TL_OPTION_TEXT},
    {.name = "delimiter", .help = "one character, or the word tab; default: guessed among comma, semicolon and tab", .kind = TL_OPTION_TEXT},
    {.name = "no-header", .help = "the first row is data, not names", .kind = TL_OPTION_BOOL, .fallback = "no"},
    STANDARDIZE,
    {0},
};

static const struct tl_plugin_option digits_options[] = {ROWS_OPTION_RAW, STANDARDIZE, {0}};

static const char *const endings[] = {".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", NULL};

#define TABLE_SOURCE(variable, name_, summary_, ...) \
    static const struct tl_data_source variable = {.struct_size = sizeof(struct tl_data_source), .flags = TL_DATA_OWN_SPLIT, \
                                                   .name = name_, .summary = summary_, .open = csv_open, .options = __VA_ARGS__}
TABLE_SOURCE(csv, "csv", "any table of numbers with a label column (.csv, .tsv, also compressed)", table_options, .endings = endings);
TABLE_SOURCE(digits, "digits", "1,797 handwritten digits of 8 x 8 (UCI, installed with Telar)", digits_options);
TABLE_SOURCE(wine, "wine", "178 wines, 13 measurements, 3 cultivars (UCI, installed with Telar)", table_options);

TL_DATA_PLUGIN("csv", "1.0", "tables of comma-separated values; digits and wine", &csv, &digits, &wine);
