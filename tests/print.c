/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors are printed as PyTorch prints them: golden/print.txt has tensors and PyTorch's text for each (see
 * golden/make_print.py). Here are also what PyTorch cannot say: streams, errors, other locales, names of nodes.
 */
#include <locale.h>
#include <telar/telar.h>

#include "tap.h"

enum { MAX_LINE = 1 << 17 };

static char line[MAX_LINE];

/* The next line without its end; false at the end of the file. */
static bool next_line(FILE *f)
{
    if (!fgets(line, sizeof line, f))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static tl_dtype dtype_named(const char *name)
{
    for (int d = TL_F32; d < TL_DTYPE_COUNT; d++)
        if (strcmp(tl_dtype_name((tl_dtype)d), name) == 0)
            return (tl_dtype)d;
    bail_out("print.txt has a type %s", name);
}

struct golden {
    char name[128];
    tl_dtype dtype;
    bool requires_grad;
    struct tl_print_options options;
    int ndim;
    int64_t shape[TL_MAX_DIMS], numel;
    double *reals;
    int64_t *integers;
    char *text;
};

static void read_shape(struct golden *g)
{
    g->ndim = 0;
    g->numel = 1;
    for (char *word = strtok(line + strlen("shape"), " "); word; word = strtok(NULL, " ")) {
        g->shape[g->ndim] = strtoll(word, NULL, 10);
        g->numel *= g->shape[g->ndim++];
    }
}

/* "list a b c", repeated until the shape is full, or "range start step". */
static void read_values(struct golden *g)
{
    size_t n = (size_t)g->numel + 1, have = 0;
    g->reals = calloc(n, sizeof *g->reals);
    g->integers = calloc(n, sizeof *g->integers);
    if (!g->reals || !g->integers)
        bail_out("out of memory");
    bool range = strncmp(line, "range", 5) == 0;
    char *words = line + (range ? 5 : 4), *end;
    if (range) {
        double start = strtod(words, &end), step = strtod(end, NULL);
        for (int64_t i = 0; i < g->numel; i++) {
            g->reals[i] = start + (double)i * step;
            g->integers[i] = (int64_t)g->reals[i];
        }
        return;
    }
    for (; have < (size_t)g->numel; words = end, have++) {
        g->integers[have] = strtoll(words, &end, 10);
        g->reals[have] = strtod(words, &end);
        if (end == words)
            break;
    }
    for (size_t i = have; have && i < (size_t)g->numel; i++) {
        g->reals[i] = g->reals[i - have];
        g->integers[i] = g->integers[i - have];
    }
}

static void read_text(struct golden *g, FILE *f, int lines)
{
    size_t length = 0;
    g->text = calloc(1, 1);
    for (int i = 0; i < lines && next_line(f); i++) {
        size_t n = strlen(line);
        char *grown = realloc(g->text, length + n + 2);
        if (!grown)
            bail_out("out of memory");
        g->text = grown;
        if (i > 0)
            g->text[length++] = '\n';
        memcpy(g->text + length, line, n + 1);
        length += n;
    }
}

/* false after the last one. */
static bool read_golden(struct golden *g, FILE *f)
{
    char type[16];
    int grad, lines;
    struct tl_print_options *o = &g->options;
    if (!next_line(f) || sscanf(line, "case %127[^\n]", g->name) != 1)
        return false;
    if (!next_line(f) || sscanf(line, "tensor %15s %d %d %d %d %d %d", type, &grad, &o->precision, &o->threshold, &o->edgeitems,
                                &o->linewidth, &o->sci_mode) != 7)
        bail_out("print.txt: no tensor line in case %s", g->name);
    g->dtype = dtype_named(type);
    g->requires_grad = grad != 0;
    if (!next_line(f))
        return false;
    read_shape(g);
    if (!next_line(f))
        return false;
    read_values(g);
    if (!next_line(f) || sscanf(line, "text %d", &lines) != 1)
        bail_out("print.txt: no text in case %s", g->name);
    read_text(g, f, lines);
    return true;
}

static tl_tensor *tensor_of(const struct golden *g)
{
    bool real = tl_dtype_is_float(g->dtype);
    tl_tensor *t = tl_empty(g->ndim, g->shape, (struct tl_options){.dtype = g->dtype, .device = "cpu"});
    if (real)
        tl_copy_in(t, TL_F64, g->reals, (size_t)g->numel * sizeof *g->reals);
    else
        tl_copy_in(t, TL_I64, g->integers, (size_t)g->numel * sizeof *g->integers);
    return g->requires_grad ? tl_set_requires_grad(t, true) : t;
}

static void check_text(tl_tensor *t, const char *expected, const char *name)
{
    char *text = tl_to_string(t);
    is_string(text, expected, "%s", name);
    free(text);
}

static void golden_cases(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/print.txt", "r");
    if (!f)
        bail_out("cannot open golden/print.txt");
    int n = 0, said = -1;
    struct golden g;
    memset(&g, 0, sizeof g);
    while (read_golden(&g, f)) {
        TL_SCOPE
        {
            tl_set_print_options(g.options);
            check_text(tensor_of(&g), g.text, g.name);
        }
        n++;
        free(g.reals);
        free(g.integers);
        free(g.text);
    }
    ok(sscanf(line, "end %d", &said) == 1 && said == n, "print.txt was read to its end");
    tl_set_print_options((struct tl_print_options){.precision = 0});
    fclose(f);
}

static void graphs(void)
{
    tl_tensor *x = tl_set_requires_grad(tl_tensor_f32(TL_SHAPE(2), 1, 2), true);
    check_text(tl_add(x, x), "tensor([2., 4.], grad_fn=<AddBackward0>)", "the node's name");
    check_text(tl_detach(x), "tensor([1., 2.])", "a detached tensor has no suffix");
    tl_tensor *ones = tl_ones(TL_SHAPE(12), (struct tl_options){.dtype = TL_F64, .requires_grad = true});
    tl_tensor *wide = tl_mul(ones, tl_scalar(0.125));
    check_text(wide,
               "tensor([0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250, 0.1250,\n"
               "        0.1250, 0.1250, 0.1250], dtype=torch.float64, grad_fn=<MulBackward0>)",
               "type and node");
    check_text(tl_scalar(2.5), "tensor(2.5000)", "a plain number is of the default type");
    tl_tensor *m = tl_tensor_f32(TL_SHAPE(2, 3), 1, 2, 3, 4, 5, 6);
    check_text(tl_t(m), "tensor([[1., 4.],\n        [2., 5.],\n        [3., 6.]])", "a transposed matrix");
}

static void streams(void)
{
    tl_tensor *t = tl_tensor_i64(TL_SHAPE(2), 1, -2);
    FILE *f = tmpfile();
    if (!f)
        bail_out("no temporary file");
    is_int(tl_fprint(f, t), TL_OK, "printed to a stream");
    rewind(f);
    ok(next_line(f) && strcmp(line, "tensor([ 1, -2])") == 0, "the text and a line feed");
    ok(!next_line(f), "and nothing more");
    fclose(f);

    FILE *closed = fopen(TEST_SRCDIR "/tests/golden/print.txt", "r");
    if (!closed)
        bail_out("cannot open golden/print.txt");
    is_int(tl_fprint(closed, t), TL_ERR_IO, "a stream that cannot be written is an error");
    contains(tl_error_message(), "descriptor", "in errno's words");
    tl_error_clear();
    fclose(closed);
}

static void errors(void)
{
    ok(tl_to_string(NULL) == NULL, "NULL has no text");
    is_int(tl_error_code(), TL_ERR_ARGUMENT, "and is an error");
    tl_error_clear();
    ok(tl_to_string(TL_NONE) == NULL, "nor has TL_NONE");
    tl_error_clear();
    is_int(tl_fprint(NULL, tl_scalar(1)), TL_ERR_ARGUMENT, "no stream");
    tl_error_clear();
}

static void odd_options(void)
{
    tl_tensor *t = tl_tensor_f32(TL_SHAPE(3), 0.5, 1.5, -2);
    tl_set_print_options((struct tl_print_options){.precision = -5, .threshold = -1, .edgeitems = -9, .linewidth = -2});
    check_text(t, "tensor([ 0.5000,  1.5000, -2.0000])", "negative options are the defaults");
    int much = 1 << 30;
    tl_set_print_options((struct tl_print_options){.precision = much, .threshold = much, .edgeitems = much, .linewidth = much});
    char *text = tl_to_string(t);
    ok(text && strncmp(text, "tensor([ 0.5000000", 18) == 0 && strlen(text) < 4096, "enormous options are bounded");
    free(text);
    tl_set_print_options((struct tl_print_options){.precision = 0});
}

static void other_locale(void)
{
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "es_ES.UTF-8"};
    for (size_t i = 0; i < sizeof commas / sizeof *commas; i++)
        if (setlocale(LC_ALL, commas[i])) {
            check_text(tl_tensor_f32(TL_SHAPE(1), 0.5), "tensor([0.5000])", commas[i]);
            setlocale(LC_ALL, "C");
            return;
        }
    skip(1, "no locale with a decimal comma is installed");
}

int main(void)
{
    golden_cases();
    graphs();
    streams();
    errors();
    odd_options();
    other_locale();
    return done_testing();
}
