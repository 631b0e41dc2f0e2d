/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to nn/train: text that grows, its width in columns, and running means over batches.
 */
#ifndef TELAR_NN_TRAIN_H
#define TELAR_NN_TRAIN_H

#include <stdio.h>
#include <telar/nn.h>

/* A string in the making: print to `to`. */
struct text {
    FILE *to;
    char *buffer;
    size_t size;
};
/* false and an error if memory is short. */
bool text_open(struct text *t);
/* The malloc()ed string; NULL and an error if memory ran out on the way. */
char *text_close(struct text *t);
/* Columns that UTF-8 text takes on a terminal, one for each code point. */
int text_columns(const char *text);

/* Mean and standard deviation of per-batch values, weighted by samples. Kept as a running mean and sum of squared
 * distances (West's update), so that no list of batches is needed. */
struct weighted {
    double mean, squares;
    int64_t n;
};
void weighted_add(struct weighted *w, double value, int64_t n);
/* NaN when nothing was added. */
double weighted_mean(const struct weighted *w);
double weighted_std(const struct weighted *w);

/* Seconds on a clock that only goes forward. */
double clock_seconds(void);

/* Device of a module's first parameter; "cpu" if it has none. */
const char *module_device(tl_module *m);

/* Forget all epochs. */
void history_clear(tl_history *h);

/* A state with copies of another's tensors; NULL and an error. */
tl_state *state_clone(const tl_state *s);

/* What a function of the caller's gave: NULL without an error becomes one that says which function it was. */
tl_tensor *result_of(const char *function, tl_tensor *t);

/* Bring a loader's batch to a device, in place. */
tl_status batch_to_device(tl_tensor **batch, int n, const char *device);

#endif
