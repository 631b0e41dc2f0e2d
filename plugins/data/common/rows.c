/* SPDX-License-Identifier: Apache-2.0
 *
 * The data set of samples in memory, shared by the plugins that read whole files: gathering rows into a batch, bytes
 * to numbers through a table of 256 (so that they are the same bits as a division).
 */
#include "rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct memory {
    struct rows r;
    float table[256];
};

int64_t rows_width(const struct rows *r)
{
    int64_t width = 1;

    for (int i = 0; i < r->ndim; i++)
        width *= r->shape[i];
    return width;
}

void rows_discard(struct rows *r)
{
    free(r->bytes);
    free(r->floats);
    free(r->labels);
    free(r->targets);
    for (size_t i = 0; i < sizeof r->owned / sizeof *r->owned; i++)
        free(r->owned[i]);
    *r = (struct rows){0};
}

static void gather_bytes(const struct memory *m, const int64_t *index, int64_t n, size_t width, void *to)
{
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *from = m->r.bytes + (size_t)index[i] * width;
        if (m->r.raw)
            memcpy((unsigned char *)to + (size_t)i * width, from, width);
        else {
            float *out = (float *)to + (size_t)i * width;
            for (size_t k = 0; k < width; k++)
                out[k] = m->table[from[k]];
        }
    }
}

static bool gather_features(const struct memory *m, const int64_t *index, int64_t n, tl_tensor **out)
{
    int64_t shape[TL_MAX_DIMS] = {n};
    size_t width = (size_t)rows_width(&m->r);

    memcpy(shape + 1, m->r.shape, (size_t)m->r.ndim * sizeof *shape);
    void *to = tl_batch_field(out, m->r.bytes && m->r.raw ? TL_U8 : TL_F32, m->r.ndim + 1, shape);
    if (!to)
        return false;
    if (m->r.bytes)
        gather_bytes(m, index, n, width, to);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy((float *)to + (size_t)i * width, m->r.floats + (size_t)index[i] * width, width * sizeof(float));
    return true;
}

static bool gather_labels(const struct memory *m, const int64_t *index, int64_t n, tl_tensor **out)
{
    int64_t *labels = m->r.labels ? tl_batch_field(out, TL_I64, TL_SHAPE(n)) : NULL;
    float *targets = m->r.labels ? NULL : tl_batch_field(out, TL_F32, TL_SHAPE(n, 1));

    for (int64_t i = 0; labels && i < n; i++)
        labels[i] = m->r.labels[index[i]];
    for (int64_t i = 0; targets && i < n; i++)
        targets[i] = m->r.targets[index[i]];
    return labels || targets;
}

static tl_status memory_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct memory *m = tl_dataset_private(d);

    return gather_features(m, index, n, &out[0]) && gather_labels(m, index, n, &out[1]) ? TL_OK : tl_error_code();
}

static tl_status memory_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    const struct memory *m = tl_dataset_private(d);

    if (!m->r.labels)
        return tl_fail(TL_ERR_DTYPE, "data set %s: its label column holds numbers to predict, not classes: train a model that "
                       "regresses, such as mlp, or say that they are classes (option target=classes)", tl_dataset_name(d));
    for (int64_t i = 0; i < n; i++)
        out[i] = m->r.labels[index[i]];
    return TL_OK;
}

static void memory_destroy(tl_dataset *d)
{
    struct memory *m = tl_dataset_private(d);

    rows_discard(&m->r);
}

static const struct tl_dataset_class memory_class = {
    .struct_size = sizeof(struct tl_dataset_class),
    .name = "rows",
    .batch = memory_batch,
    .destroy = memory_destroy,
    .labels = memory_labels,
};

tl_dataset *rows_dataset(const struct rows *r)
{
    struct tl_dataset_info info = {.struct_size = sizeof info, .size = r->n, .n_classes = r->n_classes, .classes = r->classes,
                                   .n_targets = r->targets ? 1 : 0, .columns = r->columns, .ndim = r->ndim};
    struct rows taken = *r;

    memcpy(info.shape, r->shape, (size_t)r->ndim * sizeof *info.shape);
    tl_dataset *d = tl_dataset_new_with(&memory_class, sizeof(struct memory), &info);
    if (!d) {
        rows_discard(&taken);
        return NULL;
    }
    struct memory *m = tl_dataset_private(d);
    m->r = taken;
    for (int i = 0; i < 256; i++)
        m->table[i] = (float)i / (r->byte_scale > 0 ? r->byte_scale : 1);
    return d;
}
