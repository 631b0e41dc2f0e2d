/* SPDX-License-Identifier: Apache-2.0
 *
 * telar-conformance: judges a backend. TAP on stdout.
 *
 *     telar-conformance NAME              a backend that Telar finds
 *     telar-conformance /path/x.so        one that it does not (in a folder named backends)
 *     telar-conformance --gradients       every gradient against finite differences, on the reference
 *     telar-conformance --registry        every op has a case, a gradient or a reason, a formula, rows in docs/
 *     telar-conformance --table NAME…     the table of ops, backends and types, in Markdown
 */
#include "conformance.h"

#include <math.h>

#include "../tap.h"

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

static const char *const layout_name[LAYOUTS] = {"row-major", "reversed", "spaced", "mixed"};

/* Does the case apply to this type? */
static bool applies(const struct test_case *c, tl_dtype dtype)
{
    if (dtype == TL_F16 || dtype == TL_BF16)
        return !(c->flags & NO_HALF) && strcmp(c->op, "cast") != 0;
    return tl_dtype_is_float(dtype) || (c->flags & INTEGERS);
}

/* One case in one type: all layouts, with gradients where the type has them. Equal refusals are equal. */
static bool judge(const struct test_case *c, tl_dtype dtype, const char *backend, char *text, size_t size)
{
    bool good = true;
    for (int layout = 0; layout < LAYOUTS && good; layout++) {
        struct results got, want;
        char why[600];
        bool gradients = !(c->flags & NO_GRADIENT) && (dtype == TL_F32 || dtype == TL_F64);
        if (layout == MIXED && c->n_in == 1)
            continue; /* it is reversed */
        if (layout != CONTIGUOUS && ((c->flags & NO_STRIDES) || dtype == TL_F16 || dtype == TL_BF16))
            continue;
        if (tl_set_backend(backend) != TL_OK) {
            snprintf(text, size, "%s", tl_error_message());
            return false;
        }
        run_case(c, dtype, (enum layout)layout, gradients, &got);
        tl_set_backend("reference");
        run_case(c, dtype, (enum layout)layout, gradients, &want);
        good = same_results(c, &got, &want, dtype, why, sizeof why);
        if (!good)
            snprintf(text, size, "%s, %s: %s", tl_dtype_name(dtype), layout_name[layout], why);
        results_free(&got);
        results_free(&want);
    }
    return good;
}

static void judge_backend(const char *backend)
{
    static const tl_dtype types[] = {TL_F32, TL_F64, TL_F16, TL_BF16, TL_I64, TL_I32, TL_U8, TL_BOOL};
    for (size_t i = 0; i < n_all; i++) {
        char text[800] = "";
        bool good = true;
        int n = 0;
        for (size_t t = 0; t < sizeof types / sizeof *types && good; t++)
            if (applies(&all[i], types[t])) {
                good = judge(&all[i], types[t], backend, text, sizeof text);
                n++;
            }
        if (!ok(good, "%s: %s, %s, %d types", backend, all[i].op, all[i].variant, n))
            diag("%s", text);
    }
    struct tl_fallback list[64];
    size_t n = tl_fallbacks(list, 64);
    for (size_t i = 0; i < n && i < 64; i++)
        diag("%s on %s: %s, %llu times, %llu bytes moved", list[i].op, list[i].device, list[i].how, (unsigned long long)list[i].calls,
             (unsigned long long)list[i].bytes);
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
        if ((tl_op_at(i)->flags & TL_OP_POINTWISE) && tl_op_at(i)->n_in == 1 && tl_op_at(i)->grad)
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
        bool has_case = false, has_gradient = false;
        for (size_t k = 0; k < n_all; k++)
            if (strcmp(all[k].op, op->name) == 0) {
                has_case = true;
                has_gradient |= !(all[k].flags & NO_GRADIENT);
            }
        if (!(op->flags & TL_OP_VIEW))
            ok(has_case, "%s has a conformance case", op->name);
        ok(op->formula && *op->formula, "%s has a formula", op->name);
        if (!(op->flags & (TL_OP_VIEW | TL_OP_INTERNAL)) && op->grad && strcmp(op->name, "fill") != 0)
            ok(has_gradient, "%s, which is differentiable, has a gradient case", op->name);
    }
}

/* ---- The table -------------------------------------------------------------------------------------------------------------------- */

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
            for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
                bool any = false, good = true;
                for (size_t k = 0; k < n_all; k++)
                    if (strcmp(all[k].op, op->name) == 0 && (tl_dtype_is_float(types[t]) || (all[k].flags & INTEGERS) || (op->flags & TL_OP_POINTWISE))) {
                        struct results r;
                        tl_set_backend(backends[b]);
                        run_case(&all[k], types[t], CONTIGUOUS, false, &r);
                        any = true;
                        good &= r.status == TL_OK;
                        results_free(&r);
                    }
                if (any && good)
                    printf(" %s", tl_dtype_name(types[t]));
            }
            printf(" |");
        }
        printf(" %s |\n", op->formula);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: telar-conformance BACKEND… | --gradients | --registry | --table BACKEND… | --replay FILE BACKEND\n");
        return 2;
    }
    if (strcmp(argv[1], "--replay") == 0 && argc == 4) {
        int code = replay(argv[2], argv[3]);
        tl_shutdown();
        return code;
    }
    gather();
    if (strcmp(argv[1], "--table") == 0) {
        print_table(argv + 2, argc - 2);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--gradients") == 0) {
            check_gradients();
            continue;
        }
        if (strcmp(name, "--registry") == 0) {
            check_registry();
            continue;
        }
        char plain[64];
        if (strchr(name, '/')) {
            /* Opening it by path makes its name known to the loader. */
            if (!tl_plugin_open("backend", name, 1)) {
                fprintf(stderr, "telar-conformance: %s\n", tl_error_message());
                return 1;
            }
            const char *base = strrchr(name, '/') + 1;
            snprintf(plain, sizeof plain, "%.*s", (int)strcspn(base, "."), base);
            name = plain;
        }
        if (tl_set_backend(name) != TL_OK) {
            fprintf(stderr, "telar-conformance: %s\n", tl_error_message());
            return 1;
        }
        judge_backend(name);
    }
    free(all);
    tl_shutdown();
    return done_testing();
}
