/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets: the object that every implementation shares (a class, what it knows of itself, a reference count,
 * and the implementation's own bytes behind it), and the checks between a caller and an implementation: indices are
 * verified before, the tensors that come back after.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/dataset.h>
#include <telar/ops.h>

#include "nn/data/internal.h"
#include "nn/options.h"

/* Bytes of the implementation follow the header at the strictest alignment. */
struct tl_dataset {
    const struct tl_dataset_class *class;
    struct tl_dataset_info info;
    int references;
    char name[64]; /* that it was opened by; "" */
    max_align_t bytes[];
};

#define HAS_SLOT(class, slot) \
    ((class)->struct_size >= offsetof(struct tl_dataset_class, slot) + sizeof((class)->slot) && (class)->slot)

static tl_status check_info(const struct tl_dataset_class *c, const struct tl_dataset_info *info)
{
    if (info->size < 0 || info->n_fields < 1 || info->n_fields > TL_MAX_FIELDS || info->ndim < 0 || info->ndim >= TL_MAX_DIMS ||
        info->n_classes < 0 || info->n_targets < 0 || info->streams < 0)
        return tl_fail(TL_ERR_ARGUMENT, "dataset_new: %s: size %" PRId64 ", %d fields, %d dimensions, %" PRId64 " classes and %" PRId64
                       " targets are not all in range (1 to %d fields, at most %d dimensions)", c->name, info->size, info->n_fields,
                       info->ndim, info->n_classes, info->n_targets, TL_MAX_FIELDS, TL_MAX_DIMS - 1);
    if (info->n_classes > 0 && info->n_targets > 0)
        return tl_fail(TL_ERR_ARGUMENT, "dataset_new: %s: %" PRId64 " classes and %" PRId64 " targets: a set has the ones or the others",
                       c->name, info->n_classes, info->n_targets);
    for (int i = 0; i < info->ndim; i++)
        if (info->shape[i] < 0)
            return tl_fail(TL_ERR_ARGUMENT, "dataset_new: %s: size %d of a sample is %" PRId64, c->name, i, info->shape[i]);
    return TL_OK;
}

tl_dataset *tl_dataset_new_with(const struct tl_dataset_class *c, size_t size, const struct tl_dataset_info *given)
{
    struct tl_dataset_info info;
    size_t total;

    if (!c || !given || !HAS_SLOT(c, batch)) {
        tl_fail(TL_ERR_ARGUMENT, "dataset_new: a class with a batch slot and an info are needed");
        return NULL;
    }
    options_taken(&info, sizeof info, given);
    info.struct_size = sizeof info;
    info.n_fields = info.n_fields ? info.n_fields : 2;
    if (check_info(c, &info) != TL_OK)
        return NULL;
    tl_dataset *d = __builtin_add_overflow(sizeof *d, size, &total) ? NULL : calloc(1, total);
    if (!d) {
        tl_fail(TL_ERR_NOMEM, "dataset_new: %s: no memory for %zu bytes", c->name, size);
        return NULL;
    }
    d->class = c;
    d->info = info;
    d->references = 1;
    return d;
}

void *tl_dataset_private(tl_dataset *d)
{
    return d ? (void *)d->bytes : NULL;
}

const char *tl_dataset_name(const tl_dataset *d)
{
    return !d ? NULL : d->name[0] ? d->name : d->class->name ? d->class->name : "without a name";
}

void dataset_set_name(tl_dataset *d, const char *name)
{
    if (d && name && !d->name[0])
        snprintf(d->name, sizeof d->name, "%s", name);
}

void *tl_batch_field(tl_tensor **out, tl_dtype dtype, int ndim, const int64_t *shape)
{
    tl_tensor *t = out ? tl_empty(ndim, shape, (struct tl_options){.dtype = dtype, .device = "cpu"}) : NULL;

    if (!t) {
        tl_fail(TL_ERR_ARGUMENT, "batch_field: nowhere to put the tensor"); /* of two errors the first stays */
        return NULL;
    }
    *out = t;
    return tl_data_mut(t);
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
            return tl_fail(TL_ERR_INDEX, "%s: index %" PRId64 " is not in the data set %s, which has %" PRId64 " samples", who,
                           index[i], tl_dataset_name(d), d->info.size);
    return TL_OK;
}

static void put_shape(char *text, size_t size, int ndim, const int64_t *shape)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < ndim && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? ", " : "", shape[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

static tl_status wrong_shape(const tl_dataset *d, int f, const tl_tensor *t, int ndim, const int64_t *expected)
{
    char came[200], wanted[200];
    put_shape(came, sizeof came, tl_ndim(t), tl_shape(t));
    put_shape(wanted, sizeof wanted, ndim, expected);
    return tl_fail(TL_ERR_PLUGIN, "data set %s: field %d of a batch has the shape %s, but what the set says of itself makes it %s",
                   tl_dataset_name(d), f, came, wanted);
}

static tl_status check_features(const tl_dataset *d, int64_t n, const tl_tensor *t)
{
    int64_t expected[TL_MAX_DIMS] = {n};
    memcpy(expected + 1, d->info.shape, (size_t)d->info.ndim * sizeof *expected);
    if (tl_ndim(t) != d->info.ndim + 1 || memcmp(tl_shape(t), expected, (size_t)(d->info.ndim + 1) * sizeof *expected) != 0)
        return wrong_shape(d, 0, t, d->info.ndim + 1, expected);
    return TL_OK;
}

/* `tokens`: the samples are whole numbers. */
static tl_status check_labels(const tl_dataset *d, int64_t n, int f, tl_tensor *t, bool tokens)
{
    if (tl_dtype_of(t) != TL_I64)
        return tl_fail(TL_ERR_PLUGIN, "data set %s: its last field, the classes, is %s; expected i64", tl_dataset_name(d),
                       tl_dtype_name(tl_dtype_of(t)));
    if (tl_ndim(t) == 2 && d->info.ndim == 1 && tl_shape(t)[1] == d->info.shape[0] && (tokens || tl_shape(t)[1] != 1))
        return TL_OK; /* a class a position: a language */
    return tl_ndim(t) == 1 ? TL_OK : wrong_shape(d, f, t, 1, &n);
}

static tl_status check_label_range(const tl_dataset *d, const int64_t *index, tl_tensor *t)
{
    const int64_t *labels = tl_is_contiguous(t) ? tl_data(t) : NULL;
    int64_t all = tl_numel(t), each = labels ? all / tl_shape(t)[0] : 1;
    for (int64_t i = 0; labels && i < all; i++)
        if ((labels[i] < 0 || labels[i] >= d->info.n_classes) && labels[i] != -100) /* -100: cross entropy passes it over */
            return tl_fail(TL_ERR_PLUGIN, "data set %s: sample %" PRId64 " has the class %" PRId64 "; it says that there are %" PRId64,
                           tl_dataset_name(d), index[i / each], labels[i], d->info.n_classes);
    return TL_OK;
}

static tl_status check_targets(const tl_dataset *d, int64_t n, int f, const tl_tensor *t)
{
    const int64_t expected[] = {n, d->info.n_targets};
    if (!tl_dtype_is_float(tl_dtype_of(t)))
        return tl_fail(TL_ERR_PLUGIN, "data set %s: its last field, the numbers to predict, is %s; expected f32 or f64", tl_dataset_name(d),
                       tl_dtype_name(tl_dtype_of(t)));
    if (tl_ndim(t) == 1 && d->info.n_targets == 1)
        return TL_OK;
    return tl_ndim(t) == 2 && tl_shape(t)[1] == d->info.n_targets ? TL_OK : wrong_shape(d, f, t, 2, expected);
}

/* An implementation that breaks its contract must not reach the caller's arithmetic. */
static tl_status check_batch(const tl_dataset *d, const int64_t *index, int64_t n, tl_tensor *const *out)
{
    int last = d->info.n_fields - 1;
    tl_status s = TL_OK;
    for (int f = 0; f <= last; f++) {
        if (!out[f])
            return tl_fail(TL_ERR_PLUGIN, "data set %s gave no tensor for field %d of the %d that it says it has", tl_dataset_name(d), f,
                           last + 1);
        if (tl_is_none(out[f]) || tl_ndim(out[f]) < 1 || tl_shape(out[f])[0] != n)
            return tl_fail(TL_ERR_PLUGIN, "data set %s: field %d of a batch of %" PRId64 " has another first size", tl_dataset_name(d), f,
                           n);
        if (strcmp(tl_device_of(out[f]), "cpu") != 0)
            return tl_fail(TL_ERR_PLUGIN, "data set %s: field %d lies on the device %s; batches are made on the host (tl_batch_field())",
                           tl_dataset_name(d), f, tl_device_of(out[f]));
    }
    s = check_features(d, n, out[0]);
    if (s == TL_OK && d->info.n_classes > 0 && last > 0)
        s = check_labels(d, n, last, out[last], tl_dtype_of(out[0]) == TL_I64);
    if (s == TL_OK && d->info.n_classes > 0 && last > 0)
        s = check_label_range(d, index, out[last]);
    if (s == TL_OK && d->info.n_targets > 0 && last > 0)
        s = check_targets(d, n, last, out[last]);
    return s;
}

tl_status tl_dataset_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    tl_tensor *made[TL_MAX_FIELDS] = {0};
    tl_status s;

    if (!d || !out)
        return tl_fail(TL_ERR_ARGUMENT, "dataset_batch: no data set, or nowhere to put the batch");
    if ((s = check_index(d, "dataset_batch", index, n)) != TL_OK)
        return s;
    bool clear = tl_error_code() == TL_OK;
    s = d->class->batch(d, index, n, made);
    if (s != TL_OK && tl_error_code() == TL_OK)
        return tl_fail(s, "data set %s: batch() failed without a message", tl_dataset_name(d));
    if (s == TL_OK && clear)
        s = tl_error_code(); /* a call that failed on the way counts, too */
    if (s == TL_OK)
        s = check_batch(d, index, n, made);
    if (s != TL_OK)
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
                               PRId64 " numbers a sample", tl_dataset_name(d), tl_dtype_name(tl_dtype_of(label)), tl_numel(label) / count);
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
