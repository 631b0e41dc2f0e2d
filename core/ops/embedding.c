/* SPDX-License-Identifier: Apache-2.0
 *
 * embedding: rows of a table, for indices of any shape. Its gradient adds up in each row what arrives wherever that row was
 * used; the row of padding_idx stays without.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(embedding)};

static tl_status resolve_padding(const char *op, struct tl_embedding_attrs *a)
{
    if (!a->padding) {
        a->padding_idx = 0;
        return TL_OK;
    }
    if (a->padding_idx < -a->rows || a->padding_idx >= a->rows)
        return tl_fail(TL_ERR_ARGUMENT, "%s: padding_idx %lld is out of range for a table of %lld rows", op, (long long)a->padding_idx,
                       (long long)a->rows);
    if (a->padding_idx < 0)
        a->padding_idx += a->rows;
    return TL_OK;
}

/* ---- Forward ---------------------------------------------------------------------------------------------------------------- */

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_embedding_attrs *a = attrs;
    const struct tl_meta *table = &in[0], *index = &in[1];
    tl_status s = demand_index("embedding", "the index", index);
    if (s == TL_OK && table->ndim != 2)
        s = tl_fail(TL_ERR_SHAPE, "embedding: the table must be a matrix [rows x columns], not %s", META_TEXT(table));
    if (s == TL_OK && index->ndim == TL_MAX_DIMS)
        s = tl_fail(TL_ERR_LIMIT, "embedding: indices %s have no room for one more dimension; at most %d", META_TEXT(index), TL_MAX_DIMS);
    if (s != TL_OK)
        return s;
    a->rows = table->shape[0];
    out[0] = *index;
    out[0].dtype = table->dtype;
    out[0].shape[out[0].ndim++] = table->shape[1];
    return resolve_padding("embedding", a);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    tl_tensor *out[1] = {NULL}, *dy = tl_grad_arriving(g, 0), *index = tl_grad_input(g, 1);
    if (dy && index)
        tl_grad_call(g, "embedding_grad", tl_grad_attrs(g), (tl_tensor *[]){dy, index}, 2, out);
    return tl_grad_set(g, 0, out[0]);
}

static tl_tensor *flat(tl_tensor *index)
{
    return tl_reshape(index, TL_SHAPE(index->numel));
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    int64_t shape[TL_MAX_DIMS];
    memcpy(shape, in[1]->shape, (size_t)in[1]->ndim * sizeof *shape);
    shape[in[1]->ndim] = in[0]->shape[1];
    tl_tensor *rows = tl_index_select(in[0], 0, flat(in[1]));
    out[0] = rows ? tl_reshape(rows, in[1]->ndim + 1, shape) : NULL;
    return made(out[0]);
}

/* ---- Gradient --------------------------------------------------------------------------------------------------------------- */

static tl_status infer_grad(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    struct tl_embedding_attrs *a = attrs;
    const struct tl_meta *dy = &in[0], *index = &in[1];
    tl_status s = demand_index("embedding_grad", "the index", index);
    if (s == TL_OK && (dy->ndim != index->ndim + 1 || memcmp(dy->shape, index->shape, (size_t)index->ndim * sizeof *index->shape) != 0))
        s = tl_fail(TL_ERR_SHAPE, "embedding_grad: dy %s must have the shape of the indices %s and one dimension more", META_TEXT(dy),
                    META_TEXT(index));
    if (s == TL_OK && a->rows < 0)
        s = tl_fail(TL_ERR_ARGUMENT, "embedding_grad: a table of %lld rows", (long long)a->rows);
    if (s != TL_OK)
        return s;
    out[0] = (struct tl_meta){.dtype = dy->dtype, .ndim = 2, .shape = {a->rows, dy->shape[dy->ndim - 1]}};
    return resolve_padding("embedding_grad", a);
}

/* t, but 0 in the rows whose index is the padding. */
static tl_tensor *without_padding(tl_tensor *t, tl_tensor *index, const struct tl_embedding_attrs *a)
{
    if (!a->padding || !t)
        return t;
    tl_tensor *padding = tl_eq(index, tl_scalar_i64(a->padding_idx));
    return padding ? tl_masked_fill(t, tl_unsqueeze(padding, -1), 0) : NULL;
}

/* The gradient is linear in dy; its own gradient looks the rows up again. */
static tl_status grad_grad(struct tl_grad_ctx *g)
{
    const struct tl_embedding_attrs *a = tl_grad_attrs(g);
    tl_tensor *index = tl_grad_input(g, 1), *v = tl_grad_arriving(g, 0);
    return tl_grad_set(g, 0, index && v ? without_padding(tl_embedding_with(v, index, NULL), index, a) : NULL);
}

static tl_status decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_embedding_attrs *a = attrs;
    int64_t columns = in[0]->shape[in[0]->ndim - 1];
    struct tl_meta table = {.dtype = (tl_dtype)in[0]->dtype, .ndim = 2, .shape = {a->rows, columns}};
    tl_tensor *dy = without_padding(in[0], in[1], a);
    dy = dy ? tl_reshape(dy, TL_SHAPE(in[1]->numel, columns)) : NULL;
    out[0] = dy ? tl_index_add(zeros_for(&table, dy), 0, flat(in[1]), dy) : NULL;
    return made(out[0]);
}

const tl_op tl_op_embedding = {
    .struct_size = sizeof(tl_op),
    .name = "embedding",
    .formula = "y[..,j] = table[index[..],j]",
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_embedding_attrs),
    .infer = infer,
    .grad = grad,
    .saves_inputs = 1u << 1,
    .decompose = decompose,
};

const tl_op tl_op_embedding_grad = {
    .struct_size = sizeof(tl_op),
    .name = "embedding_grad",
    .formula = "dtable[r,j] = sum of dy[..,j] where index[..] = r",
    .flags = TL_OP_INTERNAL,
    .n_in = 2,
    .n_out = 1,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_embedding_attrs),
    .grad_name = "EmbeddingDenseBackwardBackward0",
    .infer = infer_grad,
    .grad = grad_grad,
    .saves_inputs = 1u << 1,
    .decompose = decompose_grad,
};

tl_tensor *tl_embedding_with(tl_tensor *table, tl_tensor *indices, const struct tl_embedding_attrs *o)
{
    return tl_op_call1(&tl_op_embedding, o, (tl_tensor *[]){table, as_index("embedding", indices)}, 2);
}
