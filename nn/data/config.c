/* SPDX-License-Identifier: Apache-2.0
 *
 * Options as text, checked against a table before the code of a plugin sees them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <telar/config.h>
#include <telar/tensor.h>

#include "nn/numbers.h"

enum { MAX_LIST = 64, MAX_NAMED = 64 };

struct value {
    double number;
    int64_t integer;
    int64_t list[MAX_LIST];
    int n;
    char *text; /* owned */
};

struct tl_config {
    char *owner;
    const struct tl_plugin_option *options;
    const struct tl_picture_form *pictures; /* of the weights that a model is configured for; NULL: the model's own */
    size_t n;
    struct value values[]; /* in the order of the table */
};

void config_set_pictures(struct tl_config *c, const struct tl_picture_form *form)
{
    c->pictures = form;
}

const struct tl_picture_form *config_pictures(const struct tl_config *c)
{
    return c->pictures;
}

static size_t count_options(const struct tl_plugin_option *options)
{
    size_t n = 0;
    while (options && options[n].name)
        n++;
    return n;
}

/* ---- One value -------------------------------------------------------------------------------------------------- */

static tl_status refuse(const char *owner, const struct tl_plugin_option *o, const char *text, const char *expected)
{
    return tl_fail(TL_ERR_ARGUMENT, "%s: option %s=%s: expected %s", owner, o->name, text, expected);
}

static tl_status check_range(const char *owner, const struct tl_plugin_option *o, const char *text, double v)
{
    char range[80];
    if ((v >= o->low && v <= o->high) || (o->low == 0 && o->high == 0 && !isnan(v)))
        return TL_OK;
    snprintf(range, sizeof range, "%.12g to %.12g", o->low, o->high);
    return refuse(owner, o, text, range);
}

static tl_status parse_integer(const char *owner, const struct tl_plugin_option *o, const char *text, int64_t *value)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end)
        return refuse(owner, o, text, "a whole number");
    *value = v;
    return check_range(owner, o, text, (double)v);
}

static tl_status parse_float(const char *owner, const struct tl_plugin_option *o, const char *text, double *value)
{
    char *end;
    struct plain_numbers plain = plain_numbers_begin();
    *value = strtod(text, &end);
    plain_numbers_end(&plain);
    if (end == text || *end)
        return refuse(owner, o, text, "a number");
    return check_range(owner, o, text, *value);
}

static tl_status parse_list(const char *owner, const struct tl_plugin_option *o, const char *text, struct value *value)
{
    char part[32];
    value->n = 0;
    while (*text) {
        size_t length = strcspn(text, ":");
        if (value->n == MAX_LIST)
            return refuse(owner, o, text, "at most 64 numbers");
        if (length == 0 || length >= sizeof part)
            return refuse(owner, o, text, "whole numbers with colons between them, such as 64:32");
        memcpy(part, text, length);
        part[length] = 0;
        tl_status s = parse_integer(owner, o, part, &value->list[value->n++]);
        if (s != TL_OK)
            return s;
        text += length + (text[length] == ':');
    }
    return TL_OK;
}

static tl_status parse_bool(const char *owner, const struct tl_plugin_option *o, const char *text, struct value *value)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < 4; i++) {
        bool is_yes = strcasecmp(text, yes[i]) == 0;
        if (is_yes || strcasecmp(text, no[i]) == 0) {
            value->integer = is_yes;
            return TL_OK;
        }
    }
    return refuse(owner, o, text, "yes or no");
}

static tl_status parse_choice(const char *owner, const struct tl_plugin_option *o, const char *text, struct value *value)
{
    char expected[300] = "one of";
    size_t n = 0;
    for (; o->choices[n]; n++) {
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
    return refuse(owner, o, text, expected);
}

static tl_status parse_text(const char *owner, const char *text, struct value *value)
{
    char *copy = strdup(text);
    if (!copy)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", owner);
    free(value->text);
    value->text = copy;
    return TL_OK;
}

static tl_status parse_value(const char *owner, const struct tl_plugin_option *o, const char *text, struct value *value)
{
    switch (o->kind) {
    case TL_OPTION_INT:
        return parse_integer(owner, o, text, &value->integer);
    case TL_OPTION_FLOAT:
        return parse_float(owner, o, text, &value->number);
    case TL_OPTION_BOOL:
        return parse_bool(owner, o, text, value);
    case TL_OPTION_LIST:
        return parse_list(owner, o, text, value);
    case TL_OPTION_CHOICE:
        return parse_choice(owner, o, text, value);
    case TL_OPTION_TEXT:
        return parse_text(owner, text, value);
    }
    return tl_fail(TL_ERR_PLUGIN, "%s: option %s is of a kind (%d) that this Telar does not know", owner, o->name, (int)o->kind);
}

static tl_status set_default(const char *owner, const struct tl_plugin_option *o, struct value *value)
{
    if (!o->fallback && o->kind == TL_OPTION_TEXT)
        return TL_OK;
    return parse_value(owner, o, o->fallback ? o->fallback : "", value);
}

tl_status tl_config_check(const char *owner, const struct tl_plugin_option *options)
{
    for (const struct tl_plugin_option *o = options; o && o->name; o++) {
        struct value value = {0};
        if (o->kind == TL_OPTION_CHOICE && (!o->choices || !o->choices[0]))
            return tl_fail(TL_ERR_PLUGIN, "%s: option %s is a choice without choices", owner, o->name);
        if ((unsigned)o->role > TL_ROLE_OUTPUTS)
            return tl_fail(TL_ERR_PLUGIN, "%s: option %s has a role (%d) that this Telar does not know", owner, o->name, (int)o->role);
        if (o->role != TL_ROLE_NONE && o->kind != TL_OPTION_INT)
            return tl_fail(TL_ERR_PLUGIN, "%s: option %s has a role, but is not of the kind TL_OPTION_INT", owner, o->name);
        tl_status s = set_default(owner, o, &value);
        free(value.text);
        if (s != TL_OK) {
            tl_error_prefix("a default that its own table does not allow: ");
            return s;
        }
    }
    return TL_OK;
}

/* ---- The text ---------------------------------------------------------------------------------------------------- */

static const struct tl_plugin_option *find_option(const struct tl_config *c, const char *name)
{
    const char *names[MAX_NAMED];
    char all[400] = "";
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->options[i].name, name) == 0)
            return &c->options[i];
    if (c->n == 0) {
        tl_fail(TL_ERR_NOT_FOUND, "%s has no options, so none called \"%s\"", c->owner, name);
        return NULL;
    }
    size_t n = c->n < MAX_NAMED ? c->n : MAX_NAMED;
    for (size_t i = 0; i < n; i++) {
        names[i] = c->options[i].name;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = tl_nearest_name(name, names, n);
    tl_fail(TL_ERR_NOT_FOUND, "%s has no option \"%s\"%s%s%s; it has: %s", c->owner, name, near ? "; did you mean \"" : "",
            near ? near : "", near ? "\"?" : "", all);
    return NULL;
}

/* One "name=value"; a bare name switches a bool on. */
static tl_status parse_assignment(struct tl_config *c, char *text)
{
    char *equals = strchr(text, '=');
    if (equals)
        *equals = 0;
    const struct tl_plugin_option *o = find_option(c, text);
    if (!o)
        return tl_error_code();
    if (!equals && o->kind != TL_OPTION_BOOL)
        return tl_fail(TL_ERR_ARGUMENT, "%s: option %s needs a value: %s=…", c->owner, text, text);
    return parse_value(c->owner, o, equals ? equals + 1 : "yes", &c->values[o - c->options]);
}

/* Cut the next part off at a comma, in place: "\," and "\\" become a comma and a backslash. NULL after the last. */
static char *next_part(char **rest)
{
    char *part = *rest, *to = part, *from = part;
    if (!part)
        return NULL;
    for (; *from && *from != ','; from++) {
        if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    *rest = *from ? from + 1 : NULL;
    *to = 0;
    return part;
}

static tl_status fill(struct tl_config *c, const char *text)
{
    tl_status s = TL_OK;
    for (size_t i = 0; s == TL_OK && i < c->n; i++)
        s = set_default(c->owner, &c->options[i], &c->values[i]);
    char *copy = s == TL_OK ? strdup(text ? text : "") : NULL, *rest = copy;
    if (s == TL_OK && !copy)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", c->owner);
    for (char *part; s == TL_OK && (part = next_part(&rest)) != NULL;)
        if (*part)
            s = parse_assignment(c, part);
    free(copy);
    return s;
}

struct tl_config *tl_config_new(const char *owner, const struct tl_plugin_option *options, const char *text)
{
    size_t n = count_options(options);
    struct tl_config *c = calloc(1, sizeof *c + n * sizeof(struct value));
    if (!c || !(c->owner = strdup(owner ? owner : "options"))) {
        free(c);
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", owner ? owner : "options");
        return NULL;
    }
    c->options = options;
    c->n = n;
    if (fill(c, text) == TL_OK)
        return c;
    tl_config_free(c);
    return NULL;
}

void tl_config_free(struct tl_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        free(c->values[i].text);
    free(c->owner);
    free(c);
}

bool tl_config_mentions(const char *text, const char *name)
{
    bool found = false;
    size_t n = name ? strlen(name) : 0;
    char *copy = strdup(text ? text : ""), *rest = copy;
    for (char *part; copy && name && (part = next_part(&rest)) != NULL;)
        found = found || (strncmp(part, name, n) == 0 && (part[n] == '=' || !part[n]));
    free(copy);
    return found;
}

char *tl_config_append(const char *text, const char *name, const char *value)
{
    text = text ? text : "";
    if (!name) {
        tl_fail(TL_ERR_ARGUMENT, "options: no name to append");
        return NULL;
    }
    char *all = malloc(strlen(text) + strlen(name) + 2 * strlen(value ? value : "") + 3), *to = all;
    if (!all) {
        tl_fail(TL_ERR_NOMEM, "options: out of memory");
        return NULL;
    }
    to += sprintf(to, "%s%s%s%s", text, *text ? "," : "", name, value ? "=" : "");
    for (; value && *value; value++) {
        if (*value == ',' || *value == '\\')
            *to++ = '\\';
        *to++ = *value;
    }
    *to = 0;
    return all;
}

/* Bytes of a text's first "name=value", up to its comma or end. */
static size_t part_length(const char *text)
{
    size_t n = 0;
    for (; text[n] && text[n] != ','; n++)
        n += text[n] == '\\' && (text[n + 1] == ',' || text[n + 1] == '\\');
    return n;
}

char *tl_config_join(const char *first, const char *second)
{
    first = first ? first : "";
    second = second ? second : "";
    char name[128], *all = malloc(strlen(first) + strlen(second) + 2), *to = all;
    if (!all) {
        tl_fail(TL_ERR_NOMEM, "options: out of memory");
        return NULL;
    }
    for (size_t n; *first; first += n + (first[n] == ',')) {
        n = part_length(first);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(first, "=,"), first);
        if (n > 0 && !tl_config_mentions(second, name))
            to += sprintf(to, "%s%.*s", to > all ? "," : "", (int)n, first);
    }
    sprintf(to, "%s%s", to > all && *second ? "," : "", second);
    return all;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

/* What the table says must be what is asked for; anything else is a mistake of the plugin, which must not pass as a zero. */
static const struct value *value_of(const struct tl_config *c, const char *name, enum tl_option_kind kind)
{
    static const char *const kinds[] = {"a whole number", "a number", "yes or no", "a list", "a choice", "a text"};
    static const struct value zero;
    if (!c || !name) {
        tl_fail(TL_ERR_ARGUMENT, "config: no configuration, or no name of an option");
        return &zero;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->options[i].name, name) != 0)
            continue;
        if (c->options[i].kind == kind)
            return &c->values[i];
        tl_fail(TL_ERR_PLUGIN, "%s: its code reads the option %s as %s, but its table says that it is %s", c->owner, name, kinds[kind],
                kinds[c->options[i].kind]);
        return &zero;
    }
    tl_fail(TL_ERR_PLUGIN, "%s: its code reads an option \"%s\" that its table does not list", c->owner, name);
    return &zero;
}

int64_t tl_config_int(const struct tl_config *c, const char *name)
{
    return value_of(c, name, TL_OPTION_INT)->integer;
}

double tl_config_float(const struct tl_config *c, const char *name)
{
    return value_of(c, name, TL_OPTION_FLOAT)->number;
}

bool tl_config_bool(const struct tl_config *c, const char *name)
{
    return value_of(c, name, TL_OPTION_BOOL)->integer != 0;
}

int tl_config_list(const struct tl_config *c, const char *name, int64_t *values, int capacity)
{
    const struct value *v = value_of(c, name, TL_OPTION_LIST);
    for (int i = 0; values && i < v->n && i < capacity; i++)
        values[i] = v->list[i];
    return v->n;
}

const char *tl_config_choice(const struct tl_config *c, const char *name)
{
    const struct value *v = value_of(c, name, TL_OPTION_CHOICE);
    for (size_t i = 0; c && i < c->n; i++)
        if (v == &c->values[i])
            return c->options[i].choices[v->integer];
    return "";
}

const char *tl_config_text(const struct tl_config *c, const char *name)
{
    return value_of(c, name, TL_OPTION_TEXT)->text;
}
