/* SPDX-License-Identifier: Apache-2.0
 *
 * Models by name. Every model plugin is opened once and its models are listed, in the order in which plugins are found; of
 * two models with one name, the first counts. Options are text on their way in and are checked against the model's own
 * table before its code sees them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <telar/model.h>
#include <telar/registry.h>

enum { MAX_PLUGINS = 256, MAX_MODELS = 1024, MAX_LIST = 64 };

/* ---- The list ------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct tl_model *models[MAX_MODELS];
static size_t n_models;
static bool listed;

static const struct tl_model *find_listed(const char *name)
{
    for (size_t i = 0; i < n_models; i++)
        if (strcmp(models[i]->name, name) == 0)
            return models[i];
    return NULL;
}

static void list_plugin(const char *plugin)
{
    const struct tl_model_plugin *p = tl_plugin_open("model", plugin, TL_MODEL_ABI);
    if (!p) {
        /* A broken plugin must not hide the others. `telar doctor` tells. */
        tl_log_message(TL_LOG_WARN, "model", "%s", tl_error_message());
        tl_error_clear();
        return;
    }
    for (size_t i = 0; p->models && p->models[i]; i++) {
        const struct tl_model *m = p->models[i];
        bool complete = m->struct_size >= offsetof(struct tl_model, preprocess) && m->name && m->input_shape && m->build;
        if (!complete)
            tl_log_message(TL_LOG_WARN, "model", "plugin %s: model %zu lacks a required slot; left out", plugin, i);
        else if (find_listed(m->name))
            tl_log_message(TL_LOG_INFO, "model", "plugin %s: there is a model %s already; left out", plugin, m->name);
        else if (n_models < MAX_MODELS)
            models[n_models++] = m;
    }
}

static void list_models(void)
{
    pthread_mutex_lock(&lock);
    if (!listed) {
        static struct tl_plugin_info found[MAX_PLUGINS];
        size_t n = tl_plugins("model", false, found, MAX_PLUGINS);
        for (size_t i = 0; i < n && i < MAX_PLUGINS; i++) {
            bool again = false;
            for (size_t j = 0; j < i; j++)
                again = again || strcmp(found[j].name, found[i].name) == 0;
            if (!again)
                list_plugin(found[i].name);
        }
        listed = true;
    }
    pthread_mutex_unlock(&lock);
}

size_t tl_models(const struct tl_model **list, size_t capacity)
{
    list_models();
    for (size_t i = 0; i < n_models && i < capacity; i++)
        list[i] = models[i];
    return n_models;
}

const struct tl_model *tl_model_find(const char *name)
{
    if (!name) {
        tl_fail(TL_ERR_ARGUMENT, "model: no name given");
        return NULL;
    }
    list_models();
    const struct tl_model *m = find_listed(name);
    if (m)
        return m;
    const char *names[MAX_MODELS];
    char all[600] = "";
    for (size_t i = 0; i < n_models; i++) {
        names[i] = models[i]->name;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = tl_nearest_name(name, names, n_models);
    if (n_models == 0)
        tl_fail(TL_ERR_NOT_FOUND, "no model \"%s\": no model plugin was found (see telar doctor)", name);
    else
        tl_fail(TL_ERR_NOT_FOUND, "no model \"%s\"%s%s%s; there are: %s", name, near ? "; did you mean \"" : "", near ? near : "",
                near ? "\"?" : "", all);
    return NULL;
}

/* ---- Options -------------------------------------------------------------------------------------------------- */

struct value {
    double number;
    int64_t integer;
    int64_t list[MAX_LIST];
    int n;
};

struct tl_model_config {
    const struct tl_model *model;
    size_t n;
    struct value values[]; /* in the order of the model's table */
};

static size_t count_options(const struct tl_model *m)
{
    size_t n = 0;
    while (m->options && m->options[n].name)
        n++;
    return n;
}

static tl_status refuse(const struct tl_model *m, const struct tl_model_option *o, const char *text, const char *expected)
{
    return tl_fail(TL_ERR_ARGUMENT, "model %s: option %s=%s: expected %s", m->name, o->name, text, expected);
}

static tl_status out_of_range(const struct tl_model *m, const struct tl_model_option *o, const char *text)
{
    char range[80];
    snprintf(range, sizeof range, "%.12g to %.12g", o->low, o->high);
    return refuse(m, o, text, range);
}

static tl_status parse_integer(const struct tl_model *m, const struct tl_model_option *o, const char *text, int64_t *value)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end)
        return refuse(m, o, text, "a whole number");
    *value = v;
    return (double)v >= o->low && (double)v <= o->high ? TL_OK : out_of_range(m, o, text);
}

static tl_status parse_list(const struct tl_model *m, const struct tl_model_option *o, const char *text, struct value *value)
{
    char part[32];
    value->n = 0;
    while (*text) {
        size_t length = strcspn(text, ":");
        if (value->n == MAX_LIST)
            return refuse(m, o, text, "at most 64 numbers");
        if (length == 0 || length >= sizeof part)
            return refuse(m, o, text, "whole numbers with colons between them, such as 64:32");
        memcpy(part, text, length);
        part[length] = 0;
        tl_status s = parse_integer(m, o, part, &value->list[value->n++]);
        if (s != TL_OK)
            return s;
        text += length + (text[length] == ':');
    }
    return TL_OK;
}

static tl_status parse_bool(const struct tl_model *m, const struct tl_model_option *o, const char *text, struct value *value)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(text, yes[i]) == 0) {
            value->integer = 1;
            return TL_OK;
        }
        if (strcasecmp(text, no[i]) == 0) {
            value->integer = 0;
            return TL_OK;
        }
    }
    return refuse(m, o, text, "yes or no");
}

static tl_status parse_choice(const struct tl_model *m, const struct tl_model_option *o, const char *text, struct value *value)
{
    char expected[300] = "one of";
    size_t n = 0;
    for (; o->choices && o->choices[n]; n++) {
        if (strcmp(o->choices[n], text) == 0) {
            value->integer = (int64_t)n;
            return TL_OK;
        }
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s %s", n ? "," : "", o->choices[n]);
    }
    const char *near = n ? tl_nearest_name(text, o->choices, n) : NULL;
    size_t used = strlen(expected);
    if (near)
        snprintf(expected + used, sizeof expected - used, " (did you mean %s?)", near);
    return refuse(m, o, text, expected);
}

static tl_status parse_value(const struct tl_model *m, const struct tl_model_option *o, const char *text, struct value *value)
{
    char *end;
    switch (o->kind) {
    case TL_OPTION_INT:
        return parse_integer(m, o, text, &value->integer);
    case TL_OPTION_FLOAT:
        value->number = strtod(text, &end);
        if (end == text || *end)
            return refuse(m, o, text, "a number");
        return value->number >= o->low && value->number <= o->high ? TL_OK : out_of_range(m, o, text);
    case TL_OPTION_BOOL:
        return parse_bool(m, o, text, value);
    case TL_OPTION_LIST:
        return parse_list(m, o, text, value);
    case TL_OPTION_CHOICE:
        return parse_choice(m, o, text, value);
    }
    return refuse(m, o, text, "an option of a kind that this version knows");
}

static const struct tl_model_option *find_option(const struct tl_model *m, const char *name)
{
    size_t n = count_options(m);
    for (size_t i = 0; i < n; i++)
        if (strcmp(m->options[i].name, name) == 0)
            return &m->options[i];
    if (n == 0) {
        tl_fail(TL_ERR_NOT_FOUND, "model %s has no options, so none called \"%s\"", m->name, name);
        return NULL;
    }
    const char *names[64];
    char all[400] = "";
    size_t listed_names = n < 64 ? n : 64;
    for (size_t i = 0; i < listed_names; i++) {
        names[i] = m->options[i].name;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = tl_nearest_name(name, names, listed_names);
    tl_fail(TL_ERR_NOT_FOUND, "model %s has no option \"%s\"%s%s%s; it has: %s", m->name, name, near ? "; did you mean \"" : "",
            near ? near : "", near ? "\"?" : "", all);
    return NULL;
}

/* One "name=value"; a bare name switches a bool on. */
static tl_status parse_assignment(struct tl_model_config *c, char *text)
{
    const struct tl_model *m = c->model;
    char *equals = strchr(text, '=');
    if (equals)
        *equals = 0;
    const struct tl_model_option *o = find_option(m, text);
    if (!o)
        return tl_error_code();
    if (!equals && o->kind != TL_OPTION_BOOL)
        return tl_fail(TL_ERR_ARGUMENT, "model %s: option %s needs a value: %s=…", m->name, text, text);
    return parse_value(m, o, equals ? equals + 1 : "yes", &c->values[o - m->options]);
}

static tl_status parse_options(struct tl_model_config *c, const char *options)
{
    tl_status s = TL_OK;
    for (size_t i = 0; s == TL_OK && i < c->n; i++)
        s = parse_value(c->model, &c->model->options[i], c->model->options[i].fallback ? c->model->options[i].fallback : "",
                        &c->values[i]);
    char *copy = s == TL_OK ? strdup(options ? options : "") : NULL, *rest = copy;
    if (s == TL_OK && !copy)
        return tl_fail(TL_ERR_NOMEM, "model %s: out of memory", c->model->name);
    for (char *part; s == TL_OK && (part = strsep(&rest, ",")) != NULL;)
        if (*part)
            s = parse_assignment(c, part);
    free(copy);
    return s;
}

struct tl_model_config *tl_model_configure(const struct tl_model *m, const char *options)
{
    if (!m)
        return NULL;
    size_t n = count_options(m);
    struct tl_model_config *c = calloc(1, sizeof *c + n * sizeof(struct value));
    if (!c) {
        tl_fail(TL_ERR_NOMEM, "model %s: out of memory", m->name);
        return NULL;
    }
    c->model = m;
    c->n = n;
    if (parse_options(c, options) == TL_OK)
        return c;
    tl_model_config_free(c);
    return NULL;
}

void tl_model_config_free(struct tl_model_config *c)
{
    free(c);
}

/* A plugin that asks for an option that it does not list gets zeros: its own mistake, and a visible one. */
static const struct value *value_of(const struct tl_model_config *c, const char *name)
{
    static const struct value zero;
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->model->options[i].name, name) == 0)
            return &c->values[i];
    tl_log_message(TL_LOG_ERROR, "model", "model %s reads an option \"%s\" that it does not list", c->model->name, name);
    return &zero;
}

int64_t tl_config_int(const struct tl_model_config *c, const char *name)
{
    return value_of(c, name)->integer;
}

double tl_config_float(const struct tl_model_config *c, const char *name)
{
    return value_of(c, name)->number;
}

bool tl_config_bool(const struct tl_model_config *c, const char *name)
{
    return value_of(c, name)->integer != 0;
}

int tl_config_list(const struct tl_model_config *c, const char *name, int64_t *values, int capacity)
{
    const struct value *v = value_of(c, name);
    for (int i = 0; i < v->n && i < capacity; i++)
        values[i] = v->list[i];
    return v->n;
}

const char *tl_config_choice(const struct tl_model_config *c, const char *name)
{
    const struct tl_model_option *o = find_option(c->model, name);
    return o && o->kind == TL_OPTION_CHOICE && o->choices ? o->choices[value_of(c, name)->integer] : "";
}

tl_module *tl_model_build(const char *name, const char *options)
{
    const struct tl_model *m = tl_model_find(name);
    struct tl_model_config *c = tl_model_configure(m, options);
    tl_module *net = c ? m->build(c) : NULL;
    if (c && !net && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: building it failed without a reason", name);
    tl_model_config_free(c);
    return net;
}
