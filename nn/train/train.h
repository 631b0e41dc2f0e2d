/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to nn/train: text that grows, its width in columns, and running means over batches.
 */
#ifndef TELAR_NN_TRAIN_H
#define TELAR_NN_TRAIN_H

#include <stdio.h>
#include <telar/nn.h>

#include "nn/options.h"

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

/* Losses and metrics of batches, still on a device: they are read a few at a time, no more than ten times a second, so that the host goes on
 * while the device computes. */
enum { LATE_NUMBERS = 64 };
struct late_number {
    tl_tensor *loss, *metric; /* references; metric may be NULL */
    int64_t samples, batch;
};
struct late_numbers {
    struct late_number list[LATE_NUMBERS];
    int n;
    double since; /* when the first of them was added */
};
/* Keep what a batch cost. Call late_numbers_due() after each, and read the list where it says so. */
tl_status late_numbers_add(struct late_numbers *l, tl_tensor *loss, tl_tensor *metric, int64_t samples, int64_t batch);
bool late_numbers_due(const struct late_numbers *l);
void late_numbers_clear(struct late_numbers *l);

/* Seconds on a clock that only goes forward. */
double clock_seconds(void);

/* Device of a module's first parameter; "cpu" if it has none. */
const char *module_device(tl_module *m);

/* As a checkpoint keeps it: a tensor "telar.history" and a note "telar.metric". */
tl_status history_save(tl_state *s, const tl_history *h);
tl_status history_load(const tl_state *s, tl_history *h);

/* Where the loop stands within an epoch, and how it gets there again. Zeros: between two epochs. */
struct position {
    int64_t batch;     /* batches done */
    double running[6]; /* mean, sum of squares and samples, of loss and metric */
    unsigned char epoch_generator[TL_GENERATOR_STATE_SIZE];  /* the default generator as the epoch began */
    unsigned char loader_generator[TL_GENERATOR_STATE_SIZE]; /* and the loader's own */
};
/* tl_checkpoint_save() and tl_checkpoint_load(), with the loop's position. */
tl_status checkpoint_save(const struct tl_checkpoint *c, const struct position *p, const char *path);
tl_status checkpoint_load(struct tl_checkpoint *c, struct position *p, const char *path);

/* One batch on its way, and the handle that an update gets. */
struct tl_update {
    tl_module *module;
    tl_optimizer *optimizer; /* NULL: it is only measured, and nothing descends */
    const struct tl_fit_options *o;
    bool late;         /* losses are on a device, and looked at later */
    tl_tensor *metric; /* what the update told, without a graph; NULL: nothing */
};
/* The loss of a batch, by update, step or forward and loss, in this order; *output is set by the last only. An update has descended. */
tl_tensor *update_loss(struct tl_update *u, tl_tensor **batch, int n, tl_tensor **output);
/* An error if a loss is no number to descend on. */
tl_status update_check(const struct tl_update *u, double loss);
/* Is anything measured beside the loss? */
bool update_has_metric(const struct tl_fit_options *o);

/* Training batches as a program (compiled.c). */
struct compiled {
    tl_program *program; /* NULL: batches are not compiled */
    tl_module *module;
    tl_optimizer *optimizer;
    const struct tl_fit_options *o;
    bool has_metric; /* the step gives the metric as well */
};
tl_status compiled_open(struct compiled *c, tl_module *m, tl_optimizer *optimizer, const struct tl_fit_options *o);
/* One batch, on the module's device, as the loader gave it. *metric is NULL where has_metric is not set. */
tl_status compiled_step(struct compiled *c, tl_tensor *const *batch, int n, tl_tensor **loss, tl_tensor **metric);
void compiled_close(struct compiled *c);

/* What a function of the caller's gave: NULL without an error becomes one that says which function it was. */
tl_tensor *result_of(const char *function, tl_tensor *t);

/* What m gives for a batch: by the options' forward, or tl_forward(m, batch[0]). */
tl_tensor *forward_batch(tl_module *m, tl_tensor *const *batch, int n, const struct tl_fit_options *o);

/* The target in the output's shape, which may differ from it by sizes of 1 at the end ([64] and [64 x 1]); anything else is an
 * error, since broadcasting would compare every output with every target. NULL passes through. */
tl_tensor *match_target(tl_tensor *output, tl_tensor *target);
/* "[64 x 1]". */
void shape_text(char *text, size_t size, const tl_tensor *t);

struct tl_model;
struct tl_config;
/* Shape and number of values of a model's input, checked; the number of dimensions, or -1 and an error. */
int model_input_shape(const struct tl_model *m, const struct tl_config *c, int64_t *shape, int64_t *values);
/* The error for samples of another number of values. */
tl_status model_refuses_size(const struct tl_model *m, int ndim, const int64_t *shape, int64_t values, int64_t came);

/* Bring a loader's batch to a device, in place. */
tl_status batch_to_device(tl_tensor **batch, int n, const char *device);

#endif
