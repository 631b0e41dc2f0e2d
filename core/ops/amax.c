/* SPDX-License-Identifier: Apache-2.0
 *
 * amax and amin over dimensions, and max and min of everything. Equal extremes share the gradient evenly; among NaNs it is shared by
 * the NaNs where max and min are concerned, and NaN everywhere where amax and amin are, as in PyTorch.
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(reduce)};

static tl_status infer(const char *op, const struct tl_meta *in, struct tl_reduce_attrs *a, struct tl_meta *out)
{
    tl_status s = reduce_infer(op, &in[0], a, out);
    a->dtype = in[0].dtype;
    return s == TL_OK ? reduce_demand_elements(op, &in[0], a) : s;
}

static tl_status share(struct tl_grad_ctx *g, bool nans_win)
{
    const struct tl_reduce_attrs *a = tl_grad_attrs(g);
    const struct tl_meta *m = tl_grad_input_meta(g, 0);
    struct tl_reduce_attrs keep = reduce_keeping(a);
    tl_tensor *x = tl_grad_input(g, 0), *y = reduce_keep(tl_grad_output(g, 0), m, a);
    tl_tensor *dy = reduce_keep(tl_grad_arriving(g, 0), m, a);
    if (!x || !y || !dy)
        return tl_error_code();
    tl_tensor *winner = tl_eq(x, y);
    if (nans_win)
        winner = tl_logical_or(winner, tl_isnan(x)); /* then the extreme is NaN, and equal to nothing */
    return tl_grad_set(g, 0, tl_div(tl_where(winner, dy, tl_scalar(0)), tl_sum_with(winner, &keep)));
}

static tl_status grad_over_dims(struct tl_grad_ctx *g)
{
    return share(g, false);
}

static tl_status grad_of_all(struct tl_grad_ctx *g)
{
    return share(g, true);
}

#define EXTREME(op, kernel_name, graph_name, text, gradient, extra)                                                  \
    static tl_status infer_##op(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)                \
    {                                                                                                                \
        (void)n_in;                                                                                                  \
        return infer(#op, in, attrs, out);                                                                           \
    }                                                                                                                \
    const tl_op tl_op_##op = {                                                                                       \
        .struct_size = sizeof(tl_op),                                                                                \
        .name = #op,                                                                                                 \
        .formula = text,                                                                                             \
        .flags = TL_OP_REDUCTION | (extra),                                                                          \
        .n_in = 1,                                                                                                   \
        .n_out = 1,                                                                                                  \
        .attrs = fields,                                                                                             \
        .attrs_size = sizeof(struct tl_reduce_attrs),                                                                \
        .kernel = kernel_name,                                                                                       \
        .grad_name = graph_name,                                                                                     \
        .infer = infer_##op,                                                                                         \
        .grad = gradient,                                                                                            \
        .saves_inputs = 1u << 0,                                                                                     \
        .saves_outputs = 1u << 0,                                                                                    \
    };

EXTREME(amax, NULL, "AmaxBackward0", "y = largest of x over dims", grad_over_dims, 0)
EXTREME(amin, NULL, "AminBackward0", "y = smallest of x over dims", grad_over_dims, 0)
EXTREME(max, "amax", "MaxBackward1", "y = largest of x", grad_of_all, TL_OP_INTERNAL)
EXTREME(min, "amin", "MinBackward1", "y = smallest of x", grad_of_all, TL_OP_INTERNAL)

tl_tensor *tl_amax_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    return tl_op_call1(&tl_op_amax, o, &t, 1);
}

tl_tensor *tl_amin_with(tl_tensor *t, const struct tl_reduce_attrs *o)
{
    return tl_op_call1(&tl_op_amin, o, &t, 1);
}

tl_tensor *tl_max(tl_tensor *t)
{
    return tl_op_call1(&tl_op_max, NULL, &t, 1);
}

tl_tensor *tl_min(tl_tensor *t)
{
    return tl_op_call1(&tl_op_min, NULL, &t, 1);
}
