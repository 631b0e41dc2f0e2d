/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging one backend: its table, every case against the reference, strict arithmetic, indices out of range, and a small network on it
 * alone and together with the other host backends.
 */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/backend.h>

static const char *const layout_name[LAYOUTS] = {"row-major", "reversed", "spaced", "mixed"};

const tl_dtype case_types[CASE_TYPES] = {TL_F32, TL_F64, TL_F16, TL_BF16, TL_I64, TL_I32, TL_U8, TL_BOOL};

struct judgement {
    const char *backend;
    const bool *types; /* to run in */
    bool own;          /* what its kernels do not take is left out */
    struct tally *tally;
    uint64_t taken; /* calls that they took, of the ops that the cases are about */
};

bool case_applies(const struct test_case *c, tl_dtype dtype)
{
    if (dtype == TL_F16 || dtype == TL_BF16)
        return !(c->flags & NO_HALF);
    return tl_dtype_is_float(dtype) || (c->flags & INTEGERS);
}

/* One run on the backend; how many calls of the op did its own kernels take? */
static uint64_t run_here(struct judgement *j, const struct test_case *c, tl_dtype dtype, enum layout layout, bool gradients, struct results *r)
{
    memset(r, 0, sizeof *r);
    r->status = tl_set_backend(j->backend);
    if (r->status != TL_OK) {
        snprintf(r->message, sizeof r->message, "%s", tl_error_message());
        tl_error_clear();
        return 0;
    }
    tally_begin(j->tally);
    run_case(c, dtype, layout, gradients, r);
    uint64_t own = tally_end(j->tally, j->backend, c->op);
    j->taken += own;
    return own;
}

static void run_reference(const struct test_case *c, tl_dtype dtype, enum layout layout, bool gradients, struct results *r)
{
    tl_set_backend("reference");
    run_case(c, dtype, layout, gradients, r);
}

enum verdict { DIFFERS, REFUSED, AGREES };

/* One case in one type: all layouts, with gradients where the type has them. Equal refusals are equal. */
static enum verdict judge_type(struct judgement *j, const struct test_case *c, tl_dtype dtype, uint64_t *own, char *text, size_t size)
{
    enum verdict verdict = AGREES;
    for (int layout = 0; layout < LAYOUTS && verdict != DIFFERS; layout++) {
        struct results got, want;
        char why[600];
        bool gradients = !(c->flags & NO_GRADIENT) && (dtype == TL_F32 || dtype == TL_F64);
        if (layout == MIXED && c->n_in == 1)
            continue; /* it is reversed */
        if (layout != CONTIGUOUS && ((c->flags & NO_STRIDES) || dtype == TL_F16 || dtype == TL_BF16))
            continue;
        uint64_t taken = run_here(j, c, dtype, (enum layout)layout, gradients, &got);
        *own += taken;
        /* A kernel that fails while it plans has not taken the call: that the backend lacks it is another status. */
        bool failed = got.status != TL_OK && got.status != TL_ERR_UNSUPPORTED;
        if (!j->own || taken || failed) {
            run_reference(c, dtype, (enum layout)layout, gradients, &want);
            if (!same_results(c, &got, &want, dtype, why, sizeof why)) {
                snprintf(text, size, "%s, %s: %s", tl_dtype_name(dtype), layout_name[layout], why);
                verdict = DIFFERS;
            } else if (want.status != TL_OK) {
                verdict = REFUSED;
            }
            results_free(&want);
        }
        results_free(&got);
    }
    return verdict;
}

bool known_to_work(const char *backend, const char *op, tl_dtype dtype, const struct test_case *all, size_t n_all)
{
    struct judgement j = {.backend = backend, .tally = tally_new()};
    bool any = false, good = j.tally != NULL;
    char text[800];
    uint64_t own = 0;
    for (size_t k = 0; k < n_all && good; k++)
        if (strcmp(all[k].op, op) == 0 && case_applies(&all[k], dtype)) {
            any = true;
            good = judge_type(&j, &all[k], dtype, &own, text, sizeof text) == AGREES;
        }
    free(j.tally);
    return any && good;
}

static void judge_case(struct judgement *j, const struct test_case *c)
{
    char text[800] = "";
    bool good = true;
    int n = 0;
    uint64_t own = 0;
    for (int t = 0; t < CASE_TYPES && good; t++)
        if (j->types[case_types[t]] && case_applies(c, case_types[t])) {
            good = DIFFERS != judge_type(j, c, case_types[t], &own, text, sizeof text);
            n++;
        }
    if (n == 0)
        return;
    if (j->own && !own && good)
        skip_point("%s has no kernel of its own for %s, %s", j->backend, c->op, c->variant);
    else if (!point(good, "%s: %s, %s, %d types", j->backend, c->op, c->variant, n))
        note("%s", text);
}

/* ---- Strict arithmetic -------------------------------------------------------------------------------------------------------------- */

static bool same_bits(const struct results *a, const struct results *b, int n_in, char *text, size_t size)
{
    if (a->status != b->status) {
        snprintf(text, size, "status %s on one thread, %s on three (%s)", tl_status_name(a->status), tl_status_name(b->status),
                 a->status == TL_OK ? b->message : a->message);
        return false;
    }
    for (int i = 0; i < 8 + n_in; i++) {
        const struct values *x = i < 8 ? &a->out[i] : &a->grad[i - 8], *y = i < 8 ? &b->out[i] : &b->grad[i - 8];
        if (!x->v || !y->v)
            continue;
        if (x->n != y->n || memcmp(x->v, y->v, (size_t)x->n * sizeof *x->v) != 0) {
            snprintf(text, size, "%s %d has other bits on three threads than on one", i < 8 ? "output" : "gradient of input", i < 8 ? i : i - 8);
            return false;
        }
    }
    return true;
}

static void judge_strictly(struct judgement *j, const struct test_case *c)
{
    static const tl_dtype types[] = {TL_F32, TL_F64};
    char text[1000] = "", why[900];
    bool good = true, gradients = !(c->flags & NO_GRADIENT);
    int threads = tl_get_num_threads();
    uint64_t own = 0;
    tl_set_math(TL_MATH_STRICT);
    for (int t = 0; t < 2 && good; t++) {
        if (!j->types[types[t]])
            continue;
        struct results one, three, want;
        tl_set_num_threads(1);
        own += run_here(j, c, types[t], CONTIGUOUS, gradients, &one);
        tl_set_num_threads(3);
        run_here(j, c, types[t], CONTIGUOUS, gradients, &three);
        run_reference(c, types[t], CONTIGUOUS, gradients, &want);
        good = same_bits(&one, &three, c->n_in, why, sizeof why) && same_results(c, &one, &want, types[t], why, sizeof why);
        if (!good)
            snprintf(text, sizeof text, "%s: %s", tl_dtype_name(types[t]), why);
        results_free(&one);
        results_free(&three);
        results_free(&want);
    }
    tl_set_num_threads(threads);
    tl_set_math(TL_MATH_DEFAULT);
    if (own && !point(good, "%s: %s, %s, strict: right, and the same on one thread and three", j->backend, c->op, c->variant))
        note("%s", text);
}

/* ---- Indices out of range ------------------------------------------------------------------------------------------------------------ */

/* Without elements no index is spoiled, or no value read. */
static bool has_nothing(const struct test_case *c)
{
    for (int k = 0; k < c->n_in; k++)
        for (int d = 0; d < c->in[k].ndim; d++)
            if (c->in[k].shape[d] == 0)
                return true;
    return false;
}

/* The error may come at once or late, but no later than with the first value that is read; and it goes with that. */
static void judge_bad_index(struct judgement *j, const struct test_case *c)
{
    for (int k = 0; k < c->n_in && j->types[TL_F32]; k++) {
        if (c->in[k].fill != INDEX || has_nothing(c))
            continue;
        for (int low = 0; low < 2; low++) {
            struct results bad, after;
            struct test_case spoiled = *c;
            spoiled.in[k].spoiled = true;
            spoiled.in[k].spoil = low ? -1 : (double)c->in[k].limit;
            uint64_t own = run_here(j, &spoiled, TL_F32, CONTIGUOUS, false, &bad);
            run_here(j, c, TL_F32, CONTIGUOUS, false, &after);
            if (j->own && !own)
                skip_point("%s has no kernel of its own for %s, %s", j->backend, c->op, c->variant);
            else if (!point(bad.status == TL_ERR_INDEX && after.status == TL_OK, "%s: %s, %s, index %g: is found before a value is read",
                            j->backend, c->op, c->variant, spoiled.in[k].spoil))
                note("expected INDEX, then OK; came %s (%s), then %s (%s)", tl_status_name(bad.status), bad.message,
                     tl_status_name(after.status), after.message);
            results_free(&bad);
            results_free(&after);
        }
    }
}

/* ---- The table of kernels -------------------------------------------------------------------------------------------------------------- */

/* Whoever makes kernels of the whole of pointwise.def has some for gradients that need none, as "add_da": rightly. */
static bool is_plain_gradient(const char *kernel)
{
    char base[64];
    size_t n = strlen(kernel);
    if (n < 4 || n >= sizeof base || strncmp(kernel + n - 3, "_d", 2) != 0)
        return false;
    snprintf(base, sizeof base, "%.*s", (int)(n - 3), kernel);
    const tl_op *op = tl_op_find(base);
    return op && (op->flags & TL_OP_POINTWISE);
}

static bool is_asked_for(const char *kernel)
{
    for (size_t i = 0; tl_op_at(i); i++) {
        const tl_op *op = tl_op_at(i);
        if (!(op->flags & TL_OP_VIEW) && strcmp(op->kernel ? op->kernel : op->name, kernel) == 0)
            return true;
    }
    return is_plain_gradient(kernel);
}

static void judge_names(const char *backend)
{
    const struct tl_backend *b = tl_plugin_open("backend", backend, TL_BACKEND_ABI);
    bool good = b != NULL;
    for (size_t i = 0; b && b->kernels[i]; i++)
        good &= is_asked_for(b->kernels[i]->op);
    point(good, "%s: every kernel is for an op that there is", backend);
    for (size_t i = 0; b && b->kernels[i]; i++)
        if (!is_asked_for(b->kernels[i]->op))
            note("kernel %zu, %s: no op comes to kernels as \"%s\"; docs/kernels.md has their names", i, b->kernels[i]->maker,
                 b->kernels[i]->op);
}

/* ---- Networks ------------------------------------------------------------------------------------------------------------------------------ */

static bool is_host(const char *backend)
{
    bool host = tl_set_backend(backend) == TL_OK && strcmp(tl_default_device(), "cpu") == 0;
    tl_error_clear();
    return host;
}

/* Whose order decides which kernels are taken: both. */
static void judge_together(const char *backend)
{
    struct tl_plugin_info found[64];
    char list[200];
    size_t n = tl_plugins("backend", false, found, 64);
    judge_network(backend);
    if (!is_host(backend))
        return;
    for (size_t i = 0; i < n && i < 64; i++) {
        if (strcmp(found[i].name, backend) == 0 || strcmp(found[i].name, "reference") == 0 || !is_host(found[i].name))
            continue;
        snprintf(list, sizeof list, "%s,%s", backend, found[i].name);
        judge_network(list);
        snprintf(list, sizeof list, "%s,%s", found[i].name, backend);
        judge_network(list);
    }
}

/* ---- All of it -------------------------------------------------------------------------------------------------------------------------------- */

static void print_tally(struct judgement *j)
{
    const struct tally_row *r;
    tally_sort(j->tally);
    note("who did the work; calls taken by %s's own kernels, by other backends' on the same device, computed in f32 for want of f16", j->backend);
    note("and bf16, decomposed into other ops, sent to the host:");
    note("%-26s %8s %8s %8s %10s %8s", "op", "own", "others", "widened", "decomposed", "host");
    for (size_t i = 0; (r = tally_row(j->tally, i)); i++)
        note("%-26s %8llu %8llu %8llu %10llu %8llu", r->op, (unsigned long long)r->own, (unsigned long long)r->others,
             (unsigned long long)r->widened, (unsigned long long)r->decomposed, (unsigned long long)r->host);
}

void judge_backend(const char *backend, const struct request *r, const struct test_case *all, size_t n_all)
{
    struct judgement j = {.backend = backend, .types = r->types, .own = strcmp(r->mode, "--own") == 0, .tally = tally_new()};
    if (!j.tally) {
        point(false, "%s: memory for the tally", backend);
        return;
    }
    tl_watch_kernels(true);
    if (!r->some)
        judge_names(backend);
    for (size_t i = 0; i < n_all; i++)
        judge_case(&j, &all[i]);
    for (size_t i = 0; i < n_all; i++)
        judge_strictly(&j, &all[i]);
    for (size_t i = 0; i < n_all; i++)
        judge_bad_index(&j, &all[i]);
    if (j.own || !r->some) /* an op that is decomposed on purpose, as dot, is nobody's own */
        point(j.taken > 0, "%s: its own kernels took calls", backend);
    tl_watch_kernels(false);
    if (!r->some)
        judge_together(backend);
    print_tally(&j);
    free(j.tally);
}
