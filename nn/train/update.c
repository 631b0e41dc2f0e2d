/* SPDX-License-Identifier: Apache-2.0
 *
 * One batch: its loss, and the descent. A step gives one loss and is followed by one descent on all parameters; an update descends by
 * itself, as often as it likes, each time on a part of the module only: the networks of a GAN have a loss each, and the second
 * is computed with what the first has learnt in this very batch.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/train/train.h"

/* ---- The loss ----------------------------------------------------------------------------------------------------------- */

tl_tensor *update_loss(struct tl_update *u, tl_tensor **batch, int n, tl_tensor **output)
{
    const struct tl_fit_options *o = u->o;
    u->metric = NULL;
    if (o->update) {
        tl_tensor *loss = result_of("update", o->update(u->module, batch, n, u, o->function_ctx));
        if (loss && o->metric_name && !o->metric && !u->metric) {
            tl_fail(TL_ERR_STATE, "the function \"update\" did not tell its metric, \"%.60s\"; it does so with tl_update_metric()", o->metric_name);
            return NULL;
        }
        return tl_error_code() == TL_OK ? loss : NULL;
    }
    if (o->step)
        return result_of("step", o->step(u->module, batch, n, o->function_ctx));
    *output = forward_batch(u->module, batch, n, o);
    if (!*output)
        return NULL;
    return result_of("loss", (o->loss ? o->loss : tl_loss_cross_entropy)(*output, batch, n, o->function_ctx));
}

tl_status update_check(const struct tl_update *u, double loss)
{
    if (tl_error_code() != TL_OK)
        return tl_error_code();
    if (isfinite(loss) || u->o->allow_nonfinite)
        return TL_OK;
    return tl_fail(TL_ERR_STATE, "the loss is %s; look for NaN or infinity in the data, or lower the learning rate (now %g)",
                   isnan(loss) ? "NaN" : "infinite", tl_optimizer_lr(u->optimizer, 0));
}

bool update_has_metric(const struct tl_fit_options *o)
{
    return o->metric || (o->update && o->metric_name);
}

/* ---- The descent -------------------------------------------------------------------------------------------------------- */

/* Parameters of a part, and their gradients. */
struct part {
    tl_tensor **parameters, **gradients;
    int n;
};

static void part_free(struct part *p)
{
    free(p->parameters);
    free(p->gradients);
}

/* Those that are trained: frozen ones have no gradient. */
static tl_status list_part(struct part *p, tl_module *m)
{
    size_t n = tl_module_parameter_list(m, NULL, 0);
    p->parameters = calloc(n + 1, sizeof(tl_tensor *));
    p->gradients = calloc(n + 1, sizeof(tl_tensor *));
    if (!p->parameters || !p->gradients || n > 1000000)
        return tl_fail(TL_ERR_NOMEM, "update: no memory for the gradients of %zu parameters", n);
    tl_module_parameter_list(m, p->parameters, n);
    for (size_t i = 0; i < n; i++)
        if (!tl_is_none(p->parameters[i]) && tl_requires_grad(p->parameters[i]))
            p->parameters[p->n++] = p->parameters[i];
    return TL_OK;
}

/* Gradients of a part alone: all else keeps none, and the optimizer passes it over. */
static tl_status differentiate_part(tl_tensor *loss, tl_module *m)
{
    struct part p = {NULL, NULL, 0};
    tl_status s = list_part(&p, m);
    if (s == TL_OK && p.n > 0)
        s = tl_grad(&loss, 1, NULL, p.parameters, p.n, p.gradients, (struct tl_backward_options){.allow_unused = true});
    for (int i = 0; s == TL_OK && i < p.n; i++)
        s = tl_set_grad(p.parameters[i], p.gradients[i]);
    part_free(&p);
    return s;
}

static tl_status differentiate(struct tl_update *u, tl_tensor *loss, const char *part)
{
    tl_module *m = part ? tl_module_child(u->module, part) : u->module;
    if (!m)
        return tl_error_code();
    tl_optimizer_zero_grad(u->optimizer);
    return part ? differentiate_part(loss, m) : tl_backward(loss, TL_NONE, (struct tl_backward_options){0});
}

tl_status tl_update_descend(tl_update *u, tl_tensor *loss, const char *part)
{
    if (!u || !loss)
        return tl_fail(TL_ERR_ARGUMENT, "update_descend: the %s is NULL", u ? "loss" : "update");
    if (tl_numel(loss) != 1)
        return tl_fail(TL_ERR_SHAPE, "the loss has %lld numbers; training needs one", (long long)tl_numel(loss));
    if (!u->optimizer)
        return TL_OK;
    tl_status s = u->late ? tl_error_code() : update_check(u, tl_item(loss));
    if (s == TL_OK)
        s = differentiate(u, loss, part);
    if (s == TL_OK && u->o->clip_norm > 0)
        s = tl_clip_grad_norm(u->module, u->o->clip_norm, 0, NULL);
    return s == TL_OK ? tl_optimizer_step(u->optimizer) : s;
}

tl_status tl_update_metric(tl_update *u, tl_tensor *value)
{
    if (!u || !value)
        return tl_fail(TL_ERR_ARGUMENT, "update_metric: the %s is NULL", u ? "value" : "update");
    if (tl_numel(value) != 1)
        return tl_fail(TL_ERR_SHAPE, "the metric has %lld numbers; one is needed", (long long)tl_numel(value));
    u->metric = u->o->metric_name && !u->o->metric ? tl_detach(value) : NULL;
    return tl_error_code();
}

tl_tensor *tl_fit_step(tl_module *m, tl_optimizer *optimizer, tl_tensor *const *batch, int n, const struct tl_fit_options *given)
{
    struct tl_fit_options o;
    tl_tensor *fields[TL_MAX_FIELDS];
    if (!m || !optimizer || !batch || n < 1 || n > TL_MAX_FIELDS) {
        tl_fail(TL_ERR_ARGUMENT, "fit_step: a module, an optimizer and a batch of 1 to %d tensors are needed", TL_MAX_FIELDS);
        return NULL;
    }
    memcpy(fields, batch, (size_t)n * sizeof(tl_tensor *));
    options_taken(&o, sizeof o, given);
    struct tl_update u = {.module = m, .optimizer = optimizer, .o = &o, .late = true};
    if (u.o->prepare && !(fields[0] = result_of("prepare", u.o->prepare(fields[0], u.o->function_ctx))))
        return NULL;
    tl_tensor *output = NULL, *loss = update_loss(&u, fields, n, &output);
    if (loss && !u.o->update && tl_update_descend(&u, loss, NULL) != TL_OK)
        return NULL;
    return loss;
}
