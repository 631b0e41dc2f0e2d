/* SPDX-License-Identifier: Apache-2.0
 *
 * An update in a program that is being recorded. Which parameters have gradients is decided while recording; rates, and how often was
 * updated, are looked at whenever the program runs. Parameters in host memory are updated by one call of the host for all of them; those of
 * a device by one op each, whose rates a call of the host sends before, all at once.
 */
#include <stdlib.h>

#include "nn/optim/optimizer.h"

struct recorded_step {
    tl_optimizer *optimizer;
    tl_tensor *rates; /* of parameters of a device: a row each; a reference */
    size_t n;
    struct recorded_slot {
        size_t i;      /* which of the optimizer's */
        unsigned uses; /* moments that the op has; of a device */
        bool decay;    /* and whether it has a decay */
    } slots[];
};

static void step_free(void *ctx)
{
    struct recorded_step *r = ctx;
    tl_release(r->rates);
    free(r);
}

static tl_status step_on_host(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    const struct recorded_step *r = ctx;
    (void)out, (void)n_out;
    for (int i = 0; i < n_in; i++) {
        tl_status status = optimizer_step_slot(r->optimizer, &r->optimizer->slots[r->slots[i].i], in[i]);
        if (status != TL_OK) {
            tl_error_prefix("parameter %zu: ", r->slots[i].i);
            return status;
        }
    }
    return TL_OK;
}

/* Moments and decay are the op's for good. */
static tl_status check_slot(const tl_optimizer *o, const struct recorded_slot *r)
{
    const struct rates *rates = &o->groups[o->slots[r->i].group];
    if (o->algorithm->uses(&o->settings, rates) == r->uses && (rates->weight_decay != 0) == r->decay)
        return TL_OK;
    return tl_fail(TL_ERR_STATE, "%s: momentum or weight decay of parameter %zu was 0 when the step was recorded and is not now, or the other way "
                                 "round; tl_program_forget() records anew",
                   o->algorithm->name, r->i);
}

/* A row of rates for each parameter; its update is counted here, the ops follow. */
static tl_status send_rates(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    const struct recorded_step *r = ctx;
    (void)in, (void)n_in, (void)n_out;
    for (size_t i = 0; i < r->n; i++)
        if (check_slot(r->optimizer, &r->slots[i]) != TL_OK)
            return tl_error_code();
    double *rows = malloc(r->n * TL_RATES * sizeof *rows);
    if (!rows)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", r->optimizer->algorithm->name);
    for (size_t i = 0; i < r->n; i++) {
        struct slot *s = &r->optimizer->slots[r->slots[i].i];
        optimizer_numbers(r->optimizer, s, rows + i * TL_RATES);
        s->t++;
        if (!(r->slots[i].uses & 1))
            continue;
        if (s->fresh && r->optimizer->algorithm->code == TL_STEP_SGD) /* the first momentum is the gradient */
            rows[i * TL_RATES + TL_RATE_SHARE] = 1;
        s->fresh = false;
    }
    tl_status status = tl_copy_in(out[0], TL_F64, rows, r->n * TL_RATES * sizeof *rows);
    free(rows);
    return status;
}

static struct recorded_step *step_of(tl_optimizer *o, bool plain, tl_dtype dtype)
{
    struct recorded_step *r = malloc(sizeof *r + o->n_slots * sizeof *r->slots);
    if (!r) {
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", o->algorithm->name);
        return NULL;
    }
    *r = (struct recorded_step){.optimizer = o};
    for (size_t i = 0; i < o->n_slots; i++) {
        tl_tensor *p = o->slots[i].parameter, *g = tl_grad_of(p);
        bool wide = tl_dtype_of(p) == TL_F64;
        if (!tl_is_none(g) && (optimizer_plain(p) && optimizer_plain(g)) == plain && (plain || wide == (dtype == TL_F64)))
            r->slots[r->n++] = (struct recorded_slot){.i = i};
    }
    return r;
}

static tl_status record_host(tl_optimizer *o)
{
    struct recorded_step *r = step_of(o, true, TL_F32);
    tl_tensor **tensors = r ? malloc((2 * r->n + 1) * sizeof(tl_tensor *)) : NULL;
    if (!tensors) {
        free(r);
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", o->algorithm->name);
    }
    size_t n = r->n;
    for (size_t i = 0; i < n; i++) {
        tensors[n + i] = o->slots[r->slots[i].i].parameter;
        tensors[i] = tl_grad_of(tensors[n + i]);
    }
    tl_status status = TL_OK;
    if (n == 0)
        free(r);
    else
        status = tl_record_call(o->algorithm->name, step_on_host, r, free, tensors, (int)n, tensors + n, (int)n);
    free(tensors);
    return status;
}

static tl_status record_ops(tl_optimizer *o, struct recorded_step *r, tl_tensor *rates)
{
    for (size_t i = 0; i < r->n; i++) {
        struct slot *s = &o->slots[r->slots[i].i];
        unsigned uses = o->algorithm->uses(&o->settings, &o->groups[s->group]);
        tl_status status = optimizer_make_moments(o, s, uses);
        r->slots[i].uses = uses;
        r->slots[i].decay = o->groups[s->group].weight_decay != 0;
        tl_tensor *row = status == TL_OK ? tl_select(rates, 0, (int64_t)i) : NULL;
        if (row)
            status = optimizer_step_with(o, s, tl_grad_of(s->parameter), row, uses, false);
        if (!row || status != TL_OK) {
            tl_error_prefix("parameter %zu: ", r->slots[i].i);
            return tl_error_code();
        }
    }
    return TL_OK;
}

static tl_status record_device(tl_optimizer *o, tl_dtype dtype)
{
    struct recorded_step *r = step_of(o, false, dtype);
    if (!r || r->n == 0) {
        free(r);
        return r ? TL_OK : tl_error_code();
    }
    const char *device = tl_device_of(o->slots[r->slots[0].i].parameter);
    struct tl_options options = {.dtype = dtype, .device = device};
    TL_ONCE TL_SCOPE r->rates = tl_keep(tl_zeros(2, (const int64_t[]){(int64_t)r->n, TL_RATES}, options));
    if (!r->rates) {
        step_free(r);
        return tl_error_code();
    }
    tl_status status = tl_record_call(o->algorithm->name, send_rates, r, step_free, NULL, 0, &r->rates, 1);
    if (status == TL_OK)
        TL_NO_GRAD status = record_ops(o, r, r->rates);
    return status;
}

tl_status optimizer_record_step(tl_optimizer *o)
{
    tl_status status = record_host(o);
    if (status == TL_OK)
        status = record_device(o, TL_F32);
    return status == TL_OK ? record_device(o, TL_F64) : status;
}
