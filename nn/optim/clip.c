/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradient clipping, by joint norm and by value.
 */
#include <math.h>
#include <stdlib.h>

#include "nn/optim/optimizer.h"

/* sum |g|^p, or the largest |g| for an infinite p. NaN and an error on failure; NaN alone of a gradient without values. */
static double power_sum(tl_tensor *g, double p)
{
    if (p == 2 && optimizer_plain(g))
        return tl_numel(g) ? gradient_square_sum(tl_data(g), tl_numel(g), tl_dtype_of(g) == TL_F64) : 0;
    double norm = NAN;
    TL_NO_GRAD TL_SCOPE {
        tl_tensor *n = tl_numel(g) ? tl_norm(g, p) : NULL;
        norm = !n ? 0 : tl_has_values(n) ? tl_item(n) : NAN;
    }
    return isinf(p) ? norm : pow(norm, p);
}

static tl_status scale(tl_tensor *g, double factor)
{
    if (optimizer_plain(g)) {
        void *data = tl_numel(g) ? tl_data_mut(g) : NULL;
        if (data)
            gradient_scale(data, tl_numel(g), tl_dtype_of(g) == TL_F64, factor);
        return data || !tl_numel(g) ? TL_OK : tl_error_code();
    }
    tl_tensor *done = NULL;
    TL_NO_GRAD TL_SCOPE done = tl_mul_(g, tl_scalar(factor));
    return done ? TL_OK : tl_error_code();
}

static tl_status clip_norm(tl_tensor *const *gradients, size_t n, double max_norm, double p, double *norm)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        double part = power_sum(gradients[i], p);
        if (isnan(part) && tl_error_code() != TL_OK)
            return tl_error_code();
        total = !isinf(p) ? total + part : part > total || isnan(part) ? part : total;
    }
    total = isinf(p) ? total : p == 2 ? sqrt(total) : pow(total, 1 / p);
    if (norm)
        *norm = total;
    double factor = max_norm / (total + 1e-6);
    tl_status status = TL_OK;
    /* A norm of NaN makes all gradients NaN, as PyTorch's does: it must not go unseen. */
    for (size_t i = 0; i < n && status == TL_OK && !(factor >= 1); i++)
        status = scale(gradients[i], factor);
    return status;
}

struct recorded_clip {
    double max_norm, p;
};

static tl_status clip_again(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    const struct recorded_clip *c = ctx;
    (void)in, (void)n_in;
    return clip_norm(out, (size_t)n_out, c->max_norm, c->p, NULL);
}

static tl_status record_clip(tl_tensor *const *gradients, size_t n, double max_norm, double p)
{
    struct recorded_clip *c = malloc(sizeof *c);
    if (!c)
        return tl_fail(TL_ERR_NOMEM, "clip_grad_norm: out of memory");
    *c = (struct recorded_clip){max_norm, p};
    return tl_record_call("clip_grad_norm", clip_again, c, free, gradients, (int)n, gradients, (int)n);
}

/* The gradients that there are of n parameters, malloc()ed; NULL and an error. */
static tl_tensor **gradients_of(const char *who, tl_tensor *const *parameters, size_t n, size_t *n_gradients)
{
    tl_tensor **list = n > 0 && !parameters ? NULL : calloc(n + 1, sizeof(tl_tensor *));
    *n_gradients = 0;
    if (!list)
        tl_fail(n > 0 && !parameters ? TL_ERR_ARGUMENT : TL_ERR_NOMEM,
                n > 0 && !parameters ? "%s: the list of %zu parameters is NULL" : "%s: out of memory for %zu gradients", who, n);
    for (size_t i = 0; list && i < n; i++) {
        tl_tensor *g = tl_grad_of(parameters[i]);
        if (!g) {
            tl_fail(TL_ERR_ARGUMENT, "%s: parameter %zu is NULL", who, i);
            free(list);
            return NULL;
        }
        if (!tl_is_none(g))
            list[(*n_gradients)++] = g;
    }
    return list;
}

tl_status tl_clip_grad_norm_list(tl_tensor *const *parameters, size_t n, double max_norm, double p, double *norm)
{
    if (p == 0)
        p = 2;
    if (!(p > 0) || !(max_norm >= 0))
        return tl_fail(TL_ERR_ARGUMENT, "clip_grad_norm: max_norm is %g and the order of the norm %g; neither may be negative",
                       max_norm, p);
    if (tl_recording() && norm)
        return tl_fail(TL_ERR_STATE, "clip_grad_norm: the norm cannot be read while a program is recorded; pass NULL for it");
    size_t n_gradients;
    tl_tensor **gradients = gradients_of("clip_grad_norm", parameters, n, &n_gradients);
    if (!gradients)
        return tl_error_code();
    tl_status status = tl_recording() ? record_clip(gradients, n_gradients, max_norm, p) : clip_norm(gradients, n_gradients, max_norm, p, norm);
    free(gradients);
    return status;
}

tl_status tl_clip_grad_value_list(tl_tensor *const *parameters, size_t n, double limit)
{
    if (!(limit >= 0))
        return tl_fail(TL_ERR_ARGUMENT, "clip_grad_value: the limit is %g; it must not be negative", limit);
    if (n > 0 && !parameters)
        return tl_fail(TL_ERR_ARGUMENT, "clip_grad_value: the list of %zu parameters is NULL", n);
    for (size_t i = 0; i < n; i++) {
        tl_tensor *g = tl_grad_of(parameters[i]), *done = g;
        if (!g)
            return tl_fail(TL_ERR_ARGUMENT, "clip_grad_value: parameter %zu is NULL", i);
        if (tl_is_none(g) || tl_numel(g) == 0)
            continue;
        if (optimizer_plain(g) && !tl_recording()) {
            void *data = tl_data_mut(g);
            if (!data)
                return tl_error_code();
            gradient_limit(data, tl_numel(g), tl_dtype_of(g) == TL_F64, limit);
            continue;
        }
        TL_NO_GRAD TL_SCOPE done = tl_clamp_(g, -limit, limit);
        if (!done)
            return tl_error_code();
    }
    return TL_OK;
}

/* The module's parameters, malloc()ed; NULL and an error. */
static tl_tensor **list_of(tl_module *m, size_t *n)
{
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "clip: the module is NULL");
        return NULL;
    }
    *n = tl_module_parameter_list(m, NULL, 0);
    tl_tensor **list = calloc(*n + 1, sizeof *list);
    if (list)
        tl_module_parameter_list(m, list, *n);
    else
        tl_fail(TL_ERR_NOMEM, "clip: out of memory");
    return list;
}

tl_status tl_clip_grad_norm(tl_module *m, double max_norm, double p, double *norm)
{
    size_t n;
    tl_tensor **list = list_of(m, &n);
    if (!list)
        return tl_error_code();
    tl_status status = tl_clip_grad_norm_list(list, n, max_norm, p, norm);
    free(list);
    return status;
}

tl_status tl_clip_grad_value(tl_module *m, double limit)
{
    size_t n;
    tl_tensor **list = list_of(m, &n);
    if (!list)
        return tl_error_code();
    tl_status status = tl_clip_grad_value_list(list, n, limit);
    free(list);
    return status;
}
