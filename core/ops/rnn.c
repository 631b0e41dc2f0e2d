/* SPDX-License-Identifier: Apache-2.0
 *
 * rnn: one layer of a recurrent network in one direction, over whole sequences. The formulas are in <telar/ops.h>, their derivation
 * backwards in time in rnn_steps.c. A forward's kernel may leave what it computed at every step as a residual; a
 * gradient kernel that does not know it computes the steps again.
 */
#include "core/ops/rnn.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(rnn)};

/* ---- Checks ------------------------------------------------------------------------------------------------------------ */

/* Is the operand there, of this shape and of x's dtype? */
static tl_status demand_like(const char *op, const char *what, const struct tl_meta *x, const struct tl_meta *m, int ndim, int64_t rows,
                             int64_t columns)
{
    int64_t shape[2] = {rows, columns};
    if (m->ndim < 0)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %s is TL_NONE; it must be given", op, what);
    if (m->ndim != ndim || m->shape[0] != rows || (ndim > 1 && m->shape[1] != columns))
        return tl_fail(TL_ERR_SHAPE, "%s: %s must be %s, not %s", op, what, SHAPE_TEXT(ndim, shape), META_TEXT(m));
    return demand_same_dtype(op, "the input", x, what, m);
}

static tl_status demand_cell(const char *op, const struct tl_meta *in, const struct tl_rnn_attrs *a)
{
    const struct tl_meta *x = &in[RNN_X], *h = &in[RNN_H];
    if (a->mode < TL_RNN_TANH || a->mode > TL_RNN_GRU)
        return tl_fail(TL_ERR_ARGUMENT, "%s: there is no mode %lld; TL_RNN_TANH, TL_RNN_RELU, TL_RNN_LSTM and TL_RNN_GRU are 0 to 3", op,
                       (long long)a->mode);
    if (x->ndim != 3 || x->shape[0] < 1)
        return tl_fail(TL_ERR_SHAPE, "%s: the input must be [steps, samples, features], with one step or more, not %s", op, META_TEXT(x));
    if (h->ndim != 2 || h->shape[1] < 1)
        return tl_fail(TL_ERR_SHAPE, "%s: h0 must be [samples, hidden], with a hidden size of one or more, not %s", op, META_TEXT(h));
    if ((in[RNN_C].ndim >= 0) != (a->mode == TL_RNN_LSTM))
        return tl_fail(TL_ERR_ARGUMENT, a->mode == TL_RNN_LSTM ? "%s: an LSTM needs c0" : "%s: c0 is of an LSTM only; leave TL_NONE", op);
    return demand_floating(op, "the input", x);
}

static tl_status demand_operands(const char *op, const struct tl_meta *in, const struct tl_rnn_attrs *a)
{
    tl_status s = demand_cell(op, in, a);
    if (s != TL_OK)
        return s;
    const struct tl_meta *x = &in[RNN_X], *lengths = &in[RNN_LENGTHS];
    int64_t hidden = in[RNN_H].shape[1], rows, samples = x->shape[1];
    if (__builtin_mul_overflow(hidden, rnn_gates(a->mode), &rows))
        return tl_fail(TL_ERR_LIMIT, "%s: a hidden size of %lld is too large", op, (long long)hidden);
    s = demand_like(op, "h0", x, &in[RNN_H], 2, samples, hidden);
    if (s == TL_OK && a->mode == TL_RNN_LSTM)
        s = demand_like(op, "c0", x, &in[RNN_C], 2, samples, hidden);
    if (s == TL_OK)
        s = demand_like(op, "w_ih", x, &in[RNN_W_IH], 2, rows, x->shape[2]);
    if (s == TL_OK)
        s = demand_like(op, "w_hh", x, &in[RNN_W_HH], 2, rows, hidden);
    for (int i = RNN_B_IH; i <= RNN_B_HH && s == TL_OK; i++)
        if (in[i].ndim >= 0)
            s = demand_like(op, i == RNN_B_IH ? "b_ih" : "b_hh", x, &in[i], 1, rows, 0);
    if (s != TL_OK || lengths->ndim < 0)
        return s;
    if (lengths->ndim != 1 || lengths->shape[0] != samples)
        return tl_fail(TL_ERR_SHAPE, "%s: lengths must be [%lld], one for each sample, not %s", op, (long long)samples, META_TEXT(lengths));
    return demand_index(op, "lengths", lengths);
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    tl_status s = demand_operands("rnn", in, attrs);
    if (s != TL_OK)
        return s;
    out[0] = in[RNN_X];
    out[0].shape[2] = in[RNN_H].shape[1];
    out[1] = in[RNN_H];
    if (in[RNN_C].ndim >= 0)
        out[2] = in[RNN_C];
    return TL_OK;
}

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    const struct tl_rnn_attrs *a = attrs;
    tl_status s = demand_operands("rnn_grad", in, a);
    struct tl_meta y = in[RNN_X];
    y.shape[2] = in[RNN_H].ndim == 2 ? in[RNN_H].shape[1] : 0;
    for (int i = RNN_Y; i <= RNN_DY && s == TL_OK; i++) {
        s = demand_same_shape("rnn_grad", i == RNN_Y ? "y" : "dy", &in[i], "what rnn gives", &y);
        if (s == TL_OK)
            s = demand_same_dtype("rnn_grad", "the input", &y, i == RNN_Y ? "y" : "dy", &in[i]);
    }
    if (s == TL_OK)
        s = demand_like("rnn_grad", "dh", &y, &in[RNN_DH], 2, y.shape[1], y.shape[2]);
    if (s == TL_OK && a->mode == TL_RNN_LSTM)
        s = demand_like("rnn_grad", "dc", &y, &in[RNN_DC], 2, y.shape[1], y.shape[2]);
    for (int i = 0; i < RNN_GRADIENTS && s == TL_OK; i++)
        out[i] = in[i];
    return s;
}

/* Every weight is used once for each step of each sample. */
static int64_t multiply_adds(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs, (void)out;
    struct tl_meta steps = {.ndim = 2, .shape = {in[RNN_X].shape[0], in[RNN_X].shape[1]}};
    return sums_of(&steps, count(&in[RNN_W_IH], 0, 2) + count(&in[RNN_W_HH], 0, 2));
}

/* Back to the operands, and to the weights. */
static int64_t multiply_adds_of_grad(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    int64_t forward = multiply_adds(in, n_in, attrs, out);
    return forward > INT64_MAX / 2 ? INT64_MAX : 2 * forward;
}

/* ---- Gradient ----------------------------------------------------------------------------------------------------------- */

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_rnn_attrs *a = tl_grad_attrs(g);
    tl_tensor *in[RNN_GRAD_INPUTS], *out[RNN_GRADIENTS] = {NULL};
    for (int i = 0; i < RNN_INPUTS; i++)
        in[i] = tl_grad_input(g, i);
    in[RNN_Y] = tl_grad_output(g, 0);
    in[RNN_DY] = tl_grad_arriving(g, 0);
    in[RNN_DH] = tl_grad_arriving(g, 1);
    in[RNN_DC] = a->mode == TL_RNN_LSTM ? tl_grad_arriving(g, 2) : TL_NONE;
    for (int i = 0; i < RNN_GRAD_INPUTS; i++)
        if (!in[i])
            return tl_error_code();
    /* Under create_graph the simpler ops are recorded, so that the gradient has a gradient. */
    tl_status s = tl_grad_enabled() ? rnn_decompose_grad(a, in, RNN_GRAD_INPUTS, out)
                                    : tl_grad_call(g, "rnn_grad", a, in, RNN_GRAD_INPUTS, out);
    for (int i = 0; i < RNN_GRADIENTS && s == TL_OK; i++)
        if (tl_grad_wants(g, i) && tl_grad_input_meta(g, i)->ndim >= 0)
            s = tl_grad_set(g, i, out[i]);
    return s;
}

const tl_op tl_op_rnn = {
    .struct_size = sizeof(tl_op),
    .name = "rnn",
    .formula = "y[t] = h = tanh(w_ih x[t] + b_ih + w_hh h + b_hh), or the gates of an LSTM or GRU",
    .n_in = RNN_INPUTS,
    .n_out = 3,
    .optional_in = 1u << RNN_C | 1u << RNN_B_IH | 1u << RNN_B_HH | 1u << RNN_LENGTHS,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_rnn_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = (1u << RNN_INPUTS) - 1,
    .saves_outputs = 1u << 0,
    .decompose = rnn_decompose,
    .multiply_adds = multiply_adds,
};

const tl_op tl_op_rnn_grad = {
    .struct_size = sizeof(tl_op),
    .name = "rnn_grad",
    .formula = "gradients of x, h0, c0, w_ih, w_hh, b_ih, b_hh, backwards through time",
    .flags = TL_OP_INTERNAL,
    .n_in = RNN_GRAD_INPUTS,
    .n_out = RNN_GRADIENTS,
    .optional_in = 1u << RNN_C | 1u << RNN_B_IH | 1u << RNN_B_HH | 1u << RNN_LENGTHS | 1u << RNN_DC,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_rnn_attrs),
    .infer = infer_grad,
    .decompose = rnn_decompose_grad,
    .multiply_adds = multiply_adds_of_grad,
};

tl_tensor *tl_rnn_with(tl_tensor *x, tl_tensor *h0, tl_tensor *c0, tl_tensor *w_ih, tl_tensor *w_hh, tl_tensor *b_ih, tl_tensor *b_hh,
                       tl_tensor *lengths, tl_tensor **h_n, tl_tensor **c_n, const struct tl_rnn_attrs *o)
{
    tl_tensor *in[RNN_INPUTS] = {x, h0, c0, w_ih, w_hh, b_ih, b_hh, as_index("rnn", lengths)}, *out[3] = {NULL};
    tl_op_call(&tl_op_rnn, o, in, RNN_INPUTS, out);
    if (h_n)
        *h_n = out[1];
    if (c_n)
        *c_n = out[2];
    return out[0];
}
