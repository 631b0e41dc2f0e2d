/* SPDX-License-Identifier: Apache-2.0
 *
 * rnn_grad: backwards through time, sample by sample, after its steps were computed again. With d what has arrived at the state h' of
 * a step (from y and from the step after it), and e at an LSTM's c',
 *
 *     RNN    da = d (1 - h'^2), or d where h' > 0
 *     LSTM   e += d o (1 - tanh(c')^2);  da = (e g i (1 - i), e c f (1 - f), e i (1 - g^2), d tanh(c') o (1 - o));  then e = e f
 *     GRU    dn = d (1 - z) (1 - n^2), m = w_hn h + b_hn;  da = (dn m r (1 - r), d (h - n) z (1 - z), dn);  db the same, but dn r at n
 *
 * for the sums a = w_ih x + b_ih and b = w_hh h + b_hh (db = da but for the GRU), and
 *
 *     dx = w_ih^T da    dh = w_hh^T db (GRU: + d z)    dw_ih = sum of da x    dw_hh = sum of db h    db_ih = sum of da    db_hh = sum of db
 */
#ifndef T
#include "rnn.h"

/* Parts of the workspace, in double. */
struct parts {
    double *sums, *da, *db, *dh, *dc, *before; /* rows, rows, rows, hidden, hidden, hidden */
    double *dw_ih, *dw_hh, *db_ih, *db_hh;
    double *steps;
};

/* Sets them, and returns how many numbers they are in all. */
static int64_t lay_out(const struct rnn *r, double *memory, struct parts *p)
{
    double **const part[] = {&p->sums, &p->da, &p->db, &p->dh, &p->dc, &p->before, &p->dw_ih, &p->dw_hh, &p->db_ih, &p->db_hh, &p->steps};
    const int64_t size[] = {r->rows, r->rows, r->rows, r->hidden, r->hidden, r->hidden, r->rows * r->features, r->rows * r->hidden, r->rows,
                            r->rows, (r->steps + 1) * rnn_step_size(r)};
    int64_t at = 0;
    for (size_t i = 0; i < sizeof size / sizeof *size; at += size[i++])
        *part[i] = memory ? memory + at : NULL;
    return at;
}

/* da and db of unit j, from dh and dc; dc and `before` become what goes to the step before, but for the part through w_hh. */
static void unit_back(const struct rnn *r, const struct parts *p, struct rnn_step from, struct rnn_step to, int64_t j)
{
    const int64_t n = r->hidden;
    const double d = p->dh[j], *g = to.gate + j;
    double *da = p->da + j, *db = p->db + j;
    p->before[j] = 0;
    if (r->mode == TL_RNN_LSTM) {
        const double u = tanh(to.c[j]), e = p->dc[j] + d * g[3 * n] * (1 - u * u);
        da[0] = e * g[2 * n] * g[0] * (1 - g[0]);
        da[n] = e * from.c[j] * g[n] * (1 - g[n]);
        da[2 * n] = e * g[0] * (1 - g[2 * n] * g[2 * n]);
        da[3 * n] = d * u * g[3 * n] * (1 - g[3 * n]);
        p->dc[j] = e * g[n];
    } else if (r->mode == TL_RNN_GRU) {
        const double dn = d * (1 - g[n]) * (1 - g[2 * n] * g[2 * n]);
        da[0] = dn * to.inner[j] * g[0] * (1 - g[0]);
        da[n] = d * (from.h[j] - g[2 * n]) * g[n] * (1 - g[n]);
        da[2 * n] = dn;
        p->before[j] = d * g[n];
    } else {
        da[0] = r->mode == TL_RNN_RELU ? (g[0] > 0 ? d : 0) : d * (1 - g[0] * g[0]);
    }
    for (int64_t k = 0; k < r->rows / n; k++)
        db[k * n] = r->mode == TL_RNN_GRU && k == 2 ? da[2 * n] * g[0] : da[k * n];
}

typedef tl_status grad_body(const struct tl_call *call, double *memory);

#define TEMPLATE "ops/rnn_grad.c"
#include "../each_float.h"

static grad_body *const table[TL_DTYPE_COUNT] = {FLOATING(rnn_grad)};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return table[call->in[X].dtype] ? NULL : unknown_type;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct parts p;
    const struct rnn r = rnn_sizes(call);
    prep->workspace = (size_t)lay_out(&r, NULL, &p) * sizeof(double);
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    return table[call->in[X].dtype](call, tl_mem_ptr(workspace));
}

SIMPLE_KERNEL(rnn_grad, 0, refuses, prepare, run);

#else
#include "rnn.h"

/* What da and db of a step at time t give to the weights, to x and to the state before. */
static void NAME(products)(const struct tl_call *call, const struct rnn *r, const struct parts *p, struct rnn_step from, int64_t at)
{
    const T *x = (const T *)input(call, X) + at * r->features, *w_ih = input(call, W_IH), *w_hh = input(call, W_HH);
    T *dx = (T *)output(call, X) + at * r->features;
    for (int64_t row = 0; row < r->rows; row++) {
        p->db_ih[row] += p->da[row];
        p->db_hh[row] += p->db[row];
        for (int64_t i = 0; i < r->features; i++)
            p->dw_ih[row * r->features + i] += p->da[row] * (double)x[i];
        for (int64_t i = 0; i < r->hidden; i++) {
            p->dw_hh[row * r->hidden + i] += p->db[row] * from.h[i];
            p->before[i] += (double)w_hh[row * r->hidden + i] * p->db[row];
        }
    }
    for (int64_t i = 0; i < r->features; i++) {
        double sum = 0;
        for (int64_t row = 0; row < r->rows; row++)
            sum += (double)w_ih[row * r->features + i] * p->da[row];
        dx[i] = (T)sum;
    }
    for (int64_t i = 0; i < r->hidden; i++)
        p->dh[i] = p->before[i];
}

static void NAME(sample_back)(const struct tl_call *call, const struct rnn *r, const struct parts *p, int64_t sample)
{
    const T *dy = input(call, DY), *dh = input(call, DH), *dc = input(call, DC);
    T *dh0 = output(call, H0), *dc0 = output(call, C0);
    NAME(run_sample)(call, r, sample, p->steps, p->sums);
    for (int64_t j = 0; j < r->hidden; j++) {
        p->dh[j] = (double)dh[sample * r->hidden + j];
        p->dc[j] = dc ? (double)dc[sample * r->hidden + j] : 0;
    }
    for (int64_t k = rnn_length(r, sample) - 1; k >= 0; k--) {
        const int64_t at = rnn_time(r, sample, k) * r->samples + sample;
        const struct rnn_step from = rnn_step_at(r, p->steps, k), to = rnn_step_at(r, p->steps, k + 1);
        for (int64_t j = 0; j < r->hidden; j++) {
            p->dh[j] += (double)dy[at * r->hidden + j];
            unit_back(r, p, from, to, j);
        }
        NAME(products)(call, r, p, from, at);
    }
    for (int64_t j = 0; j < r->hidden; j++) {
        dh0[sample * r->hidden + j] = (T)p->dh[j];
        if (dc0)
            dc0[sample * r->hidden + j] = (T)p->dc[j];
    }
}

static void NAME(put)(T *to, const double *from, int64_t n)
{
    for (int64_t i = 0; to && i < n; i++)
        to[i] = (T)from[i];
}

static tl_status NAME(rnn_grad)(const struct tl_call *call, double *memory)
{
    struct parts p;
    const struct rnn r = rnn_sizes(call);
    const tl_status s = rnn_check_lengths(call, &r);
    if (s != TL_OK)
        return s;
    lay_out(&r, memory, &p);
    for (double *at = p.dw_ih; at < p.steps; at++)
        *at = 0;
    T *dx = output(call, X);
    for (int64_t i = 0; i < r.steps * r.samples * r.features; i++)
        dx[i] = 0; /* beyond the ends */
    for (int64_t sample = 0; sample < r.samples; sample++)
        NAME(sample_back)(call, &r, &p, sample);
    NAME(put)(output(call, W_IH), p.dw_ih, r.rows * r.features);
    NAME(put)(output(call, W_HH), p.dw_hh, r.rows * r.hidden);
    NAME(put)(output(call, B_IH), p.db_ih, r.rows);
    NAME(put)(output(call, B_HH), p.db_hh, r.rows);
    return TL_OK;
}
#endif
