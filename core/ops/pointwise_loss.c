/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses that are a pointwise op and a reduction: smooth_l1_loss, bce_loss, bce_with_logits_loss, as ops of their own, because
 * the graph shows them under one name. Their gradients are those of the pointwise op, given every element's share of dy.
 * And l1_loss and kl_div, plain compositions as in PyTorch.
 */
#include <telar/pointwise.h>

#include "core/ops/loss.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(loss)};

static tl_tensor *run(const tl_op *op, tl_tensor *x, tl_tensor *target, bool strict, const struct tl_loss_attrs *o)
{
    return loss_operands(op->name, &x, &target, strict) ? tl_op_call1(op, o, (tl_tensor *[]){x, target}, 2) : NULL;
}

static tl_status grad(struct tl_grad_ctx *g, const char *pointwise)
{
    const struct tl_loss_attrs *a = tl_grad_attrs(g);
    const struct pointwise *pw = op_entry_named(pointwise)->pointwise;
    const struct tl_pointwise_attrs attrs = {.struct_size = sizeof attrs, .p = a->beta};
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    tl_tensor *x = tl_grad_input(g, 0), *t = tl_grad_input(g, 1);
    tl_tensor *share = loss_share(tl_grad_arriving(g, 0), a->reduction, count(m, 0, m->ndim));
    if (share && a->reduction != TL_NO_REDUCTION)
        share = tl_expand(share, m->ndim, m->shape);
    if (!x || !t || !share)
        return tl_error_code();
    for (int i = 0; i < 2; i++) {
        tl_tensor *result = NULL, *operands[3] = {share, x, t}, *used[3];
        int n = 0;
        if (!tl_grad_wants(g, i))
            continue;
        for (int k = TL_PW_G; k <= TL_PW_B; k++)
            if (pw->uses[i] & (1u << k))
                used[n++] = operands[k];
        if (tl_grad_enabled())
            result = pw->differentiable[i](share, x, t, NULL, NULL, tl_scalar(attrs.p), tl_scalar(attrs.q));
        else
            pointwise_compute(pw->kernel[i], &attrs, used, n, m->dtype, &result);
        if (tl_grad_set(g, i, result) != TL_OK)
            return tl_error_code();
    }
    return TL_OK;
}

#define POINTWISE_LOSS(op, pointwise, call, graph_name, text)                                           \
    static tl_status infer_##op(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)   \
    {                                                                                                   \
        (void)n_in;                                                                                     \
        struct tl_loss_attrs *a = attrs;                                                                \
        a->beta = tl_attr_or(a->beta, 1);                                                               \
        if (!(a->beta > 0))                                                                             \
            return tl_fail(TL_ERR_ARGUMENT, #op ": beta is %g; it must be positive", a->beta);          \
        return loss_infer(#op, &in[0], &in[1], a->reduction, out);                                      \
    }                                                                                                   \
    static tl_status grad_##op(struct tl_grad_ctx *g)                                                   \
    {                                                                                                   \
        return grad(g, #pointwise);                                                                     \
    }                                                                                                   \
    static tl_status decompose_##op(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out) \
    {                                                                                                   \
        (void)n_in;                                                                                     \
        const struct tl_loss_attrs *a = attrs;                                                          \
        out[0] = loss_reduce(call, a->reduction);                                                       \
        return made(out[0]);                                                                            \
    }                                                                                                   \
    const tl_op tl_op_##op = {                                                                          \
        .struct_size = sizeof(tl_op),                                                                   \
        .name = #op,                                                                                    \
        .formula = text,                                                                                \
        .flags = TL_OP_COMPOSITE | TL_OP_PROMOTE | TL_OP_FLOATING,                                      \
        .n_in = 2,                                                                                      \
        .n_out = 1,                                                                                     \
        .attrs = fields,                                                                                \
        .attrs_size = sizeof(struct tl_loss_attrs),                                                     \
        .grad_name = graph_name,                                                                        \
        .infer = infer_##op,                                                                            \
        .grad = grad_##op,                                                                              \
        .saves_inputs = 1u << 0 | 1u << 1,                                                              \
        .decompose = decompose_##op,                                                                    \
    };

POINTWISE_LOSS(smooth_l1_loss, smooth_l1_error, tl_smooth_l1_error(in[0], in[1], a->beta), "SmoothL1LossBackward0",
               "y = mean of d^2 / 2 beta where d = |x - target| < beta, else d - beta / 2")
POINTWISE_LOSS(bce_loss, bce_error, tl_bce_error(in[0], in[1]), "BinaryCrossEntropyBackward0",
               "y = mean of -(target ln x + (1 - target) ln(1 - x))")
POINTWISE_LOSS(bce_with_logits_loss, bce_logits_error, tl_bce_logits_error(in[0], in[1]), "BinaryCrossEntropyWithLogitsBackward0",
               "y = mean of bce(sigmoid(x), target)")

/* With beta 0 only the straight parts are left, as in PyTorch. */
tl_tensor *tl_smooth_l1_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o)
{
    if (o && tl_attr_or(o->beta, 1) == 0)
        return tl_l1_loss_with(x, target, o);
    return run(&tl_op_smooth_l1_loss, x, target, false, o);
}

/* Here targets of another shape are refused, as in PyTorch. */
tl_tensor *tl_bce_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o)
{
    return run(&tl_op_bce_loss, x, target, true, o);
}

tl_tensor *tl_bce_with_logits_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o)
{
    return run(&tl_op_bce_with_logits_loss, x, target, true, o);
}

tl_tensor *tl_l1_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o)
{
    int64_t reduction = o ? o->reduction : TL_MEAN;
    if (loss_demand_reduction("l1_loss", reduction, false) != TL_OK || !loss_operands("l1_loss", &x, &target, false))
        return NULL;
    return loss_reduce(tl_abs(tl_sub(x, target)), reduction);
}

tl_tensor *tl_kl_div_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o)
{
    int64_t reduction = o ? o->reduction : TL_MEAN;
    if (loss_demand_reduction("kl_div", reduction, true) != TL_OK || operand_missing("kl_div", x))
        return NULL;
    double samples = x->ndim ? (double)x->shape[0] : 1; /* of the input, be it broadcast or not */
    if (!loss_operands("kl_div", &x, &target, false))
        return NULL;
    tl_tensor *losses = o && o->log_target ? tl_mul(tl_exp(target), tl_sub(target, x)) : tl_kl_error(x, target);
    return reduction == TL_BATCH_MEAN ? tl_div_s(tl_sum(losses), samples) : loss_reduce(losses, reduction);
}
