/* SPDX-License-Identifier: Apache-2.0
 *
 * addmm: Y = beta C + alpha A B, where C broadcasts; and linear, y = x W^T + b, which is one. Gradients:
 *     dC = beta dY, summed over what was repeated       dA = alpha dY B^T       dB = alpha A^T dY
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(addmm)};

enum { C, A, B };

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_addmm_attrs *o = attrs;
    const struct tl_meta *a = &in[A], *b = &in[B];
    o->alpha = tl_attr_or(o->alpha, 1);
    o->beta = tl_attr_or(o->beta, 1);
    if (a->ndim != 2 || b->ndim != 2)
        return tl_fail(TL_ERR_SHAPE, "addmm: cannot multiply %s by %s: two matrices are expected", META_TEXT(a), META_TEXT(b));
    tl_status s = demand_same_dtype("addmm", "the first matrix", a, "the second", b);
    if (s == TL_OK)
        s = demand_same_dtype("addmm", "the matrix", a, "what is added", &in[C]);
    if (s == TL_OK)
        s = demand_floating("addmm", "the matrix", a);
    if (s != TL_OK)
        return s;
    if (a->shape[1] != b->shape[0])
        return tl_fail(TL_ERR_SHAPE, "addmm: cannot multiply %s by %s: inner sizes %lld and %lld differ%s", META_TEXT(a), META_TEXT(b),
                       (long long)a->shape[1], (long long)b->shape[0],
                       a->shape[1] == b->shape[1] ? "; did you mean tl_t() of the second?" : "");
    out[0] = (struct tl_meta){.dtype = a->dtype, .ndim = 2, .shape = {a->shape[0], b->shape[1]}};
    int ndim = 2;
    int64_t shape[TL_MAX_DIMS] = {a->shape[0], b->shape[1]};
    if (in[C].ndim > 2 || !broadcast_shapes(&ndim, shape, in[C].ndim, in[C].shape) || shape[0] != a->shape[0] || shape[1] != b->shape[1])
        return tl_fail(TL_ERR_SHAPE, "addmm: %s does not broadcast to the product's shape %s", META_TEXT(&in[C]), META_TEXT(&out[0]));
    return TL_OK;
}

static int64_t multiply_adds(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return sums_of(&out[0], in[A].shape[1]);
}

static tl_tensor *scaled(tl_tensor *t, double factor)
{
    return !t || factor == 1 ? t : tl_mul_s(t, factor);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_addmm_attrs *o = tl_grad_attrs(g);
    tl_tensor *dy = tl_grad_arriving(g, 0), *dp = scaled(dy, o->alpha);
    if (tl_grad_wants(g, C) && tl_grad_set(g, C, scaled(dy, o->beta)) != TL_OK)
        return tl_error_code();
    if (tl_grad_wants(g, A) && tl_grad_set(g, A, tl_mm(dp, tl_t(tl_grad_input(g, B)))) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, B) ? tl_grad_set(g, B, tl_mm(tl_t(tl_grad_input(g, A)), dp)) : TL_OK;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_addmm_attrs *o = attrs;
    /* What has the factor 0 is not looked at: it may be NaN. */
    tl_tensor *product = o->alpha == 0 ? NULL : scaled(tl_mm(in[A], in[B]), o->alpha);
    tl_tensor *added = o->beta == 0 ? NULL : scaled(in[C], o->beta);
    if (o->alpha == 0) {
        struct tl_meta m = {.dtype = (tl_dtype)in[A]->dtype, .ndim = 2, .shape = {in[A]->shape[0], in[B]->shape[1]}};
        product = zeros_for(&m, in[A]);
    }
    out[0] = o->beta == 0 ? product : tl_add(product, added);
    return made(out[0]);
}

const tl_op tl_op_addmm = {
    .struct_size = sizeof(tl_op),
    .name = "addmm",
    .formula = "y = beta * c + alpha * (a @ b)",
    .n_in = 3,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_addmm_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << A | 1u << B,
    .decompose = decompose,
    .multiply_adds = multiply_adds,
};

tl_tensor *tl_addmm_with(tl_tensor *input, tl_tensor *a, tl_tensor *b, const struct tl_addmm_attrs *o)
{
    return tl_op_call1(&tl_op_addmm, o, (tl_tensor *[]){input, a, b}, 3);
}

/* Say what is wrong in the words of a layer, not of the product that it becomes. */
static bool fits(const tl_tensor *x, const tl_tensor *weight, const tl_tensor *bias)
{
    if (weight->ndim != 2)
        tl_fail(TL_ERR_SHAPE, "linear: the weight must be [out x in], not %s", TENSOR_TEXT(weight));
    else if (x->ndim == 0 || x->shape[x->ndim - 1] != weight->shape[1])
        tl_fail(TL_ERR_SHAPE, "linear: the weight %s expects %lld features, but the input is %s", TENSOR_TEXT(weight),
                (long long)weight->shape[1], TENSOR_TEXT(x));
    else if (!is_none(bias) && (bias->ndim != 1 || bias->shape[0] != weight->shape[0]))
        tl_fail(TL_ERR_SHAPE, "linear: the bias must be [%lld], not %s", (long long)weight->shape[0], TENSOR_TEXT(bias));
    else if (x->dtype != weight->dtype || (!is_none(bias) && bias->dtype != x->dtype))
        tl_fail(TL_ERR_DTYPE, "linear: input %s, weight %s and bias %s must have one element type (convert with tl_cast())", tl_dtype_name((tl_dtype)x->dtype),
                tl_dtype_name((tl_dtype)weight->dtype), is_none(bias) ? "none" : tl_dtype_name((tl_dtype)bias->dtype));
    else
        return true;
    return false;
}

tl_tensor *tl_linear(tl_tensor *x, tl_tensor *weight, tl_tensor *bias)
{
    if (operand_missing("linear", x) || operand_missing("linear", weight) || (!bias && operand_missing("linear", bias)) ||
        !fits(x, weight, bias))
        return NULL;
    tl_tensor *turned = tl_t(weight);
    if (is_none(bias))
        return tl_matmul(x, turned);
    if (x->ndim == 2)
        return tl_addmm_with(bias, x, turned, NULL);
    int64_t shape[TL_MAX_DIMS], rows = 1;
    for (int i = 0; i < x->ndim - 1; i++)
        rows *= shape[i] = x->shape[i];
    shape[x->ndim - 1] = weight->shape[0];
    tl_tensor *flat = tl_reshape(x, TL_SHAPE(rows, weight->shape[1])), *y = flat ? tl_addmm_with(bias, flat, turned, NULL) : NULL;
    return y ? tl_view(y, x->ndim, shape) : NULL;
}
