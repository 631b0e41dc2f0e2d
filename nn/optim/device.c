/* SPDX-License-Identifier: Apache-2.0
 *
 * Updates of parameters that are not plain host memory: one op each, which a device does in one pass. The rates are a small tensor beside the
 * parameters; it is sent again only when they have changed.
 */
#include <math.h>
#include <string.h>

#include "nn/optim/optimizer.h"

/* Derived numbers are computed in f64 here, as in the loops over host memory. */
void optimizer_numbers(const tl_optimizer *o, const struct slot *s, double *v)
{
    const struct settings *set = &o->settings;
    const struct rates *r = &o->groups[s->group];
    bool adam = o->algorithm->code == TL_STEP_ADAM;
    double t = (double)(s->t + 1);
    memset(v, 0, TL_RATES * sizeof *v);
    v[TL_RATE_STEP] = adam ? -r->lr / (1 - pow(r->momentum, t)) : -r->lr;
    v[TL_RATE_WEIGHT_DECAY] = r->weight_decay;
    v[TL_RATE_KEEP] = 1 - r->lr * r->weight_decay;
    v[TL_RATE_MOMENTUM] = r->momentum;
    v[TL_RATE_SHARE] = adam ? 1 - r->momentum : 1 - set->dampening;
    v[TL_RATE_DECAY] = set->decay;
    v[TL_RATE_DECAY_SHARE] = 1 - set->decay;
    v[TL_RATE_EPS] = set->eps;
    v[TL_RATE_CORRECTION] = adam ? sqrt(1 - pow(set->decay, t)) : 1;
}

static tl_tensor *rates_tensor(struct device_rates *rates, const tl_optimizer *o, const struct slot *s)
{
    double values[TL_RATES];
    tl_dtype dtype = tl_dtype_of(s->parameter) == TL_F64 ? TL_F64 : TL_F32;
    const char *device = tl_device_of(s->parameter);
    optimizer_numbers(o, s, values);
    if (rates->tensor && memcmp(values, rates->values, sizeof values) == 0 && tl_dtype_of(rates->tensor) == dtype &&
        strcmp(tl_device_of(rates->tensor), device) == 0)
        return rates->tensor;
    float narrow[TL_RATES];
    for (int i = 0; i < TL_RATES; i++)
        narrow[i] = (float)values[i];
    const void *data = dtype == TL_F64 ? (const void *)values : narrow;
    tl_tensor *made = tl_from_data(1, (const int64_t[]){TL_RATES}, data, (struct tl_options){.dtype = dtype, .device = device});
    if (!made)
        return NULL;
    optimizer_rates_free(rates);
    memcpy(rates->values, values, sizeof values);
    return rates->tensor = tl_keep(made);
}

void optimizer_rates_free(struct device_rates *rates)
{
    tl_release(rates->tensor);
    rates->tensor = NULL;
}

tl_status optimizer_step_op(struct device_rates *rates, const tl_optimizer *o, struct slot *s, tl_tensor *g, unsigned uses, bool first)
{
    tl_status status = TL_OK;
    TL_SCOPE
    {
        tl_tensor *numbers = rates_tensor(rates, o, s);
        status = numbers ? optimizer_step_with(o, s, g, numbers, uses, first) : tl_error_code();
    }
    return status;
}

tl_status optimizer_step_with(const tl_optimizer *o, struct slot *s, tl_tensor *g, tl_tensor *rates, unsigned uses, bool first)
{
    static const tl_op *op;
    const struct settings *set = &o->settings;
    const struct rates *r = &o->groups[s->group];
    if (!op && !(op = tl_op_find("optimizer_step")))
        return tl_fail(TL_ERR_NOT_FOUND, "%s: the library has no op optimizer_step", o->algorithm->name);
    struct tl_optimizer_attrs attrs = {
        .struct_size = sizeof attrs,
        .algorithm = o->algorithm->code,
        .decay = r->weight_decay != 0,
        .momentum = r->momentum > 0,
        .nesterov = set->nesterov,
        .first = first,
        .maximize = set->maximize,
        .amsgrad = set->amsgrad,
        .decoupled = set->decoupled,
        .centered = set->centered,
    };
    tl_status status = TL_OK;
    TL_NO_GRAD TL_SCOPE
    {
        tl_tensor *in[3 + MAX_MOMENTS] = {s->parameter, g, rates}, *into[1 + MAX_MOMENTS] = {s->parameter},
                  *out[1 + MAX_MOMENTS];
        for (int k = 0; k < MAX_MOMENTS; k++) {
            in[3 + k] = uses >> k & 1 ? s->moments[k] : TL_NONE;
            into[1 + k] = uses >> k & 1 ? s->moments[k] : NULL;
        }
        status = tl_op_call_into(op, &attrs, in, 3 + MAX_MOMENTS, into, out);
    }
    return status;
}
