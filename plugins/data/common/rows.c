/* SPDX-License-Identifier: Apache-2.0
 *
 * The data set of samples in memory, shared by the plugins that read whole files: gathering rows into a batch, bytes
 * to numbers through a table of 256 (so that they are the same bits as a division), and the split by class.
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

static tl_tensor *gather_features(const struct memory *m, const int64_t *index, int64_t n)
{
    int64_t shape[TL_MAX_DIMS] = {n};
    size_t width = (size_t)rows_width(&m->r);
    tl_dtype dtype = m->r.bytes && m->r.raw ? TL_U8 : TL_F32;

    memcpy(shape + 1, m->r.shape, (size_t)m->r.ndim * sizeof *shape);
    tl_tensor *t = tl_empty(m->r.ndim + 1, shape, (struct tl_options){.dtype = dtype, .device = "cpu"});
    void *to = t ? tl_data_mut(t) : NULL;
    if (!to)
        return NULL;
    if (m->r.bytes)
        gather_bytes(m, index, n, width, to);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy((float *)to + (size_t)i * width, m->r.floats + (size_t)index[i] * width, width * sizeof(float));
    return t;
}

static tl_tensor *gather_labels(const struct memory *m, const int64_t *index, int64_t n)
{
    tl_tensor *t = m->r.labels ? tl_empty(TL_SHAPE(n), (struct tl_options){.dtype = TL_I64, .device = "cpu"})
                               : tl_empty(TL_SHAPE(n, 1), (struct tl_options){.dtype = TL_F32, .device = "cpu"});
    void *to = t ? tl_data_mut(t) : NULL;

    if (!to)
        return NULL;
    for (int64_t i = 0; i < n; i++)
        if (m->r.labels)
            ((int64_t *)to)[i] = m->r.labels[index[i]];
        else
            ((float *)to)[i] = m->r.targets[index[i]];
    return t;
}

static tl_status memory_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct memory *m = tl_dataset_fields(d);

    out[0] = gather_features(m, index, n);
    out[1] = out[0] ? gather_labels(m, index, n) : NULL;
    return out[1] ? TL_OK : tl_error_code();
}

static tl_status memory_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    const struct memory *m = tl_dataset_fields(d);

    if (!m->r.labels)
        return tl_fail(TL_ERR_DTYPE, "%s: the label column holds numbers to predict, not classes", m->r.name);
    for (int64_t i = 0; i < n; i++)
        out[i] = m->r.labels[index[i]];
    return TL_OK;
}

static void memory_destroy(tl_dataset *d)
{
    struct memory *m = tl_dataset_fields(d);

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
    struct tl_dataset_info info = {
        .size = r->n, .n_fields = 2, .n_classes = r->n_classes, .classes = r->classes, .columns = r->columns, .ndim = r->ndim};
    struct rows taken = *r;

    memcpy(info.shape, r->shape, (size_t)r->ndim * sizeof *info.shape);
    tl_dataset *d = tl_dataset_new(&memory_class, &info, sizeof(struct memory));
    if (!d) {
        rows_discard(&taken);
        return NULL;
    }
    struct memory *m = tl_dataset_fields(d);
    m->r = taken;
    for (int i = 0; i < 256; i++)
        m->table[i] = (float)i / (r->byte_scale > 0 ? r->byte_scale : 1);
    return d;
}

/* ---- Splits ---- */

int rows_which_split(const char *who, const struct tl_data_options *o)
{
    if (!o->split)
        return -1;
    if (strcmp(o->split, "train") == 0)
        return 0;
    if (strcmp(o->split, "test") == 0)
        return 1;
    tl_fail(TL_ERR_ARGUMENT, "%s: no split \"%s\"; there are train and test, and none gives both", who, o->split);
    return -2;
}

double rows_test_share(const struct tl_data_options *o)
{
    return o->test_share == 0 ? 0.2 : o->test_share; /* NaN and nonsense are refused by the split itself */
}

tl_dataset *rows_split(tl_dataset *whole, const struct tl_data_options *o)
{
    int which = whole ? rows_which_split("data_open", o) : -1;
    tl_dataset *part[2] = {0};

    if (which == -1)
        return whole;
    if (which >= 0)
        tl_stratified_split(whole, rows_test_share(o), o->seed, part);
    tl_dataset_free(whole);
    if (which < 0 || !part[which])
        return NULL;
    tl_dataset_free(part[1 - which]);
    return part[which];
}
