/* SPDX-License-Identifier: Apache-2.0
 *
 * Completions for bash, zsh and fish, from the table. Names of models, data sets and backends are asked of the program
 * itself at the time, so that a new plugin is completed at once.
 */
#include <string.h>

#include "cli/cli.h"

/* Shell command that lists what an argument of this kind may be; NULL: nothing to offer. */
static const char *lister(enum kind kind)
{
    switch (kind) {
    case MODEL_NAME:
        return "telar models --json 2>/dev/null | sed -n 's/^{\"name\":\"\\([^\"]*\\)\".*/\\1/p'";
    case DATA_NAME:
        return "telar data --json 2>/dev/null | sed -n 's/^{\"name\":\"\\([^\"]*\\)\".*/\\1/p'";
    case BACKEND_NAME:
        return "telar backends --json 2>/dev/null | sed -n 's/^{\"name\":\"\\([^\"]*\\)\".*/\\1/p'";
    default:
        return NULL;
    }
}

/* The command that lists them. */
static const char *plural(enum kind kind)
{
    return kind == MODEL_NAME ? "models" : kind == DATA_NAME ? "data" : "backends";
}

/* Help texts hold quotes; between single quotes they are written '\''. */
static void put_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    }
    fputc('\'', to);
}

static void put_words(FILE *to, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        fprintf(to, "%s%s", i ? " " : "", words[i]);
}

/* ---- bash ------------------------------------------------------------------------------------------------------------ */

/* Names, files, or both: a data set is given by either. By lines, so that a file's name may have spaces. */
static void bash_offer(FILE *to, enum kind kind)
{
    const char *list = lister(kind);
    bool files = kind == FILE_NAME || kind == DATA_NAME;
    if (!list && !files) {
        fputs("COMPREPLY=()", to);
        return;
    }
    fputs("mapfile -t COMPREPLY < <(", to);
    if (list)
        fprintf(to, "compgen -W \"$(%s)\" -- \"$word\"%s", list, files ? "; " : "");
    fprintf(to, "%s)", files ? "compgen -f -- \"$word\"" : "");
}

static void bash_value(FILE *to, const struct option *o)
{
    if (o->kind == FLAG)
        return;
    fprintf(to, "        --%s", o->name);
    if (o->letter)
        fprintf(to, "|-%c", o->letter);
    fputs(") ", to);
    if (o->choices) {
        fputs("COMPREPLY=($(compgen -W '", to);
        put_words(to, o->choices);
        fputs("' -- \"$word\"))", to);
    } else {
        bash_offer(to, o->kind);
    }
    fputs("; return;;\n", to);
}

static void bash_command(FILE *to, const struct command *c)
{
    fprintf(to, "    %s)\n        case $before in\n", c->name);
    for (size_t i = 0; c->options[i]; i++)
        bash_value(to, c->options[i]);
    fputs("        esac\n        if [[ $word == -* ]]; then\n            COMPREPLY=($(compgen -W '", to);
    for (size_t i = 0; c->options[i]; i++)
        fprintf(to, "%s--%s", i ? " " : "", c->options[i]->name);
    fputs("' -- \"$word\"))\n        else\n            ", to);
    if (c->most > 0 && c->argument == COMMAND_NAME)
        fputs("COMPREPLY=($(compgen -W \"$names environment\" -- \"$word\"))", to);
    else if (strcmp(c->name, "completion") == 0)
        fputs("COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))", to);
    else
        bash_offer(to, c->most > 0 ? c->argument : WORD);
    fputs("\n        fi;;\n", to);
}

static void bash(FILE *to)
{
    fputs("# bash completion for telar, written by: telar completion bash\n_telar()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} names='",
          to);
    for (size_t i = 0; i < n_commands; i++)
        fprintf(to, "%s%s", i ? " " : "", commands[i].name);
    fputs("'\n    if [[ $COMP_CWORD -eq 1 ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$names --help --version\" -- \"$word\"))\n        return\n    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          to);
    for (size_t i = 0; i < n_commands; i++)
        bash_command(to, &commands[i]);
    fputs("    esac\n}\ncomplete -o filenames -F _telar telar\n", to);
}

/* ---- zsh ------------------------------------------------------------------------------------------------------------- */

/* In _arguments' specifications, brackets and colons of the text are special. */
static void zsh_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            fputc('\\', to);
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    }
}

static void zsh_value(FILE *to, const char *name, enum kind kind, const char *const *choices)
{
    const char *list = lister(kind);
    fprintf(to, ":%s:", name);
    if (choices) {
        fputc('(', to);
        put_words(to, choices);
        fputc(')', to);
    } else if (list) {
        fprintf(to, "_telar_%s", plural(kind));
    } else if (kind == FILE_NAME) {
        fputs("_files", to);
    }
}

/* Both names of an option, and that one of them is enough, unless it may be repeated; up to its description. */
static void zsh_names(FILE *to, const struct option *o)
{
    const char *again = o->kind == ASSIGNMENT ? "*" : "";
    if (!o->letter)
        fprintf(to, " \\\n        '%s--%s[", again, o->name);
    else if (*again)
        fprintf(to, " \\\n        '*'{-%c,--%s}'[", o->letter, o->name);
    else
        fprintf(to, " \\\n        '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
}

static void zsh_command(FILE *to, const struct command *c)
{
    fprintf(to, "    (%s) _arguments", c->name);
    for (size_t i = 0; c->options[i]; i++) {
        const struct option *o = c->options[i];
        zsh_names(to, o);
        zsh_text(to, o->help);
        fputc(']', to);
        if (o->kind != FLAG)
            zsh_value(to, o->value, o->kind, o->choices);
        fputc('\'', to);
    }
    if (c->most > 0) {
        fprintf(to, " \\\n        '%s", c->most > 1 ? "*" : "1");
        if (c->argument == COMMAND_NAME) {
            fputs(":command:(environment", to);
            for (size_t i = 0; i < n_commands; i++)
                fprintf(to, " %s", commands[i].name);
            fputc(')', to);
        } else if (strcmp(c->name, "completion") == 0) {
            fputs(":shell:(bash zsh fish)", to);
        } else {
            zsh_value(to, "argument", c->argument, NULL);
        }
        fputc('\'', to);
    }
    fputs(";;\n", to);
}

static void zsh(FILE *to)
{
    fputs("#compdef telar\n# zsh completion for telar, written by: telar completion zsh\n", to);
    const enum kind kinds[] = {MODEL_NAME, DATA_NAME, BACKEND_NAME};
    const char *const names[] = {"models", "data", "backends"};
    for (size_t i = 0; i < 3; i++)
        fprintf(to, "_telar_%s() { local -a names; names=(${(f)\"$(%s)\"}); compadd -a names; %s }\n", names[i], lister(kinds[i]),
                kinds[i] == DATA_NAME ? "_files;" : "");
    fputs("_telar() {\n  if (( CURRENT == 2 )); then\n    local -a names\n    names=(\n", to);
    for (size_t i = 0; i < n_commands; i++) {
        fprintf(to, "      '%s:", commands[i].name);
        zsh_text(to, commands[i].summary);
        fputs("'\n", to);
    }
    fputs("    )\n    _describe command names\n    return\n  fi\n  local chosen=$words[2]\n  shift words\n  (( CURRENT-- ))\n"
          "  case $chosen in\n",
          to);
    for (size_t i = 0; i < n_commands; i++)
        zsh_command(to, &commands[i]);
    fputs("  esac\n}\nif [ \"$funcstack[1]\" = _telar ]; then _telar \"$@\"; else compdef _telar telar; fi\n", to);
}

/* ---- fish ------------------------------------------------------------------------------------------------------------ */

static void fish_option(FILE *to, const struct command *c, const struct option *o)
{
    fprintf(to, "complete -c telar -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter)
        fprintf(to, " -s %c", o->letter);
    const char *list = lister(o->kind);
    if (o->choices) {
        fputs(" -x -a '", to);
        put_words(to, o->choices);
        fputc('\'', to);
    } else if (list) {
        fprintf(to, " %s -a \"(__telar_names %s)\"", o->kind == DATA_NAME ? "-r -F" : "-x", plural(o->kind));
    } else if (o->kind == FILE_NAME) {
        fputs(" -r -F", to);
    } else if (o->kind != FLAG) {
        fputs(" -x", to);
    }
    fputs(" -d ", to);
    put_quoted(to, o->help);
    fputc('\n', to);
}

static void fish_argument(FILE *to, const struct command *c)
{
    if (c->most == 0)
        return;
    fprintf(to, "complete -c telar -n '__fish_seen_subcommand_from %s'%s", c->name,
            c->argument == FILE_NAME || c->argument == DATA_NAME ? " -F" : "");
    if (lister(c->argument)) {
        fprintf(to, " -a \"(__telar_names %s)\"", plural(c->argument));
    } else if (c->argument == COMMAND_NAME) {
        fputs(" -a \"environment", to);
        for (size_t i = 0; i < n_commands; i++)
            fprintf(to, " %s", commands[i].name);
        fputc('"', to);
    } else if (strcmp(c->name, "completion") == 0) {
        fputs(" -a \"bash zsh fish\"", to);
    }
    fputc('\n', to);
}

static void fish(FILE *to)
{
    fputs("# fish completion for telar, written by: telar completion fish\n"
          "function __telar_names\n"
          "    telar $argv[1] --json 2>/dev/null | string replace -rf '^\\{\"name\":\"([^\"]*)\".*' '$1'\nend\n"
          "complete -c telar -f\n",
          to);
    for (size_t i = 0; i < n_commands; i++) {
        fprintf(to, "complete -c telar -n __fish_use_subcommand -a %s -d ", commands[i].name);
        put_quoted(to, commands[i].summary);
        fputc('\n', to);
    }
    for (size_t i = 0; i < n_commands; i++) {
        for (size_t k = 0; commands[i].options[k]; k++)
            fish_option(to, &commands[i], commands[i].options[k]);
        fish_argument(to, &commands[i]);
    }
}

int print_completion(FILE *to, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        bash(to);
    else if (strcmp(shell, "zsh") == 0)
        zsh(to);
    else if (strcmp(shell, "fish") == 0)
        fish(to);
    else
        return EXIT_USAGE;
    return EXIT_OK;
}

int run_completion(const struct invocation *v)
{
    if (print_completion(stdout, v->arguments[0]) == EXIT_OK)
        return EXIT_OK;
    return misused(v, "no completions for \"%s\"; expected bash, zsh or fish", v->arguments[0]);
}
