/* SPDX-License-Identifier: Apache-2.0
 *
 * telar-conformance: judges a backend. TAP on stdout. help.c says what it does, judge.c does it; here is what
 * concerns all backends: gradients, the registry, the table of ops.
 */
#include "conformance.h"

#include <math.h>

#include "../tap.h"

#include <telar/backend.h>

bool point(bool passed, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ok(passed, "%s", text);
}

void note(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    diag("%s", text);
}

void skip_point(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    skip(1, "%s", text);
}

static struct test_case *all;
static size_t n_all;

/* The table of cases, and one for each pointwise op. */
static void gather(void)
{
    size_t capacity = n_cases + 512;
    all = calloc(capacity, sizeof *all);
    if (!all)
        exit(1);
    for (size_t i = 0; i < n_cases; i++)
        all[n_all++] = cases[i];
    for (size_t i = 0; tl_op_at(i) && n_all + POINTWISE_CASES <= capacity; i++)
        if (tl_op_at(i)->flags & TL_OP_POINTWISE) {
            pointwise_cases(tl_op_at(i), &all[n_all]);
            n_all += POINTWISE_CASES;
        }
}

static bool has_case(const char *op)
{
    for (size_t i = 0; i < n_all; i++)
        if (strcmp(all[i].op, op) == 0)
            return true;
    return false;
}

/* Is the name in the list, between commas? */
static bool lists(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

/* Leaves the cases of the ops in these lists, "mm,sum", by their own names or by those that kernels know them by. False, and an error: there are
 * none for one of them. */
static bool keep_only(char *const *wanted, int n_wanted)
{
    size_t n = 0;
    for (int w = 0; w < n_wanted; w++)
        for (const char *at = wanted[w]; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
            char name[80];
            bool found = false;
            snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
            for (size_t i = 0; i < n_all && !found; i++)
                found = strcmp(all[i].op, name) == 0 || strcmp(kernel_name(all[i].op), name) == 0;
            if (!found) {
                fprintf(stderr, "telar-conformance: there are no cases for \"%s\": expected the name of an op of docs/ops.md\n", name);
                return false;
            }
        }
    for (size_t i = 0; i < n_all; i++) {
        bool kept = n_wanted == 0;
        for (int w = 0; w < n_wanted; w++)
            kept |= lists(wanted[w], all[i].op) || lists(wanted[w], kernel_name(all[i].op));
        if (kept)
            all[n++] = all[i];
    }
    n_all = n;
    return true;
}

/* ---- Gradients against finite differences ------------------------------------------------------------------------------------ */

struct context {
    const struct test_case *c;
    const tl_op *op;
};

/* All floating outputs, joined into one vector. */
static tl_tensor *joined(tl_tensor *const *in, void *p)
{
    const struct context *x = p;
    tl_tensor *out[8] = {0}, *parts[8];
    int n = 0;
    if (tl_op_call(x->op, x->c->attrs, in, x->c->n_in, out) != TL_OK)
        return NULL;
    for (int i = 0; i < x->op->n_out; i++)
        if (out[i] && tl_dtype_is_float(tl_dtype_of(out[i])))
            parts[n++] = tl_reshape(out[i], 1, (int64_t[]){tl_numel(out[i])});
    return n == 1 ? parts[0] : tl_cat(n, parts, 0);
}

/* The first derivative's own derivative: d/dx of a projection of the gradients of the sum of squares. */
static tl_tensor *joined_gradients(tl_tensor *const *in, void *p)
{
    const struct context *x = p;
    tl_tensor *y = joined(in, p), *wanted[MAX_IN], *g[MAX_IN];
    int n = 0;
    for (int k = 0; k < x->c->n_in; k++)
        if (!tl_is_none(in[k]) && tl_requires_grad(in[k]))
            wanted[n++] = in[k];
    if (!y)
        return NULL;
    if (n == 0 || !tl_requires_grad(y))
        return tl_sum(y);
    tl_tensor *square = tl_sum(tl_mul(y, y)), *total = tl_sum(y); /* of which something surely depends on the inputs */
    if (tl_grad(&square, 1, NULL, wanted, n, g, (struct tl_backward_options){.create_graph = true, .allow_unused = true}) != TL_OK)
        return NULL;
    for (int k = 0; k < n; k++) {
        if (tl_is_none(g[k]))
            continue;
        tl_tensor *weights = tl_cos(tl_arange(0, (double)tl_numel(g[k]), 1, (struct tl_options){.dtype = TL_F64}));
        tl_tensor *part = tl_sum(tl_mul(g[k], tl_view(weights, tl_ndim(g[k]), tl_shape(g[k]))));
        total = tl_add(total, part);
    }
    return total;
}

/* Under plain differences gradients are not recorded, so second derivatives need recording switched on inside. */
static tl_tensor *second(tl_tensor *const *in, void *p)
{
    tl_tensor *own[MAX_IN];
    const struct context *x = p;
    bool was = tl_set_grad_enabled(true);
    for (int k = 0; k < x->c->n_in; k++) {
        own[k] = in[k];
        if (!was && !tl_is_none(in[k]) && tl_dtype_of(in[k]) == TL_F64 && differentiable(x->c, k))
            own[k] = tl_set_requires_grad(tl_clone(tl_detach(in[k])), true);
    }
    tl_tensor *r = joined_gradients(own, p);
    tl_set_grad_enabled(was);
    return was ? r : tl_detach(r);
}

static bool all_finite(tl_tensor *t)
{
    return t && tl_item(tl_all(tl_isfinite(t))) != 0;
}

static void check_gradient(const struct test_case *c)
{
    TL_SCOPE
    {
        struct context x = {c, tl_op_find(c->op)};
        tl_tensor *in[MAX_IN];
        for (int k = 0; k < c->n_in; k++) {
            in[k] = make_operand(c, k, TL_F64, CONTIGUOUS);
            if (in[k] && !tl_is_none(in[k]) && differentiable(c, k))
                tl_set_requires_grad(in[k], true);
        }
        if ((c->flags & PARTIAL) && !all_finite(joined(in, &x)))
            return;
        tl_status s = tl_gradcheck(joined, &x, in, c->n_in, (struct tl_gradcheck_options){.eps = 1e-6, .atol = 1e-6, .rtol = 1e-5});
        if (!ok(s == TL_OK, "gradient of %s, %s", c->op, c->variant))
            diag("%s", tl_error_message());
        tl_error_clear();
        s = tl_gradcheck(second, &x, in, c->n_in, (struct tl_gradcheck_options){.eps = 1e-5, .atol = 1e-4, .rtol = 1e-4});
        if (s != TL_OK && strstr(tl_error_message(), "not differentiable twice")) {
            pass("gradient of the gradient of %s, %s: refused by name", c->op, c->variant);
        } else if (!ok(s == TL_OK, "gradient of the gradient of %s, %s", c->op, c->variant)) {
            diag("%s", tl_error_message());
        }
        tl_error_clear();
    }
}

/* Far out, where e^a overflows or is 0: a value and a gradient that are finite have a finite second derivative. */
static void check_far(const tl_op *op)
{
    TL_SCOPE
    {
        const struct tl_pointwise_attrs a = {.struct_size = sizeof a, .p = 0.3, .q = 0.7};
        double far[] = {-1000, -40, 40, 1000};
        tl_tensor *x = tl_set_requires_grad(tl_from_data(TL_SHAPE(4), far, (struct tl_options){.dtype = TL_F64}), true), *y = NULL, *g = NULL, *h = NULL;
        struct tl_backward_options o = {.create_graph = true};
        bool done = tl_op_call(op, &a, &x, 1, &y) == TL_OK && tl_grad((tl_tensor *[]){tl_sum(y)}, 1, NULL, &x, 1, &g, o) == TL_OK;
        if (done && tl_requires_grad(g))
            done = tl_grad((tl_tensor *[]){tl_sum(g)}, 1, NULL, &x, 1, &h, o) == TL_OK;
        ok(done, "%s far out: differentiable twice", op->name);
        for (int i = 0; done && h && !tl_is_none(h) && i < 4; i++)
            if (isfinite(tl_item(tl_select(y, 0, i))) && isfinite(tl_item(tl_select(g, 0, i))))
                ok(isfinite(tl_item(tl_select(h, 0, i))), "%s at %g: second derivative", op->name, far[i]);
        if (!done)
            diag("%s", tl_error_message());
        tl_error_clear();
    }
}

/* Differences cost two calls for each element; larger cases are for comparing backends. */
enum { MOST_ELEMENTS = 700 };

static int64_t elements(const struct test_case *c)
{
    int64_t total = 0;
    for (int k = 0; k < c->n_in; k++) {
        int64_t n = c->in[k].fill != ABSENT;
        for (int d = 0; d < c->in[k].ndim; d++)
            n *= c->in[k].shape[d];
        total += n;
    }
    return total;
}

static void check_gradients(void)
{
    tl_set_backend("reference");
    for (size_t i = 0; i < n_all; i++)
        if (!(all[i].flags & (NO_GRADIENT | NO_DIFFERENCES)) && strcmp(all[i].op, "cast") != 0 && elements(&all[i]) <= MOST_ELEMENTS)
            check_gradient(&all[i]);
    for (size_t i = 0; tl_op_at(i); i++)
        if ((tl_op_at(i)->flags & TL_OP_POINTWISE) && tl_op_at(i)->n_in == 1 && tl_op_at(i)->grad && has_case(tl_op_at(i)->name))
            check_far(tl_op_at(i));
}

/* ---- The registry --------------------------------------------------------------------------------------------------------------- */

/* A page of the documentation; NULL if it cannot be read. */
static char *page(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, TEST_SRCDIR "/docs/%s", name);
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    if (f && text)
        ok(fread(text, 1, (1 << 20) - 1, f) > 0, "docs/%s is there", name);
    else
        fail("docs/%s: cannot be read", name);
    if (f)
        fclose(f);
    return text;
}

/* Where the docs name the op as `name`, at the beginning of a row, perhaps after others. */
static bool has_row(const char *text, const char *name)
{
    char wanted[80];
    snprintf(wanted, sizeof wanted, "`%s`", name);
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++) {
        const char *line = at;
        while (line > text && line[-1] != '\n')
            line--;
        if (strncmp(line, "| ", 2) == 0 && memchr(line + 2, '|', (size_t)(at - line)) == NULL)
            return true;
    }
    return false;
}

/* The row of `make ops-table`, which escapes the bars within a formula. */
static bool has_formula(const char *text, const tl_op *op)
{
    char row[512];
    size_t n = (size_t)snprintf(row, sizeof row, "| ");
    for (const char *s = op->formula; *s && n < sizeof row - 8; s++) {
        if (*s == '|')
            row[n++] = '\\';
        row[n++] = *s;
    }
    snprintf(row + n, sizeof row - n, " |\n");
    return has_row(text, op->name) && strstr(text, row) != NULL;
}

static void check_docs(void)
{
    char *kernels = page("kernels.md"), *table = page("ops.md");
    for (size_t i = 0; tl_op_at(i) && kernels && table; i++) {
        const tl_op *op = tl_op_at(i);
        if (!(op->flags & (TL_OP_VIEW | TL_OP_COMPOSITE | TL_OP_POINTWISE)) && !op->kernel)
            ok(has_row(kernels, op->name), "%s, which has kernels, has a row in docs/kernels.md", op->name);
        if (!(op->flags & (TL_OP_VIEW | TL_OP_INTERNAL)))
            ok(has_formula(table, op), "%s has its row in docs/ops.md (written by `make ops-table`)", op->name);
    }
    free(kernels);
    free(table);
}

static void check_registry(void)
{
    check_docs();
    for (size_t i = 0; tl_op_at(i); i++) {
        const tl_op *op = tl_op_at(i);
        bool has_gradient = false;
        for (size_t k = 0; k < n_all; k++)
            has_gradient |= strcmp(all[k].op, op->name) == 0 && !(all[k].flags & NO_GRADIENT);
        if (!(op->flags & TL_OP_VIEW))
            ok(has_case(op->name), "%s has a conformance case", op->name);
        ok(op->formula && *op->formula, "%s has a formula", op->name);
        if (!(op->flags & (TL_OP_VIEW | TL_OP_INTERNAL)) && op->grad && strcmp(op->name, "fill") != 0)
            ok(has_gradient, "%s, which is differentiable, has a gradient case", op->name);
    }
}

/* ---- The table -------------------------------------------------------------------------------------------------------------------- */

/* A bar within a cell would end it. */
static void print_cell(const char *text)
{
    for (; *text; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_table(char **backends, int n)
{
    static const tl_dtype types[] = {TL_F32, TL_F64, TL_F16, TL_BF16, TL_I64, TL_I32, TL_U8, TL_BOOL};
    printf("| op |");
    for (int b = 0; b < n; b++)
        printf(" %s |", backends[b]);
    printf(" formula |\n|---|");
    for (int b = 0; b < n; b++)
        printf("---|");
    printf("---|\n");
    for (size_t i = 0; tl_op_at(i); i++) {
        const tl_op *op = tl_op_at(i);
        if (op->flags & (TL_OP_VIEW | TL_OP_INTERNAL))
            continue;
        printf("| `%s` |", op->name);
        for (int b = 0; b < n; b++) {
            for (size_t t = 0; t < sizeof types / sizeof *types; t++)
                if (known_to_work(backends[b], op->name, types[t], all, n_all))
                    printf(" %s", tl_dtype_name(types[t]));
            printf(" |");
        }
        printf(" ");
        print_cell(op->formula);
        printf(" |\n");
    }
}

/* The name of the backend that the argument means; NULL and an error. One with a slash is opened by its path, which makes its name known
 * to the loader. */
static const char *opened(const char *argument, char plain[64])
{
    if (!strchr(argument, '/'))
        return argument;
    if (!tl_plugin_open("backend", argument, TL_BACKEND_ABI))
        return NULL;
    const char *base = strrchr(argument, '/') + 1;
    snprintf(plain, 64, "%.*s", (int)strcspn(base, "."), base);
    return plain;
}

static int run_on_all(const struct request *r)
{
    for (int i = 0; i < r->n_backends; i++) {
        char plain[64];
        const char *name = opened(r->backends[i], plain);
        if (!name || tl_set_backend(name) != TL_OK) {
            fprintf(stderr, "telar-conformance: %s\n", tl_error_message());
            return 1;
        }
        if (strcmp(r->mode, "--run-only") == 0)
            run_only(name, r, all, n_all);
        else
            judge_backend(name, r, all, n_all);
    }
    return 0;
}

static int run(const struct request *r)
{
    int status = 0;
    if (!keep_only(r->ops, r->n_ops))
        return 2;
    if (strcmp(r->mode, "--table") == 0) {
        print_table(r->backends, r->n_backends);
        return 0;
    }
    if (strcmp(r->mode, "--list") == 0) {
        for (size_t i = 0; i < n_all; i++)
            printf("%s, %s\n", all[i].op, all[i].variant);
        return 0;
    }
    if (strcmp(r->mode, "--gradients") == 0)
        check_gradients();
    else if (strcmp(r->mode, "--registry") == 0)
        check_registry();
    else
        status = run_on_all(r);
    return done_testing() || status;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help(stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("telar-conformance %s\n", tl_version_string());
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--man") == 0) {
        print_man_page(stdout);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--replay") == 0) {
        int code = replay(argv[2], argv[3]);
        tl_shutdown();
        return code;
    }
    struct request r;
    int status = read_command_line(argc, argv, &r);
    if (status == 0) {
        setenv("TELAR_CHECK", "memory", 0);
        gather();
        status = run(&r);
        free(all);
        tl_shutdown();
    }
    request_free(&r);
    return status;
}
