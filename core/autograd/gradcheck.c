/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradient checking: analytic gradients against central differences in f64, for a fixed projection of the output (one backward
 * pass instead of one for each output element). Second derivatives are checked as the gradients of a function that projects first ones.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

enum { MOST_INPUTS = 16 };

typedef tl_tensor *function(tl_tensor *const *in, void *ctx);

/* What is checked, and under which name it is reported. */
struct check {
    const char *name;
    function *fn;
    void *ctx;
    tl_tensor *in[MOST_INPUTS];
    int n;
    struct tl_gradcheck_options o;
};

/* Weights that no gradient is likely to be orthogonal to. */
static tl_tensor *weights_for(const tl_tensor *y)
{
    double *w = malloc((size_t)(y->numel ? y->numel : 1) * sizeof *w);
    if (!w) {
        tl_fail(TL_ERR_NOMEM, "gradcheck: out of memory");
        return NULL;
    }
    for (int64_t i = 0; i < y->numel; i++)
        w[i] = 0.5 + fmod(0.6180339887498949 * (double)(i + 1), 1.0);
    tl_tensor *t = tl_from_data(y->ndim, y->shape, w, (struct tl_options){.dtype = TL_F64, .device = y->storage->device->name});
    free(w);
    return t;
}

static tl_tensor *output_of(const struct check *c)
{
    tl_tensor *y = c->fn(c->in, c->ctx);
    if (!y || is_none(y)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: the function returned %s", c->name, y ? "TL_NONE" : "NULL without an error");
        return NULL;
    }
    if (y->dtype != TL_F64) {
        tl_fail(TL_ERR_DTYPE, "%s: the function gives %s; it must compute in f64, for differences to be exact enough", c->name,
                tl_dtype_name((tl_dtype)y->dtype));
        return NULL;
    }
    return y;
}

/* sum(fn(in) * weights) */
static tl_tensor *project(const struct check *c)
{
    tl_tensor *y = output_of(c), *w = y ? weights_for(y) : NULL;
    return w ? tl_sum(tl_mul(y, w)) : NULL;
}

static tl_status value(const struct check *c, double *v)
{
    tl_status s = TL_OK;
    TL_SCOPE
    {
        TL_NO_GRAD
        {
            tl_tensor *y = project(c);
            s = y ? tl_copy_out(y, TL_F64, v, sizeof *v) : tl_error_code();
        }
    }
    return s;
}

/* (f(x + eps) - f(x - eps)) / (2 eps), one element after the other; x is as before when it is done. */
static tl_status differences(const struct check *c, tl_tensor *x, double *numeric)
{
    size_t n = (size_t)x->numel;
    double *values = malloc((n ? n : 1) * sizeof *values), f[2];
    if (!values)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", c->name);
    tl_status s = tl_copy_out(x, TL_F64, values, n * sizeof *values);
    for (size_t i = 0; i < n && s == TL_OK; i++) {
        double original = values[i];
        for (int side = 0; side < 2 && s == TL_OK; side++) {
            values[i] = original + (side ? c->o.eps : -c->o.eps);
            s = tl_copy_in(x, TL_F64, values, n * sizeof *values);
            if (s == TL_OK)
                s = value(c, &f[side]);
        }
        values[i] = original;
        numeric[i] = (f[1] - f[0]) / (2 * c->o.eps);
    }
    tl_copy_in(x, TL_F64, values, n * sizeof *values);
    free(values);
    return s;
}

static const char *element_text(char *buffer, size_t size, const tl_tensor *x, size_t i)
{
    int64_t at[TL_MAX_DIMS], rest = (int64_t)i;
    for (int d = x->ndim - 1; d >= 0; d--) {
        at[d] = rest % x->shape[d];
        rest /= x->shape[d];
    }
    size_t n = (size_t)snprintf(buffer, size, "[");
    for (int d = 0; d < x->ndim && n < size; d++)
        n += (size_t)snprintf(buffer + n, size - n, d ? ", %lld" : "%lld", (long long)at[d]);
    if (n < size)
        snprintf(buffer + n, size - n, "]");
    return buffer;
}

static tl_status compare(const struct check *c, int k, const double *analytic, const double *numeric)
{
    const tl_tensor *x = c->in[k];
    size_t n = (size_t)x->numel, wrong = 0, worst = 0;
    double most = -1;
    for (size_t i = 0; i < n; i++) {
        double off = fabs(numeric[i] - analytic[i]);
        if (off <= c->o.atol + c->o.rtol * fabs(numeric[i]))
            continue;
        wrong++;
        if (isnan(off) ? !isnan(most) : off > most) {
            most = off;
            worst = i;
        }
    }
    if (wrong == 0)
        return TL_OK;
    char text[2][160];
    return tl_fail(TL_ERR_CHECK,
                   "%s: input %d, %s: %zu of %zu elements differ; the worst, %s: backward gives %.10g, central differences %.10g (off by %.3g, allowed "
                   "%.3g with .atol = %g, .rtol = %g)",
                   c->name, k, shape_text(text[0], sizeof text[0], x->ndim, x->shape), wrong, n, element_text(text[1], sizeof text[1], x, worst),
                   analytic[worst], numeric[worst], most, c->o.atol + c->o.rtol * fabs(numeric[worst]), c->o.atol, c->o.rtol);
}

static tl_status check_input(const struct check *c, int k, tl_tensor *gradient)
{
    size_t n = (size_t)c->in[k]->numel;
    double *numeric = malloc(2 * (n ? n : 1) * sizeof *numeric), *analytic = numeric + n;
    if (!numeric)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", c->name);
    tl_status s = tl_copy_out(gradient, TL_F64, analytic, n * sizeof *analytic);
    if (s == TL_OK)
        s = differences(c, c->in[k], numeric);
    if (s == TL_OK)
        s = compare(c, k, analytic, numeric);
    free(numeric);
    return s;
}

/* Differences of something that changes by itself would be noise. */
static tl_status check_repeats(const struct check *c)
{
    double v[2] = {0};
    tl_status s = value(c, &v[0]);
    if (s == TL_OK)
        s = value(c, &v[1]);
    if (s == TL_OK && v[0] != v[1] && !(isnan(v[0]) && isnan(v[1])))
        s = tl_fail(TL_ERR_CHECK, "%s: the function gives different values for the same inputs (%.10g, then %.10g); does it draw random numbers, or "
                                  "write its inputs?",
                    c->name, v[0], v[1]);
    return s;
}

/* Copies, so that the caller's tensors are neither moved nor given gradients. */
static tl_status take_inputs(struct check *c, tl_tensor *const *in, int n)
{
    int wanted = 0;
    if (!c->fn || !in)
        return tl_fail(TL_ERR_ARGUMENT, "%s: the function or the list of inputs is NULL", c->name);
    if (n < 1 || n > MOST_INPUTS - 1)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %d inputs; from 1 to %d", c->name, n, MOST_INPUTS - 1);
    c->n = n;
    for (int i = 0; i < n; i++) {
        bool wants = in[i] && needs_grad(in[i]);
        c->in[i] = in[i] && !is_none(in[i]) ? tl_clone(tl_detach(in[i])) : in[i];
        if (!c->in[i])
            return tl_fail(TL_ERR_ARGUMENT, "%s: input %d is NULL, and no earlier call failed", c->name, i);
        if (wants && c->in[i]->dtype != TL_F64)
            return tl_fail(TL_ERR_DTYPE, "%s: input %d is %s; inputs that require gradients must be f64, for differences to be exact enough", c->name,
                           i, tl_dtype_name((tl_dtype)c->in[i]->dtype));
        if (wants && !tl_set_requires_grad(c->in[i], true))
            return tl_error_code();
        wanted += wants;
    }
    return wanted ? TL_OK : tl_fail(TL_ERR_ARGUMENT, "%s: no input requires a gradient; call tl_set_requires_grad() on those to check", c->name);
}

static tl_status run(struct check *c)
{
    tl_tensor *wanted[MOST_INPUTS], *gradients[MOST_INPUTS];
    int n = 0, which[MOST_INPUTS];
    for (int i = 0; i < c->n; i++)
        if (!is_none(c->in[i]) && needs_grad(c->in[i])) {
            which[n] = i;
            wanted[n++] = c->in[i];
        }
    tl_status s = check_repeats(c);
    tl_tensor *y = s == TL_OK ? project(c) : NULL;
    if (!y)
        return tl_error_code();
    if (!needs_grad(y))
        return tl_fail(TL_ERR_STATE, "%s: the function's result needs no gradient: it does not depend on its inputs by anything that was recorded",
                       c->name);
    s = tl_grad(&y, 1, NULL, wanted, n, gradients, (struct tl_backward_options){.materialize_grads = true});
    if (s != TL_OK)
        tl_error_prefix("%s: ", c->name);
    for (int i = 0; i < n && s == TL_OK; i++)
        s = check_input(c, which[i], gradients[i]);
    return s;
}

static struct tl_gradcheck_options with_defaults(struct tl_gradcheck_options o)
{
    o.eps = o.eps > 0 ? o.eps : 1e-6;
    o.atol = o.atol > 0 ? o.atol : 1e-5;
    o.rtol = o.rtol > 0 ? o.rtol : 1e-3;
    return o;
}

tl_status tl_gradcheck(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in, int n, struct tl_gradcheck_options o)
{
    if (!fn || !in)
        return tl_fail(TL_ERR_ARGUMENT, "gradcheck: the %s NULL", fn ? "inputs are" : "function is");
    struct check c = {.name = "gradcheck", .fn = fn, .ctx = ctx, .o = with_defaults(o)};
    tl_status s = TL_OK;
    bool was = tl_set_grad_enabled(true);
    TL_SCOPE
    {
        s = take_inputs(&c, in, n);
        if (s == TL_OK)
            s = run(&c);
    }
    tl_set_grad_enabled(was);
    return s;
}

/* ---- Second derivatives ------------------------------------------------------------------------------------------------------ */

/* The gradients of a function, for the gradient that arrives as its last input, as one number. */
static tl_tensor *first_gradients(tl_tensor *const *in, void *ctx)
{
    struct check c = *(const struct check *)ctx;
    tl_tensor *wanted[MOST_INPUTS], *g[MOST_INPUTS], *sum = tl_zeros(TL_SHAPE0, (struct tl_options){.dtype = TL_F64, .device = tl_device_of(in[c.n])});
    int n = 0;
    memcpy(c.in, in, (size_t)c.n * sizeof *in);
    for (int i = 0; i < c.n; i++)
        if (!is_none(in[i]) && needs_grad(in[i]))
            wanted[n++] = in[i];
    bool was = tl_set_grad_enabled(true);
    tl_tensor *y = output_of(&c);
    tl_status s = y ? tl_grad(&y, 1, &in[c.n], wanted, n, g, (struct tl_backward_options){.create_graph = true, .materialize_grads = true})
                    : tl_error_code();
    for (int i = 0; i < n && s == TL_OK; i++) {
        tl_tensor *w = weights_for(g[i]);
        sum = w ? tl_add(sum, tl_sum(tl_mul(g[i], w))) : NULL;
    }
    tl_set_grad_enabled(was);
    return s == TL_OK ? sum : NULL;
}

tl_status tl_gradgradcheck(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in, int n,
                           struct tl_gradcheck_options o)
{
    if (!fn || !in)
        return tl_fail(TL_ERR_ARGUMENT, "gradgradcheck: the %s NULL", fn ? "inputs are" : "function is");
    struct check first = {.name = "gradgradcheck", .fn = fn, .ctx = ctx, .o = with_defaults(o)};
    tl_status s = TL_OK;
    bool was = tl_set_grad_enabled(true);
    TL_SCOPE
    {
        s = take_inputs(&first, in, n);
        tl_tensor *y = s == TL_OK ? output_of(&first) : NULL, *dy = y ? weights_for(y) : NULL;
        if (!dy || !tl_set_requires_grad(dy, true)) {
            s = tl_error_code();
            break;
        }
        struct check second = first;
        second.fn = first_gradients;
        second.ctx = &first;
        second.in[second.n++] = dy;
        s = run(&second);
    }
    tl_set_grad_enabled(was);
    return s;
}
