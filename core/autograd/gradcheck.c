/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradient checking: analytic gradients against central differences in f64, for a random projection of the output
 * (one backward pass instead of one for each output element).
 */
#include <math.h>
#include <stdlib.h>

#include "core/internal.h"

/* sum(fn(in) * weights), with weights that no gradient is likely to be orthogonal to. */
static tl_tensor *project(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in)
{
    tl_tensor *y = fn(in, ctx);
    if (!y)
        return NULL;
    if (y->dtype != TL_F64) {
        tl_fail(TL_ERR_DTYPE, "gradcheck: the function gives %s; it must compute in f64", tl_dtype_name((tl_dtype)y->dtype));
        return NULL;
    }
    double *w = malloc((size_t)(y->numel ? y->numel : 1) * sizeof *w);
    if (!w) {
        tl_fail(TL_ERR_NOMEM, "gradcheck: out of memory");
        return NULL;
    }
    for (int64_t i = 0; i < y->numel; i++)
        w[i] = 0.5 + fmod(0.6180339887498949 * (double)(i + 1), 1.0);
    tl_tensor *weights = tl_from_data(y->ndim, y->shape, w, (struct tl_options){.dtype = TL_F64, .device = y->storage->device->name});
    free(w);
    return weights ? tl_sum(tl_mul(y, weights)) : NULL;
}

static double value_at(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in)
{
    double v = 0;
    TL_SCOPE
    {
        TL_NO_GRAD
        {
            tl_tensor *y = project(fn, ctx, in);
            v = y ? tl_item(y) : 0;
        }
    }
    return v;
}

static tl_status check_input(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor **in, int k, tl_tensor *gradient,
                             struct tl_gradcheck_options o)
{
    tl_tensor *x = in[k];
    size_t n = (size_t)x->numel;
    double *values = malloc(3 * (n ? n : 1) * sizeof *values), *original = values + n, *analytic = original + n;
    if (!values)
        return tl_fail(TL_ERR_NOMEM, "gradcheck: out of memory");
    tl_status s = tl_copy_out(x, TL_F64, original, n * sizeof *values);
    if (s == TL_OK) {
        if (is_none(gradient))
            memset(analytic, 0, n * sizeof *analytic);
        else
            s = tl_copy_out(gradient, TL_F64, analytic, n * sizeof *values);
    }
    memcpy(values, original, n * sizeof *values);
    for (size_t i = 0; i < n && s == TL_OK; i++) {
        double f[2];
        for (int side = 0; side < 2 && s == TL_OK; side++) {
            values[i] = original[i] + (side ? o.eps : -o.eps);
            s = tl_copy_in(x, TL_F64, values, n * sizeof *values);
            f[side] = s == TL_OK ? value_at(fn, ctx, in) : 0;
            if (tl_error_code() != TL_OK)
                s = tl_error_code();
        }
        values[i] = original[i];
        if (s != TL_OK)
            break;
        double numeric = (f[1] - f[0]) / (2 * o.eps);
        if (!(fabs(numeric - analytic[i]) <= o.atol + o.rtol * fabs(numeric)))
            s = tl_fail(TL_ERR_CHECK, "gradcheck: input %d, element %zu: the gradient is %.10g, central differences give %.10g", k, i,
                        analytic[i], numeric);
    }
    tl_copy_in(x, TL_F64, original, n * sizeof *values);
    free(values);
    return s;
}

tl_status tl_gradcheck(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in, int n, struct tl_gradcheck_options o)
{
    o.eps = o.eps > 0 ? o.eps : 1e-6;
    o.atol = o.atol > 0 ? o.atol : 1e-5;
    o.rtol = o.rtol > 0 ? o.rtol : 1e-3;
    if (n < 1 || n > 16)
        return tl_fail(TL_ERR_ARGUMENT, "gradcheck: %d inputs; from 1 to 16", n);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        /* Copies, so that the caller's tensors are neither moved nor given gradients. */
        tl_tensor *own[16], *wanted[16], *gradients[16];
        int n_wanted = 0, which[16];
        for (int i = 0; i < n && s == TL_OK; i++) {
            own[i] = in[i] && !is_none(in[i]) ? tl_clone(tl_detach(in[i])) : in[i];
            if (!own[i])
                return tl_error_code();
            if (is_none(own[i]) || !needs_grad(in[i]))
                continue;
            if (own[i]->dtype != TL_F64)
                return tl_fail(TL_ERR_DTYPE, "gradcheck: input %d is %s; it must be f64", i, tl_dtype_name((tl_dtype)own[i]->dtype));
            tl_set_requires_grad(own[i], true);
            which[n_wanted] = i;
            wanted[n_wanted++] = own[i];
        }
        if (n_wanted == 0)
            return tl_fail(TL_ERR_ARGUMENT, "gradcheck: no input requires a gradient");
        tl_tensor *y = project(fn, ctx, own);
        if (!y)
            return tl_error_code();
        s = tl_grad(&y, 1, NULL, wanted, n_wanted, gradients, (struct tl_backward_options){0});
        for (int i = 0; i < n_wanted && s == TL_OK; i++)
            s = check_input(fn, ctx, own, which[i], gradients[i], o);
    }
    return s;
}
