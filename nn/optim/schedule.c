/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning-rate schedules: making, moving, saving. The kinds that multiply the current rate are in decay.c, the others
 * in one_cycle.c and plateau.c.
 */
#include "nn/optim/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

tl_schedule *schedule_new(const struct schedule_kind *kind, tl_optimizer *o)
{
    if (!o) {
        tl_fail(TL_ERR_ARGUMENT, "%s: the optimizer is NULL", kind->name);
        return NULL;
    }
    tl_schedule *s = calloc(1, sizeof *s);
    double *base = calloc(o->n_groups, sizeof *base);
    if (!s || !base) {
        free(s);
        free(base);
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", kind->name);
        return NULL;
    }
    s->kind = kind;
    s->optimizer = o;
    s->n_groups = o->n_groups;
    s->base = base;
    for (size_t i = 0; i < o->n_groups; i++) {
        if (isnan(o->groups[i].initial_lr))
            o->groups[i].initial_lr = o->groups[i].lr;
        base[i] = o->groups[i].initial_lr;
    }
    return s;
}

tl_schedule *schedule_begin(tl_schedule *s)
{
    if (s->kind->move(s, 0) == TL_OK)
        return s;
    tl_schedule_free(s);
    return NULL;
}

void tl_schedule_free(tl_schedule *s)
{
    if (!s)
        return;
    free(s->base);
    free(s->milestones);
    free(s);
}

tl_status tl_schedule_step(tl_schedule *s, double metric)
{
    if (!s)
        return tl_fail(TL_ERR_ARGUMENT, "schedule: cannot step NULL");
    s->t++;
    tl_status status = s->kind->move(s, metric);
    if (status != TL_OK)
        s->t--;
    return status;
}

bool tl_schedule_watches_metric(const tl_schedule *s)
{
    return s && s->kind->watches_metric;
}

int64_t tl_schedule_position(const tl_schedule *s)
{
    return s ? s->t : 0;
}

/* ---- State: "<prefix>position" [3] i64: t, bad, cooling; "<prefix>rates" [1 + groups] f64: best, base rates -------------- */

enum { NAME_SIZE = 256 };

static bool put_name(char name[NAME_SIZE], const char *prefix, const char *rest)
{
    int n = snprintf(name, NAME_SIZE, "%s%s", prefix ? prefix : "", rest);
    if (n >= 0 && n < NAME_SIZE)
        return true;
    tl_fail(TL_ERR_LIMIT, "schedule: the prefix of a state is too long (%d bytes)", n);
    return false;
}

static tl_status add(tl_state *to, const char *prefix, const char *rest, size_t n, const void *data, tl_dtype dtype)
{
    char name[NAME_SIZE];
    tl_status status = TL_OK;
    if (!put_name(name, prefix, rest))
        return tl_error_code();
    TL_SCOPE
    {
        tl_tensor *t = tl_from_data(TL_SHAPE((int64_t)n), data, (struct tl_options){.dtype = dtype, .device = "cpu"});
        status = t ? tl_state_add(to, name, t) : tl_error_code();
    }
    return status;
}

tl_status tl_schedule_save_state(const tl_schedule *s, tl_state *to, const char *prefix)
{
    if (!s || !to)
        return tl_fail(TL_ERR_ARGUMENT, "schedule: cannot save: the %s is NULL", s ? "state" : "schedule");
    char name[NAME_SIZE];
    double *rates = calloc(1 + s->n_groups, sizeof *rates);
    if (!rates)
        return tl_fail(TL_ERR_NOMEM, "schedule: out of memory while saving");
    rates[0] = s->best;
    memcpy(rates + 1, s->base, s->n_groups * sizeof *rates);
    const int64_t position[3] = {s->t, s->bad, s->cooling};
    tl_status status = put_name(name, prefix, "kind") ? tl_state_set_note(to, name, s->kind->name) : tl_error_code();
    if (status == TL_OK)
        status = add(to, prefix, "position", 3, position, TL_I64);
    if (status == TL_OK)
        status = add(to, prefix, "rates", 1 + s->n_groups, rates, TL_F64);
    free(rates);
    return status;
}

static tl_status get(const tl_state *from, const char *prefix, const char *rest, size_t n, void *data, tl_dtype dtype)
{
    char name[NAME_SIZE];
    if (!put_name(name, prefix, rest))
        return tl_error_code();
    tl_tensor *t = tl_state_get(from, name);
    if (!t)
        return tl_fail(TL_ERR_NOT_FOUND, "schedule: the saved state has no \"%s\"", name);
    if (tl_numel(t) != (int64_t)n || tl_dtype_of(t) != dtype)
        return tl_fail(TL_ERR_SHAPE, "schedule: \"%s\" should hold %zu numbers of %s, not %lld of %s", name, n,
                       tl_dtype_name(dtype), (long long)tl_numel(t), tl_dtype_name(tl_dtype_of(t)));
    return tl_copy_out(t, dtype, data, n * tl_dtype_size(dtype));
}

tl_status tl_schedule_load_state(tl_schedule *s, const tl_state *from, const char *prefix)
{
    if (!s || !from)
        return tl_fail(TL_ERR_ARGUMENT, "schedule: cannot load: the %s is NULL", s ? "state" : "schedule");
    char name[NAME_SIZE];
    if (!put_name(name, prefix, "kind"))
        return tl_error_code();
    const char *kind = tl_state_note(from, name);
    if (kind && strcmp(kind, s->kind->name) != 0)
        return tl_fail(TL_ERR_ARGUMENT, "schedule: the saved state is of a %s schedule, not of %s", kind, s->kind->name);
    int64_t position[3];
    double *rates = calloc(1 + s->n_groups, sizeof *rates);
    tl_status status =
        rates ? get(from, prefix, "position", 3, position, TL_I64) : tl_fail(TL_ERR_NOMEM, "schedule: out of memory");
    if (status == TL_OK)
        status = get(from, prefix, "rates", 1 + s->n_groups, rates, TL_F64);
    if (status == TL_OK && (position[0] < 0 || position[1] < 0 || position[2] < 0))
        status = tl_fail(TL_ERR_FORMAT, "schedule: a saved position is negative");
    if (status == TL_OK) {
        s->t = position[0];
        s->bad = position[1];
        s->cooling = position[2];
        s->best = rates[0];
        memcpy(s->base, rates + 1, s->n_groups * sizeof *rates);
    }
    free(rates);
    return status;
}
