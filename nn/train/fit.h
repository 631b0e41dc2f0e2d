/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the training loop: a run, and what the loop is made of.
 */
#ifndef TELAR_NN_TRAIN_FIT_H
#define TELAR_NN_TRAIN_FIT_H

#include "nn/train/train.h"

struct run {
    tl_module *module;
    tl_loader *train;
    tl_optimizer *optimizer;
    const struct tl_fit_options *o;
    struct tl_checkpoint at;  /* where the run stands, as checkpoints keep it */
    struct position position; /* and within an epoch */
    tl_schedule **schedules;  /* all of them, NULL-terminated */
    struct weighted loss, metric;
    struct compiled compiled;
    struct late_numbers late; /* losses and metrics that are still on the device */
    bool reads_late;          /* nobody needs each batch's loss at once, and reading it would make the host wait for the device */
    tl_history *history; /* the caller's, or own */
    int fields, lines;
    double epoch_begun;
    bool stop; /* a callback asked for it */
};

/* fit_batch.c: forward, backward, step and measurement of one batch; *loss is what it cost, left alone where that is read late. */
tl_status train_batch(struct run *r, tl_tensor **batch, double *loss);
/* Read what is still on the device. The step that a loss that is no number led to has been taken by then: weights are of no use after it. */
tl_status read_late(struct run *r);
/* Move all schedules. */
tl_status step_schedules(struct run *r, double metric);

/* fit_lines.c: a line of the table of epochs (o->lines), with the table's head before the first. */
void print_epoch(FILE *to, const struct tl_epoch *e, const struct tl_fit_options *o, bool first, const char *metric);
/* Where a resumed run goes on. */
void print_resumed(const struct run *r);

#endif
