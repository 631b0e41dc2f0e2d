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
    int64_t n;                      /**< samples */
    int ndim;                       /**< shape of one */
    int64_t shape[TL_MAX_DIMS];
    unsigned char *bytes;           /**< n rows of u8 … */
    float *floats;                  /**< … or of f32 */
    bool raw;                       /**< deliver bytes as u8; otherwise as f32, divided by byte_scale */
    float byte_scale;
    int64_t *labels;                /**< n class numbers … */
    float *targets;                 /**< … or n numbers to predict, delivered as [batch, 1] (n_classes 0) */
    int64_t n_classes;
    const char *const *classes, *const *columns;
    void *owned[3];                 /**< further memory to free with the set: names, … */
};

/** The option of sets of pictures that `raw` is set by. */
#define ROWS_OPTION_RAW                                                                                                  \
    {                                                                                                                    \
        .name = "raw", .help = "pixels as they are (u8), not as f32 in [0, 1]", .kind = TL_OPTION_BOOL, .fallback = "no" \
    }

/** Elements of one row. */
int64_t rows_width(const struct rows *r);
/** Make the data set; takes over the memory in any case. NULL and an error on failure. */
tl_dataset *rows_dataset(const struct rows *r);
/** Free what a struct rows holds. */
void rows_discard(struct rows *r);

#endif
