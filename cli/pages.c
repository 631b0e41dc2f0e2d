/* SPDX-License-Identifier: Apache-2.0
 *
 * The manual pages telar.1 and telar.7, from the table.
 */
#include <string.h>

#include "cli/cli.h"

/* One character of UTF-8 by its number, which every roff reads whatever its input encoding is; returns its last byte. */
static const char *put_wide(FILE *to, const char *s)
{
    unsigned c = (unsigned char)*s, more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    c &= 0x3fu >> more;
    for (; more && ((unsigned char)s[1] & 0xc0) == 0x80; more--)
        c = c << 6 | ((unsigned char)*++s & 0x3f);
    fprintf(to, "\\[u%04X]", c);
    return s;
}

/* Text for roff: dashes that stay dashes, backslashes, and no line that begins with a control character. */
static void put(FILE *to, const char *text)
{
    bool line_begins = true;
    for (const char *s = text; *s; s++) {
        if (line_begins && (*s == '.' || *s == '\''))
            fputs("\\&", to);
        line_begins = *s == '\n';
        if (*s == '-')
            fputs("\\-", to);
        else if (*s == '\\')
            fputs("\\e", to);
        else if ((unsigned char)*s >= 0xc0)
            s = put_wide(to, s);
        else if (*s == '\n' && s[1] == '\n')
            fputs("\n.PP", to);
        else
            fputc(*s, to);
    }
}

static void put_option(FILE *to, const struct option *o)
{
    fputs(".TP\n", to);
    if (o->letter)
        fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", to);
    put(to, o->name);
    fputs("\\fR", to);
    if (o->value) {
        fputs(" \\fI", to);
        put(to, o->value);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    put(to, o->help);
    for (size_t i = 0; o->choices && o->choices[i]; i++) {
        fputs(i ? ", " : ": ", to);
        put(to, o->choices[i]);
    }
    if (o->fallback && strcmp(o->fallback, "0") != 0) {
        fputs(" (default ", to);
        put(to, o->fallback);
        fputc(')', to);
    }
    fputs(".\n", to);
}

static void put_command(FILE *to, const struct command *c)
{
    fprintf(to, ".SS \"telar %s [OPTIONS] %s\"\n", c->name, c->arguments);
    put(to, c->text);
    fputc('\n', to);
    for (size_t i = 0; c->options[i]; i++)
        if (strcmp(c->options[i]->name, "help") != 0)
            put_option(to, c->options[i]);
}

static void put_examples(FILE *to)
{
    fputs(".SH EXAMPLES\n", to);
    for (size_t i = 0; i < n_commands; i++)
        for (size_t k = 0; k < MAX_EXAMPLES && commands[i].examples[k].command; k++) {
            fputs(".TP\n\\fB", to);
            put(to, commands[i].examples[k].command);
            fputs("\\fR\n", to);
            put(to, commands[i].examples[k].what);
            fputc('\n', to);
        }
}

static void put_files(FILE *to)
{
    static const char *const files[][2] = {
        {TL_PLUGIN_DIR, "Plugins, in subfolders backends, models, formats and data."},
        {TL_DATA_DIR, "Data sets that are installed."},
        {"$XDG_DATA_HOME/telar", "Data sets of one's own."},
        {"$XDG_CACHE_HOME/telar", "What was measured and compiled; may be deleted."},
    };
    fputs(".SH FILES\n", to);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fputs(".TP\n.I ", to);
        put(to, files[i][0]);
        fputc('\n', to);
        put(to, files[i][1]);
        fputc('\n', to);
    }
}

void print_man_page(FILE *to)
{
    fprintf(to, ".TH TELAR 1 \"\" \"Telar %s\" \"User Commands\"\n", tl_version_string());
    fputs(".SH NAME\ntelar \\- train, run and examine neural networks\n"
          ".SH SYNOPSIS\n.B telar\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.SH DESCRIPTION\n",
          to);
    put(to, "Telar is a deep-learning framework in C whose parts are shared objects loaded at run time: backends, models, weight "
            "formats and data sets. This program uses what it finds: telar backends, telar models and telar data list it, telar "
            "doctor says what was not found and why.\n\nEvery command takes --help; telar --version says which version this is.\n");
    fputs(".SH COMMANDS\n", to);
    for (size_t i = 0; i < n_commands; i++)
        put_command(to, &commands[i]);
    put_examples(to);
    fputs(".SH EXIT STATUS\n.TP\n.B 0\nDone.\n.TP\n.B 1\nFailed; a message on standard error says why.\n"
          ".TP\n.B 2\nThe command line is wrong.\n.TP\n.B 130\nInterrupted.\n.SH ENVIRONMENT\nSee\n.BR telar (7).\n",
          to);
    put_files(to);
    fputs(".SH SEE ALSO\n.BR telar (3),\n.BR telar (7)\n", to);
}

void print_variables_page(FILE *to)
{
    fprintf(to, ".TH TELAR 7 \"\" \"Telar %s\" \"Environment\"\n", tl_version_string());
    fputs(".SH NAME\ntelar \\- environment variables of Telar's programs\n.SH DESCRIPTION\n", to);
    put(to, "Every program that uses Telar reads these variables when it first needs them. A call in the program, or an option of the "
            "command line, beats a variable.\n");
    for (const struct variable *v = variables; v->name; v++) {
        fputs(".TP\n\\fB", to);
        put(to, v->name);
        fputs("\\fR=\\fI", to);
        put(to, v->value);
        fputs("\\fR\n", to);
        put(to, v->help);
        fputc('\n', to);
    }
    fputs(".SH SEE ALSO\n.BR telar (1),\n.BR telar (3)\n", to);
}
