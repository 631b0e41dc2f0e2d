/* SPDX-License-Identifier: Apache-2.0
 *
 * pad: a border of one value around the last dimensions. Amounts come in pairs, before and after, the last dimension first.
 * The border is constant, so the gradient is dy without it. tl_pad() crops where an amount is negative.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(pad)};

static tl_status demand_pairs(int64_t n, int ndim)
{
    if (n < 0 || n % 2 != 0 || n > 2 * ndim)
        return tl_fail(TL_ERR_ARGUMENT, "pad: %lld amounts for a tensor of rank %d; two for each of the last dimensions are expected",
                       (long long)n, ndim);
    if (n > TL_MAX_DIMS)
        return tl_fail(TL_ERR_LIMIT, "pad: %lld amounts; at most %d at once, for %d dimensions", (long long)n, TL_MAX_DIMS,
                       TL_MAX_DIMS / 2);
    return TL_OK;
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_pad_attrs *a = attrs;
    tl_status s = demand_pairs(a->pad.n, in[0].ndim);
    if (s == TL_OK)
        s = demand_value("pad", &a->value, in[0].dtype);
    if (s != TL_OK)
        return s;
    out[0] = in[0];
    for (int64_t i = 0; i < a->pad.n; i++) {
        int64_t *size = &out[0].shape[in[0].ndim - 1 - i / 2];
        if (a->pad.v[i] < 0)
            return tl_fail(TL_ERR_ARGUMENT, "pad: amount %lld is negative; tl_pad() crops by it", (long long)a->pad.v[i]);
        if (__builtin_add_overflow(*size, a->pad.v[i], size))
            return tl_fail(TL_ERR_LIMIT, "pad: padding %s by %lld makes it too large", META_TEXT(&in[0]), (long long)a->pad.v[i]);
    }
    return TL_OK;
}

static tl_tensor *cropped(tl_tensor *t, int64_t n, const int64_t *amounts)
{
    for (int64_t i = 0; i < n && t; i += 2) {
        int dim = t->ndim - 1 - (int)(i / 2);
        if (amounts[i] || amounts[i + 1])
            t = tl_narrow(t, dim, amounts[i], t->shape[dim] - amounts[i] - amounts[i + 1]);
    }
    return t;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const struct tl_pad_attrs *a = tl_grad_attrs(g);
    return tl_grad_set(g, 0, cropped(tl_grad_arriving(g, 0), a->pad.n, a->pad.v));
}

const tl_op tl_op_pad = {
    .struct_size = sizeof(tl_op),
    .name = "pad",
    .formula = "y = x with a border of value",
    .n_in = 1,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_pad_attrs),
    .grad_name = "ConstantPadNdBackward0",
    .infer = infer,
    .grad = grad,
};

/* At most TL_MAX_DIMS amounts travel in the attributes: the first dimensions of a tensor of high rank are padded after, seen as the
 * last ones. */
static tl_tensor *pad_first(tl_tensor *t, int n, const int64_t *amounts, double value)
{
    int64_t order[TL_MAX_DIMS], back[TL_MAX_DIMS];
    int half = TL_MAX_DIMS / 2;
    for (int i = 0; i < t->ndim; i++) {
        order[i] = (i + t->ndim - half) % t->ndim;
        back[order[i]] = i;
    }
    tl_tensor *turned = tl_permute(t, t->ndim, order);
    turned = turned ? tl_pad(turned, n, amounts, value) : NULL;
    return turned ? tl_permute(turned, t->ndim, back) : NULL;
}

tl_tensor *tl_pad(tl_tensor *t, int n, const int64_t *amounts, double value)
{
    int64_t crop[2 * TL_MAX_DIMS] = {0};
    struct tl_pad_attrs a = {.struct_size = sizeof a, .value = value};
    if (operand_missing("pad", t) || (n > TL_MAX_DIMS && n <= 2 * t->ndim && n % 2 == 0 ? TL_OK : demand_pairs(n, t->ndim)) != TL_OK)
        return NULL;
    if (n > 0 && !amounts) {
        tl_fail(TL_ERR_ARGUMENT, "pad: the list of %d amounts is NULL", n);
        return NULL;
    }
    bool grows = false;
    for (int i = 0; i < n; i++) {
        int64_t size = t->shape[t->ndim - 1 - i / 2];
        bool fits = amounts[i] >= -size;
        crop[i] = fits && amounts[i] < 0 ? -amounts[i] : 0;
        grows |= amounts[i] > 0;
        if (!fits || (i % 2 && crop[i] + crop[i - 1] > size)) {
            tl_fail(TL_ERR_SHAPE, "pad: cropping dimension %d of %s (amount %lld) leaves less than nothing", t->ndim - 1 - i / 2,
                    TENSOR_TEXT(t), (long long)amounts[i]);
            return NULL;
        }
    }
    t = cropped(t, n, crop);
    if (!t || (!grows && n > 0))
        return t;
    int now = n < TL_MAX_DIMS ? n : TL_MAX_DIMS;
    a.pad.n = now;
    for (int i = 0; i < now; i++)
        a.pad.v[i] = amounts[i] > 0 ? amounts[i] : 0;
    t = tl_op_call1(&tl_op_pad, &a, &t, 1);
    if (!t || n <= TL_MAX_DIMS)
        return t;
    int64_t later[TL_MAX_DIMS];
    for (int i = now; i < n; i++)
        later[i - now] = amounts[i] > 0 ? amounts[i] : 0;
    return pad_first(t, n - now, later, value);
}
