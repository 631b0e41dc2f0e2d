/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples that lie in memory, one row each: what the table and picture readers make of their files. Bytes stay bytes until
 * a batch is asked for, so that a set of pictures takes a quarter of the memory.
 */
#ifndef TELAR_PLUGINS_DATA_ROWS_H
#define TELAR_PLUGINS_DATA_ROWS_H

#include <telar/data.h>

/** What is needed to make such a data set. Pointers are malloc()ed and handed over. */
struct rows {
    const char *name;
    int64_t n;                      /**< samples */
    int ndim;                       /**< shape of one */
    int64_t shape[TL_MAX_DIMS];
    unsigned char *bytes;           /**< n rows of u8 … */
    float *floats;                  /**< … or of f32 */
    bool raw;                       /**< deliver bytes as u8; otherwise as f32, divided by byte_scale */
    float byte_scale;
    int64_t *labels;                /**< n class numbers … */
    float *targets;                 /**< … or n numbers to predict, delivered as [batch, 1] */
    int64_t n_classes;
    const char *const *classes, *const *columns;
    void *owned[3];                 /**< further memory to free with the set: names, … */
};

/** Elements of one row. */
int64_t rows_width(const struct rows *r);
/** Make the data set; takes over the memory in any case. NULL and an error on failure. */
tl_dataset *rows_dataset(const struct rows *r);
/** Free what a struct rows holds. */
void rows_discard(struct rows *r);
/** Cut the part that o->split names out of `whole` by tl_stratified_order() on its labels, seed and test share from o; NULL
 *  gives the whole. Takes over `whole`; NULL passes through. */
tl_dataset *rows_split(tl_dataset *whole, const struct tl_data_options *o);
/** "train" (0), "test" (1), NULL (-1), anything else is an error and -2. */
int rows_which_split(const char *who, const struct tl_data_options *o);
/** The test share that is meant: 0 stands for 0.2. */
double rows_test_share(const struct tl_data_options *o);

#endif
