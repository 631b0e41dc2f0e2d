/* SPDX-License-Identifier: Apache-2.0
 *
 * Freezing parameters by name. Frozen, a parameter takes no part in the graph: nothing is kept for its gradient, and where all below a layer is
 * frozen the backward pass stops.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "nn/layers/module.h"

enum { PATTERNS = 64 };

struct freezing {
    char *patterns[PATTERNS];
    bool used[PATTERNS];
    int n;
    bool trainable;
    size_t matched;
};

static tl_status freeze_one(const char *name, tl_tensor *t, void *ctx)
{
    struct freezing *f = ctx;
    bool matches = false;
    for (int i = 0; i < f->n; i++)
        if (fnmatch(f->patterns[i], name, 0) == 0) /* without FNM_PATHNAME: "*" matches dots, too */
            matches = f->used[i] = true;
    if (!matches)
        return TL_OK;
    f->matched++;
    return tl_set_requires_grad(t, f->trainable) ? TL_OK : tl_error_code();
}

/* A pattern that names nothing is a mistake, found before anything is changed. */
static tl_status look(const char *name, tl_tensor *t, void *ctx)
{
    (void)t;
    struct freezing *f = ctx;
    for (int i = 0; i < f->n; i++)
        f->used[i] = f->used[i] || fnmatch(f->patterns[i], name, 0) == 0;
    return TL_OK;
}

static tl_status split(struct freezing *f, char *text)
{
    for (char *pattern; (pattern = strsep(&text, ","));) {
        if (!*pattern)
            continue;
        if (f->n == PATTERNS)
            return tl_fail(TL_ERR_LIMIT, "freeze: more than %d patterns", (int)PATTERNS);
        f->patterns[f->n++] = pattern;
    }
    return f->n ? TL_OK : tl_fail(TL_ERR_ARGUMENT, "freeze: no pattern was given; \"*\" is all parameters");
}

static tl_status set_trainable(tl_module *m, const char *patterns, bool trainable, size_t *n)
{
    if (!m || !patterns)
        return tl_fail(TL_ERR_ARGUMENT, "freeze: the %s is NULL", m ? "pattern" : "module");
    struct freezing f = {.trainable = trainable};
    char *text = strdup(patterns);
    if (!text)
        return tl_fail(TL_ERR_NOMEM, "freeze: out of memory");
    tl_status s = split(&f, text);
    if (s == TL_OK)
        s = tl_module_parameters(m, look, &f);
    for (int i = 0; i < f.n && s == TL_OK; i++)
        if (!f.used[i])
            s = tl_fail(TL_ERR_NOT_FOUND, "freeze: no parameter of %s matches \"%s\"; telar inspect and tl_module_print() show the names",
                        tl_module_name(m), f.patterns[i]);
    if (s == TL_OK)
        s = tl_module_parameters(m, freeze_one, &f);
    free(text);
    if (n)
        *n = f.matched;
    return s;
}

tl_status tl_module_freeze(tl_module *m, const char *patterns, size_t *n)
{
    return set_trainable(m, patterns, false, n);
}

tl_status tl_module_unfreeze(tl_module *m, const char *patterns, size_t *n)
{
    return set_trainable(m, patterns, true, n);
}
