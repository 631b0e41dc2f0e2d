/* SPDX-License-Identifier: Apache-2.0
 *
 * Two data sets made of other things: tensors that share their first size (PyTorch's TensorDataset), and chosen rows of
 * another data set (its Subset). A batch of tensors is copied row by row from contiguous host memory, which is all the work
 * that there is, so that a loader keeps up with any model.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/autograd.h>
#include <telar/data.h>
#include <telar/ops.h>

#include "nn/data/internal.h"

struct tensors {
    int n;
    tl_tensor *field[TL_MAX_FIELDS]; /* contiguous, on the host */
};

static tl_status tensors_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct tensors *self = tl_dataset_private(d);

    for (int f = 0; f < self->n; f++) {
        tl_tensor *t = self->field[f];
        int64_t shape[TL_MAX_DIMS];
        int64_t rows = tl_shape(t)[0];
        size_t row = (size_t)(tl_numel(t) / rows) * tl_dtype_size(tl_dtype_of(t));
        memcpy(shape, tl_shape(t), (size_t)tl_ndim(t) * sizeof *shape);
        shape[0] = n;
        unsigned char *to = tl_batch_field(&out[f], tl_dtype_of(t), tl_ndim(t), shape);
        if (row == 0 && tl_error_code() == TL_OK)
            continue;
        const unsigned char *from = to ? tl_data(t) : NULL;
        if (!from)
            return tl_error_code();
        for (int64_t i = 0; i < n; i++)
            memcpy(to + (size_t)i * row, from + (size_t)index[i] * row, row);
    }
    return TL_OK;
}

static tl_status tensors_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    const struct tensors *self = tl_dataset_private(d);
    tl_tensor *t = self->field[self->n - 1];

    if (tl_dtype_of(t) != TL_I64 || tl_numel(t) != tl_shape(t)[0])
        return tl_fail(TL_ERR_DTYPE, "dataset_labels: the last of the %d tensors is not one i64 label a sample, but %s with %" PRId64
                       " numbers for %" PRId64 " samples", self->n, tl_dtype_name(tl_dtype_of(t)), tl_numel(t), tl_shape(t)[0]);
    const int64_t *labels = tl_data(t);
    if (!labels)
        return tl_error_code();
    for (int64_t i = 0; i < n; i++)
        out[i] = labels[index[i]];
    return TL_OK;
}

static void tensors_destroy(tl_dataset *d)
{
    struct tensors *self = tl_dataset_private(d);

    for (int f = 0; f < self->n; f++)
        tl_release(self->field[f]);
}

static const struct tl_dataset_class tensors_class = {
    .struct_size = sizeof(struct tl_dataset_class),
    .name = "tensors",
    .batch = tensors_batch,
    .destroy = tensors_destroy,
    .labels = tensors_labels,
};

static tl_status check_fields(int n, tl_tensor *const *fields)
{
    if (n < 1 || n > TL_MAX_FIELDS || !fields)
        return tl_fail(TL_ERR_ARGUMENT, "tensor_dataset: 1 to %d tensors are needed, %d given", TL_MAX_FIELDS, n);
    for (int f = 0; f < n; f++) {
        if (!fields[f])
            return tl_fail(TL_ERR_ARGUMENT, "tensor_dataset: tensor %d is missing", f);
        if (tl_is_none(fields[f]) || tl_ndim(fields[f]) < 1)
            return tl_fail(TL_ERR_SHAPE, "tensor_dataset: tensor %d has no first dimension to count samples by", f);
        if (tl_shape(fields[f])[0] != tl_shape(fields[0])[0])
            return tl_fail(TL_ERR_SHAPE, "tensor_dataset: tensor 0 has %" PRId64 " rows and tensor %d has %" PRId64
                           "; all must have the same number", tl_shape(fields[0])[0], f, tl_shape(fields[f])[0]);
    }
    return TL_OK;
}

tl_dataset *tl_tensor_dataset(int n, tl_tensor *const *fields)
{
    if (check_fields(n, fields) != TL_OK)
        return NULL;

    struct tl_dataset_info info = {.struct_size = sizeof info, .size = tl_shape(fields[0])[0], .n_fields = n, .ndim = tl_ndim(fields[0]) - 1};
    memcpy(info.shape, tl_shape(fields[0]) + 1, (size_t)info.ndim * sizeof *info.shape);
    tl_dataset *d = tl_dataset_new_with(&tensors_class, sizeof(struct tensors), &info);
    if (!d)
        return NULL;
    struct tensors *self = tl_dataset_private(d);
    TL_SCOPE
    {
        for (; self->n < n; self->n++) {
            tl_tensor *t = tl_contiguous(tl_to_device(tl_detach(fields[self->n]), "cpu"));
            if (!t) {
                tl_dataset_free(d);
                return NULL;
            }
            self->field[self->n] = tl_keep(t);
        }
    }
    return d;
}

/* ---- Subset ---- */

struct subset {
    tl_dataset *of;
    int64_t *index;
};

/* Translate to the other's numbers, on the stack for ordinary batches. */
static tl_status subset_translate(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **batch, int64_t *labels)
{
    const struct subset *self = tl_dataset_private(d);
    int64_t few[256];
    int64_t *there = n <= 256 ? few : calloc((size_t)n, sizeof *there);

    if (!there)
        return tl_fail(TL_ERR_NOMEM, "subset: no memory for %" PRId64 " indices", n);
    for (int64_t i = 0; i < n; i++)
        there[i] = self->index[index[i]];
    tl_status s = batch ? tl_dataset_batch(self->of, there, n, batch) : tl_dataset_labels(self->of, there, n, labels);
    if (there != few)
        free(there);
    return s;
}

static tl_status subset_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    return subset_translate(d, index, n, out, NULL);
}

static tl_status subset_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    return subset_translate(d, index, n, NULL, out);
}

static void subset_destroy(tl_dataset *d)
{
    struct subset *self = tl_dataset_private(d);

    free(self->index);
    tl_dataset_free(self->of);
}

static const struct tl_dataset_class subset_class = {
    .struct_size = sizeof(struct tl_dataset_class),
    .name = "subset",
    .batch = subset_batch,
    .destroy = subset_destroy,
    .labels = subset_labels,
};

tl_dataset *tl_subset(tl_dataset *d, const int64_t *index, int64_t n)
{
    if (!d || n < 0 || (n > 0 && !index)) {
        tl_fail(TL_ERR_ARGUMENT, "subset: a data set and a list of indices are needed");
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= tl_dataset_size(d)) {
            tl_fail(TL_ERR_INDEX, "subset: index %" PRId64 " at place %" PRId64 " is not in a data set of %" PRId64 " samples", index[i],
                    i, tl_dataset_size(d));
            return NULL;
        }

    struct tl_dataset_info info = *tl_dataset_info(d);
    info.size = n;
    tl_dataset *made = tl_dataset_new_with(&subset_class, sizeof(struct subset), &info);
    if (!made)
        return NULL;
    struct subset *self = tl_dataset_private(made);
    self->index = malloc(n > 0 ? (size_t)n * sizeof *index : 1);
    if (!self->index) {
        tl_dataset_free(made);
        tl_fail(TL_ERR_NOMEM, "subset: no memory for %" PRId64 " indices", n);
        return NULL;
    }
    if (n > 0)
        memcpy(self->index, index, (size_t)n * sizeof *index);
    self->of = tl_dataset_keep(d);
    dataset_set_name(made, tl_dataset_name(d));
    return made;
}
