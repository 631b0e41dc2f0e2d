/* SPDX-License-Identifier: Apache-2.0
 *
 * dropout: zero with chance p, and scale the rest by 1 / (1 - p), so that the expectation stays. The mask is drawn as PyTorch
 * draws it, one Bernoulli number for each element in row-major order, so the same seed drops the same elements.
 */
#include "core/ops/shape_util.h"

tl_tensor *tl_dropout_with(tl_tensor *x, double p, const struct tl_dropout_attrs *o)
{
    if (operand_missing("dropout", x))
        return NULL;
    if (!(p >= 0 && p <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "dropout: p is a chance between 0 and 1, not %g", p);
        return NULL;
    }
    if (!tl_dtype_is_float((tl_dtype)x->dtype)) {
        tl_fail(TL_ERR_DTYPE, "dropout: the input is %s; floating numbers are expected", tl_dtype_name((tl_dtype)x->dtype));
        return NULL;
    }
    if ((o && o->eval) || p == 0)
        return x;
    if (p == 1)
        return tl_mul(x, tl_zeros_like(x));
    tl_tensor *mask = NULL;
    TL_NO_GRAD
    {
        mask = tl_div_(tl_bernoulli_(tl_empty_like(x), 1 - p, NULL), tl_scalar(1 - p));
    }
    return mask ? tl_mul(x, mask) : NULL;
}
