/* SPDX-License-Identifier: Apache-2.0
 *
 * masked_fill, masked_select, nonzero, one_hot. What is filled has no gradient. The number of elements that a mask selects
 * is known only from its values, so nonzero and masked_select read them on the host.
 */
#include <stdlib.h>

#include "core/ops/shape_util.h"

/* ---- masked_fill ------------------------------------------------------------------------------------------------------------ */

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(fill)};

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    tl_status s = demand_value("masked_fill", &((struct tl_fill_attrs *)attrs)->value, in[0].dtype);
    if (s != TL_OK)
        return s;
    if (in[1].dtype != TL_BOOL)
        return tl_fail(TL_ERR_DTYPE, "masked_fill: the mask is %s; bool is expected (from a comparison such as tl_gt())",
                       tl_dtype_name(in[1].dtype));
    out[0] = in[0];
    if (!broadcast_shapes(&out[0].ndim, out[0].shape, in[1].ndim, in[1].shape))
        return tl_fail(TL_ERR_SHAPE, "masked_fill: the mask %s does not broadcast with %s", META_TEXT(&in[1]), META_TEXT(&in[0]));
    return TL_OK;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_masked_fill(tl_grad_arriving(g, 0), tl_grad_input(g, 1), 0));
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    double value = ((const struct tl_fill_attrs *)attrs)->value;
    struct tl_meta single = {.dtype = (tl_dtype)in[0]->dtype};
    tl_tensor *number = zeros_for(&single, in[0]);
    out[0] = number && tl_fill_(number, value) ? tl_where(in[1], number, in[0]) : NULL;
    return made(out[0]);
}

const tl_op tl_op_masked_fill = {
    .struct_size = sizeof(tl_op),
    .name = "masked_fill",
    .formula = "y = value where mask, else x",
    .flags = TL_OP_COMPOSITE,
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_fill_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 1,
    .decompose = decompose,
};

tl_tensor *tl_masked_fill(tl_tensor *t, tl_tensor *mask, double value)
{
    struct tl_fill_attrs a = {.struct_size = sizeof a, .value = value};
    return tl_op_call1(&tl_op_masked_fill, &a, (tl_tensor *[]){t, mask}, 2);
}

tl_tensor *tl_masked_fill_(tl_tensor *t, tl_tensor *mask, double value)
{
    struct tl_fill_attrs a = {.struct_size = sizeof a, .value = value};
    tl_tensor *out[1];
    return tl_op_call_into(&tl_op_masked_fill, &a, (tl_tensor *[]){t, mask}, 2, &t, out) == TL_OK ? t : NULL;
}

/* ---- nonzero ---------------------------------------------------------------------------------------------------------------- */

/* Coordinates of every element that is set, row by row. */
static void write_coordinates(const unsigned char *set, const tl_tensor *t, int64_t *to)
{
    for (int64_t i = 0; i < t->numel; i++) {
        if (!set[i])
            continue;
        int64_t rest = i;
        for (int d = t->ndim - 1; d >= 0; d--) {
            to[d] = rest % t->shape[d];
            rest /= t->shape[d];
        }
        to += t->ndim;
    }
}

tl_tensor *tl_nonzero(tl_tensor *t)
{
    if (operand_missing("nonzero", t) || values_missing("nonzero", t))
        return NULL;
    size_t n = (size_t)t->numel, columns = (size_t)t->ndim;
    unsigned char *set = malloc(n ? n : 1);
    int64_t *coordinates = NULL, found = 0;
    tl_tensor *result = NULL;
    if (!set) {
        tl_fail(TL_ERR_NOMEM, "nonzero: out of memory for %zu elements", n);
        return NULL;
    }
    tl_status s = TL_OK;
    TL_SCOPE
    {
        tl_tensor *flags = t->dtype == TL_BOOL ? t : tl_ne(t, tl_scalar_i64(0));
        s = flags ? tl_copy_out(flags, TL_BOOL, set, n) : tl_error_code();
    }
    for (size_t i = 0; i < n && s == TL_OK; i++)
        found += set[i] != 0;
    size_t cells = (size_t)found * (columns ? columns : 1);
    if (s == TL_OK && !(coordinates = calloc(cells ? cells : 1, sizeof *coordinates)))
        tl_fail(TL_ERR_NOMEM, "nonzero: out of memory for %lld indices", (long long)found);
    if (coordinates) {
        write_coordinates(set, t, coordinates);
        result = tl_from_data(2, (int64_t[]){found, t->ndim}, coordinates,
                              (struct tl_options){.dtype = TL_I64, .device = tl_device_of(t)});
    }
    free(coordinates);
    free(set);
    return result;
}

/* ---- masked_select ---------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_masked_select(tl_tensor *t, tl_tensor *mask)
{
    int64_t shape[TL_MAX_DIMS];
    if (operand_missing("masked_select", t) || operand_missing("masked_select", mask))
        return NULL;
    if (mask->dtype != TL_BOOL) {
        tl_fail(TL_ERR_DTYPE, "masked_select: the mask is %s; bool is expected (from a comparison such as tl_gt())",
                tl_dtype_name((tl_dtype)mask->dtype));
        return NULL;
    }
    int ndim = t->ndim;
    memcpy(shape, t->shape, sizeof shape);
    if (!broadcast_shapes(&ndim, shape, mask->ndim, mask->shape)) {
        tl_fail(TL_ERR_SHAPE, "masked_select: the mask %s does not broadcast with %s", TENSOR_TEXT(mask), TENSOR_TEXT(t));
        return NULL;
    }
    if (values_missing("masked_select", mask))
        return NULL;
    tl_tensor *x = tl_expand(t, ndim, shape), *m = tl_expand(mask, ndim, shape);
    x = x ? tl_reshape(x, TL_SHAPE(x->numel)) : NULL;
    m = m ? tl_reshape(m, TL_SHAPE(m->numel)) : NULL;
    tl_tensor *places = x && m ? tl_nonzero(m) : NULL;
    return places ? tl_index_select(x, 0, tl_reshape(places, TL_SHAPE(places->shape[0]))) : NULL;
}

/* ---- one_hot ---------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_one_hot(tl_tensor *labels, int64_t classes)
{
    int64_t shape[TL_MAX_DIMS];
    if (operand_missing("one_hot", labels) || !(labels = as_index("one_hot", labels)))
        return NULL;
    if (classes == -1 && labels->numel > 0 && values_missing("one_hot without a number of classes", labels))
        return NULL;
    if (classes == -1 && labels->numel > 0)
        classes = tl_item_i64(tl_max(labels)) + 1;
    if (classes < 1 || labels->ndim == TL_MAX_DIMS) {
        tl_fail(TL_ERR_ARGUMENT, "one_hot: labels %s and %lld classes; at least one class and at most %d dimensions are expected",
                TENSOR_TEXT(labels), (long long)classes, TL_MAX_DIMS - 1);
        return NULL;
    }
    memcpy(shape, labels->shape, sizeof shape);
    shape[labels->ndim] = classes;
    tl_tensor *zeros = tl_zeros(labels->ndim + 1, shape, (struct tl_options){.dtype = TL_I64, .device = tl_device_of(labels)});
    tl_tensor *places = tl_unsqueeze(labels, -1);
    return places ? tl_scatter_add(zeros, -1, places, tl_ones_like(places)) : NULL;
}
