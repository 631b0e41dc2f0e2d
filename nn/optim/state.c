/* SPDX-License-Identifier: Apache-2.0
 *
 * Saving an optimizer and going on from what was saved. Numbers are stored as f64 and moments in their own type, so nothing
 * is lost. Under the prefix: "groups" [groups, 5], "settings" [8], "steps" [parameters], "N.<moment>" for parameter N, and a
 * note "kind".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/optim/optimizer.h"

enum { GROUP_NUMBERS = 5, SETTING_NUMBERS = 8, NAME_SIZE = 256 };

/* "<prefix><rest>"; false and an error if it is too long. */
static bool put_name(char name[NAME_SIZE], const char *prefix, const char *rest)
{
    int n = snprintf(name, NAME_SIZE, "%s%s", prefix ? prefix : "", rest);
    if (n >= 0 && n < NAME_SIZE)
        return true;
    tl_fail(TL_ERR_LIMIT, "optimizer: the prefix of a state is too long (%d bytes)", n);
    return false;
}

static void settings_out(const struct settings *s, double v[SETTING_NUMBERS])
{
    const double all[SETTING_NUMBERS] = {s->decay,    s->eps,     s->dampening, s->nesterov,
                                         s->maximize, s->amsgrad, s->centered,  s->decoupled};
    memcpy(v, all, sizeof all);
}

static struct settings settings_in(const double v[SETTING_NUMBERS])
{
    return (struct settings){v[0], v[1], v[2], v[3] != 0, v[4] != 0, v[5] != 0, v[6] != 0, v[7] != 0};
}

/* ---- Out ---------------------------------------------------------------------------------------------------------- */

static size_t parameters_in(const tl_optimizer *o, size_t group)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n_slots; i++)
        n += o->slots[i].group == group;
    return n;
}

static tl_status add_numbers(tl_state *to, const char *prefix, const char *rest, int ndim, const int64_t *shape, const void *data,
                             tl_dtype dtype)
{
    char name[NAME_SIZE];
    tl_status status = TL_OK;
    if (!put_name(name, prefix, rest))
        return tl_error_code();
    TL_SCOPE
    {
        tl_tensor *t = tl_from_data(ndim, shape, data, (struct tl_options){.dtype = dtype, .device = "cpu"});
        status = t ? tl_state_add(to, name, t) : tl_error_code();
    }
    return status;
}

static tl_status save_numbers(const tl_optimizer *o, tl_state *to, const char *prefix)
{
    double settings[SETTING_NUMBERS];
    settings_out(&o->settings, settings);
    double(*groups)[GROUP_NUMBERS] = calloc(o->n_groups, sizeof *groups);
    int64_t *steps = calloc(o->n_slots, sizeof *steps);
    tl_status status = groups && steps ? TL_OK : tl_fail(TL_ERR_NOMEM, "%s: out of memory while saving", o->algorithm->name);
    for (size_t i = 0; i < o->n_groups && status == TL_OK; i++) {
        const struct rates *r = &o->groups[i];
        const double all[GROUP_NUMBERS] = {r->lr, r->weight_decay, r->momentum, r->initial_lr, (double)parameters_in(o, i)};
        memcpy(groups[i], all, sizeof all);
    }
    for (size_t i = 0; i < o->n_slots && status == TL_OK; i++)
        steps[i] = o->slots[i].t;
    if (status == TL_OK)
        status = add_numbers(to, prefix, "groups", TL_SHAPE((int64_t)o->n_groups, GROUP_NUMBERS), groups, TL_F64);
    if (status == TL_OK)
        status = add_numbers(to, prefix, "settings", TL_SHAPE(SETTING_NUMBERS), settings, TL_F64);
    if (status == TL_OK)
        status = add_numbers(to, prefix, "steps", TL_SHAPE((int64_t)o->n_slots), steps, TL_I64);
    free(groups);
    free(steps);
    return status;
}

tl_status tl_optimizer_save_state(tl_optimizer *o, tl_state *to, const char *prefix)
{
    if (!o || !to)
        return tl_fail(TL_ERR_ARGUMENT, "optimizer: cannot save: the %s is NULL", o ? "state" : "optimizer");
    char name[NAME_SIZE], rest[64];
    tl_status status = put_name(name, prefix, "kind") ? tl_state_set_note(to, name, o->algorithm->name) : tl_error_code();
    if (status == TL_OK)
        status = save_numbers(o, to, prefix);
    for (size_t i = 0; i < o->n_slots && status == TL_OK; i++)
        for (int k = 0; k < MAX_MOMENTS && status == TL_OK; k++) {
            if (!o->slots[i].moments[k])
                continue;
            snprintf(rest, sizeof rest, "%zu.%s", i, o->algorithm->moments[k]);
            status = put_name(name, prefix, rest) ? tl_state_add(to, name, o->slots[i].moments[k]) : tl_error_code();
        }
    return status;
}

/* ---- In ----------------------------------------------------------------------------------------------------------- */

/* What was read, before any of it is used. */
struct loaded {
    double (*groups)[GROUP_NUMBERS];
    double settings[SETTING_NUMBERS];
    int64_t *steps;
    tl_tensor *(*moments)[MAX_MOMENTS]; /* references */
};

static tl_status read_numbers(const tl_state *from, const char *prefix, const char *rest, size_t n, tl_dtype dtype, void *to)
{
    char name[NAME_SIZE];
    if (!put_name(name, prefix, rest))
        return tl_error_code();
    tl_tensor *t = tl_state_get(from, name);
    if (!t)
        return tl_fail(TL_ERR_NOT_FOUND, "the saved state has no \"%s\"", name);
    if (tl_dtype_of(t) != dtype || tl_numel(t) != (int64_t)n)
        return tl_fail(TL_ERR_SHAPE,
                       "\"%s\" should hold %zu numbers of %s, not %lld of %s: another number of parameters or groups?", name, n,
                       tl_dtype_name(dtype), (long long)tl_numel(t), tl_dtype_name(tl_dtype_of(t)));
    return tl_copy_out(t, dtype, to, n * tl_dtype_size(dtype));
}

static bool same_shape(const tl_tensor *a, const tl_tensor *b)
{
    return tl_ndim(a) == tl_ndim(b) && memcmp(tl_shape(a), tl_shape(b), (size_t)tl_ndim(a) * sizeof(int64_t)) == 0;
}

/* A copy of a saved moment in the form that its parameter wants; *to stays NULL if there was none. */
static tl_status read_moment(const tl_optimizer *o, const tl_state *from, const char *prefix, size_t i, int k, tl_tensor **to)
{
    char name[NAME_SIZE], rest[64];
    snprintf(rest, sizeof rest, "%zu.%s", i, o->algorithm->moments[k]);
    if (!put_name(name, prefix, rest))
        return tl_error_code();
    tl_tensor *saved = tl_state_get(from, name), *p = o->slots[i].parameter;
    if (!saved)
        return TL_OK;
    if (!same_shape(saved, p))
        return tl_fail(TL_ERR_SHAPE, "\"%s\" does not have the shape of parameter %zu, which it belongs to", name, i);
    TL_NO_GRAD TL_SCOPE
    {
        tl_tensor *moment = tl_empty_like(p);
        *to = tl_keep(tl_copy_(moment, saved));
    }
    return *to ? TL_OK : tl_error_code();
}

static tl_status check_loaded(const tl_optimizer *o, const struct loaded *l)
{
    for (size_t i = 0; i < o->n_groups; i++)
        if (l->groups[i][4] != (double)parameters_in(o, i))
            return tl_fail(TL_ERR_SHAPE, "group %zu has %zu parameters, and had %g when it was saved", i, parameters_in(o, i),
                           l->groups[i][4]);
    struct settings set = settings_in(l->settings);
    bool sound = isfinite(set.decay) && isfinite(set.eps) && isfinite(set.dampening);
    for (size_t i = 0; i < o->n_groups; i++)
        for (int k = 0; k < 3; k++) /* rate, decay, momentum; the rate that schedules start from may be unset, which is NaN */
            sound = sound && l->groups[i][k] >= 0 && isfinite(l->groups[i][k]);
    if (!sound)
        return tl_fail(TL_ERR_FORMAT, "a saved rate or setting is negative, infinite or NaN");
    for (size_t i = 0; i < o->n_slots; i++) {
        const double *g = l->groups[o->slots[i].group];
        struct rates r = {g[0], g[1], g[2], g[3]};
        if (l->steps[i] < 0)
            return tl_fail(TL_ERR_FORMAT, "parameter %zu was updated %lld times", i, (long long)l->steps[i]);
        unsigned uses = o->algorithm->uses(&set, &r);
        /* Moments that appear later (sgd's, when a schedule raised the momentum) may be absent; second moments may not. */
        for (int k = 0; k < MAX_MOMENTS && o->algorithm != &algorithm_sgd; k++)
            if (l->steps[i] > 0 && (uses & 1u << k) && !l->moments[i][k])
                return tl_fail(TL_ERR_NOT_FOUND, "the saved state has no \"%s\" of parameter %zu", o->algorithm->moments[k], i);
    }
    return TL_OK;
}

static tl_status read_all(const tl_optimizer *o, const tl_state *from, const char *prefix, struct loaded *l)
{
    char name[NAME_SIZE];
    if (!put_name(name, prefix, "kind"))
        return tl_error_code();
    const char *kind = tl_state_note(from, name);
    if (kind && strcmp(kind, o->algorithm->name) != 0)
        return tl_fail(TL_ERR_ARGUMENT, "the saved state is of the optimizer %s", kind);
    tl_status status = read_numbers(from, prefix, "groups", o->n_groups * GROUP_NUMBERS, TL_F64, l->groups);
    if (status == TL_OK)
        status = read_numbers(from, prefix, "settings", SETTING_NUMBERS, TL_F64, l->settings);
    if (status == TL_OK)
        status = read_numbers(from, prefix, "steps", o->n_slots, TL_I64, l->steps);
    for (size_t i = 0; i < o->n_slots && status == TL_OK; i++)
        for (int k = 0; k < MAX_MOMENTS && status == TL_OK; k++)
            if (o->algorithm->moments[k])
                status = read_moment(o, from, prefix, i, k, &l->moments[i][k]);
    return status == TL_OK ? check_loaded(o, l) : status;
}

static void use_all(tl_optimizer *o, struct loaded *l)
{
    o->settings = settings_in(l->settings);
    for (size_t i = 0; i < o->n_groups; i++)
        o->groups[i] = (struct rates){l->groups[i][0], l->groups[i][1], l->groups[i][2], l->groups[i][3]};
    for (size_t i = 0; i < o->n_slots; i++) {
        o->slots[i].t = l->steps[i];
        o->slots[i].fresh = false;
        for (int k = 0; k < MAX_MOMENTS; k++) {
            tl_release(o->slots[i].moments[k]);
            o->slots[i].moments[k] = l->moments[i][k];
            l->moments[i][k] = NULL;
        }
    }
}

tl_status tl_optimizer_load_state(tl_optimizer *o, const tl_state *from, const char *prefix)
{
    if (!o || !from)
        return tl_fail(TL_ERR_ARGUMENT, "optimizer: cannot load: the %s is NULL", o ? "state" : "optimizer");
    struct loaded l = {
        .groups = calloc(o->n_groups, sizeof *l.groups),
        .steps = calloc(o->n_slots, sizeof *l.steps),
        .moments = calloc(o->n_slots, sizeof *l.moments),
    };
    tl_status status = TL_ERR_NOMEM;
    if (l.groups && l.steps && l.moments)
        status = read_all(o, from, prefix, &l);
    else
        tl_fail(TL_ERR_NOMEM, "out of memory");
    if (status == TL_OK)
        use_all(o, &l);
    else
        tl_error_prefix("%s: ", o->algorithm->name);
    for (size_t i = 0; l.moments && i < o->n_slots; i++)
        for (int k = 0; k < MAX_MOMENTS; k++)
            tl_release(l.moments[i][k]);
    free(l.groups);
    free(l.steps);
    free(l.moments);
    return status;
}
