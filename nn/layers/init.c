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
