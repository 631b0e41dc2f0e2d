/* SPDX-License-Identifier: Apache-2.0
 *
 * cross_entropy: nll_loss of log_softmax over the classes. The target is class numbers, or the probability of every class, in
 * which case y = -sum over classes of target * log_softmax(x), averaged over samples. Label smoothing s takes 1 - s of the
 * target and spreads s evenly over all classes.
 */
#include "core/ops/loss.h"

static tl_tensor *reduced(tl_tensor *losses, int64_t reduction, double samples)
{
    if (reduction == TL_NO_REDUCTION)
        return losses;
    tl_tensor *sum = tl_sum(losses);
    return reduction == TL_MEAN ? tl_div_s(sum, samples) : sum;
}

static tl_tensor *of_probabilities(tl_tensor *logp, tl_tensor *target, const struct tl_nll_attrs *a, int dim)
{
    double classes = (double)logp->shape[dim], s = a->label_smoothing;
    if (s > 0)
        target = tl_add_s(tl_mul_s(target, 1 - s), s / classes);
    tl_tensor *product = tl_mul(logp, target);
    if (a->reduction == TL_NO_REDUCTION)
        return tl_neg(tl_sum(product, .dims = TL_DIMS(dim)));
    tl_tensor *loss = tl_neg(tl_sum(product));
    return a->reduction == TL_MEAN ? tl_div_s(loss, (double)logp->numel / classes) : loss;
}

/* The part of the loss that smoothing adds: the mean over classes of -log p, where the label counts. */
static tl_tensor *smooth_part(tl_tensor *logp, tl_tensor *labels, const struct tl_nll_attrs *a, int dim)
{
    int64_t ignored = a->ignore ? a->ignore_index : -100;
    tl_tensor *unused = tl_eq(labels, tl_scalar_i64(ignored));
    tl_tensor *losses = tl_masked_fill(tl_neg(tl_sum(logp, .dims = TL_DIMS(dim))), unused, 0);
    if (a->reduction != TL_MEAN)
        return reduced(losses, a->reduction, 1);
    tl_tensor *counted = tl_sum(tl_logical_not(unused));
    return tl_div(tl_sum(losses), counted);
}

static bool fits(const tl_tensor *x, const tl_tensor *target, const struct tl_nll_attrs *a)
{
    if (!(a->label_smoothing >= 0 && a->label_smoothing <= 1))
        tl_fail(TL_ERR_ARGUMENT, "cross_entropy: label_smoothing is %g; it must be from 0 to 1", a->label_smoothing);
    else if (x->ndim == 0)
        tl_fail(TL_ERR_SHAPE, "cross_entropy: the input must have a dimension of classes: [classes] or [n x classes x …]");
    else if (!tl_dtype_is_float((tl_dtype)x->dtype))
        tl_fail(TL_ERR_DTYPE, "cross_entropy: the input is %s; floating numbers (logits) are expected", tl_dtype_name((tl_dtype)x->dtype));
    else if (tl_dtype_is_float((tl_dtype)target->dtype) &&
             (target->ndim != x->ndim || memcmp(target->shape, x->shape, (size_t)x->ndim * sizeof *x->shape) != 0))
        tl_fail(TL_ERR_SHAPE, "cross_entropy: a floating target is probabilities and needs the input's shape %s, not %s; labels are i64",
                TENSOR_TEXT(x), TENSOR_TEXT(target));
    else
        return true;
    return false;
}

tl_tensor *tl_cross_entropy_with(tl_tensor *x, tl_tensor *target, const struct tl_nll_attrs *o)
{
    struct tl_nll_attrs a = o ? *o : (struct tl_nll_attrs){0};
    if (operand_missing("cross_entropy", x) || operand_missing("cross_entropy", target) ||
        loss_demand_reduction("cross_entropy", a.reduction, false) != TL_OK || !fits(x, target, &a))
        return NULL;
    int dim = x->ndim == 1 ? 0 : 1;
    tl_tensor *logp = tl_log_softmax(x, dim);
    if (!logp)
        return NULL;
    if (tl_dtype_is_float((tl_dtype)target->dtype))
        return of_probabilities(logp, target, &a, dim);
    double s = a.label_smoothing;
    a.label_smoothing = 0;
    tl_tensor *labels = as_index("cross_entropy", target), *loss = labels ? tl_nll_loss_with(logp, labels, TL_NONE, &a) : NULL;
    if (!loss || s == 0)
        return loss;
    tl_tensor *smooth = smooth_part(logp, labels, &a, dim);
    return tl_add(tl_mul_s(loss, 1 - s), tl_mul_s(smooth, s / (double)x->shape[dim]));
}
