/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary of a network: it is run once on zeros while an observer notes every module that runs, so that the shapes
 * are real ones and modules written by users are seen as well. Multiply-adds are those of convolutions and matrix
 * products: each weight is used once for each output position.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/train/train.h"

struct row {
    struct tl_summary_row public;
    const tl_module *module;
    char *name;
};

struct tl_summary {
    struct row *rows;
    size_t count, capacity;
    struct tl_summary_totals totals;
    bool broken; /* the forward pass failed on the way */
};

/* What the observer works with. */
struct watch {
    tl_summary *summary;
    size_t *open; /* rows whose module is running, innermost last */
    size_t n_open, open_capacity;
    tl_module *root;
    tl_tensor **counted; /* parameters that were counted */
    size_t n_counted, counted_capacity;
    bool failed;              /* out of memory */
    bool broken;              /* a forward failed: first that of this row, which was given this shape */
    size_t broken_row;
    char given[200];
};

static bool grow(void *array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 32;
    void *grown = realloc(*(void **)array, wanted * size);
    if (!grown)
        return false;
    *(void **)array = grown;
    *capacity = wanted;
    return true;
}

struct name_search {
    const tl_module *module;
    char *name;
};

static tl_status match_module(const char *name, tl_module *m, void *ctx)
{
    struct name_search *search = ctx;
    if (m != search->module)
        return TL_OK;
    search->name = strdup(name);
    return TL_ERR_STOPPED;
}

static char *name_of(tl_module *root, const tl_module *m)
{
    struct name_search search = {m, NULL};
    tl_modules(root, match_module, &search);
    tl_error_clear(); /* stopping the walk is no error */
    return search.name ? search.name : strdup("?");
}

static void before(tl_module *m, void *ctx)
{
    struct watch *w = ctx;
    tl_summary *s = w->summary;
    if (w->failed || !grow(&s->rows, &s->capacity, s->count + 1, sizeof *s->rows) ||
        !grow(&w->open, &w->open_capacity, w->n_open + 1, sizeof *w->open)) {
        w->failed = true;
        return;
    }
    struct row *r = &s->rows[s->count];
    memset(r, 0, sizeof *r);
    r->module = m;
    r->name = name_of(w->root, m);
    r->public.kind = tl_module_name(m);
    r->public.depth = (int)w->n_open;
    r->public.leaf = true;
    if (w->n_open)
        s->rows[w->open[w->n_open - 1]].public.leaf = false;
    w->open[w->n_open++] = s->count++;
}

/* One module's own parameters, as they are walked. */
struct own {
    struct watch *watch;
    int64_t parameters; /* not counted before */
    int64_t weights;    /* elements of matrices and kernels */
};

static tl_status count_parameter(const char *name, tl_tensor *t, void *ctx)
{
    struct own *own = ctx;
    struct watch *w = own->watch;
    if (strchr(name, '.') || tl_is_none(t))
        return TL_OK;
    if (tl_ndim(t) > 1)
        own->weights += tl_numel(t);
    for (size_t i = 0; i < w->n_counted; i++)
        if (w->counted[i] == t)
            return TL_OK;
    if (!grow(&w->counted, &w->counted_capacity, w->n_counted + 1, sizeof *w->counted)) {
        w->failed = true;
        return TL_OK;
    }
    w->counted[w->n_counted++] = t;
    own->parameters += tl_numel(t);
    w->summary->totals.weight_bytes += tl_numel(t) * (int64_t)tl_dtype_size(tl_dtype_of(t));
    if (tl_requires_grad(t))
        w->summary->totals.trainable += tl_numel(t);
    return TL_OK;
}

/* Output positions at which each weight is used. */
static int64_t positions(const char *kind, const tl_tensor *in, const tl_tensor *out)
{
    if (strncmp(kind, "Embedding", 9) == 0)
        return 0;
    bool transposed = strstr(kind, "Transpose") != NULL;
    const tl_tensor *t = transposed ? in : out;
    if (!t || tl_ndim(t) < 1)
        return 0;
    int64_t channels = strncmp(kind, "Conv", 4) == 0 && tl_ndim(t) > 1 ? tl_size(t, 1) : tl_size(t, -1);
    return channels > 0 ? tl_numel(t) / channels : 0;
}

static void after(tl_module *m, tl_tensor *const *in, int n, tl_tensor *out, void *ctx)
{
    struct watch *w = ctx;
    if (w->failed || w->n_open == 0)
        return;
    struct row *r = &w->summary->rows[w->open[--w->n_open]];
    struct tl_summary_totals *totals = &w->summary->totals;
    struct own own = {w, 0, 0};
    tl_module_parameters(m, count_parameter, &own);
    r->public.parameters = own.parameters;
    totals->parameters += own.parameters;
    r->public.failed = !out;
    if (!out && !w->broken) {
        w->broken = true;
        w->broken_row = (size_t)(r - w->summary->rows);
        shape_text(w->given, sizeof w->given, n > 0 ? in[0] : NULL);
    }
    if (!out)
        return;
    r->public.ndim = tl_ndim(out);
    memcpy(r->public.shape, tl_shape(out), (size_t)tl_ndim(out) * sizeof(int64_t));
    r->public.multiply_adds = own.weights * positions(r->public.kind, n > 0 ? in[0] : NULL, out);
    totals->multiply_adds += r->public.multiply_adds;
    if (r->public.leaf)
        totals->output_bytes += tl_numel(out) * (int64_t)tl_dtype_size(tl_dtype_of(out));
}

/* A module with parameters that the forward pass went past: an encoder's sampling, heads for training only, a mistake. */
static tl_status add_idle(const char *name, tl_module *m, void *ctx)
{
    struct watch *w = ctx;
    tl_summary *s = w->summary;
    struct own own = {w, 0, 0};
    for (size_t i = 0; i < s->count; i++)
        if (s->rows[i].module == m)
            return TL_OK;
    tl_module_parameters(m, count_parameter, &own);
    if (own.parameters == 0)
        return TL_OK;
    if (!grow(&s->rows, &s->capacity, s->count + 1, sizeof *s->rows)) {
        w->failed = true;
        return TL_OK;
    }
    struct row *r = &s->rows[s->count++];
    memset(r, 0, sizeof *r);
    r->module = m;
    r->name = strdup(name);
    r->public.kind = tl_module_name(m);
    r->public.depth = *name ? 1 : 0;
    for (; *name; name++)
        r->public.depth += *name == '.';
    r->public.leaf = tl_module_n_children(m) == 0;
    r->public.idle = true;
    r->public.parameters = own.parameters;
    s->totals.parameters += own.parameters;
    return TL_OK;
}

static tl_status add_buffer(const char *name, tl_tensor *t, void *ctx)
{
    (void)name;
    tl_summary *s = ctx;
    if (!tl_is_none(t))
        s->totals.weight_bytes += tl_numel(t) * (int64_t)tl_dtype_size(tl_dtype_of(t));
    return TL_OK;
}

static tl_status watch_forward(struct watch *w, tl_tensor *const *x, int n)
{
    tl_status status = TL_OK;
    bool training = tl_is_training(w->root);
    struct tl_module_observer observer = {before, after, w};
    tl_eval(w->root);
    TL_NO_GRAD TL_SCOPE {
        const struct tl_module_observer *outer = tl_module_observe(&observer);
        if (!tl_forward_n(w->root, x, n))
            status = tl_error_code();
        tl_module_observe(outer);
        if (status != TL_OK && w->broken) {
            const struct row *r = &w->summary->rows[w->broken_row];
            tl_error_prefix("%s%s%s, given %s: ", r->name ? r->name : "", r->name && *r->name ? ": " : "", r->public.kind, w->given);
        }
    }
    if (training)
        tl_train(w->root);
    if (status == TL_OK && !w->failed)
        status = tl_modules(w->root, add_idle, w);
    if (status == TL_OK && w->failed)
        status = tl_fail(TL_ERR_NOMEM, "summary: out of memory");
    return status;
}

static tl_summary *summarize(tl_module *m, tl_tensor *const *x, int n, bool partly)
{
    tl_summary *s = calloc(1, sizeof *s);
    if (!s) {
        tl_fail(TL_ERR_NOMEM, "summary: out of memory");
        return NULL;
    }
    struct watch w = {.summary = s, .root = m};
    tl_status status = watch_forward(&w, x, n);
    free(w.open);
    free(w.counted);
    if (status != TL_OK && !(partly && w.broken && !w.failed)) {
        tl_summary_free(s);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        s->totals.input_bytes += tl_numel(x[i]) * (int64_t)tl_dtype_size(tl_dtype_of(x[i]));
    s->broken = w.broken;
    if (!w.broken)
        tl_module_buffers(m, add_buffer, s);
    for (size_t i = 0; i < s->count; i++)
        s->rows[i].public.name = s->rows[i].name ? s->rows[i].name : "?";
    return s;
}

tl_summary *tl_summarize_inputs(tl_module *m, tl_tensor *const *x, int n, bool partly)
{
    for (int i = 0; i < n || !x; i++)
        if (!x || !x[i]) {
            tl_fail(TL_ERR_ARGUMENT, "summary: input %d is NULL, and no earlier call failed", i);
            return NULL;
        }
    if (!m || n < 1) {
        tl_fail(TL_ERR_ARGUMENT, "summary: a module and one input or more are needed");
        return NULL;
    }
    return summarize(m, x, n, partly);
}

static tl_summary *summarize_zeros(tl_module *m, int ndim, const int64_t *shape, bool partly)
{
    tl_summary *s = NULL;
    if (!m || ndim < 0 || ndim > TL_MAX_DIMS || (ndim > 0 && !shape)) {
        tl_fail(TL_ERR_ARGUMENT, "summary: a module and the shape of its input, of at most %d dimensions, are needed", TL_MAX_DIMS);
        return NULL;
    }
    int64_t elements = 1;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(elements, shape[i], &elements)) {
            tl_fail(TL_ERR_LIMIT, "summary: dimension %d of the input has an impossible size %lld", i, (long long)shape[i]);
            return NULL;
        }
    TL_SCOPE {
        tl_tensor *x = tl_zeros(ndim, shape, (struct tl_options){.device = module_device(m)});
        s = x ? summarize(m, &x, 1, partly) : NULL;
    }
    return s;
}

tl_summary *tl_summarize(tl_module *m, int ndim, const int64_t *shape)
{
    return summarize_zeros(m, ndim, shape, false);
}

tl_summary *tl_summarize_partly(tl_module *m, int ndim, const int64_t *shape)
{
    return summarize_zeros(m, ndim, shape, true);
}

void tl_summary_free(tl_summary *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->rows[i].name);
    free(s->rows);
    free(s);
}

size_t tl_summary_count(const tl_summary *s)
{
    return s ? s->count : 0;
}

const struct tl_summary_row *tl_summary_at(const tl_summary *s, size_t i)
{
    return s && i < s->count ? &s->rows[i].public : NULL;
}

struct tl_summary_totals tl_summary_totals(const tl_summary *s)
{
    return s ? s->totals : (struct tl_summary_totals){0};
}

/* ---- The table -------------------------------------------------------------------------------------------------- */

/* "1,234,567"; "-" for nothing. */
static const char *with_commas(int64_t n, char *buffer, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i && (length - i) % 3 == 0)
            buffer[used++] = ',';
        buffer[used++] = digits[i];
    }
    buffer[used] = 0;
    return n ? buffer : "-";
}

/* "conv1: Conv2d", indented by depth; only the last part of a dotted name, as the indentation says the rest. Idle modules come
 * last, away from their parents, and have their whole names. */
static void put_label(const struct tl_summary_row *r, char *buffer, size_t size)
{
    const char *dot = r->idle ? NULL : strrchr(r->name, '.'), *name = dot ? dot + 1 : r->name;
    snprintf(buffer, size, "%*s%s%s%s", r->idle ? 2 : 2 * r->depth, "", name, *name ? ": " : "", r->kind);
}

static void put_shape(const struct tl_summary_row *r, char *buffer, size_t size)
{
    size_t used = (size_t)snprintf(buffer, size, r->failed ? "(failed)" : r->idle ? "(not run)" : "[");
    if (r->idle || r->failed)
        return;
    for (int i = 0; i < r->ndim && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%lld", i ? ", " : "", (long long)r->shape[i]);
    if (used < size)
        snprintf(buffer + used, size - used, "]");
}

static void put_line(FILE *to, int width)
{
    for (int i = 0; i < width; i++)
        fputc('-', to);
    fputc('\n', to);
}

static void put_table(FILE *to, const tl_summary *s)
{
    char label[160], shape[200], a[40], b[40];
    int label_width = 12, shape_width = 12;
    for (size_t i = 0; i < s->count; i++) {
        put_label(&s->rows[i].public, label, sizeof label);
        put_shape(&s->rows[i].public, shape, sizeof shape);
        label_width = text_columns(label) > label_width ? text_columns(label) : label_width;
        shape_width = text_columns(shape) > shape_width ? text_columns(shape) : shape_width;
    }
    int width = label_width + shape_width + 36;
    fprintf(to, "%-*s  %-*s  %15s  %15s\n", label_width, "layer: kind", shape_width, "output shape", "parameters", "multiply-adds");
    put_line(to, width);
    for (size_t i = 0; i < s->count; i++) {
        const struct tl_summary_row *r = &s->rows[i].public;
        put_label(r, label, sizeof label);
        put_shape(r, shape, sizeof shape);
        fprintf(to, "%s%*s  %-*s  %15s  %15s\n", label, label_width - text_columns(label), "", shape_width, shape,
                with_commas(r->parameters, a, sizeof a), with_commas(r->multiply_adds, b, sizeof b));
    }
    put_line(to, width);
}

char *tl_summary_to_string(const tl_summary *s)
{
    struct text text;
    char a[40], b[40];
    if (!s)
        tl_fail(TL_ERR_ARGUMENT, "summary: none given");
    if (!s || !text_open(&text))
        return NULL;
    put_table(text.to, s);
    if (s->broken)
        return text_close(&text);
    const struct tl_summary_totals *t = &s->totals;
    with_commas(t->parameters, a, sizeof a);
    fprintf(text.to, "parameters:    %s (trained: %s)\n", t->parameters ? a : "0",
            t->trainable ? with_commas(t->trainable, b, sizeof b) : "0");
    with_commas(t->multiply_adds, a, sizeof a);
    fprintf(text.to, "multiply-adds: %s\n", t->multiply_adds ? a : "0");
    fprintf(text.to, "memory:        input %.2f MiB, outputs of layers %.2f MiB, weights %.2f MiB\n",
            (double)t->input_bytes / 1048576, (double)t->output_bytes / 1048576, (double)t->weight_bytes / 1048576);
    return text_close(&text);
}
