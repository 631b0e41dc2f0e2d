/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers without their formulas: parameters in groups, the loop over them, rates.
 */
#include "nn/optim/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options -------------------------------------------------------------------------------------------------------- */

double optimizer_option(double value, double fallback)
{
    return tl_attr_or(value, fallback) + 0.0;
}

bool optimizer_range(const char *who, const char *what, double value, double low, double high)
{
    if (value >= low && value < high)
        return true;
    tl_fail(TL_ERR_ARGUMENT,
            isinf(high) ? "%s: %s is %g; it must be a number, at least %g" : "%s: %s is %g; it must be at least %g and below %g",
            who, what, value, low, high);
    return false;
}

/* ---- Making and freeing --------------------------------------------------------------------------------------------- */

static bool has_parameter(const tl_optimizer *o, const tl_tensor *t)
{
    for (size_t i = 0; i < o->n_slots; i++)
        if (o->slots[i].parameter == t)
            return true;
    return false;
}

static tl_status check_list(const tl_optimizer *o, tl_tensor *const *list, size_t n)
{
    const char *who = o->algorithm->name;
    if (n == 0)
        return tl_fail(TL_ERR_ARGUMENT, "%s: there are no parameters to train", who);
    for (size_t i = 0; i < n; i++) {
        if (!list[i] || tl_is_none(list[i]))
            return tl_fail(TL_ERR_ARGUMENT, "%s: parameter %zu is %s", who, i, list[i] ? "TL_NONE" : "NULL");
        if (!tl_dtype_is_float(tl_dtype_of(list[i])))
            return tl_fail(TL_ERR_DTYPE, "%s: parameter %zu is %s; only floating types can be trained", who, i,
                           tl_dtype_name(tl_dtype_of(list[i])));
        if (!tl_is_leaf(list[i]))
            return tl_fail(TL_ERR_STATE, "%s: parameter %zu is the result of an operation; only leaves can be trained", who, i);
        if (has_parameter(o, list[i]))
            return tl_fail(TL_ERR_ARGUMENT, "%s: parameter %zu is in a group of this optimizer already", who, i);
    }
    return TL_OK;
}

static tl_status add_group(tl_optimizer *o, tl_tensor *const *list, size_t n, struct rates r)
{
    tl_status status = check_list(o, list, n);
    if (status != TL_OK)
        return status;
    struct rates *groups = realloc(o->groups, (o->n_groups + 1) * sizeof *groups);
    if (groups)
        o->groups = groups;
    struct slot *slots = groups ? realloc(o->slots, (o->n_slots + n) * sizeof *slots) : NULL;
    if (!slots)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", o->algorithm->name);
    o->slots = slots;
    for (size_t i = 0; i < n; i++)
        slots[o->n_slots + i] = (struct slot){.parameter = tl_keep(list[i]), .group = o->n_groups};
    o->n_slots += n;
    o->groups[o->n_groups++] = r;
    return TL_OK;
}

static tl_status add_module(tl_optimizer *o, tl_module *m, struct rates r)
{
    size_t n = tl_module_parameter_list(m, NULL, 0);
    tl_tensor **list = calloc(n + 1, sizeof *list);
    if (!list)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", o->algorithm->name);
    tl_module_parameter_list(m, list, n);
    tl_status status = add_group(o, list, n, r);
    free(list);
    return status;
}

tl_optimizer *optimizer_new(const struct algorithm *a, tl_module *m, tl_tensor *const *parameters, size_t n, struct rates first,
                            struct settings settings)
{
    if (!m == !parameters) {
        tl_fail(TL_ERR_ARGUMENT, m ? "%s: both a module and a list of parameters were given" : "%s: the module is NULL", a->name);
        return NULL;
    }
    if (!optimizer_range(a->name, "the learning rate", first.lr, 0, INFINITY) ||
        !optimizer_range(a->name, "weight_decay", first.weight_decay, 0, INFINITY))
        return NULL;
    tl_optimizer *o = calloc(1, sizeof *o);
    if (!o) {
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", a->name);
        return NULL;
    }
    o->algorithm = a;
    o->settings = settings;
    first.initial_lr = NAN;
    tl_status status = m ? add_module(o, m, first) : add_group(o, parameters, n, first);
    if (status == TL_OK)
        return o;
    tl_optimizer_free(o);
    return NULL;
}

void tl_optimizer_free(tl_optimizer *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->n_slots; i++) {
        tl_release(o->slots[i].parameter);
        for (int k = 0; k < MAX_MOMENTS; k++)
            tl_release(o->slots[i].moments[k]);
    }
    optimizer_rates_free(&o->device_rates);
    free(o->slots);
    free(o->groups);
    free(o);
}

const char *tl_optimizer_name(const tl_optimizer *o)
{
    return o ? o->algorithm->name : "";
}

tl_status tl_optimizer_add_group(tl_optimizer *o, tl_tensor *const *parameters, size_t n, struct tl_group_options g)
{
    if (!o || !parameters)
        return tl_fail(TL_ERR_ARGUMENT, "optimizer: the %s is NULL", o ? "list of parameters" : "optimizer");
    struct rates r = o->groups[0];
    r.lr = optimizer_option(g.lr, isnan(r.initial_lr) ? r.lr : r.initial_lr);
    r.weight_decay = optimizer_option(g.weight_decay, r.weight_decay);
    r.initial_lr = NAN;
    if (!optimizer_range(o->algorithm->name, "the learning rate", r.lr, 0, INFINITY) ||
        !optimizer_range(o->algorithm->name, "weight_decay", r.weight_decay, 0, INFINITY))
        return tl_error_code();
    return add_group(o, parameters, n, r);
}

size_t tl_optimizer_n_groups(const tl_optimizer *o)
{
    return o ? o->n_groups : 0;
}

size_t tl_optimizer_parameters(const tl_optimizer *o, tl_tensor **list, size_t capacity)
{
    size_t n = o ? o->n_slots : 0;
    for (size_t i = 0; list && i < n && i < capacity; i++)
        list[i] = o->slots[i].parameter;
    return n;
}

/* ---- Updating ------------------------------------------------------------------------------------------------------- */

bool optimizer_plain(const tl_tensor *t)
{
    tl_dtype dtype = tl_dtype_of(t);
    return (dtype == TL_F32 || dtype == TL_F64) && tl_is_contiguous(t) && strcmp(tl_device_of(t), "cpu") == 0;
}

tl_status optimizer_make_moments(const tl_optimizer *o, struct slot *s, unsigned uses)
{
    for (int k = 0; k < MAX_MOMENTS; k++) {
        if (!(uses & 1u << k) || s->moments[k])
            continue;
        TL_ONCE TL_NO_GRAD TL_SCOPE s->moments[k] = tl_keep(tl_zeros_like(s->parameter));
        if (!s->moments[k]) {
            tl_error_prefix("%s: ", o->algorithm->name);
            return tl_error_code();
        }
        s->fresh |= k == 0;
    }
    return TL_OK;
}

static tl_status step_host(const tl_optimizer *o, struct slot *s, tl_tensor *g, unsigned uses, bool first)
{
    struct update u = {
        .n = tl_numel(s->parameter),
        .wide = tl_dtype_of(s->parameter) == TL_F64,
        .first = first,
        .t = s->t + 1,
        .settings = &o->settings,
        .rates = &o->groups[s->group],
    };
    u.threads = u.n >= 65536 ? tl_get_num_threads() : 1;
    u.gradient = tl_data(g);
    u.weights = u.gradient ? tl_data_mut(s->parameter) : NULL;
    for (int k = 0; k < MAX_MOMENTS; k++)
        if (uses & 1u << k)
            u.moments[k] = tl_data_mut(s->moments[k]);
    if (!u.weights && u.n > 0)
        return tl_error_code();
    if (u.n > 0)
        o->algorithm->step(&u);
    return TL_OK;
}

tl_status optimizer_step_slot(tl_optimizer *o, struct slot *s, tl_tensor *g)
{
    const tl_tensor *p = s->parameter;
    if (tl_numel(g) != tl_numel(p) || tl_dtype_of(g) != tl_dtype_of(p))
        return tl_fail(TL_ERR_SHAPE, "%s: the gradient has %lld elements of %s, its parameter %lld of %s", o->algorithm->name,
                       (long long)tl_numel(g), tl_dtype_name(tl_dtype_of(g)), (long long)tl_numel(p),
                       tl_dtype_name(tl_dtype_of(p)));
    unsigned uses = o->algorithm->uses(&o->settings, &o->groups[s->group]);
    tl_status status = optimizer_make_moments(o, s, uses);
    if (status != TL_OK)
        return status;
    bool plain = optimizer_plain(p), first = (uses & 1) && s->fresh;
    for (int k = 0; k < MAX_MOMENTS && plain; k++)
        plain = !(uses & 1u << k) || optimizer_plain(s->moments[k]);
    if (plain && optimizer_plain(g))
        status = step_host(o, s, g, uses, first);
    else
        status = optimizer_step_op(&o->device_rates, o, s, g, uses, first);
    if (status == TL_OK) {
        s->t++;
        s->fresh &= !(uses & 1);
    }
    return status;
}

tl_status tl_optimizer_step(tl_optimizer *o)
{
    if (!o)
        return tl_fail(TL_ERR_ARGUMENT, "optimizer: cannot step NULL");
    if (tl_recording())
        return optimizer_record_step(o);
    for (size_t i = 0; i < o->n_slots; i++) {
        tl_tensor *g = tl_grad_of(o->slots[i].parameter);
        tl_status status = tl_is_none(g) ? TL_OK : optimizer_step_slot(o, &o->slots[i], g);
        if (status != TL_OK) {
            tl_error_prefix("parameter %zu: ", i);
            return status;
        }
    }
    return TL_OK;
}

void tl_optimizer_zero_grad(tl_optimizer *o)
{
    for (size_t i = 0; o && i < o->n_slots; i++)
        tl_set_grad(o->slots[i].parameter, TL_NONE);
}

/* ---- Rates ---------------------------------------------------------------------------------------------------------- */

static struct rates *group_at(const tl_optimizer *o, size_t group)
{
    if (o && group < o->n_groups)
        return &o->groups[group];
    tl_fail(TL_ERR_INDEX, "%s: there is no group %zu, only %zu of them", o ? o->algorithm->name : "optimizer", group,
            o ? o->n_groups : 0);
    return NULL;
}

double tl_optimizer_lr(const tl_optimizer *o, size_t group)
{
    const struct rates *r = group_at(o, group);
    return r ? r->lr : NAN;
}

tl_status tl_optimizer_set_lr(tl_optimizer *o, size_t group, double lr)
{
    struct rates *r = group_at(o, group);
    if (!r || !optimizer_range(o->algorithm->name, "the learning rate", lr, 0, INFINITY))
        return tl_error_code();
    r->lr = lr;
    return TL_OK;
}

static struct rates *momentum_of(const tl_optimizer *o, size_t group)
{
    struct rates *r = group_at(o, group);
    if (r && o->algorithm->momentum)
        return r;
    if (r)
        tl_fail(TL_ERR_ARGUMENT, "%s: it has no momentum", o->algorithm->name);
    return NULL;
}

double tl_optimizer_momentum(const tl_optimizer *o, size_t group)
{
    const struct rates *r = momentum_of(o, group);
    return r ? r->momentum : NAN;
}

tl_status tl_optimizer_set_momentum(tl_optimizer *o, size_t group, double momentum)
{
    struct rates *r = momentum_of(o, group);
    if (!r ||
        !optimizer_range(o->algorithm->name, o->algorithm->momentum, momentum, 0, o->algorithm == &algorithm_sgd ? INFINITY : 1))
        return tl_error_code();
    r->momentum = momentum;
    return TL_OK;
}
