/* SPDX-License-Identifier: Apache-2.0
 *
 * What `telar-conformance --help` says, and the manual page that is made of the same text.
 */
#include "conformance.h"

#include <string.h>

static const char summary[] = "judge a backend for Telar";
static const char usage[] = "telar-conformance [--op NAME]... [--types TYPES] [OPTION] BACKEND...";
static const char text[] =
    "Runs every op on each BACKEND, in every element type that the op has, on operands that are row-major, transposed, spaced and expanded, "
    "forward and backward, and compares with the reference backend. Then the same in strict arithmetic, on one thread and on three, which must "
    "give the same bits; indices out of range, which must be found no later than at the next value that is read; and a small network, for a "
    "backend of host memory also together with every other one, in both orders.\n"
    "\n"
    "While that runs, TELAR_CHECK is \"memory\" unless it is set: writes beyond an output, a residual, the workspace or a tensor in a private "
    "layout are found, and what is brought into a private layout is turned back and compared.\n"
    "\n"
    "A BACKEND is the name of one that Telar finds (see telar doctor), or the path of a shared object in a folder named backends. The report is "
    "in TAP, the Test Anything Protocol: one line for each point, then comments. The last comments are a table of who did the work of each op: "
    "the backend's own kernels, those of other backends on the same device, and what was computed in f32 for want of f16 and bf16, decomposed, "
    "or sent to the host. An op that the backend lacks is right as long as others do it: look at the table, or use --own.";

static const struct {
    const char *option, *what;
} options[] = {
    {"--own", "Leave out what none of the backend's own kernels takes: a backend with few kernels is judged by these. Use it with "
              "TELAR_FALLBACK=error too, which makes every other missing op an error."},
    {"--op NAME", "Run only the cases of this op, and of those that kernels know by its name: matmul also means mm and bmm. NAME may be a list, "
                  "sum,mean, and the option may be repeated. The table of kernels is not looked at, and no network is run. Also with --own, and with "
                  "--gradients."},
    {"--types TYPES", "Run the cases in these element types only, f32,i64. Otherwise as --op."},
    {"--run-only", "Run every case, forward and backward, and look at no value: what a backend plans, compiles and enqueues is done, also on a device "
                   "that does not compute, such as a stand-in. With TELAR_FALLBACK=error a case is skipped that needs an op without a kernel."},
    {"--list", "List the cases."},
    {"--gradients", "Compare every gradient, and the gradients of gradients, with finite differences, on the reference backend."},
    {"--registry", "Check that every op has a case here, a formula, rows in the documentation and, if it is differentiable, a gradient case."},
    {"--table", "Write the table of ops, backends and element types, in Markdown."},
    {"--replay FILE", "Run the op of a file that TELAR_CHECK=reference left again, on the one BACKEND and on the reference, and say how they "
                      "compare."},
    {"--help", "Say this."},
    {"--version", "Say which Telar this is."},
};
enum { OPTIONS = sizeof options / sizeof *options };

static const struct {
    const char *command, *what;
} examples[] = {
    {"telar-conformance cpu", "The backend cpu, as it is installed."},
    {"TELAR_PLUGIN_PATH=$PWD telar-conformance --own mine", "The kernels of ./backends/mine.so, and nothing else."},
    {"telar-conformance --op matmul,addmm --own mine", "The kernel that is being written."},
    {"telar-conformance $PWD/backends/mine.so", "The same file, without a search path, with all that it leaves to others."},
};
enum { EXAMPLES = sizeof examples / sizeof *examples };

static const char exits[] = "0 if every point is ok, 1 if one is not or a backend does not open, 2 if the command line is wrong.";

/* Lines of at most 79 characters, indented. */
static void wrap(FILE *to, const char *s, int indent)
{
    int column = 0;
    while (*s) {
        int n = (int)strcspn(s, " \n");
        if (column && column + 1 + n > 79) {
            fputc('\n', to);
            column = 0;
        }
        column += fprintf(to, column ? " %.*s" : "%*s%.*s", column ? n : indent, column ? s : "", n, s);
        s += n;
        if (*s == '\n') {
            fputc('\n', to);
            column = 0;
        }
        s += *s != 0;
    }
    fputc('\n', to);
}

void print_help(FILE *to)
{
    fprintf(to, "Usage: %s\n%s.\n\n", usage, summary);
    wrap(to, text, 0);
    fputs("\nOptions:\n", to);
    for (int i = 0; i < OPTIONS; i++) {
        fprintf(to, "  %s\n", options[i].option);
        wrap(to, options[i].what, 6);
    }
    fputs("\nExamples:\n", to);
    for (int i = 0; i < EXAMPLES; i++) {
        fprintf(to, "  %s\n", examples[i].command);
        wrap(to, examples[i].what, 6);
    }
    fprintf(to, "\nExit status: ");
    fprintf(to, "%s\n", exits);
}

/* Text for roff: dashes that stay dashes, and paragraphs. */
static void put(FILE *to, const char *s)
{
    for (; *s; s++) {
        if (*s == '-')
            fputs("\\-", to);
        else if (*s == '\\')
            fputs("\\e", to);
        else if (*s == '\n' && s[1] == '\n')
            fputs("\n.PP", to);
        else
            fputc(*s, to);
    }
    fputc('\n', to);
}

static void put_item(FILE *to, const char *name, const char *what)
{
    fputs(".TP\n.B ", to);
    put(to, name);
    put(to, what);
}

void print_man_page(FILE *to)
{
    fprintf(to, ".TH TELAR-CONFORMANCE 1 \"\" \"Telar %s\" \"User Commands\"\n.SH NAME\ntelar-conformance \\- %s\n.SH SYNOPSIS\n", tl_version_string(),
            summary);
    put(to, usage);
    fputs(".SH DESCRIPTION\n", to);
    put(to, text);
    fputs(".SH OPTIONS\n", to);
    for (int i = 0; i < OPTIONS; i++)
        put_item(to, options[i].option, options[i].what);
    fputs(".SH EXAMPLES\n", to);
    for (int i = 0; i < EXAMPLES; i++)
        put_item(to, examples[i].command, examples[i].what);
    fputs(".SH \"EXIT STATUS\"\n", to);
    put(to, exits);
    fputs(".SH \"SEE ALSO\"\n.BR telar (1),\n.BR telar (7)\n", to);
}
