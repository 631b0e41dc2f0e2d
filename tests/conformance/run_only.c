/* SPDX-License-Identifier: Apache-2.0
 *
 * Running every case without looking at what comes out: all that a backend prepares, compiles and enqueues is done, on a device that need not
 * compute. Values are then nobody's, and an error that is about values is none here.
 */
#include "conformance.h"

/* What a backend, not a value, is to blame for. */
static bool is_broken(tl_status s)
{
    return s == TL_ERR_PLUGIN || s == TL_ERR_DEVICE || s == TL_ERR_NOMEM || s == TL_ERR_LIMIT || s == TL_ERR_STATE || s == TL_ERR_CHECK;
}

/* *lacking: an op has no kernel, and TELAR_FALLBACK=error keeps it from the host, which would compute with values that are nobody's. */
static bool runs(const struct test_case *c, tl_dtype dtype, enum layout layout, bool *lacking, char *text, size_t size)
{
    struct results r;
    run_case(c, dtype, layout, !(c->flags & NO_GRADIENT) && tl_dtype_is_float(dtype), &r);
    bool good = !is_broken(r.status);
    *lacking |= r.status == TL_ERR_UNSUPPORTED;
    if (!good || *lacking)
        snprintf(text, size, "%s, layout %d: %s: %s", tl_dtype_name(dtype), (int)layout, tl_status_name(r.status), r.message);
    results_free(&r);
    return good;
}

static void run_all_ways(const struct test_case *c, const struct request *r, const char *backend)
{
    char text[800] = "";
    bool good = true, lacking = false;
    int n = 0;
    for (int t = 0; t < CASE_TYPES && good; t++) {
        if (!r->types[case_types[t]] || !case_applies(c, case_types[t]))
            continue;
        n++;
        for (int layout = 0; layout < LAYOUTS && good; layout++)
            if (layout == CONTIGUOUS || !(c->flags & NO_STRIDES))
                good = runs(c, case_types[t], (enum layout)layout, &lacking, text, sizeof text);
        /* Other kernels may be taken. */
        tl_set_math(TL_MATH_STRICT);
        good = good && runs(c, case_types[t], CONTIGUOUS, &lacking, text, sizeof text);
        tl_set_math(TL_MATH_DEFAULT);
    }
    if (n && good && lacking)
        skip_point("%s, %s: %s", c->op, c->variant, text);
    else if (n && !point(good, "%s: %s, %s, %d types: runs", backend, c->op, c->variant, n))
        note("%s", text);
}

void run_only(const char *backend, const struct request *r, const struct test_case *all, size_t n_all)
{
    for (size_t i = 0; i < n_all; i++)
        run_all_ways(&all[i], r, backend);
    point(tl_synchronize(NULL) == TL_OK, "%s: all of it is done", backend);
}
