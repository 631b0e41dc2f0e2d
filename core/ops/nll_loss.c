/* SPDX-License-Identifier: Apache-2.0
 *
 * nll_loss: minus the log-probability of the right class, weighted by class, its mean over the weights of the labels that
 * count, or its sum. It is linear in x: the gradient is -weight (over the total weight) at the right class and 0 elsewhere,
 * and the gradient of the gradient is nll_loss again. The graph has another name for pictures of labels, as PyTorch does.
 */
#include "core/ops/loss.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(nll)};

/* ---- Forward ---------------------------------------------------------------------------------------------------------------- */

static tl_status resolve(const char *op, struct tl_nll_attrs *a)
{
    if (!a->ignore)
        a->ignore_index = -100;
    a->ignore = true;
    return loss_demand_reduction(op, a->reduction, false);
}

static tl_status demand_weight(const char *op, const struct tl_meta *x, const struct tl_meta *weight, int64_t classes)
{
    if (weight->ndim < 0)
        return TL_OK;
    if (weight->ndim != 1 || weight->shape[0] != classes)
        return tl_fail(TL_ERR_SHAPE, "%s: the weight must be [%lld], one for each class, not %s", op, (long long)classes, META_TEXT(weight));
    return demand_same_dtype(op, "the input", x, "the weight", weight);
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_nll_attrs *a = attrs;
    const struct tl_meta *x = &in[0], *labels = &in[1];
    tl_status s = resolve("nll_loss", a);
    if (s == TL_OK)
        s = demand_floating("nll_loss", "the input", x);
    if (s == TL_OK && labels->dtype != TL_I64)
        s = tl_fail(TL_ERR_DTYPE, "nll_loss: the labels are %s; class numbers in i64 are expected", tl_dtype_name(labels->dtype));
    if (s == TL_OK && x->ndim != 2 && x->ndim != 3)
        s = tl_fail(TL_ERR_SHAPE, "nll_loss: the input must be [n x classes] or [n x classes x d], not %s", META_TEXT(x));
    if (s != TL_OK)
        return s;
    bool fits = labels->ndim == x->ndim - 1 && labels->shape[0] == x->shape[0] && (x->ndim == 2 || labels->shape[1] == x->shape[2]);
    if (!fits)
        return tl_fail(TL_ERR_SHAPE, "nll_loss: labels %s do not go with an input of %s: one label is expected for each row of classes",
                       META_TEXT(labels), META_TEXT(x));
    a->classes = x->shape[1];
    out[0] = *labels;
    out[0].dtype = x->dtype;
    if (a->reduction != TL_NO_REDUCTION)
        out[0].ndim = 0;
    out[1] = (struct tl_meta){.dtype = x->dtype};
    return demand_weight("nll_loss", x, &in[2], a->classes);
}

/* Each label as an index along the classes (0 where it does not count), and its weight (0 there). */
static void read_labels(const struct tl_nll_attrs *a, tl_tensor *labels, tl_tensor *weight, tl_dtype dtype, tl_tensor **index, tl_tensor **weights)
{
    tl_tensor *counts = tl_ne(labels, tl_scalar_i64(a->ignore_index)), *w = tl_cast(counts, dtype);
    tl_tensor *class = tl_where(counts, labels, tl_scalar_i64(0));
    *index = class ? tl_unsqueeze(class, 1) : NULL;
    if (!is_none(weight) && class) {
        tl_tensor *of_class = tl_index_select(weight, 0, tl_reshape(class, TL_SHAPE(class->numel)));
        w = of_class ? tl_mul(w, tl_reshape(of_class, class->ndim, class->shape)) : NULL;
    }
    *weights = w;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_nll_attrs *a = attrs;
    tl_tensor *index, *weights;
    read_labels(a, in[1], in[2], (tl_dtype)in[0]->dtype, &index, &weights);
    tl_tensor *picked = index ? tl_gather(in[0], 1, index) : NULL;
    picked = picked ? tl_squeeze_dim(picked, 1) : NULL;
    /* What does not count adds nothing, be it infinite. */
    tl_tensor *losses = tl_where(tl_eq(weights, tl_scalar(0)), tl_scalar(0), tl_neg(tl_mul(picked, weights)));
    out[1] = tl_sum(weights);
    out[0] = a->reduction == TL_NO_REDUCTION ? losses : tl_sum(losses);
    if (a->reduction == TL_MEAN)
        out[0] = tl_div(out[0], out[1]);
    return out[0] && out[1] ? TL_OK : tl_error_code();
}

static tl_status grad(struct tl_grad_ctx *g)
{
    tl_tensor *in[4] = {tl_grad_arriving(g, 0), tl_grad_input(g, 1), tl_grad_input(g, 2), tl_grad_output(g, 1)}, *out[1] = {NULL};
    if (in[0] && in[1] && in[2] && in[3])
        tl_grad_call(g, "nll_loss_grad", tl_grad_attrs(g), in, 4, out);
    return tl_grad_set(g, 0, out[0]);
}

/* ---- Gradient --------------------------------------------------------------------------------------------------------------- */

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_nll_attrs *a = attrs;
    const struct tl_meta *dy = &in[0], *labels = &in[1];
    tl_status s = resolve("nll_loss_grad", a);
    if (s == TL_OK && (labels->dtype != TL_I64 || labels->ndim < 1 || labels->ndim > 2 || a->classes < 0))
        s = tl_fail(TL_ERR_ARGUMENT, "nll_loss_grad: labels %s (%s) and %lld classes", META_TEXT(labels), tl_dtype_name(labels->dtype),
                    (long long)a->classes);
    if (s == TL_OK && a->reduction == TL_NO_REDUCTION)
        s = demand_same_shape("nll_loss_grad", "dy", dy, "the labels", labels);
    else if (s == TL_OK && dy->ndim != 0)
        s = tl_fail(TL_ERR_SHAPE, "nll_loss_grad: dy must be a single number, not %s", META_TEXT(dy));
    out[0] = (struct tl_meta){.dtype = dy->dtype, .ndim = labels->ndim + 1, .shape = {labels->shape[0], a->classes}};
    if (labels->ndim == 2)
        out[0].shape[2] = labels->shape[1];
    return s == TL_OK ? demand_weight("nll_loss_grad", dy, &in[2], a->classes) : s;
}

static tl_status decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_nll_attrs *a = attrs;
    tl_tensor *dy = in[0], *index, *weights;
    read_labels(a, in[1], in[2], (tl_dtype)dy->dtype, &index, &weights);
    tl_tensor *share = a->reduction == TL_MEAN ? tl_div(dy, in[3]) : dy;
    tl_tensor *at_label = tl_where(tl_eq(weights, tl_scalar(0)), tl_scalar(0), tl_neg(tl_mul(weights, share)));
    if (!at_label || !index)
        return tl_error_code();
    struct tl_meta dx = {.dtype = (tl_dtype)dy->dtype, .ndim = index->ndim};
    memcpy(dx.shape, index->shape, sizeof dx.shape);
    dx.shape[1] = a->classes;
    out[0] = tl_scatter_add(zeros_for(&dx, dy), 1, index, tl_unsqueeze(at_label, 1));
    return made(out[0]);
}

static tl_status grad_grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_nll_loss_with(tl_grad_arriving(g, 0), tl_grad_input(g, 1), tl_grad_input(g, 2), tl_grad_attrs(g)));
}

/* ---- Descriptors ------------------------------------------------------------------------------------------------------------ */

const tl_op tl_op_nll_loss = {
    .struct_size = sizeof(tl_op),
    .name = "nll_loss",
    .formula = "y = sum of -w[label[i]] * x[i,label[i]] / sum of w[label[i]]",
    .n_in = 3,
    .n_out = 2,
    .optional_in = 1u << 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_nll_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 1 | 1u << 2,
    .saves_outputs = 1u << 1,
    .decompose = decompose,
    .nondifferentiable_out = 1u << 1,
};

const tl_op tl_op_nll_loss2d = {
    .struct_size = sizeof(tl_op),
    .name = "nll_loss2d",
    .formula = "y = sum of -w[label[i,j]] * x[i,label[i,j],j] / sum of w[label[i,j]]",
    .flags = TL_OP_INTERNAL,
    .n_in = 3,
    .n_out = 2,
    .optional_in = 1u << 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_nll_attrs),
    .kernel = "nll_loss",
    .grad_name = "NllLoss2DBackward0",
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 1 | 1u << 2,
    .saves_outputs = 1u << 1,
    .decompose = decompose,
    .nondifferentiable_out = 1u << 1,
};

const tl_op tl_op_nll_loss_grad = {
    .struct_size = sizeof(tl_op),
    .name = "nll_loss_grad",
    .formula = "dx[i,label[i]] = -dy * w[label[i]] / total weight",
    .flags = TL_OP_INTERNAL,
    .n_in = 4,
    .n_out = 1,
    .optional_in = 1u << 2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_nll_attrs),
    .grad_name = "NllLossBackwardBackward0",
    .infer = infer_grad,
    .grad = grad_grad,
    .saves_inputs = 1u << 1 | 1u << 2,
    .decompose = decompose_grad,
};

/* ---- Public function -------------------------------------------------------------------------------------------------------- */

/* Shapes are brought to [n, classes] or [n, classes, d], and the element-wise losses back to that of the labels. */
tl_tensor *tl_nll_loss_with(tl_tensor *x, tl_tensor *labels, tl_tensor *weight, const struct tl_nll_attrs *o)
{
    if (operand_missing("nll_loss", x) || operand_missing("nll_loss", labels) || !(labels = as_index("nll_loss", labels)))
        return NULL;
    const tl_tensor *given = labels;
    tl_tensor *out[2];
    bool single = x->ndim == 1 && labels->ndim == 0, picture = x->ndim > 3 && labels->ndim == x->ndim - 1;
    if (picture && (labels->shape[0] != x->shape[0] ||
                    memcmp(labels->shape + 1, x->shape + 2, (size_t)(x->ndim - 2) * sizeof *x->shape) != 0)) {
        tl_fail(TL_ERR_SHAPE, "nll_loss: labels %s do not go with an input of %s: one label is expected for each row of classes",
                TENSOR_TEXT(labels), TENSOR_TEXT(x));
        return NULL;
    }
    if (single) {
        x = tl_unsqueeze(x, 0);
        labels = tl_unsqueeze(labels, 0);
    } else if (picture) {
        int64_t d = 1;
        for (int i = 2; i < x->ndim; i++)
            d *= x->shape[i];
        x = tl_reshape(x, TL_SHAPE(x->shape[0], x->shape[1], d));
        labels = tl_reshape(labels, TL_SHAPE(labels->shape[0], d));
    }
    if (!x || !labels ||
        tl_op_call(x->ndim == 3 ? &tl_op_nll_loss2d : &tl_op_nll_loss, o, (tl_tensor *[]){x, labels, weight}, 3, out) != TL_OK)
        return NULL;
    return out[0]->ndim && (single || picture) ? tl_reshape(out[0], given->ndim, given->shape) : out[0];
}
