/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/data.h>: from a data set to batches. The loader (PyTorch's DataLoader: its shuffling order, worker threads,
 * prefetching), splits, and the standard scaler. Part of libtelar-nn. Data sets themselves: <telar/dataset.h>.
 *
 *     tl_loader *train = tl_loader_new(d, .batch_size = 64, .shuffle = true, .workers = 2);
 *     for (int epoch = 0; epoch < 5 && tl_loader_start(train) == TL_OK; epoch++) {
 *         int more = 1;
 *         while (more == 1) TL_SCOPE {
 *             tl_tensor *batch[2];
 *             if ((more = tl_loader_next(train, batch)) == 1)
 *                 step(batch[0], batch[1]);
 *         }
 *     }
 *     tl_loader_free(train);
 */
#ifndef TELAR_DATA_H
#define TELAR_DATA_H

#include <telar/dataset.h>
#include <telar/ops.h>
#include <telar/random.h>
#include <telar/state.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Loader ------------------------------------------------------------------------------------------------- */

typedef struct tl_loader tl_loader;

/** A batch on its way to the program, as a transform sees it. */
struct tl_batch {
    tl_tensor **fields;   /**< host tensors, samples along dimension 0; a transform replaces entries by others */
    int n_fields;
    const int64_t *index; /**< the samples' numbers in the data set */
    int64_t n;            /**< how many */
    int64_t number;       /**< of the batch in its epoch, from 0 */
    uint64_t seed;        /**< for random transforms: differs from batch to batch and epoch to epoch, and does not depend on
                               the number of workers */
};

/** Change a batch: augment, normalise, cast. Runs on worker threads, several at once, in a scope of its own. A
 *  failing transform sets an error with tl_fail(); tl_loader_next() passes it on. Do not draw from the default
 *  generator here: make one with tl_generator_new(batch->seed). */
typedef tl_status tl_batch_transform(struct tl_batch *batch, void *ctx);

/** Options; the zero value of each is PyTorch's default. */
struct tl_loader_options {
    size_t struct_size;            /**< filled by tl_loader_new() */
    int64_t batch_size;            /**< 0: 1 */
    bool shuffle;                  /**< a new order every epoch */
    bool drop_last;                /**< leave out a last batch that is not full */
    int workers;                   /**< threads that prepare batches ahead; 0: the calling thread does it */
    int prefetch;                  /**< batches prepared ahead by each worker; 0: 2 */
    tl_batch_transform *transform; /**< NULL: none */
    void *ctx;                     /**< passed to transform */
    tl_generator *generator;       /**< where the order is drawn from; NULL: the default generator */
};

/** Most workers, and most batches that all of them together may prepare ahead. */
#define TL_LOADER_MAX_WORKERS 256
#define TL_LOADER_MAX_AHEAD 65536

/** A loader over d (kept). Batches come in the same order whatever the number of workers, and shuffled epochs
 *  equal those of torch.utils.data.DataLoader after the same seed: an epoch draws the loader's base seed, then
 *  the sampler's, and permutes by a fresh generator. (With .generator, the permutation is drawn from it directly.)
 *  Workers open no thread teams of their own. NULL and an error on bad options. */
#define tl_loader_new(...)                                                  \
    tl_loader_with(TL_FIRST_(__VA_ARGS__, 0), &(struct tl_loader_options){ \
        TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_loader_options))})
TL_PUBLIC tl_loader *tl_loader_with(tl_dataset *d, const struct tl_loader_options *o);
/** Stops workers, drops batches not fetched. May be called in the middle of an epoch. NULL is allowed. */
TL_PUBLIC void tl_loader_free(tl_loader *l);
/** Begin an epoch, giving up the one under way. */
TL_PUBLIC tl_status tl_loader_start(tl_loader *l);
/** The next batch: 1 and n_fields tensors in out, owned by the current scope; 0 at the end of the epoch; -1 and an
 *  error, which names the batch and the sample, if it could not be made. The batch after it can still be had. */
TL_PUBLIC int tl_loader_next(tl_loader *l, tl_tensor **out);
/** Batches in an epoch. */
TL_PUBLIC int64_t tl_loader_length(const tl_loader *l);
/** Its data set, borrowed. */
TL_PUBLIC tl_dataset *tl_loader_dataset(const tl_loader *l);
/** Samples in a full batch. */
TL_PUBLIC int64_t tl_loader_batch_size(const tl_loader *l);

/* ---- Splits ------------------------------------------------------------------------------------------------- */

/** Cut a data set in a training part (out[0]) and a test part (out[1]): by class (tl_stratified_split()) where there are
 *  classes, else at random with the same procedure, as if all samples were of one class. */
TL_PUBLIC tl_status tl_train_test_split(tl_dataset *d, double test_share, uint64_t seed, tl_dataset *out[2]);
/** For a data plugin's open(): the part of `whole` that r asks for, cut by tl_train_test_split() with r's seed and share. Takes
 *  over `whole`; NULL passes through. */
TL_PUBLIC tl_dataset *tl_data_split(tl_dataset *whole, const struct tl_data_request *r);
/** The same for samples whose order means something, such as a series in time: which of `total` samples, in order, are the part
 *  that r asks for. The last test_share of them, rounded, are the test part. */
TL_PUBLIC void tl_split_range(const struct tl_data_request *r, int64_t total, int64_t *first, int64_t *size);
/** Cut a data set in a training part (out[0]) and a test part (out[1]) that holds `test_share` of every class, rounded.
 *  The last field must be the label. See tl_stratified_order() for the draw. */
TL_PUBLIC tl_status tl_stratified_split(tl_dataset *d, double test_share, uint64_t seed, tl_dataset *out[2]);
/** The same on plain labels (>= 0, any values): fills order[n] with the training samples' numbers, ascending, then the test
 *  samples', ascending, and n_test with how many those are. Procedure: a generator is seeded with `seed`; for each
 *  class in ascending order, its samples are permuted (tl_randperm_with) and the first floor(count * share + 0.5) of
 *  them become test samples. */
TL_PUBLIC tl_status tl_stratified_order(const int64_t *labels, int64_t n, double test_share, uint64_t seed, int64_t *order,
                                        int64_t *n_test);
/** Samples 0 … n-1 of d without shuffling: a quick look, or the first part of a sequence. */
TL_PUBLIC tl_dataset *tl_first_samples(tl_dataset *d, int64_t n);

/* ---- Standard scaler ---------------------------------------------------------------------------------------- */

/** z = (x - mean) / deviation for each column: scikit-learn's StandardScaler (population deviation, computed in double
 *  precision; a constant column is only centred). */
typedef struct tl_scaler tl_scaler;

/** Learn from x [n x columns], f32 or f64, n >= 1. NaN and infinity are errors that name row and column. */
TL_PUBLIC tl_scaler *tl_scaler_fit(tl_tensor *x);
/** From known values, `columns` of each; deviations must be positive. */
TL_PUBLIC tl_scaler *tl_scaler_new(int64_t columns, const double *mean, const double *deviation);
/** Free it; NULL is allowed. */
TL_PUBLIC void tl_scaler_free(tl_scaler *s);
/** x [n x columns] scaled, or brought back; a new host tensor of the same dtype. */
TL_PUBLIC tl_tensor *tl_scaler_transform(const tl_scaler *s, tl_tensor *x);
TL_PUBLIC tl_tensor *tl_scaler_inverse(const tl_scaler *s, tl_tensor *x);
/** Number of columns, and their means and deviations, borrowed. */
TL_PUBLIC int64_t tl_scaler_columns(const tl_scaler *s);
TL_PUBLIC const double *tl_scaler_mean(const tl_scaler *s);
TL_PUBLIC const double *tl_scaler_deviation(const tl_scaler *s);
/** Keep it beside a model: adds "<prefix>mean" and "<prefix>deviation" (f64) to a state, and reads them back. */
TL_PUBLIC tl_status tl_scaler_save(const tl_scaler *s, tl_state *to, const char *prefix);
TL_PUBLIC tl_scaler *tl_scaler_load(const tl_state *from, const char *prefix);

/** Pictures [… x h x w] resized to height x width, with antialiasing, as torchvision's Resize (bilinear) does it on Pillow's pictures, but not rounded
 *  to 255 levels; integers become f32. On any device; differentiable. Neither size may be over 65536. */
TL_PUBLIC tl_tensor *tl_image_resize(tl_tensor *x, int64_t height, int64_t width);

#ifdef __cplusplus
}
#endif
#endif
