/* SPDX-License-Identifier: Apache-2.0
 *
 * What reaches a layer, for every sample of a data set, computed once: the features that a frozen part extracts. They become a data set of their
 * own, whose other fields are the old one's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nn/train/train.h"

/* The data set: tensors, and the set that they were made of, whose names it shows. */
struct features {
    tl_dataset *tensors, *of;
};

static tl_status features_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    return tl_dataset_batch(((struct features *)tl_dataset_private(d))->tensors, index, n, out);
}

static tl_status features_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    return tl_dataset_labels(((struct features *)tl_dataset_private(d))->of, index, n, out);
}

static void features_destroy(tl_dataset *d)
{
    struct features *f = tl_dataset_private(d);
    tl_dataset_free(f->tensors);
    tl_dataset_free(f->of);
}

static const struct tl_dataset_class features_class = {
    .struct_size = sizeof(struct tl_dataset_class),
    .name = "features",
    .batch = features_batch,
    .destroy = features_destroy,
    .labels = features_labels,
};

/* ---- Watching the layer ------------------------------------------------------------------------------------------------------------------ */

struct watch {
    const tl_module *layer;
    tl_tensor *input; /* a reference; NULL: not seen in this pass */
    int seen, inputs;
};

static void note_input(tl_module *m, tl_tensor *const *in, int n, tl_tensor *out, void *ctx)
{
    struct watch *w = ctx;
    (void)out;
    if (m != w->layer)
        return;
    w->seen++;
    w->inputs = n;
    tl_release(w->input);
    w->input = tl_keep(in[0]);
}

struct extraction {
    tl_module *module;
    const char *name;
    const struct tl_feature_options *o;
    struct watch watch;
    int fields;
    int64_t size, done;
    tl_tensor *kept[TL_MAX_FIELDS]; /* references: [size, …] each, on the host */
};

static tl_tensor *input_of_layer(struct extraction *e, tl_tensor *x)
{
    const struct tl_module_observer observer = {.after = note_input, .ctx = &e->watch};
    const struct tl_module_observer *before = tl_module_observe(&observer);
    tl_release(e->watch.input);
    e->watch.input = NULL;
    e->watch.seen = 0;
    tl_tensor *y = tl_forward(e->module, x);
    tl_module_observe(before);
    if (!y)
        return NULL;
    if (e->watch.seen != 1 || e->watch.inputs != 1)
        tl_fail(TL_ERR_ARGUMENT, "features: the layer %s is applied %d times in a pass, with %d inputs; once, with one, is expected", e->name, e->watch.seen,
                e->watch.inputs);
    else if (tl_ndim(e->watch.input) < 1 || tl_size(e->watch.input, 0) != tl_size(x, 0))
        tl_fail(TL_ERR_SHAPE, "features: what reaches the layer %s does not begin with a size of %" PRId64 ", one for each sample", e->name, tl_size(x, 0));
    return tl_error_code() == TL_OK ? tl_to_device(e->watch.input, "cpu") : NULL;
}

/* Put a batch's rows behind those that are there. */
static tl_status keep_rows(struct extraction *e, int field, tl_tensor *rows)
{
    rows = rows ? tl_contiguous(tl_to_device(rows, "cpu")) : NULL;
    if (!rows)
        return tl_error_code();
    if (!e->kept[field]) {
        int64_t shape[TL_MAX_DIMS];
        memcpy(shape, tl_shape(rows), (size_t)tl_ndim(rows) * sizeof *shape);
        shape[0] = e->size;
        e->kept[field] = tl_keep(tl_empty(tl_ndim(rows), shape, (struct tl_options){.dtype = tl_dtype_of(rows), .device = "cpu"}));
        if (!e->kept[field])
            return tl_error_code();
    }
    tl_tensor *to = e->kept[field];
    int64_t n = tl_size(rows, 0), most = e->size - e->done;
    if (n > most || tl_dtype_of(rows) != tl_dtype_of(to) || tl_numel(rows) != tl_numel(to) / (e->size ? e->size : 1) * n)
        return tl_fail(TL_ERR_SHAPE, "features: batches of different form");
    size_t bytes = (size_t)tl_numel(rows) * tl_dtype_size(tl_dtype_of(rows)), row = n ? bytes / (size_t)n : 0;
    const void *from = tl_data(rows);
    unsigned char *target = bytes ? tl_data_mut(to) : NULL;
    if (bytes && (!from || !target))
        return tl_error_code();
    if (bytes)
        memcpy(target + (size_t)e->done * row, from, bytes);
    return TL_OK;
}

static tl_status extract_batch(struct extraction *e, tl_tensor **batch)
{
    int64_t n = tl_size(batch[0], 0);
    tl_tensor *x = tl_to_device(batch[0], module_device(e->module));
    if (x && e->o->prepare)
        x = result_of("prepare", e->o->prepare(x, e->o->function_ctx));
    tl_status s = x ? keep_rows(e, 0, input_of_layer(e, x)) : tl_error_code();
    for (int f = 1; s == TL_OK && f < e->fields; f++)
        s = keep_rows(e, f, batch[f]);
    e->done += n;
    return s;
}

static tl_status extract(struct extraction *e, tl_loader *loader)
{
    tl_progress *bar = tl_progress_new(e->o->progress, "features", tl_loader_length(loader));
    tl_status s = tl_loader_start(loader);
    int more = 1;
    for (int64_t i = 0; s == TL_OK && more == 1; i++) {
        TL_SCOPE {
            tl_tensor *batch[TL_MAX_FIELDS];
            more = tl_loader_next(loader, batch);
            s = more < 0 ? tl_error_code() : more == 1 ? extract_batch(e, batch) : TL_OK;
        }
        if (s != TL_OK)
            tl_error_prefix("batch %lld: ", (long long)i + 1);
        tl_progress_update(bar, i + 1, NULL);
    }
    tl_progress_end(bar);
    return s;
}

static tl_dataset *as_dataset(struct extraction *e, tl_dataset *of)
{
    struct tl_dataset_info info = *tl_dataset_info(of);
    info.ndim = tl_ndim(e->kept[0]) - 1;
    memcpy(info.shape, tl_shape(e->kept[0]) + 1, (size_t)info.ndim * sizeof *info.shape);
    info.columns = NULL;
    tl_dataset *tensors = tl_tensor_dataset(e->fields, e->kept);
    tl_dataset *d = tensors ? tl_dataset_new_with(&features_class, sizeof(struct features), &info) : NULL;
    if (!d) {
        tl_dataset_free(tensors);
        return NULL;
    }
    struct features *f = tl_dataset_private(d);
    f->tensors = tensors;
    f->of = tl_dataset_keep(of);
    return d;
}

tl_dataset *tl_features_with(tl_module *m, const char *name, tl_dataset *d, const struct tl_feature_options *given)
{
    struct tl_feature_options o;
    options_taken(&o, sizeof o, given);
    if (!m || !name || !d) {
        tl_fail(TL_ERR_ARGUMENT, "features: the %s is NULL", !m ? "module" : name ? "data set" : "layer's name");
        return NULL;
    }
    struct extraction e = {.module = m, .name = name, .o = &o, .fields = tl_dataset_info(d)->n_fields, .size = tl_dataset_size(d)};
    if (!(e.watch.layer = tl_module_child(m, name)))
        return NULL;
    if (e.size < 1) {
        tl_fail(TL_ERR_ARGUMENT, "features: the data set is empty");
        return NULL;
    }
    /* A generator of its own, so that a training that follows shuffles as one without features would. */
    tl_generator *g = tl_generator_new(0);
    tl_loader *loader = g ? tl_loader_new(d, .batch_size = o.batch > 0 ? o.batch : 64, .workers = o.workers, .generator = g) : NULL;
    bool training = tl_is_training(m), recording = tl_set_grad_enabled(false);
    tl_eval(m);
    tl_status s = loader ? extract(&e, loader) : tl_error_code();
    if (training)
        tl_train(m);
    tl_set_grad_enabled(recording);
    tl_loader_free(loader);
    tl_generator_free(g);
    tl_release(e.watch.input);
    tl_dataset *made = s == TL_OK ? as_dataset(&e, d) : NULL;
    for (int f = 0; f < e.fields; f++)
        tl_release(e.kept[f]);
    return made;
}
