/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the files of summaries: what one is made of, and how a network is walked for it.
 */
#ifndef TELAR_NN_TRAIN_SUMMARY_H
#define TELAR_NN_TRAIN_SUMMARY_H

#include "nn/train/train.h"

struct row {
    struct tl_summary_row public;
    const tl_module *module;
    char *name;
};

struct tl_summary {
    struct row *rows;
    size_t count, capacity;
    struct tl_summary_totals totals;
    struct tl_summary_memory memory;
    char *optimizer; /* the one that was named; NULL: none */
    char *untrained; /* why no step of training could be walked */
    bool broken;     /* the forward pass failed on the way */
};

/* Room for one more in a growing array; false if there is no memory. */
bool summary_grow(void *array, size_t *capacity, size_t needed, size_t size);

/* ---- A module on the device "meta" for a while (stand_in.c) ----------------------------------------------------------- */

/* What was put aside, and comes back. */
struct stand_ins {
    struct stood_in {
        tl_tensor *tensor, *values, *gradient; /* references; values: another handle on what tensor stood for */
    } *tensors;
    size_t n_tensors, tensors_capacity;
    struct mode {
        tl_module *module;
        bool training;
    } *modes;
    size_t n_modes, modes_capacity;
    int64_t parameters, buffers; /* bytes of what stands in */
};
/* Parameters and buffers of m stand for tensors without values from now on, until stand_ins_end(), which is to be called also after a failure. */
tl_status stand_ins_begin(struct stand_ins *s, tl_module *m);
/* Training mode as it was: as the user left it where the root was training, else everywhere. */
void stand_ins_train(const struct stand_ins *s);
void stand_ins_end(struct stand_ins *s);

/* ---- Seeing what runs (summary_watch.c) -------------------------------------------------------------------------------- */

/* What the observer works with. */
struct watch {
    tl_summary *summary;
    tl_module *root;
    struct open {
        size_t row;
        uint64_t start; /* multiply-adds when it began, */
        int64_t inside; /* and those of modules inside */
    } *open;            /* modules that are running, innermost last */
    size_t n_open, open_capacity;
    struct named {
        const tl_module *module;
        char *name;
    } *names;
    size_t n_names, names_capacity;
    tl_tensor **counted; /* parameters that were counted */
    size_t n_counted, counted_capacity;
    bool clear;               /* no error was set before */
    bool failed;              /* out of memory */
    bool broken;              /* a forward failed: first that of this row, which was given this shape */
    size_t broken_row;
    char given[200];
};

/* Learn the modules' names. */
tl_status watch_begin(struct watch *w);
/* Run the root on x, in evaluation mode and without gradients, and note every module. An error names the one that failed. */
tl_status watch_forward(struct watch *w, tl_tensor *const *x, int n);
void watch_free(struct watch *w);

/* ---- Walks (summary.c, summary_training.c) ---------------------------------------------------------------------------- */

/* Bytes of tensors without values that are alive on this thread. */
static inline int64_t bytes_alive(void)
{
    return tl_walk_cost().bytes;
}
int64_t summary_bytes(const tl_tensor *t);
/* One step of training with the named optimizer, on x; memory is counted from `start` bytes on. What fails becomes s->untrained. */
void summary_walk_training(tl_summary *s, tl_module *m, tl_tensor *const *x, int n, const struct stand_ins *module,
                           const struct tl_summary_options *o, int64_t start);

#endif
