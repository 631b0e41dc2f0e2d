/* SPDX-License-Identifier: Apache-2.0
 *
 * What rnn and its gradient share: sizes, the memory that a forward fills, how units are divided among threads.
 *
 * The weights w_hh are rearranged once a call into panels: for `pair` hidden units (two vectors; the last panel may be narrower) their columns of
 * every gate, one block after the other. A thread has panels of its own: at each step it multiplies the state with them, computes the
 * gates of its units, and waits for the others. So a step needs one barrier, and the panels stay in the thread's cache.
 */
#ifndef CPU_OPS_RNN_H
#define CPU_OPS_RNN_H

#include "../cpu.h"

enum { RNN_X, RNN_H0, RNN_C0, RNN_W_IH, RNN_W_HH, RNN_B_IH, RNN_B_HH, RNN_LENGTHS, RNN_Y, RNN_DY, RNN_DH, RNN_DC };

struct rnn {
    int64_t steps, samples, features, hidden, gates, rows; /* rows = gates hidden */
    int64_t panel;                                         /* units in a whole one */
    int mode;
    bool reverse, strict;
    const int64_t *lengths; /* NULL: all samples have all steps */
};

struct rnn rnn_sizes(const struct tl_call *call);
tl_status rnn_check_lengths(const struct tl_call *call, const struct rnn *r);

/* The k-th step in time. */
static inline int64_t rnn_time(const struct rnn *r, int64_t k)
{
    return r->reverse ? r->steps - 1 - k : k;
}

/* Does sample n take the step at time t? */
static inline bool rnn_lasts(const struct rnn *r, int64_t n, int64_t t)
{
    return !r->lengths || t < r->lengths[n];
}

static inline int64_t rnn_panels(const struct rnn *r)
{
    return (r->hidden + r->panel - 1) / r->panel;
}
static inline int64_t rnn_width(const struct rnn *r, int64_t panel)
{
    int64_t left = r->hidden - panel * r->panel;
    return left < r->panel ? left : r->panel;
}

/* Threads for the steps: each has panels enough, and work for the time that a barrier takes. */
static inline int rnn_threads(const struct rnn *r)
{
    int64_t panels = rnn_panels(r);
    int threads = cpu_threads(r->samples * r->rows * r->hidden, 1 << 16);
    return panels < threads ? (int)panels : threads;
}

/* What is kept for the gradient: the gates' values [steps, samples, rows]; c of an LSTM after each step, or w_hn h + b_hn of a GRU,
 * [steps, samples, hidden]. */
struct rnn_kept {
    float *gates, *extra;
};
static inline int64_t rnn_kept_floats(const struct rnn *r)
{
    return r->steps * r->samples * (r->rows + r->hidden);
}
static inline struct rnn_kept rnn_kept_at(const struct rnn *r, void *memory)
{
    float *gates = memory;
    return (struct rnn_kept){gates, gates + r->steps * r->samples * r->rows};
}

/* Scratch floats that rnn_forward() needs. */
int64_t rnn_forward_floats(const struct rnn *r);
/* All steps: fills `kept`, y [steps, samples, hidden] and, where they are not NULL, the last states. */
tl_status rnn_forward(const struct tl_call *call, const struct rnn *r, const struct rnn_kept *kept, float *y, float *h_n, float *c_n,
                      float *scratch);

/* x, with zeros in place of what lies beyond the samples' ends, which is made in `scratch`. */
const float *rnn_masked(const struct rnn *r, const float *x, float *scratch);

extern const char rnn_maker[];

#endif
