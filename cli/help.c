/* SPDX-License-Identifier: Apache-2.0
 *
 * Help on the terminal, from the table.
 */
#include <string.h>

#include "cli/cli.h"

enum { WIDTH = 80, OPTION_COLUMN = 28 };

/* Columns of UTF-8 text. */
static int columns(const char *text, size_t bytes)
{
    int n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

void print_wrapped(FILE *to, const char *text, int indent, int column, int width)
{
    bool first = true;
    for (;;) {
        text += strspn(text, " ");
        size_t length = strcspn(text, " \n");
        int wide = columns(text, length);
        if (length && !first && column + 1 + wide > width) {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        if (length)
            column += fprintf(to, "%s%.*s", first ? "" : " ", (int)length, text) ? wide + !first : 0;
        first = first && !length;
        text += length;
        if (*text == '\n') {
            size_t breaks = strspn(text, "\n");
            fprintf(to, "\n%s%*s", breaks > 1 ? "\n" : "", indent, "");
            text += breaks;
            column = indent;
            first = true;
        } else if (!*text) {
            break;
        }
    }
    fputc('\n', to);
}

static void print_option(FILE *to, const struct option *o)
{
    char name[80], text[600];
    int n = o->letter ? snprintf(name, sizeof name, "  -%c, --%s", o->letter, o->name)
                      : snprintf(name, sizeof name, "      --%s", o->name);
    if (o->value)
        n += snprintf(name + n, sizeof name - (size_t)n, " %s", o->value);
    snprintf(text, sizeof text, "%s", o->help);
    if (o->choices) {
        for (size_t i = 0; o->choices[i]; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? ", " : ": ", o->choices[i]);
    }
    if (o->fallback && strcmp(o->fallback, "0") != 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), " (default %s)", o->fallback);
    fputs(name, to);
    if (n + 2 > OPTION_COLUMN)
        fprintf(to, "\n%*s", OPTION_COLUMN, "");
    else
        fprintf(to, "%*s", OPTION_COLUMN - n, "");
    print_wrapped(to, text, OPTION_COLUMN, OPTION_COLUMN, WIDTH);
}

void print_harmless(FILE *to, const char *text, size_t most)
{
    for (size_t i = 0; text[i]; i++) {
        unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];
        if (i >= most && (c & 0xc0) != 0x80) {
            fputs("…", to);
            return;
        }
        if (c == '\n')
            fputs("\\n", to);
        else if (c < 32 || c == 127)
            fprintf(to, "\\x%02x", c);
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0) { /* the control characters U+0080 to U+009F in UTF-8 */
            fprintf(to, "\\x%02x", next);
            i++;
        } else
            fputc(c, to);
    }
}

void print_usage(FILE *to)
{
    fputs("Telar: networks that learn, in C.\n\nusage: telar COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n", to);
    for (size_t i = 0; i < n_commands; i++)
        fprintf(to, "  %-12s%s\n", commands[i].name, commands[i].summary);
    fputs("\nExamples:\n"
          "  telar train digits-cnn --epochs 15 --save digits.safetensors --plot digits.svg\n"
          "  telar predict --weights digits.safetensors\n"
          "\ntelar help COMMAND shows one command's options; telar help environment the variables.\n"
          "Exit status: 0 done, 1 failed, 2 the command line is wrong.\n",
          to);
}

void print_help(FILE *to, const struct command *c)
{
    fprintf(to, "usage: telar %s [OPTIONS]%s%s\n\n", c->name, *c->arguments ? " " : "", c->arguments);
    print_wrapped(to, c->text, 0, 0, WIDTH);
    fputs("\noptions:\n", to);
    for (size_t i = 0; c->options[i]; i++)
        print_option(to, c->options[i]);
    fputs("\nexamples:\n", to);
    for (size_t i = 0; i < MAX_EXAMPLES && c->examples[i].command; i++)
        fprintf(to, "  # %s\n  %s\n", c->examples[i].what, c->examples[i].command);
}

void print_variables(FILE *to)
{
    fputs("environment variables:\n", to);
    for (const struct variable *v = variables; v->name; v++) {
        fprintf(to, "  %s=%s\n      ", v->name, v->value);
        print_wrapped(to, v->help, 6, 6, WIDTH);
    }
}

int run_help(const struct invocation *v)
{
    if (v->set.page) {
        if (strcmp(v->set.page, "telar.7") == 0)
            print_variables_page(stdout);
        else
            print_man_page(stdout);
        return EXIT_OK;
    }
    if (v->n_arguments == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(v->arguments[0], "environment") == 0) {
        print_variables(stdout);
        return EXIT_OK;
    }
    const struct command *c = find_command(v->arguments[0]);
    if (!c)
        return misused(NULL, "no command \"%s\" to help with; see telar help", v->arguments[0]);
    print_help(stdout, c);
    return EXIT_OK;
}
