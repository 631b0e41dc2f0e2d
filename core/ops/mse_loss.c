/* SPDX-License-Identifier: Apache-2.0
 *
 * mse_loss: (x - t)^2 and its mean or sum. dx = dy 2 (x - t), divided by the number of elements for the mean; dt = -dx.
 */
#include "core/ops/loss.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(loss)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    return loss_infer("mse_loss", &in[0], &in[1], ((const struct tl_loss_attrs *)attrs)->reduction, out);
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_meta loss;
    tl_status s = loss_infer("mse_loss_grad", &in[1], &in[2], ((const struct tl_loss_attrs *)attrs)->reduction, &loss);
    if (s == TL_OK)
        s = demand_same_shape("mse_loss_grad", "dy", &in[0], "the loss", &loss);
    out[0] = in[1];
    return s;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    out[0] = loss_reduce(tl_squared_error(in[0], in[1]), ((const struct tl_loss_attrs *)attrs)->reduction);
    return made(out[0]);
}

static tl_status decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_loss_attrs *a = attrs;
    out[0] = tl_mul(tl_sub(in[1], in[2]), tl_mul_s(loss_share(in[0], a->reduction, in[1]->numel), 2));
    return made(out[0]);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    tl_tensor *in[3] = {tl_grad_arriving(g, 0), tl_grad_input(g, 0), tl_grad_input(g, 1)}, *out[1] = {NULL};
    if (in[0] && in[1] && in[2])
        tl_grad_call(g, "mse_loss_grad", tl_grad_attrs(g), in, 3, out);
    if (tl_grad_wants(g, 0) && tl_grad_set(g, 0, out[0]) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, 1) ? tl_grad_set(g, 1, tl_neg(out[0])) : TL_OK;
}

/* dx is linear in dy and in x - t. */
static tl_status grad_grad(struct tl_grad_ctx *g)
{
    const struct tl_loss_attrs *a = tl_grad_attrs(g);
    tl_tensor *v = tl_grad_arriving(g, 0), *dy = tl_grad_input(g, 0), *x = tl_grad_input(g, 1), *t = tl_grad_input(g, 2);
    if (!v || !dy || !x || !t)
        return tl_error_code();
    double factor = a->reduction == TL_MEAN ? 2 / (double)x->numel : 2;
    if (tl_grad_wants(g, 0)) {
        tl_tensor *d = tl_mul_s(tl_mul(v, tl_sub(x, t)), factor);
        if (tl_grad_set(g, 0, a->reduction == TL_NO_REDUCTION ? d : tl_sum(d)) != TL_OK)
            return tl_error_code();
    }
    tl_tensor *dx = tl_mul(v, tl_mul_s(dy, factor));
    if (tl_grad_wants(g, 1) && tl_grad_set(g, 1, dx) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, 2) ? tl_grad_set(g, 2, tl_neg(dx)) : TL_OK;
}

const tl_op tl_op_mse_loss = {
    .struct_size = sizeof(tl_op),
    .name = "mse_loss",
    .formula = "y = mean of (x - target)^2",
    .flags = TL_OP_PROMOTE | TL_OP_FLOATING,
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_loss_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0 | 1u << 1,
    .decompose = decompose,
};

const tl_op tl_op_mse_loss_grad = {
    .struct_size = sizeof(tl_op),
    .name = "mse_loss_grad",
    .formula = "dx = dy * 2 (x - target) / n",
    .flags = TL_OP_INTERNAL,
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_loss_attrs),
    .grad_name = "MseLossBackwardBackward0",
    .infer = infer_grad,
    .grad = grad_grad,
    .saves_inputs = 1u << 0 | 1u << 1 | 1u << 2,
    .decompose = decompose_grad,
};

tl_tensor *tl_mse_loss_with(tl_tensor *x, tl_tensor *target, const struct tl_loss_attrs *o)
{
    return loss_operands("mse_loss", &x, &target, false) ? tl_op_call1(&tl_op_mse_loss, o, (tl_tensor *[]){x, target}, 2) : NULL;
}
