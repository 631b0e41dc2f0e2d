/* SPDX-License-Identifier: Apache-2.0
 *
 * telar models: what there is, and what it costs.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { MAX_LISTED = 1024 };

static const char *const roles[] = {NULL, "features", "channels", "height", "width", "classes", "outputs"};
static const char *const kinds[] = {"int", "float", "bool", "list", "choice", "text"};

static void put_range(const struct tl_plugin_option *o, char *buffer, size_t size)
{
    buffer[0] = 0;
    if (o->kind == TL_OPTION_INT || o->kind == TL_OPTION_FLOAT)
        snprintf(buffer, size, o->low == 0 && o->high == 0 ? "any number" : "%.12g to %.12g", o->low, o->high);
    else if (o->kind == TL_OPTION_BOOL)
        snprintf(buffer, size, "yes or no");
    else if (o->kind == TL_OPTION_LIST)
        snprintf(buffer, size, "numbers with colons between");
    else if (o->kind == TL_OPTION_TEXT)
        snprintf(buffer, size, "text");
    for (size_t i = 0; o->kind == TL_OPTION_CHOICE && o->choices && o->choices[i]; i++) {
        size_t used = strlen(buffer);
        snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
}

static void json_option(struct json *j, const struct tl_plugin_option *o)
{
    json_open(j, '{');
    json_text_of(j, "name", o->name);
    json_text_of(j, "kind", (size_t)o->kind < sizeof kinds / sizeof *kinds ? kinds[o->kind] : "unknown");
    json_text_of(j, "default", o->fallback);
    json_text_of(j, "role", (size_t)o->role < sizeof roles / sizeof *roles ? roles[o->role] : NULL);
    json_text_of(j, "help", o->help);
    if (o->kind == TL_OPTION_INT || o->kind == TL_OPTION_FLOAT || o->kind == TL_OPTION_LIST) {
        json_number_of(j, "low", o->low);
        json_number_of(j, "high", o->high);
    }
    if (o->kind == TL_OPTION_CHOICE) {
        json_key(j, "choices");
        json_open(j, '[');
        for (size_t i = 0; o->choices && o->choices[i]; i++)
            json_text(j, o->choices[i]);
        json_close(j, ']');
    }
    json_close(j, '}');
}

void json_options_of(struct json *j, const char *key, const struct tl_plugin_option *options)
{
    json_key(j, key);
    json_open(j, '[');
    for (const struct tl_plugin_option *o = options; o && o->name; o++)
        json_option(j, o);
    json_close(j, ']');
}

void print_options(const char *title, const struct tl_plugin_option *options)
{
    if (options && options->name)
        printf("\n%s:\n", title);
    for (const struct tl_plugin_option *o = options; o && o->name; o++) {
        char range[300];
        put_range(o, range, sizeof range);
        printf("  %-14s %s\n  %14s %s", o->name, o->help ? o->help : "", "", range);
        if (o->fallback)
            printf("; default %s", *o->fallback ? o->fallback : "empty");
        if (o->role != TL_ROLE_NONE && (size_t)o->role < sizeof roles / sizeof *roles)
            printf("; set to the data's %s", roles[o->role]);
        fputc('\n', stdout);
    }
}

static void json_training(struct json *j, const struct tl_model_training *t)
{
    json_key(j, "training");
    json_open(j, '{');
    if (t && t->optimizer)
        json_text_of(j, "optimizer", t->optimizer);
    if (t && t->lr > 0)
        json_number_of(j, "lr", t->lr);
    if (t && t->momentum > 0)
        json_number_of(j, "momentum", t->momentum);
    if (t && t->batch > 0)
        json_integer_of(j, "batch", t->batch);
    json_close(j, '}');
}

static void json_count(struct json *j, const char *key, int64_t n)
{
    if (n < 0)
        json_text_of(j, key, NULL);
    else
        json_integer_of(j, key, n);
}

static void json_cost(struct json *j, const struct tl_model *m)
{
    struct cost c = model_cost(m);
    json_count(j, "parameters", c.parameters);
    json_count(j, "multiply_adds", c.multiply_adds);
    if (c.parameters < 0)
        json_text_of(j, "input", NULL);
    else
        json_shape_of(j, "input", c.ndim, c.shape);
}

static void json_model(const struct tl_model *m)
{
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_text_of(&j, "name", m->name);
    json_text_of(&j, "summary", m->summary);
    json_key(&j, "tasks");
    json_open(&j, '[');
    for (uint32_t t = 1; t <= m->tasks; t <<= 1)
        if (m->tasks & t)
            json_text(&j, tl_task_name((enum tl_task)t));
    json_close(&j, ']');
    json_text_of(&j, "data", m->data);
    json_cost(&j, m);
    json_training(&j, tl_model_training(m));
    json_options_of(&j, "options", m->options);
    json_key(&j, "weights");
    json_open(&j, '[');
    for (const struct tl_model_weights *w = m->weights; w && w->name; w++) {
        json_open(&j, '{');
        json_text_of(&j, "name", w->name);
        json_text_of(&j, "url", w->url);
        json_text_of(&j, "sha256", w->sha256);
        json_text_of(&j, "options", w->options);
        json_text_of(&j, "note", w->note);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    json_end(&j);
}

static void print_training(const struct tl_model_training *t)
{
    if (!t)
        return;
    fputs("trained: usually with", stdout);
    if (t->optimizer)
        printf(" --optimizer %s", t->optimizer);
    if (t->lr > 0)
        printf(" --lr %g", t->lr);
    if (t->momentum > 0)
        printf(" --momentum %g", t->momentum);
    if (t->batch > 0)
        printf(" --batch %lld", (long long)t->batch);
    fputc('\n', stdout);
}

static void print_cost(const struct tl_model *m)
{
    struct cost c = model_cost(m);
    char a[16], b[16];
    if (c.parameters < 0)
        return;
    printf("size:    %s parameters, %s multiply-adds for an input of ", short_number(c.parameters, a, sizeof a),
           short_number(c.multiply_adds, b, sizeof b));
    for (int i = 0; i < c.ndim; i++)
        printf(i ? "x%lld" : "%lld", (long long)c.shape[i]);
    puts(c.ndim ? "" : "one number");
}

static void print_model(const struct tl_model *m)
{
    printf("%s: %s\n\ntask:   ", m->name, m->summary ? m->summary : "");
    for (uint32_t t = 1; t <= m->tasks; t <<= 1)
        if (m->tasks & t)
            printf(" %s", tl_task_name((enum tl_task)t));
    printf("\ndata:    %s\n", m->data ? m->data : "-");
    print_cost(m);
    print_training(tl_model_training(m));
    print_options("options (--option NAME=VALUE)", m->options);
    if (m->weights && m->weights->name)
        printf("\nweights (--weights NAME):\n");
    for (const struct tl_model_weights *w = m->weights; w && w->name; w++) {
        printf("  %-14s %s\n", w->name, w->url ? w->url : "(no address is listed)");
        if (w->sha256)
            printf("  %14s SHA-256 %s%s\n", "", w->sha256, strlen(w->sha256) < 64 ? "…" : "");
        if (w->options)
            printf("  %14s with the options %s\n", "", w->options);
        if (w->note)
            printf("  %14s %s\n", "", w->note);
    }
}

/* "classify,regress". */
static void put_tasks(const struct tl_model *m, char *to, size_t size)
{
    size_t used = 0;
    for (uint32_t t = 1; t <= m->tasks && used < size; t <<= 1)
        if (m->tasks & t)
            used += (size_t)snprintf(to + used, size - used, "%s%s", used ? "," : "", tl_task_name((enum tl_task)t));
}

/* "IMAGENET1K_V1, IMAGENET1K_V2"; "-" for none. */
static void put_weights(const struct tl_model *m, char *to, size_t size)
{
    size_t used = (size_t)snprintf(to, size, m->weights && m->weights->name ? "" : "-");
    for (const struct tl_model_weights *w = m->weights; w && w->name && used < size; w++)
        used += (size_t)snprintf(to + used, size - used, "%s%s", used ? ", " : "", w->name);
}

/* Wide enough for every name, and cut where 100 columns end: telar models MODEL has all of it. */
static void print_table(const struct tl_model *const *list, size_t n)
{
    enum { COLUMNS = 100, DIGITS = 8 };
    int name_width = 5, task_width = 4;
    char tasks[80], weights[400], a[16], b[16];
    for (size_t i = 0; i < n; i++) {
        put_tasks(list[i], tasks, sizeof tasks);
        name_width = (int)strlen(list[i]->name) > name_width ? (int)strlen(list[i]->name) : name_width;
        task_width = (int)strlen(tasks) > task_width ? (int)strlen(tasks) : task_width;
    }
    int rest = COLUMNS - name_width - task_width - 2 * DIGITS - 8;
    rest = rest > 8 ? rest : 8;
    printf("%-*s  %*s  %*s  %-*s  %s\n", name_width, "model", DIGITS, "params", DIGITS, "mul-adds", task_width, "task", "weights");
    for (size_t i = 0; i < n; i++) {
        struct cost c = model_cost(list[i]);
        put_tasks(list[i], tasks, sizeof tasks);
        put_weights(list[i], weights, sizeof weights);
        bool cut = (int)strlen(weights) > rest;
        printf("%-*s  %*s  %*s  %-*s  %.*s%s\n", name_width, list[i]->name, DIGITS, short_number(c.parameters, a, sizeof a), DIGITS,
               short_number(c.multiply_adds, b, sizeof b), task_width, tasks, cut ? rest - 1 : rest, weights, cut ? "…" : "");
    }
}

int run_models(const struct invocation *v)
{
    static const struct tl_model *list[MAX_LISTED];
    size_t n = 1;
    if (v->n_arguments) {
        list[0] = tl_model_find(v->arguments[0]);
        if (!list[0])
            return failed();
    } else {
        n = tl_models(list, MAX_LISTED);
        n = n < MAX_LISTED ? n : MAX_LISTED;
    }
    if (n == 0) {
        tl_fail(TL_ERR_NOT_FOUND, "no model plugin was found; see telar doctor");
        return failed();
    }
    if (!v->set.json && !v->n_arguments)
        print_table(list, n);
    for (size_t i = 0; i < n && (v->set.json || v->n_arguments); i++)
        if (v->set.json)
            json_model(list[i]);
        else
            print_model(list[i]);
    return EXIT_OK;
}
