/* SPDX-License-Identifier: Apache-2.0
 *
 * What rnn and its gradient share: sizes, where the steps of a sample lie, and the steps themselves, one sample at a time, in
 * double. The template part is included by both files.
 */
#ifndef REFERENCE_RNN_H
#define REFERENCE_RNN_H

#include "../reference.h"

enum { X, H0, C0, W_IH, W_HH, B_IH, B_HH, LENGTHS, Y, DY, DH, DC };

struct rnn {
    int64_t steps, samples, features, hidden, rows, mode;
    bool reverse;
    const int64_t *lengths; /**< NULL: all have all steps */
};

static inline struct rnn rnn_sizes(const struct tl_call *call)
{
    const struct tl_rnn_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[X], *w = &call->in[W_HH];
    return (struct rnn){x->shape[0], x->shape[1], x->shape[2], w->shape[1], w->shape[0], a->mode, a->reverse, input(call, LENGTHS)};
}

static inline int64_t rnn_length(const struct rnn *r, int64_t sample)
{
    return r->lengths ? r->lengths[sample] : r->steps;
}

/** The k-th step that a sample takes, as an index of time. */
static inline int64_t rnn_time(const struct rnn *r, int64_t sample, int64_t k)
{
    return r->reverse ? rnn_length(r, sample) - 1 - k : k;
}

static inline tl_status rnn_check_lengths(const struct tl_call *call, const struct rnn *r)
{
    for (int64_t i = 0; r->lengths && i < r->samples; i++)
        if (r->lengths[i] < 0 || r->lengths[i] > r->steps)
            return bad_index(call, "length", r->lengths[i], i, r->steps + 1);
    return TL_OK;
}

/** What a step computes, each `hidden` numbers (gate: `rows`). h and c are the state after it. */
struct rnn_step {
    double *gate;  /**< i f g o; r z n; or the one */
    double *inner; /**< GRU: w_hn h + b_hn */
    double *h, *c;
};

/** Numbers in one step, and step k of those in `memory`; step 0 has the state at the beginning. */
static inline int64_t rnn_step_size(const struct rnn *r)
{
    return r->rows + 3 * r->hidden;
}
static inline struct rnn_step rnn_step_at(const struct rnn *r, double *memory, int64_t k)
{
    double *at = memory + k * rnn_step_size(r);
    return (struct rnn_step){at, at + r->rows, at + r->rows + r->hidden, at + r->rows + 2 * r->hidden};
}

static inline double rnn_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/** The sums a = w_ih x + b_ih are in to.gate, b = w_hh h + b_hh in b: unit j of the step from one state to the next. */
static inline void rnn_unit(const struct rnn *r, struct rnn_step from, struct rnn_step to, const double *b, int64_t j)
{
    const int64_t n = r->hidden;
    double *gate = to.gate + j;
    if (r->mode == TL_RNN_LSTM) {
        for (int k = 0; k < 4; k++)
            gate[k * n] = k == 2 ? tanh(gate[k * n] + b[k * n + j]) : rnn_sigmoid(gate[k * n] + b[k * n + j]);
        to.c[j] = gate[n] * from.c[j] + gate[0] * gate[2 * n];
        to.h[j] = gate[3 * n] * tanh(to.c[j]);
    } else if (r->mode == TL_RNN_GRU) {
        for (int k = 0; k < 2; k++)
            gate[k * n] = rnn_sigmoid(gate[k * n] + b[k * n + j]);
        to.inner[j] = b[2 * n + j];
        gate[2 * n] = tanh(gate[2 * n] + gate[0] * to.inner[j]);
        to.h[j] = (1 - gate[n]) * gate[2 * n] + gate[n] * from.h[j];
    } else {
        const double sum = gate[0] + b[j];
        to.h[j] = gate[0] = r->mode == TL_RNN_RELU ? (sum > 0 ? sum : sum != sum ? sum : 0) : tanh(sum);
    }
}

#endif

#ifdef T
/** All steps of one sample, into memory: step 0 is the state that it begins with. b: room for `rows` numbers. */
static inline void NAME(run_sample)(const struct tl_call *call, const struct rnn *r, int64_t sample, double *memory, double *b)
{
    const T *x = input(call, X), *h0 = input(call, H0), *c0 = input(call, C0), *w_ih = input(call, W_IH), *w_hh = input(call, W_HH);
    const T *b_ih = input(call, B_IH), *b_hh = input(call, B_HH);
    struct rnn_step from = rnn_step_at(r, memory, 0);
    for (int64_t j = 0; j < r->hidden; j++) {
        from.h[j] = (double)h0[sample * r->hidden + j];
        from.c[j] = c0 ? (double)c0[sample * r->hidden + j] : 0;
    }
    for (int64_t k = 0; k < rnn_length(r, sample); k++) {
        const T *now = x + (rnn_time(r, sample, k) * r->samples + sample) * r->features;
        struct rnn_step to = rnn_step_at(r, memory, k + 1);
        for (int64_t row = 0; row < r->rows; row++) {
            to.gate[row] = b_ih ? (double)b_ih[row] : 0;
            b[row] = b_hh ? (double)b_hh[row] : 0;
            for (int64_t i = 0; i < r->features; i++)
                to.gate[row] += (double)w_ih[row * r->features + i] * (double)now[i];
            for (int64_t i = 0; i < r->hidden; i++)
                b[row] += (double)w_hh[row * r->hidden + i] * from.h[i];
        }
        for (int64_t j = 0; j < r->hidden; j++)
            rnn_unit(r, from, to, b, j);
        from = to;
    }
}
#endif
