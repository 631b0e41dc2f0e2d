/* SPDX-License-Identifier: Apache-2.0
 *
 * Early stopping: watch a metric, remember the best step and its weights, say when it is too long ago.
 */
#include "nn/optim/early_stopping.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/options.h"

tl_early_stopping *tl_early_stopping_with(const struct tl_early_stopping_options *given)
{
    struct tl_early_stopping_options o;
    options_taken(&o, sizeof o, given);
    if (o.patience < 0 || !(o.min_delta >= 0)) {
        tl_fail(TL_ERR_ARGUMENT, "early stopping: patience is %lld and min_delta %g; they must not be negative",
                (long long)o.patience, o.min_delta);
        return NULL;
    }
    tl_early_stopping *e = calloc(1, sizeof *e);
    if (!e) {
        tl_fail(TL_ERR_NOMEM, "early stopping: out of memory");
        return NULL;
    }
    e->options = o;
    e->best = NAN;
    return e;
}

void tl_early_stopping_free(tl_early_stopping *e)
{
    if (!e)
        return;
    tl_state_free(e->weights);
    free(e);
}

/* Copy the module's state; the former copy goes only when the new one is complete. */
static tl_status remember(tl_early_stopping *e)
{
    tl_state *now = tl_module_state(e->options.module), *copy = now ? tl_state_clone(now) : NULL;
    tl_state_free(now);
    if (!copy)
        return tl_error_code();
    tl_state_free(e->weights);
    e->weights = copy;
    return TL_OK;
}

tl_status tl_early_stopping_step(tl_early_stopping *e, double metric, bool *stop)
{
    if (!e || !stop)
        return tl_fail(TL_ERR_ARGUMENT, "early stopping: an argument is NULL");
    const struct tl_early_stopping_options *o = &e->options;
    bool better =
        !isnan(metric) && (e->best_step == 0 || (o->rises ? metric > e->best + o->min_delta : metric < e->best - o->min_delta));
    if (better && o->module) {
        tl_status status = remember(e);
        if (status != TL_OK)
            return status;
    }
    e->t++;
    if (better) {
        e->best = metric;
        e->best_step = e->t;
    }
    *stop = e->t - e->best_step > o->patience;
    return TL_OK;
}

double tl_early_stopping_best(const tl_early_stopping *e, int64_t *step)
{
    if (step)
        *step = e ? e->best_step : 0;
    return e ? e->best : NAN;
}

tl_status tl_early_stopping_restore(tl_early_stopping *e)
{
    if (!e || !e->options.module)
        return tl_fail(TL_ERR_ARGUMENT, "early stopping: there is no module to restore");
    if (!e->weights)
        return tl_fail(TL_ERR_STATE, "early stopping: no step was reported yet, so there is nothing to restore");
    return tl_module_load_state(e->options.module, e->weights, true);
}

/* ---- State: "<prefix>steps" [2] i64: steps, best step; "<prefix>best" [1] f64; "<prefix>weights.<name>" ------------------- */

enum { NAME_SIZE = 1024 };
#define MOST_STEPS ((int64_t)1000000000000000) /* one more cannot overflow */

static tl_status put(tl_state *to, const char *prefix, const char *rest, tl_tensor *t)
{
    char name[NAME_SIZE];
    int n = snprintf(name, sizeof name, "%s%s", prefix ? prefix : "", rest);
    if (n < 0 || n >= NAME_SIZE)
        return tl_fail(TL_ERR_LIMIT, "early stopping: a name is too long (%d bytes)", n);
    return t ? tl_state_add(to, name, t) : tl_error_code();
}

tl_status early_stopping_save_numbers(const tl_early_stopping *e, tl_state *to, const char *prefix)
{
    const int64_t steps[2] = {e->t, e->best_step};
    tl_status status = TL_OK;
    TL_SCOPE {
        status = put(to, prefix, "steps", tl_from_data(TL_SHAPE(2), steps, (struct tl_options){.dtype = TL_I64, .device = "cpu"}));
        if (status == TL_OK)
            status = put(to, prefix, "best", tl_from_data(TL_SHAPE(1), &e->best, (struct tl_options){.dtype = TL_F64, .device = "cpu"}));
    }
    return status;
}

tl_status tl_early_stopping_save_state(const tl_early_stopping *e, tl_state *to, const char *prefix)
{
    char rest[NAME_SIZE];
    if (!e || !to)
        return tl_fail(TL_ERR_ARGUMENT, "early stopping: cannot save: the %s is NULL", e ? "state" : "early stopping");
    tl_status status = early_stopping_save_numbers(e, to, prefix);
    for (size_t i = 0; status == TL_OK && i < tl_state_count(e->weights); i++) {
        snprintf(rest, sizeof rest, "weights.%s", tl_state_name(e->weights, i));
        status = put(to, prefix, rest, tl_state_at(e->weights, i));
    }
    return status;
}

static tl_status get(const tl_state *from, const char *prefix, const char *rest, int64_t n, void *to, tl_dtype dtype)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s%s", prefix ? prefix : "", rest);
    tl_tensor *t = tl_state_get(from, name);
    if (!t)
        return tl_fail(TL_ERR_NOT_FOUND, "early stopping: the saved state has no \"%s\"", name);
    if (tl_numel(t) != n || tl_dtype_of(t) != dtype)
        return tl_fail(TL_ERR_SHAPE, "early stopping: \"%s\" should hold %lld numbers of %s, not %lld of %s", name, (long long)n,
                       tl_dtype_name(dtype), (long long)tl_numel(t), tl_dtype_name(tl_dtype_of(t)));
    return tl_copy_out(t, dtype, to, (size_t)n * tl_dtype_size(dtype));
}

tl_status early_stopping_load(tl_early_stopping *e, const tl_state *from, const char *prefix, const tl_state *weights)
{
    int64_t steps[2];
    double best;
    tl_status status = get(from, prefix, "steps", 2, steps, TL_I64);
    if (status == TL_OK)
        status = get(from, prefix, "best", 1, &best, TL_F64);
    if (status == TL_OK && (steps[1] < 0 || steps[0] < steps[1] || steps[0] > MOST_STEPS))
        status = tl_fail(TL_ERR_FORMAT, "early stopping: the saved best step is %lld of %lld", (long long)steps[1], (long long)steps[0]);
    bool kept = tl_state_count(weights) > 0;
    if (status == TL_OK && e->options.module && steps[1] > 0 && !kept)
        status = tl_fail(TL_ERR_STATE, "early stopping: it was saved without the weights of its best step, which are wanted now");
    if (status != TL_OK)
        return status;
    tl_state *copy = kept ? tl_state_clone(weights) : NULL;
    if (kept && !copy)
        return tl_error_code();
    tl_state_free(e->weights);
    e->weights = copy;
    e->t = steps[0];
    e->best_step = steps[1];
    e->best = best;
    return TL_OK;
}

tl_status tl_early_stopping_load_state(tl_early_stopping *e, const tl_state *from, const char *prefix)
{
    char name[NAME_SIZE];
    if (!e || !from)
        return tl_fail(TL_ERR_ARGUMENT, "early stopping: cannot load: the %s is NULL", e ? "state" : "early stopping");
    int n = snprintf(name, sizeof name, "%sweights.", prefix ? prefix : "");
    if (n < 0 || n >= NAME_SIZE)
        return tl_fail(TL_ERR_LIMIT, "early stopping: a name is too long (%d bytes)", n);
    tl_state *weights = tl_state_new();
    tl_status status = weights ? TL_OK : tl_error_code();
    for (size_t i = 0; status == TL_OK && i < tl_state_count(from); i++)
        if (strncmp(tl_state_name(from, i), name, (size_t)n) == 0)
            status = tl_state_add(weights, tl_state_name(from, i) + n, tl_state_at(from, i));
    if (status == TL_OK)
        status = early_stopping_load(e, from, prefix, weights);
    tl_state_free(weights);
    return status;
}
