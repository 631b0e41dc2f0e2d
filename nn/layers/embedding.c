/* SPDX-License-Identifier: Apache-2.0
 *
 * Embedding: rows of a trained table, picked by index. The row of padding_idx starts as zeros and gets no gradient.
 */
#include "nn/layers/module.h"

struct fields {
    int64_t rows, columns, padding_idx;
    bool padding;
};

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    return tl_embedding(parameter_at(m, 0), x[0], .padding = f->padding, .padding_idx = f->padding_idx);
}

static void extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text(buffer, size, "%lld, %lld", (long long)f->rows, (long long)f->columns);
    if (f->padding)
        layer_text(buffer, size, ", padding_idx=%lld", (long long)f->padding_idx);
}

tl_module *tl_nn_embedding_with(int64_t rows, int64_t columns, const struct tl_layer_options *options)
{
    static const struct tl_module_class class = {sizeof class, "Embedding", forward, extra, NULL, 1};
    struct tl_layer_options o;
    if (!layer_options(&o, options, "Embedding", HAS_PADDING_ROW) || !layer_size("Embedding", "num_embeddings", rows, 0) || !layer_size("Embedding", "embedding_dim", columns, 0))
        return NULL;
    int64_t padding_idx = o.padding_row && o.padding_idx < 0 ? o.padding_idx + rows : o.padding_idx;
    if (o.padding_row && (padding_idx < 0 || padding_idx >= rows)) {
        tl_fail(TL_ERR_INDEX, "Embedding: padding_idx is %lld; the table has %lld rows", (long long)o.padding_idx,
                (long long)rows);
        return NULL;
    }
    tl_module *m = tl_module_new(&class, sizeof(struct fields));
    if (!m)
        return NULL;
    *(struct fields *)tl_module_fields(m) = (struct fields){rows, columns, padding_idx, o.padding_row};
    tl_tensor *weight = layer_parameter(m, "weight", TL_SHAPE(rows, columns));
    tl_status status = tl_init_normal(weight, 0, 1);
    if (status == TL_OK && o.padding_row)
        TL_NO_GRAD TL_SCOPE if (!tl_zero_(tl_select(weight, 0, padding_idx))) status = tl_error_code();
    return layer_finish(m, status);
}
