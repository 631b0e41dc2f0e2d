/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets: the object that every implementation shares (a class, what it knows of itself, a reference count,
 * and the implementation's own fields behind it), and the checks between a caller and an implementation: indices are
 * verified before, the tensors that come back after.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/dataset.h>
#include <telar/ops.h>

/* Fields of the implementation follow the header at the strictest alignment. */
struct tl_dataset {
    const struct tl_dataset_class *class;
    struct tl_dataset_info info;
    int references;
    max_align_t fields[];
};

#define HAS_SLOT(class, slot) \
    ((class)->struct_size >= offsetof(struct tl_dataset_class, slot) + sizeof((class)->slot) && (class)->slot)

tl_dataset *tl_dataset_new(const struct tl_dataset_class *c, const struct tl_dataset_info *info, size_t size)
{
    size_t total;

    if (!c || !info || !HAS_SLOT(c, batch)) {
        tl_fail(TL_ERR_ARGUMENT, "dataset_new: a class with a batch slot and an info are needed");
        return NULL;
    }
    if (info->size < 0 || info->n_fields < 1 || info->n_fields > TL_MAX_FIELDS || info->ndim < 0 || info->ndim >= TL_MAX_DIMS ||
        info->n_classes < 0) {
        tl_fail(TL_ERR_ARGUMENT, "dataset_new: %s: size %" PRId64 ", %d fields, %d dimensions and %" PRId64
                " classes are not all in range (1 to %d fields, at most %d dimensions)", c->name, info->size, info->n_fields,
                info->ndim, info->n_classes, TL_MAX_FIELDS, TL_MAX_DIMS - 1);
        return NULL;
    }
    tl_dataset *d = __builtin_add_overflow(sizeof *d, size, &total) ? NULL : calloc(1, total);
    if (!d) {
        tl_fail(TL_ERR_NOMEM, "dataset_new: %s: no memory for %zu bytes", c->name, size);
        return NULL;
    }
    d->class = c;
    d->info = *info;
    d->references = 1;
    return d;
}

void *tl_dataset_fields(tl_dataset *d)
{
    return d ? (void *)d->fields : NULL;
}

const struct tl_dataset_info *tl_dataset_info(const tl_dataset *d)
{
    return d ? &d->info : NULL;
}

int64_t tl_dataset_size(const tl_dataset *d)
{
    return d ? d->info.size : 0;
}

tl_dataset *tl_dataset_keep(tl_dataset *d)
{
    if (d)
        __atomic_add_fetch(&d->references, 1, __ATOMIC_RELAXED);
    return d;
}

void tl_dataset_free(tl_dataset *d)
{
    if (!d || __atomic_sub_fetch(&d->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (HAS_SLOT(d->class, destroy))
        d->class->destroy(d);
    free(d);
}

static tl_status check_index(const tl_dataset *d, const char *who, const int64_t *index, int64_t n)
{
    if (n < 1 || !index)
        return tl_fail(TL_ERR_ARGUMENT, "%s: at least one index is needed, %" PRId64 " given", who, n);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= d->info.size)
            return tl_fail(TL_ERR_INDEX, "%s: index %" PRId64 " is not in the %s data set, which has %" PRId64 " samples", who,
                           index[i], d->class->name, d->info.size);
    return TL_OK;
}

/* An implementation that breaks its contract must not reach the caller's arithmetic. */
static tl_status check_batch(const tl_dataset *d, int64_t n, tl_tensor *const *out)
{
    for (int f = 0; f < d->info.n_fields; f++) {
        if (!out[f])
            return tl_fail(TL_ERR_PLUGIN, "data set %s gave no tensor for field %d", d->class->name, f);
        if (tl_ndim(out[f]) < 1 || tl_shape(out[f])[0] != n)
            return tl_fail(TL_ERR_PLUGIN, "data set %s: field %d of a batch of %" PRId64 " has another first size", d->class->name, f,
                           n);
    }
    return TL_OK;
}

tl_status tl_dataset_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    tl_tensor *made[TL_MAX_FIELDS] = {0};
    tl_status s;

    if (!d || !out)
        return tl_fail(TL_ERR_ARGUMENT, "dataset_batch: no data set, or nowhere to put the batch");
    if ((s = check_index(d, "dataset_batch", index, n)) != TL_OK || (s = d->class->batch(d, index, n, made)) != TL_OK ||
        (s = check_batch(d, n, made)) != TL_OK)
        return s;
    memcpy(out, made, (size_t)d->info.n_fields * sizeof *out);
    return TL_OK;
}

tl_status tl_dataset_get(tl_dataset *d, int64_t index, tl_tensor **out)
{
    tl_tensor *made[TL_MAX_FIELDS] = {0};
    tl_status s = tl_dataset_batch(d, &index, 1, out ? made : NULL);

    if (s != TL_OK)
        return s;
    for (int f = 0; f < d->info.n_fields; f++)
        if (!(made[f] = tl_select(made[f], 0, 0)))
            return tl_error_code();
    memcpy(out, made, (size_t)d->info.n_fields * sizeof *out);
    return TL_OK;
}

/* Labels through whole batches, a few hundred samples at a time so that pictures do not pile up. */
static tl_status labels_from_batches(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    const int64_t step = 256;

    for (int64_t i = 0; i < n; i += step) {
        int64_t count = n - i < step ? n - i : step;
        TL_SCOPE
        {
            tl_tensor *batch[TL_MAX_FIELDS];
            tl_status s = tl_dataset_batch(d, index + i, count, batch);
            if (s != TL_OK)
                return s;
            tl_tensor *label = batch[d->info.n_fields - 1];
            if (tl_dtype_of(label) != TL_I64 || tl_numel(label) != count)
                return tl_fail(TL_ERR_DTYPE, "dataset_labels: the last field of data set %s is not one i64 label a sample, but %s of %"
                               PRId64 " numbers a sample", d->class->name, tl_dtype_name(tl_dtype_of(label)), tl_numel(label) / count);
            if ((s = tl_copy_out(label, TL_I64, out + i, (size_t)count * sizeof *out)) != TL_OK)
                return s;
        }
    }
    return TL_OK;
}

tl_status tl_dataset_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    tl_status s;

    if (!d || !out)
        return tl_fail(TL_ERR_ARGUMENT, "dataset_labels: no data set, or nowhere to put the labels");
    if ((s = check_index(d, "dataset_labels", index, n)) != TL_OK)
        return s;
    if (HAS_SLOT(d->class, labels))
        return d->class->labels(d, index, n, out);
    return labels_from_batches(d, index, n, out);
}
