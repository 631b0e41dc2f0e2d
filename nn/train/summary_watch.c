/* SPDX-License-Identifier: Apache-2.0
 *
 * The observer of a summary: a row for every module that runs, with its own parameters and multiply-adds.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/train/summary.h"

static tl_status note_name(const char *name, tl_module *m, void *ctx)
{
    struct watch *w = ctx;
    char *copy = strdup(name);
    if (!copy || !summary_grow(&w->names, &w->names_capacity, w->n_names + 1, sizeof *w->names)) {
        free(copy);
        return tl_fail(TL_ERR_NOMEM, "summary: out of memory");
    }
    w->names[w->n_names++] = (struct named){m, copy};
    return TL_OK;
}

tl_status watch_begin(struct watch *w)
{
    return tl_modules(w->root, note_name, w);
}

static const char *name_of(const struct watch *w, const tl_module *m)
{
    for (size_t i = 0; i < w->n_names; i++)
        if (w->names[i].module == m)
            return w->names[i].name;
    return "?";
}

static struct row *add_row(struct watch *w, tl_module *m, const char *name)
{
    tl_summary *s = w->summary;
    char *copy = strdup(name);
    if (!copy || !summary_grow(&s->rows, &s->capacity, s->count + 1, sizeof *s->rows)) {
        free(copy);
        w->failed = true;
        return NULL;
    }
    struct row *r = &s->rows[s->count++];
    *r = (struct row){.module = m, .name = copy, .public.name = copy, .public.kind = tl_module_name(m)};
    return r;
}

static void before(tl_module *m, void *ctx)
{
    struct watch *w = ctx;
    struct row *r = w->failed ? NULL : add_row(w, m, name_of(w, m));
    if (!r || !summary_grow(&w->open, &w->open_capacity, w->n_open + 1, sizeof *w->open)) {
        w->failed = true;
        return;
    }
    r->public.depth = (int)w->n_open;
    r->public.leaf = true;
    if (w->n_open)
        w->summary->rows[w->open[w->n_open - 1].row].public.leaf = false;
    w->open[w->n_open++] = (struct open){w->summary->count - 1, tl_walk_cost().multiply_adds, 0};
}

/* One module's own parameters, as they are walked. */
struct own {
    struct watch *watch;
    int64_t parameters; /* not counted before */
};

static tl_status count_parameter(const char *name, tl_tensor *t, void *ctx)
{
    struct own *own = ctx;
    struct watch *w = own->watch;
    if (strchr(name, '.') || tl_is_none(t))
        return TL_OK;
    for (size_t i = 0; i < w->n_counted; i++)
        if (w->counted[i] == t)
            return TL_OK;
    if (!summary_grow(&w->counted, &w->counted_capacity, w->n_counted + 1, sizeof *w->counted)) {
        w->failed = true;
        return TL_OK;
    }
    w->counted[w->n_counted++] = t;
    own->parameters += tl_numel(t);
    if (tl_requires_grad(t))
        w->summary->totals.trainable += tl_numel(t);
    return TL_OK;
}

static void count_parameters(struct watch *w, tl_module *m, struct row *r)
{
    struct own own = {w, 0};
    tl_module_parameters(m, count_parameter, &own);
    r->public.parameters = own.parameters;
    w->summary->totals.parameters += own.parameters;
}

static void after(tl_module *m, tl_tensor *const *in, int n, tl_tensor *out, void *ctx)
{
    struct watch *w = ctx;
    if (w->failed || w->n_open == 0)
        return;
    struct open open = w->open[--w->n_open];
    struct row *r = &w->summary->rows[open.row];
    struct tl_summary_totals *totals = &w->summary->totals;
    int64_t all = (int64_t)(tl_walk_cost().multiply_adds - open.start);
    count_parameters(w, m, r);
    /* Also one that did not notice: tl_item() gives 0 after an error, and it may have gone on with that. */
    r->public.failed = !out || (w->clear && tl_error_code() != TL_OK);
    if (r->public.failed && !w->broken) {
        w->broken = true;
        w->broken_row = open.row;
        shape_text(w->given, sizeof w->given, n > 0 ? in[0] : NULL);
    }
    if (w->n_open)
        w->open[w->n_open - 1].inside += all;
    if (r->public.failed)
        return;
    r->public.ndim = tl_ndim(out);
    memcpy(r->public.shape, tl_shape(out), (size_t)tl_ndim(out) * sizeof(int64_t));
    r->public.multiply_adds = all - open.inside;
    totals->multiply_adds += r->public.multiply_adds;
    if (r->public.leaf)
        totals->output_bytes += summary_bytes(out);
}

/* ---- A walk ----------------------------------------------------------------------------------------------------------- */

/* Modules with parameters that the forward pass went past: an encoder's sampling, heads for training only, a mistake. */
static void add_idle(struct watch *w)
{
    size_t n_run = w->summary->count;
    for (size_t i = 0; i < w->n_names && !w->failed; i++) {
        tl_module *m = (tl_module *)(uintptr_t)w->names[i].module;
        const char *name = w->names[i].name;
        bool ran = false;
        for (size_t k = 0; k < n_run && !ran; k++)
            ran = w->summary->rows[k].module == m;
        struct row *r = ran ? NULL : add_row(w, m, name);
        if (!r)
            continue;
        count_parameters(w, m, r);
        if (r->public.parameters == 0) {
            free(r->name);
            w->summary->count--;
            continue;
        }
        r->public.depth = *name ? 1 : 0;
        for (; *name; name++)
            r->public.depth += *name == '.';
        r->public.leaf = tl_module_n_children(m) == 0;
        r->public.idle = true;
    }
}

tl_status watch_forward(struct watch *w, tl_tensor *const *x, int n)
{
    tl_status status = TL_OK;
    struct tl_module_observer observer = {before, after, w};
    w->clear = tl_error_code() == TL_OK;
    tl_eval(w->root);
    TL_NO_GRAD TL_SCOPE {
        const struct tl_module_observer *outer = tl_module_observe(&observer);
        if (!tl_forward_n(w->root, x, n) || w->broken)
            status = tl_error_code();
        tl_module_observe(outer);
    }
    if (status != TL_OK && w->broken) {
        const struct row *r = &w->summary->rows[w->broken_row];
        tl_error_prefix("%s%s%s, given %s: ", r->name, *r->name ? ": " : "", r->public.kind, w->given);
    }
    if (status == TL_OK && !w->failed)
        add_idle(w);
    return status == TL_OK && w->failed ? tl_fail(TL_ERR_NOMEM, "summary: out of memory") : status;
}

void watch_free(struct watch *w)
{
    for (size_t i = 0; i < w->n_names; i++)
        free(w->names[i].name);
    free(w->names);
    free(w->open);
    free(w->counted);
}
