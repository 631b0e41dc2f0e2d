/* SPDX-License-Identifier: Apache-2.0
 *
 * Initialisation of weights, in place, by torch.nn.init's formulas, computed in double precision as Python does.
 * fan_in is the number of inputs that one output sums over: size 1 of the weight times the elements of its kernel; fan_out the
 * same with size 0. Variance stays about the same from layer to layer if weights have variance gain^2 / fan.
 */
#include <math.h>

#include "nn/layers/module.h"

static tl_status fill(tl_tensor *t, bool normal, double a, double b)
{
    tl_tensor *filled = NULL;
    TL_NO_GRAD filled = normal ? tl_normal_(t, a, b, NULL) : tl_uniform_(t, a, b, NULL);
    return filled ? TL_OK : tl_error_code();
}

tl_status tl_init_uniform(tl_tensor *t, double low, double high)
{
    return fill(t, false, low, high);
}

tl_status tl_init_normal(tl_tensor *t, double mean, double std)
{
    return fill(t, true, mean, std);
}

tl_status tl_init_constant(tl_tensor *t, double value)
{
    tl_tensor *filled = NULL;
    TL_NO_GRAD filled = tl_fill_(t, value);
    return filled ? TL_OK : tl_error_code();
}

struct fans {
    double in, out;
};

static tl_status fans_of(const tl_tensor *t, struct fans *f)
{
    if (!t)
        return tl_error_code();
    if (tl_ndim(t) < 2)
        return tl_fail(TL_ERR_SHAPE, "init: fan_in and fan_out need a weight of two or more dimensions, not %d", tl_ndim(t));
    double kernel = 1;
    for (int i = 2; i < tl_ndim(t); i++)
        kernel *= (double)tl_shape(t)[i];
    f->in = (double)tl_shape(t)[1] * kernel;
    f->out = (double)tl_shape(t)[0] * kernel;
    return TL_OK;
}

static tl_status xavier(tl_tensor *t, double gain, bool normal)
{
    struct fans f;
    tl_status status = fans_of(t, &f);
    if (status != TL_OK || tl_numel(t) == 0)
        return status;
    double std = gain * sqrt(2.0 / (f.in + f.out)), bound = sqrt(3.0) * std;
    return normal ? fill(t, true, 0, std) : fill(t, false, -bound, bound);
}

tl_status tl_init_xavier_uniform(tl_tensor *t, double gain)
{
    return xavier(t, gain, false);
}

tl_status tl_init_xavier_normal(tl_tensor *t, double gain)
{
    return xavier(t, gain, true);
}

static tl_status kaiming(tl_tensor *t, double a, bool fan_out, bool normal)
{
    struct fans f;
    tl_status status = fans_of(t, &f);
    if (status != TL_OK || tl_numel(t) == 0)
        return status;
    double gain = sqrt(2.0 / (1 + a * a)), std = gain / sqrt(fan_out ? f.out : f.in), bound = sqrt(3.0) * std;
    return normal ? fill(t, true, 0, std) : fill(t, false, -bound, bound);
}

tl_status tl_init_kaiming_uniform(tl_tensor *t, double a, bool fan_out)
{
    return kaiming(t, a, fan_out, false);
}

tl_status tl_init_kaiming_normal(tl_tensor *t, double a, bool fan_out)
{
    return kaiming(t, a, fan_out, true);
}

/* ---- Truncated normal ------------------------------------------------------------------------------------------------ */

struct truncated {
    double mean, std, low, high;
};

/* Elements of t where `again` is true become those of `fresh`. */
static bool replace_where(tl_tensor *t, tl_tensor *again, tl_tensor *fresh)
{
    return tl_copy_(t, tl_where(again, fresh, t)) != NULL;
}

static bool any(tl_tensor *mask)
{
    tl_tensor *found = tl_any(mask);
    return found && tl_item(found) != 0;
}

static bool lies_within(tl_tensor *t, const struct truncated *d)
{
    tl_tensor *least = tl_numel(t) ? tl_amin(t) : NULL, *most = least ? tl_amax(t) : NULL;
    return tl_numel(t) == 0 || (most && tl_item(least) >= d->low && tl_item(most) <= d->high);
}

/* All of them are drawn anew each time, and used where they are needed: PyTorch's order. */
static tl_status redraw_outside(tl_tensor *t, const struct truncated *d)
{
    bool more = tl_normal_(t, d->mean, d->std, NULL) != NULL;
    while (more)
        TL_SCOPE {
            more = !lies_within(t, d); /* the rule, and quicker than the mask */
            tl_tensor *outside = more ? tl_logical_or(tl_lt(t, tl_number(d->low)), tl_gt(t, tl_number(d->high))) : NULL;
            more = more && any(outside) && replace_where(t, outside, tl_normal_(tl_empty_like(t), d->mean, d->std, NULL));
        }
    return tl_error_code();
}

/* Which of the candidates are refused: with the chance that the density at x lies below that at its peak. */
static tl_tensor *refused(tl_tensor *x, const struct truncated *d)
{
    double peak = d->mean < d->low ? d->low : d->mean > d->high ? d->high : d->mean, z = (peak - d->mean) / d->std;
    tl_tensor *density = tl_square(tl_div_s(tl_sub_s(x, d->mean), d->std));
    density = tl_sub_s(tl_mul_s(density, -0.5), -0.5 * z * z);
    return tl_gt(tl_log(tl_uniform_(tl_empty_like(x), 0, 1, NULL)), density);
}

static tl_status accept_by_density(tl_tensor *t, const struct truncated *d)
{
    tl_tensor *pending = refused(tl_uniform_(t, d->low, d->high, NULL), d);
    bool more = any(pending);
    pending = tl_keep(pending);
    while (more)
        TL_SCOPE {
            tl_tensor *fresh = tl_uniform_(tl_empty_like(t), d->low, d->high, NULL);
            more = replace_where(t, pending, fresh) && tl_copy_(pending, tl_logical_and(pending, refused(fresh, d))) && any(pending);
        }
    tl_release(pending);
    return tl_error_code();
}

tl_status tl_init_trunc_normal(tl_tensor *t, double mean, double std, double low, double high)
{
    const struct truncated d = {mean, std, low, high};
    if (!(low < high) || !(std > 0) || !isfinite(low) || !isfinite(high) || !isfinite(mean) || !isfinite(std))
        return tl_fail(TL_ERR_ARGUMENT, "init: a normal distribution of mean %g and deviation %g cannot be cut to [%g, %g]: expected finite numbers, a "
                       "deviation above 0, and low below high", mean, std, low, high);
    /* The share of the whole distribution that lies within the bounds. */
    double share = (erf((high - mean) / (std * sqrt(2.0))) - erf((low - mean) / (std * sqrt(2.0)))) / 2;
    tl_status s = TL_OK;
    if (t && !tl_is_none(t) && !tl_has_values(t)) /* nothing to look at, so nothing to draw again */
        return fill(t, true, mean, std);
    TL_NO_GRAD TL_SCOPE s = share > 0.3 ? redraw_outside(t, &d) : accept_by_density(t, &d);
    return s;
}

/* ---- Orthogonal ------------------------------------------------------------------------------------------------------ */

/* Make the n rows of m numbers orthonormal, from the first on (Gram and Schmidt's method, twice, which leaves rounding errors only).
 * Row k keeps a positive part along what it was, so this is the Q of the QR decomposition whose R has a positive diagonal. */
static void orthonormalise(double *row, int64_t n, int64_t m)
{
    for (int64_t k = 0; k < n; k++) {
        double *r = row + k * m, length = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t before = 0; before < k; before++) {
                double dot = 0;
                for (int64_t i = 0; i < m; i++)
                    dot += r[i] * row[before * m + i];
                for (int64_t i = 0; i < m; i++)
                    r[i] -= dot * row[before * m + i];
            }
        for (int64_t i = 0; i < m; i++)
            length += r[i] * r[i];
        for (int64_t i = 0; i < m; i++)
            r[i] /= sqrt(length);
    }
}

/* A tall matrix has orthogonal columns, a wide one rows. */
static tl_status orthogonal(tl_tensor *t, double gain)
{
    int64_t rows = tl_shape(t)[0], columns = rows ? tl_numel(t) / rows : 0;
    bool tall = rows >= columns;
    tl_tensor *drawn = tl_randn(TL_SHAPE(rows, columns), (struct tl_options){.device = "cpu"});
    drawn = tl_contiguous(tl_cast(tall ? tl_t(drawn) : drawn, TL_F64));
    double *row = tl_data_mut(drawn);
    if (!row)
        return tl_error_code();
    orthonormalise(row, tall ? columns : rows, tall ? rows : columns);
    tl_tensor *q = tl_mul_s(tall ? tl_t(drawn) : drawn, gain);
    return tl_copy_(t, tl_to_device(tl_reshape(q, tl_ndim(t), tl_shape(t)), tl_device_of(t))) ? TL_OK : tl_error_code();
}

tl_status tl_init_orthogonal(tl_tensor *t, double gain)
{
    tl_status s = t ? TL_OK : tl_error_code();
    if (!t)
        return s != TL_OK ? s : tl_fail(TL_ERR_ARGUMENT, "init: the tensor is NULL, and no earlier call failed");
    if (tl_ndim(t) < 2)
        return tl_fail(TL_ERR_SHAPE, "init: orthogonal rows need a weight of two or more dimensions, not %d", tl_ndim(t));
    if (!tl_is_none(t) && !tl_has_values(t))
        return fill(t, true, 0, gain);
    if (tl_numel(t) > 0)
        TL_NO_GRAD TL_SCOPE s = orthogonal(t, gain);
    return s;
}

tl_status layer_init(tl_tensor *weight, tl_tensor *bias)
{
    tl_status status = tl_init_kaiming_uniform(weight, sqrt(5.0), false);
    struct fans f;
    if (status != TL_OK || !bias)
        return tl_error_code();
    if (tl_is_none(bias) || (status = fans_of(weight, &f)) != TL_OK)
        return status;
    double bound = f.in > 0 ? 1 / sqrt(f.in) : 0;
    return fill(bias, false, -bound, bound);
}
