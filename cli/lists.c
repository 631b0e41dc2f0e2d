/* SPDX-License-Identifier: Apache-2.0
 *
 * telar data and telar inspect: what there is to learn from, and what a file holds.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { MAX_NAMES = 256, LONGEST = 200 };

/* A name from a file, filled up to `width`. */
static void print_name(const char *name, int width)
{
    print_harmless(stdout, name, LONGEST);
    for (size_t n = strlen(name); n < (size_t)width; n++)
        fputc(' ', stdout);
}

static void put_shape(char *buffer, size_t size, int ndim, const int64_t *shape)
{
    size_t used = (size_t)snprintf(buffer, size, "[");
    for (int i = 0; i < ndim && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < size)
        snprintf(buffer + used, size - used, "]");
}

/* ---- telar data --------------------------------------------------------------------------------------------------------------- */

static int list_data(const struct invocation *v)
{
    static const struct tl_data_source *list[MAX_NAMES];
    size_t n = tl_data_sources(list, MAX_NAMES);
    for (size_t i = 0; i < n && i < MAX_NAMES; i++) {
        if (!v->set.json) {
            printf("%-14s %s\n", list[i]->name, list[i]->summary ? list[i]->summary : "");
            continue;
        }
        struct json j = json_new(stdout);
        json_open(&j, '{');
        json_text_of(&j, "name", list[i]->name);
        json_text_of(&j, "summary", list[i]->summary);
        json_options_of(&j, "options", list[i]->options);
        json_close(&j, '}');
        json_end(&j);
    }
    if (n)
        return EXIT_OK;
    tl_fail(TL_ERR_NOT_FOUND, "no data plugin was found; see telar doctor");
    return failed();
}

static int64_t *count_classes(tl_dataset *d, int64_t classes)
{
    enum { AT_ONCE = 1024 };
    int64_t *counts = calloc((size_t)classes, sizeof *counts), index[AT_ONCE], labels[AT_ONCE];
    for (int64_t i = 0, size = tl_dataset_size(d); counts && i < size; i += AT_ONCE) {
        int64_t n = size - i < AT_ONCE ? size - i : AT_ONCE;
        for (int64_t k = 0; k < n; k++)
            index[k] = i + k;
        if (tl_dataset_labels(d, index, n, labels) != TL_OK) {
            free(counts);
            return NULL;
        }
        for (int64_t k = 0; k < n; k++)
            if (labels[k] >= 0 && labels[k] < classes)
                counts[labels[k]]++;
    }
    return counts;
}

static const char *class_name(const struct tl_dataset_info *info, int64_t i, char *number, size_t size)
{
    if (info->classes)
        return info->classes[i];
    snprintf(number, size, "%lld", (long long)i);
    return number;
}

static void json_data(const char *name, const struct tl_dataset_info *info, const int64_t *counts)
{
    char number[24];
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_text_of(&j, "name", name);
    json_integer_of(&j, "samples", info->size);
    json_shape_of(&j, "shape", info->ndim, info->shape);
    json_integer_of(&j, "classes", info->n_classes);
    json_integer_of(&j, "targets", info->n_targets);
    if (counts) {
        json_key(&j, "counts");
        json_open(&j, '{');
        for (int64_t i = 0; i < info->n_classes; i++)
            json_integer_of(&j, class_name(info, i, number, sizeof number), counts[i]);
        json_close(&j, '}');
    }
    json_close(&j, '}');
    json_end(&j);
}

static void print_data(const char *name, const struct tl_dataset_info *info, const int64_t *counts)
{
    char shape[200], number[24];
    put_shape(shape, sizeof shape, info->ndim, info->shape);
    printf("%s: %lld sample%s of shape %s\n", name, (long long)info->size, info->size == 1 ? "" : "s", shape);
    if (info->columns && info->ndim == 1) {
        printf("columns: ");
        for (int64_t i = 0; i < info->shape[0]; i++) {
            fputs(i ? ", " : "", stdout);
            print_harmless(stdout, info->columns[i], LONGEST);
        }
        fputc('\n', stdout);
    }
    if (info->n_classes)
        printf("classes: %lld\n", (long long)info->n_classes);
    if (info->n_targets)
        printf("numbers to predict: %lld a sample\n", (long long)info->n_targets);
    for (int64_t i = 0; !counts && info->classes && i < info->n_classes; i++) {
        fputs(i ? " " : "  ", stdout);
        print_harmless(stdout, info->classes[i], LONGEST);
        fputs(i + 1 == info->n_classes ? "\n" : "", stdout);
    }
    for (int64_t i = 0; counts && i < info->n_classes; i++) {
        fputs("  ", stdout);
        print_name(class_name(info, i, number, sizeof number), 20);
        printf(" %lld\n", (long long)counts[i]);
    }
}

/* Or one for each position, as a language has? */
static bool has_one_label(tl_dataset *d)
{
    tl_tensor *fields[TL_MAX_FIELDS];
    bool one = true;
    TL_SCOPE {
        if (tl_dataset_size(d) > 0 && tl_dataset_get(d, 0, fields) == TL_OK)
            one = tl_ndim(fields[tl_dataset_info(d)->n_fields - 1]) == 0;
    }
    return one;
}

static int show_data(const struct invocation *v, const char *name, const char *options)
{
    tl_dataset *d = tl_data_open(name, .path = v->set.path, .options = options);
    if (!d)
        return failed();
    const struct tl_dataset_info *info = tl_dataset_info(d);
    int64_t *counts = info->n_classes > 0 && has_one_label(d) ? count_classes(d, info->n_classes) : NULL;
    int code = tl_error_code() == TL_OK ? EXIT_OK : failed();
    if (code == EXIT_OK && v->set.json)
        json_data(name, info, counts);
    else if (code == EXIT_OK)
        print_data(name, info, counts);
    free(counts);
    tl_dataset_free(d);
    return code;
}

int run_data(const struct invocation *v)
{
    static const char *const of_one[] = {"path", "data-option", "label", "no-header", "standardize"};
    for (size_t i = 0; v->n_arguments == 0 && i < sizeof of_one / sizeof *of_one; i++)
        if (given(v, of_one[i]))
            return misused(v, "data: --%s needs DATA, to say what it is of", of_one[i]);
    if (v->n_arguments == 0)
        return list_data(v);
    const char *name = v->arguments[0];
    const struct tl_data_source *source = tl_data_source_of(name);
    char *options = source ? data_option_text(v, NULL) : NULL;
    int code = options ? show_data(v, name, options) : failed();
    if (source && !v->set.json) /* also of a set whose files are not here */
        print_options("options (--data-option NAME=VALUE)", source->options);
    free(options);
    return code;
}

/* ---- telar inspect ------------------------------------------------------------------------------------------------------------ */

static uint64_t bytes_of(const tl_tensor *t)
{
    return (uint64_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
}

static void json_state(struct json *j, const tl_state *s)
{
    json_key(j, "tensors");
    json_open(j, '[');
    for (size_t i = 0; i < tl_state_count(s); i++) {
        const tl_tensor *t = tl_state_at(s, i);
        json_open(j, '{');
        json_text_of(j, "name", tl_state_name(s, i));
        json_shape_of(j, "shape", tl_ndim(t), tl_shape(t));
        json_text_of(j, "dtype", tl_dtype_name(tl_dtype_of(t)));
        json_integer_of(j, "bytes", (int64_t)bytes_of(t));
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "notes");
    json_open(j, '{');
    for (size_t i = 0; i < tl_state_note_count(s); i++)
        json_text_of(j, tl_state_note_key(s, i), tl_state_note(s, tl_state_note_key(s, i)));
    json_close(j, '}');
}

static void print_state(const tl_state *s)
{
    int name_width = 4, shape_width = 5;
    char shape[200];
    uint64_t bytes = 0;
    int64_t elements = 0;
    for (size_t i = 0; i < tl_state_count(s); i++) {
        const tl_tensor *t = tl_state_at(s, i);
        put_shape(shape, sizeof shape, tl_ndim(t), tl_shape(t));
        size_t length = strlen(tl_state_name(s, i));
        int n = length < LONGEST ? (int)length : LONGEST, w = (int)strlen(shape);
        name_width = n > name_width ? n : name_width;
        shape_width = w > shape_width ? w : shape_width;
    }
    printf("%-*s  %-*s  %-5s  %12s\n", name_width, "name", shape_width, "shape", "dtype", "bytes");
    for (size_t i = 0; i < tl_state_count(s); i++) {
        const tl_tensor *t = tl_state_at(s, i);
        put_shape(shape, sizeof shape, tl_ndim(t), tl_shape(t));
        print_name(tl_state_name(s, i), name_width);
        printf("  %-*s  %-5s  %12llu\n", shape_width, shape, tl_dtype_name(tl_dtype_of(t)),
               (unsigned long long)bytes_of(t));
        bytes += bytes_of(t);
        elements += tl_numel(t);
    }
    printf("\n%zu tensors, %lld elements, %llu bytes\n", tl_state_count(s), (long long)elements, (unsigned long long)bytes);
    for (size_t i = 0; i < tl_state_note_count(s); i++) {
        const char *key = tl_state_note_key(s, i), *text = tl_state_note(s, key);
        fputs(i ? "" : "\nnotes:\n", stdout);
        if (!text || !*text)
            continue;
        print_harmless(stdout, key, LONGEST);
        fputs(" = ", stdout);
        print_harmless(stdout, text, LONGEST);
        fputc('\n', stdout);
    }
}

/* Names of code in a pickle, as they are met. */
struct globals {
    struct json *json; /* NULL: plain lines */
    bool some;
};

static void show_global(const char *name, bool known, void *ctx)
{
    struct globals *g = ctx;
    if (g->json) {
        json_open(g->json, '{');
        json_text_of(g->json, "name", name);
        json_bool_of(g->json, "known", known);
        json_close(g->json, '}');
        return;
    }
    fputs(g->some ? "" : "\nnames of code in its pickle (none is ever called):\n", stdout);
    g->some = true;
    fputs("  ", stdout);
    print_name(name, 43);
    puts(known ? " understood" : " REFUSED");
}

/* A file that is refused is looked at, too: that is when one wants to know what it would call. */
int run_inspect(const struct invocation *v)
{
    const char *path = v->arguments[0];
    tl_state *s = tl_state_load(path);
    char *error = s ? NULL : strdup(tl_error_message());
    int code = s ? EXIT_OK : failed();
    struct json j = json_new(stdout);
    struct globals g = {.json = v->set.json ? &j : NULL};
    tl_error_clear();
    if (v->set.json) {
        json_open(&j, '{');
        json_text_of(&j, "file", path);
        json_text_of(&j, "error", error);
        json_state(&j, s);
        json_key(&j, "globals");
        json_open(&j, '[');
    } else if (s)
        print_state(s);
    if (tl_state_globals(path, show_global, &g) != TL_OK && code == EXIT_OK)
        code = failed();
    if (v->set.json) {
        json_close(&j, ']');
        json_close(&j, '}');
        json_end(&j);
    }
    free(error);
    tl_state_free(s);
    return code;
}
