/* SPDX-License-Identifier: Apache-2.0
 *
 * max_pool2d: the largest element of each window. Its gradient puts dy where the element was that won: the first of equals, but the last
 * of NaNs. The forward's kernel leaves a residual that says which; a gradient kernel that does not know it looks again.
 *
 * Given the places, the gradient is linear in dy, and its own gradient is what stands there: max_pool2d_pick(x, y, v) takes v where x
 * has its maxima. That is linear in v, and the gradient of it is max_pool2d_grad again. None of the two depends on x otherwise.
 */
#include "core/ops/pool2d.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(pool2d)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    tl_status s = pool2d_demand_pictures("max_pool2d", "the input", &in[0]);
    if (s == TL_OK)
        s = pool2d_resolve("max_pool2d", attrs);
    out[0] = in[0];
    return s == TL_OK ? pool2d_windows("max_pool2d", attrs, in[0].shape + 2, out[0].shape + 2) : s;
}

/* Are x and y the input and the result of a max_pool2d, and t, the third, like `like`? */
static tl_status demand_pool(const char *op, const struct tl_meta *in, void *attrs, const struct tl_meta *like, const char *what)
{
    struct tl_meta y;
    tl_status s = infer(in, 1, attrs, &y);
    if (s == TL_OK)
        s = demand_same_shape(op, "y", &in[1], "what max_pool2d gives", &y);
    if (s == TL_OK)
        s = demand_same_shape(op, what, &in[2], like == &in[0] ? "x" : "y", like);
    for (int i = 1; i < 3 && s == TL_OK; i++)
        s = demand_same_dtype(op, "x", &in[0], i == 1 ? "y" : what, &in[i]);
    return s;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    out[0] = in[0];
    return demand_pool("max_pool2d_grad", in, attrs, &in[1], "dy");
}

static tl_status infer_pick(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    out[0] = in[1];
    return demand_pool("max_pool2d_pick", in, attrs, &in[0], "v");
}

static tl_status grad(struct tl_grad_ctx *g)
{
    struct tl_pool2d_attrs a = pool2d_again(tl_grad_attrs(g));
    tl_tensor *x = tl_grad_input(g, 0), *y = tl_grad_output(g, 0), *dy = tl_grad_arriving(g, 0), *out[1] = {NULL};
    if (x && y && dy)
        tl_grad_call(g, "max_pool2d_grad", &a, (tl_tensor *[]){x, y, dy}, 3, out);
    return tl_grad_set(g, 0, out[0]);
}

/* Of max_pool2d_grad and max_pool2d_pick: the other one, for the third operand; the places have no slope. */
static tl_status grad_by(struct tl_grad_ctx *g, const char *other)
{
    struct tl_pool2d_attrs a = pool2d_again(tl_grad_attrs(g));
    tl_tensor *x = tl_grad_input(g, 0), *y = tl_grad_input(g, 1), *v = tl_grad_arriving(g, 0), *out[1] = {NULL};
    for (int i = 0; i < 2; i++)
        if (tl_grad_wants(g, i) && tl_grad_set(g, i, TL_NONE) != TL_OK)
            return tl_error_code();
    if (!tl_grad_wants(g, 2))
        return TL_OK;
    if (x && y && v)
        tl_grad_call(g, other, &a, (tl_tensor *[]){x, y, v}, 3, out);
    return tl_grad_set(g, 2, out[0]);
}

static tl_status grad_of_grad(struct tl_grad_ctx *g)
{
    return grad_by(g, "max_pool2d_pick");
}

static tl_status grad_of_pick(struct tl_grad_ctx *g)
{
    return grad_by(g, "max_pool2d_grad");
}

const tl_op tl_op_max_pool2d = {
    .struct_size = sizeof(tl_op),
    .name = "max_pool2d",
    .formula = "y[n,c,i,j] = max over the window of x",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .grad_name = "MaxPool2DWithIndicesBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 0,
    .saves_outputs = 1u << 0,
    .batched_rank = 4,
};

const tl_op tl_op_max_pool2d_grad = {
    .struct_size = sizeof(tl_op),
    .name = "max_pool2d_grad",
    .formula = "dx = dy at the place of each window's maximum",
    .flags = TL_OP_INTERNAL,
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .grad_name = "MaxPool2DWithIndicesBackwardBackward0",
    .infer = infer_grad,
    .grad = grad_of_grad,
    .saves_inputs = 1u << 0 | 1u << 1,
};

const tl_op tl_op_max_pool2d_pick = {
    .struct_size = sizeof(tl_op),
    .name = "max_pool2d_pick",
    .formula = "y = v at the place of each window's maximum of x",
    .flags = TL_OP_INTERNAL,
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pool2d_attrs),
    .infer = infer_pick,
    .grad = grad_of_pick,
    .saves_inputs = 1u << 0 | 1u << 1,
};

tl_tensor *tl_max_pool2d_with(tl_tensor *x, const struct tl_pool2d_attrs *o)
{
    return tl_op_call1(&tl_op_max_pool2d, o, &x, 1);
}
