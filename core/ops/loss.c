/* SPDX-License-Identifier: Apache-2.0
 *
 * What the losses share; see loss.h.
 */
#include "core/ops/loss.h"

tl_status loss_demand_reduction(const char *op, int64_t reduction, bool batch_mean)
{
    if (reduction == TL_MEAN || reduction == TL_SUM || reduction == TL_NO_REDUCTION || (batch_mean && reduction == TL_BATCH_MEAN))
        return TL_OK;
    return tl_fail(TL_ERR_ARGUMENT, "%s: reduction %lld; TL_MEAN, TL_SUM%s or TL_NO_REDUCTION is expected", op, (long long)reduction,
                   batch_mean ? ", TL_BATCH_MEAN" : "");
}

bool loss_operands(const char *op, tl_tensor **x, tl_tensor **target, bool strict)
{
    tl_tensor *a = *x, *b = *target;
    if (operand_missing(op, a) || operand_missing(op, b))
        return false;
    if (a->ndim != b->ndim || memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0) {
        int ndim = a->ndim;
        int64_t shape[TL_MAX_DIMS];
        memcpy(shape, a->shape, sizeof shape);
        if (strict || !broadcast_shapes(&ndim, shape, b->ndim, b->shape)) {
            tl_fail(TL_ERR_SHAPE, "%s: the input %s and the target %s %s", op, TENSOR_TEXT(a), TENSOR_TEXT(b),
                    strict ? "must have the same shape" : "do not broadcast");
            return false;
        }
        static atomic_flag said = ATOMIC_FLAG_INIT;
        if (!atomic_flag_test_and_set(&said))
            tl_log_message(TL_LOG_WARN, op, "the input %s and the target %s have different shapes and are broadcast: is that meant?",
                           TENSOR_TEXT(a), TENSOR_TEXT(b));
        a = tl_expand(a, ndim, shape);
        b = tl_expand(b, ndim, shape);
    }
    *x = a;
    *target = b;
    return a && b;
}

tl_status loss_infer(const char *op, const struct tl_meta *x, const struct tl_meta *target, int64_t reduction, struct tl_meta *out)
{
    tl_status s = loss_demand_reduction(op, reduction, false);
    if (s == TL_OK)
        s = demand_floating(op, "the input", x);
    if (s == TL_OK)
        s = demand_same_dtype(op, "the input", x, "the target", target);
    if (s == TL_OK)
        s = demand_same_shape(op, "the input", x, "the target", target);
    *out = *x;
    if (reduction != TL_NO_REDUCTION)
        out->ndim = 0;
    return s;
}

tl_tensor *loss_reduce(tl_tensor *losses, int64_t reduction)
{
    if (!losses || reduction == TL_NO_REDUCTION)
        return losses;
    return reduction == TL_SUM ? tl_sum(losses) : tl_mean(losses);
}

tl_tensor *loss_share(tl_tensor *dy, int64_t reduction, int64_t n)
{
    return reduction == TL_MEAN ? tl_div_s(dy, (double)n) : dy;
}
