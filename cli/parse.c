/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of command lines, driven by the table: "--name value", "--name=value", "-n value", "-nvalue", joined flags ("-jq"),
 * and "--" before arguments that begin with a dash.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int misused(const struct invocation *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("telar: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry telar %s%s--help.\n", v && v->command ? v->command->name : "", v && v->command ? " " : "");
    return EXIT_USAGE;
}

static void *field(struct invocation *v, const struct option *o)
{
    return (char *)&v->set + o->offset;
}

static size_t option_index(const struct command *c, const char *name)
{
    size_t i = 0;
    while (c->options[i] && strcmp(c->options[i]->name, name) != 0)
        i++;
    return i;
}

bool given(const struct invocation *v, const char *name)
{
    size_t i = option_index(v->command, name);
    return v->command->options[i] && v->given[i];
}

/* ---- Values --------------------------------------------------------------------------------------------------------- */

static int bad_value(struct invocation *v, const struct option *o, const char *text, const char *expected)
{
    return misused(v, "--%s %s: expected %s", o->name, text, expected);
}

static int out_of_range(struct invocation *v, const struct option *o, const char *text)
{
    char range[80];
    snprintf(range, sizeof range, "%s from %.15g to %.15g", o->kind == INTEGER ? "a whole number" : "a number", o->low, o->high);
    return bad_value(v, o, text, range);
}

static int set_integer(struct invocation *v, const struct option *o, const char *text)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end)
        return bad_value(v, o, text, "a whole number");
    if (errno == ERANGE || (double)n < o->low || (double)n > o->high)
        return out_of_range(v, o, text);
    *(int64_t *)field(v, o) = n;
    return EXIT_OK;
}

static int set_number(struct invocation *v, const struct option *o, const char *text)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end)
        return bad_value(v, o, text, "a number");
    if (!(x >= o->low && x <= o->high))
        return out_of_range(v, o, text);
    *(double *)field(v, o) = x;
    return EXIT_OK;
}

static int set_choice(struct invocation *v, const struct option *o, const char *text)
{
    char all[300] = "one of";
    size_t n = 0;
    for (; o->choices[n]; n++) {
        if (strcmp(o->choices[n], text) == 0) {
            *(const char **)field(v, o) = o->choices[n];
            return EXIT_OK;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s %s", n ? "," : "", o->choices[n]);
    }
    const char *near = tl_nearest_name(text, o->choices, n);
    size_t used = strlen(all);
    if (near)
        snprintf(all + used, sizeof all - used, " (did you mean %s?)", near);
    return bad_value(v, o, text, all);
}

/* Model options are joined with commas, which is the form that tl_model_configure() takes. */
static int add_assignment(struct invocation *v, const struct option *o, const char *text)
{
    char **list = field(v, o);
    if (!*text || *text == '=')
        return bad_value(v, o, text, "NAME=VALUE");
    size_t old = *list ? strlen(*list) : 0;
    char *grown = realloc(*list, old + strlen(text) + 2);
    if (!grown)
        return misused(v, "out of memory");
    snprintf(grown + old, strlen(text) + 2, "%s%s", old ? "," : "", text);
    *list = grown;
    return EXIT_OK;
}

static int set_value(struct invocation *v, const struct option *o, const char *text)
{
    switch (o->kind) {
    case FLAG:
        *(bool *)field(v, o) = true;
        return EXIT_OK;
    case INTEGER:
        return set_integer(v, o, text);
    case NUMBER:
        return set_number(v, o, text);
    case CHOICE:
        return set_choice(v, o, text);
    case ASSIGNMENT:
        return add_assignment(v, o, text);
    default:
        if (!*text)
            return misused(v, "--%s: expected %s, got nothing", o->name, o->value);
        *(const char **)field(v, o) = text;
        return EXIT_OK;
    }
}

/* ---- Words ---------------------------------------------------------------------------------------------------------- */

static int unknown_option(struct invocation *v, const char *name)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;
    for (; v->command->options[n]; n++)
        names[n] = v->command->options[n]->name;
    const char *near = tl_nearest_name(name, names, n);
    if (near)
        return misused(v, "%s: unknown option --%s; did you mean --%s?", v->command->name, name, near);
    return misused(v, "%s: unknown option --%s", v->command->name, name);
}

/* "--name" or "--name=value", which may take the next word. Returns the words used, or -1. */
static int parse_long(struct invocation *v, char *word, char *next)
{
    char *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
    char name[64];
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), word);
    size_t i = option_index(v->command, name);
    const struct option *o = v->command->options[i];
    if (!o)
        return unknown_option(v, name), -1;
    if (o->kind == FLAG && value)
        return misused(v, "--%s takes no value", name), -1;
    int used = 1;
    if (o->kind != FLAG && !value) {
        if (!next)
            return misused(v, "--%s needs a value: --%s %s", name, name, o->value), -1;
        value = next;
        used = 2;
    }
    v->given[i] = true;
    return set_value(v, o, value) == EXIT_OK ? used : -1;
}

/* "-n", "-nvalue", "-jq". Returns the words used, or -1. */
static int parse_letters(struct invocation *v, char *letters, char *next)
{
    for (; *letters; letters++) {
        size_t i = 0;
        while (v->command->options[i] && v->command->options[i]->letter != *letters)
            i++;
        const struct option *o = v->command->options[i];
        if (!o)
            return misused(v, "%s: unknown option -%c", v->command->name, *letters), -1;
        v->given[i] = true;
        if (o->kind == FLAG) {
            set_value(v, o, NULL);
            continue;
        }
        char *value = letters[1] ? letters + 1 : next;
        if (!value)
            return misused(v, "-%c needs a value: -%c %s", *letters, *letters, o->value), -1;
        if (set_value(v, o, value) != EXIT_OK)
            return -1;
        return letters[1] ? 1 : 2;
    }
    return 1;
}

static int check_count(struct invocation *v)
{
    const struct command *c = v->command;
    if (v->set.help || v->set.version)
        return EXIT_OK;
    if (v->n_arguments < c->least)
        return misused(v, "%s: expected %s", c->name, c->arguments);
    if (v->n_arguments > c->most)
        return misused(v, "%s: unexpected argument \"%s\"", c->name, v->arguments[c->most]);
    return EXIT_OK;
}

static int parse_words(int argc, char **argv, struct invocation *v)
{
    bool only_arguments = false;
    for (int i = 2; i < argc;) {
        char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        int used = 1;
        if (!only_arguments && strcmp(word, "--") == 0)
            only_arguments = true;
        else if (!only_arguments && strncmp(word, "--", 2) == 0)
            used = parse_long(v, word + 2, next);
        else if (!only_arguments && word[0] == '-' && word[1])
            used = parse_letters(v, word + 1, next);
        else
            v->arguments[v->n_arguments++] = word;
        if (used < 0)
            return EXIT_USAGE;
        i += used;
    }
    return check_count(v);
}

static int unknown_command(const char *name)
{
    const char *names[64];
    for (size_t i = 0; i < n_commands; i++)
        names[i] = commands[i].name;
    const char *near = tl_nearest_name(name, names, n_commands);
    if (near)
        return misused(NULL, "unknown command \"%s\"; did you mean telar %s?", name, near);
    return misused(NULL, "unknown command \"%s\"; see telar help", name);
}

int parse(int argc, char **argv, struct invocation *v)
{
    memset(v, 0, sizeof *v);
    v->command = find_command(argv[1]);
    if (!v->command)
        return unknown_command(argv[1]);
    for (size_t i = 0; v->command->options[i]; i++)
        if (v->command->options[i]->fallback)
            set_value(v, v->command->options[i], v->command->options[i]->fallback);
    v->arguments = calloc((size_t)argc, sizeof *v->arguments);
    return v->arguments ? parse_words(argc, argv, v) : misused(v, "out of memory");
}

void invocation_free(struct invocation *v)
{
    free(v->set.options);
    free(v->set.data_options);
    free(v->arguments);
}
