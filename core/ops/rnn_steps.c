/* SPDX-License-Identifier: Apache-2.0
 *
 * rnn and rnn_grad in simpler ops. The products with the inputs of all steps are one product; then each step multiplies the state
 * and combines the gates. Backwards in time, d being what has arrived at the state h' of a step, from y and from the step after it:
 *
 *   RNN    da = d (1 - h'^2), or d where h' > 0
 *   LSTM   dc += d o (1 - tanh(c')^2)
 *          da = (dc g i (1 - i), dc c f (1 - f), dc i (1 - g^2), d tanh(c') o (1 - o))          then dc becomes dc f
 *   GRU    m = w_hn h + b_hn, dn = d (1 - z) (1 - n^2)
 *          da = (dn m r (1 - r), d (h - n) z (1 - z), dn), and dn r in the place of dn for what w_hh was multiplied with
 *
 * da are the gradients of the sums of which the gates are made, a = w_ih x + b_ih and b = w_hh h + b_hh (db is da but for that one place
 * of the GRU). The state before gets w_hh^T db (GRU: + d z), and at the end, over all steps at once,
 *
 *   dx = w_ih^T da     dw_ih = sum(da x)     dw_hh = sum(db h)     db_ih = sum(da)     db_hh = sum(db)
 *
 * A sample that is over, or, in reverse, not yet begun, keeps its state, and the state's gradient goes past the step.
 */
#include <limits.h>
#include <stdlib.h>

#include "core/ops/rnn.h"

/* What a step leaves for the way back. */
struct step {
    tl_tensor *gate[4]; /* i f g o; r z n; or the one */
    tl_tensor *inner;   /* GRU: m */
    tl_tensor *h, *c;   /* before the step */
    tl_tensor *tanh_c;  /* LSTM: of the new c */
    tl_tensor *a, *b;   /* backwards: da, db, [samples, rows] */
};

struct run {
    const struct tl_rnn_attrs *attrs;
    tl_tensor *const *in;
    int64_t steps, samples, features, hidden, rows;
    tl_tensor *x;    /* 0 beyond the samples' ends */
    tl_tensor *mask; /* [steps, samples, 1], true while a sample lasts; NULL: always */
    struct step *at;
    tl_tensor **y;
};

static tl_tensor *gate_of(const struct run *r, tl_tensor *sums, int k)
{
    return tl_narrow(sums, 1, k * r->hidden, r->hidden);
}

/* Is the step a real one? [samples, 1]. NULL, without an error: yes, for all. */
static tl_tensor *mask_at(const struct run *r, int64_t t)
{
    return r->mask ? tl_select(r->mask, 0, t) : NULL;
}

/* t where mask is true, else `otherwise`. */
static tl_tensor *choose(tl_tensor *mask, tl_tensor *t, tl_tensor *otherwise)
{
    return mask ? tl_where(mask, t, otherwise) : t;
}

/* 1, 2, … n, where x is. */
static tl_tensor *counted(int64_t n, const tl_tensor *x)
{
    struct tl_meta m = {.dtype = TL_I64, .ndim = 1, .shape = {n}};
    return tl_cumsum(tl_add_s(zeros_for(&m, x), 1), 0);
}

/* A length picks its successor from a list that has as many entries as there are lengths: so one that is out of range is found. */
static tl_tensor *mask_of(const struct run *r, tl_tensor *lengths)
{
    tl_tensor *ends = tl_index_select(counted(r->steps + 1, r->in[RNN_X]), 0, lengths);
    tl_tensor *steps = tl_view(counted(r->steps, r->in[RNN_X]), TL_SHAPE(r->steps, 1));
    return tl_view(tl_lt(steps, ends), TL_SHAPE(r->steps, r->samples, 1));
}

static tl_tensor *product(tl_tensor *x, tl_tensor *w, tl_tensor *bias)
{
    return bias && is_none(bias) ? tl_mm(x, tl_t(w)) : tl_addmm(bias, x, tl_t(w));
}

static void cell(const struct run *r, struct step *s, tl_tensor *a, tl_tensor *b, tl_tensor **h, tl_tensor **c)
{
    int64_t mode = r->attrs->mode;
    s->h = *h;
    s->c = *c;
    if (mode == TL_RNN_GRU) {
        for (int k = 0; k < 2; k++)
            s->gate[k] = tl_sigmoid(tl_add(gate_of(r, a, k), gate_of(r, b, k)));
        s->inner = gate_of(r, b, 2);
        s->gate[2] = tl_tanh(tl_add(gate_of(r, a, 2), tl_mul(s->gate[0], s->inner)));
        *h = tl_add(tl_mul(tl_sub(s->h, s->gate[2]), s->gate[1]), s->gate[2]);
        return;
    }
    tl_tensor *sums = tl_add(a, b);
    if (mode != TL_RNN_LSTM) {
        *h = s->gate[0] = mode == TL_RNN_RELU ? tl_relu(sums) : tl_tanh(sums);
        return;
    }
    for (int k = 0; k < 4; k++)
        s->gate[k] = k == 2 ? tl_tanh(gate_of(r, sums, k)) : tl_sigmoid(gate_of(r, sums, k));
    *c = tl_add(tl_mul(s->gate[1], s->c), tl_mul(s->gate[0], s->gate[2]));
    s->tanh_c = tl_tanh(*c);
    *h = tl_mul(s->gate[3], s->tanh_c);
}

/* The steps in the order in which they are taken. */
static int64_t time_of(const struct run *r, int64_t k)
{
    return r->attrs->reverse ? r->steps - 1 - k : k;
}

static tl_status run_forward(struct run *r, tl_tensor **h, tl_tensor **c)
{
    tl_tensor *const *in = r->in;
    r->x = in[RNN_X];
    if (!is_none(in[RNN_LENGTHS])) {
        r->mask = mask_of(r, in[RNN_LENGTHS]);
        if (!r->mask)
            return tl_error_code();
        r->x = tl_where(r->mask, r->x, tl_scalar(0));
    }
    r->x = tl_reshape(r->x, TL_SHAPE(r->steps * r->samples, r->features));
    tl_tensor *all = tl_view(product(r->x, in[RNN_W_IH], in[RNN_B_IH]), TL_SHAPE(r->steps, r->samples, r->rows));
    *h = in[RNN_H];
    *c = in[RNN_C];
    for (int64_t k = 0; k < r->steps; k++) {
        int64_t t = time_of(r, k);
        tl_tensor *mask = mask_at(r, t), *new_h = *h, *new_c = *c;
        cell(r, &r->at[t], tl_select(all, 0, t), product(*h, in[RNN_W_HH], in[RNN_B_HH]), &new_h, &new_c);
        r->y[t] = choose(mask, new_h, tl_scalar(0));
        *h = choose(mask, new_h, *h);
        if (r->attrs->mode == TL_RNN_LSTM)
            *c = choose(mask, new_c, *c);
    }
    return made(*h);
}

static tl_status run_begin(struct run *r, const void *attrs, tl_tensor *const *in)
{
    const tl_tensor *x = in[RNN_X];
    *r = (struct run){.attrs = attrs, .in = in, .steps = x->shape[0], .samples = x->shape[1], .features = x->shape[2],
                      .hidden = in[RNN_H]->shape[1], .rows = in[RNN_W_HH]->shape[0]};
    if (r->samples == 0)
        return TL_OK;
    if (r->steps > INT_MAX)
        return tl_fail(TL_ERR_LIMIT, "rnn: %lld steps are too many", (long long)r->steps);
    r->at = calloc((size_t)r->steps, sizeof *r->at);
    r->y = calloc((size_t)r->steps, sizeof *r->y);
    return r->at && r->y ? TL_OK : tl_fail(TL_ERR_NOMEM, "rnn: out of memory for %lld steps", (long long)r->steps);
}

static void run_end(struct run *r)
{
    free(r->at);
    free(r->y);
}

/* ---- Backwards ---------------------------------------------------------------------------------------------------------- */

static tl_tensor *sigmoid_slope(tl_tensor *d, tl_tensor *s)
{
    return tl_mul(d, tl_mul(s, tl_sub(tl_scalar(1), s)));
}

static tl_tensor *tanh_slope(tl_tensor *d, tl_tensor *t)
{
    return tl_mul(d, tl_sub(tl_scalar(1), tl_square(t)));
}

/* da and db of a step, from what has arrived at h' and c'. *d becomes what goes past w_hh to the h before, NULL: nothing. */
static void cell_back(const struct run *r, struct step *s, tl_tensor **d, tl_tensor **dc)
{
    tl_tensor *const *g = s->gate, *part[4];
    if (r->attrs->mode == TL_RNN_LSTM) {
        *dc = tl_add(*dc, tanh_slope(tl_mul(*d, g[3]), s->tanh_c));
        part[0] = sigmoid_slope(tl_mul(*dc, g[2]), g[0]);
        part[1] = sigmoid_slope(tl_mul(*dc, s->c), g[1]);
        part[2] = tanh_slope(tl_mul(*dc, g[0]), g[2]);
        part[3] = sigmoid_slope(tl_mul(*d, s->tanh_c), g[3]);
        s->a = s->b = tl_cat(4, part, 1);
        *dc = tl_mul(*dc, g[1]);
        *d = NULL;
    } else if (r->attrs->mode == TL_RNN_GRU) {
        tl_tensor *dn = tanh_slope(tl_mul(*d, tl_sub(tl_scalar(1), g[1])), g[2]);
        part[0] = sigmoid_slope(tl_mul(dn, s->inner), g[0]);
        part[1] = sigmoid_slope(tl_mul(*d, tl_sub(s->h, g[2])), g[1]);
        part[2] = dn;
        s->a = tl_cat(3, part, 1);
        part[2] = tl_mul(dn, g[0]);
        s->b = tl_cat(3, part, 1);
        *d = tl_mul(*d, g[1]);
    } else {
        bool relu = r->attrs->mode == TL_RNN_RELU;
        s->a = s->b = relu ? tl_where(tl_gt(g[0], tl_scalar(0)), *d, tl_scalar(0)) : tanh_slope(*d, g[0]);
        *d = NULL;
    }
}

static void step_back(const struct run *r, int64_t t, tl_tensor **dh, tl_tensor **dc)
{
    tl_tensor *mask = mask_at(r, t), *zero = tl_scalar(0);
    tl_tensor *d = choose(mask, tl_add(*dh, tl_select(r->in[RNN_DY], 0, t)), zero), *d_c = *dc;
    bool lstm = r->attrs->mode == TL_RNN_LSTM;
    if (lstm)
        d_c = choose(mask, *dc, zero);
    cell_back(r, &r->at[t], &d, &d_c);
    tl_tensor *before = tl_mm(r->at[t].b, r->in[RNN_W_HH]);
    if (d)
        before = tl_add(before, d);
    *dh = choose(mask, before, *dh);
    if (lstm)
        *dc = choose(mask, d_c, *dc);
}

/* One of each step's tensors, stacked: [steps samples, columns]. */
static tl_tensor *all_steps(const struct run *r, size_t which, int64_t columns)
{
    tl_tensor **list = malloc((size_t)r->steps * sizeof *list), *all;
    if (!list) {
        tl_fail(TL_ERR_NOMEM, "rnn_grad: out of memory for %lld steps", (long long)r->steps);
        return NULL;
    }
    for (int64_t t = 0; t < r->steps; t++)
        list[t] = *(tl_tensor **)(void *)((char *)&r->at[t] + which);
    all = tl_stack((int)r->steps, list, 0);
    free(list);
    return tl_view(all, TL_SHAPE(r->steps * r->samples, columns));
}

static void run_back(struct run *r, tl_tensor **out)
{
    tl_tensor *dh = r->in[RNN_DH], *dc = r->in[RNN_DC];
    for (int64_t k = r->steps - 1; k >= 0; k--)
        step_back(r, time_of(r, k), &dh, &dc);
    tl_tensor *a = all_steps(r, offsetof(struct step, a), r->rows), *b = a, *h = all_steps(r, offsetof(struct step, h), r->hidden);
    if (r->attrs->mode == TL_RNN_GRU)
        b = all_steps(r, offsetof(struct step, b), r->rows);
    out[RNN_X] = tl_view(tl_mm(a, r->in[RNN_W_IH]), TL_SHAPE(r->steps, r->samples, r->features));
    out[RNN_H] = dh;
    if (r->attrs->mode == TL_RNN_LSTM)
        out[RNN_C] = dc;
    out[RNN_W_IH] = tl_mm(tl_t(a), r->x);
    out[RNN_W_HH] = tl_mm(tl_t(b), h);
    for (int i = RNN_B_IH; i <= RNN_B_HH; i++)
        if (!is_none(r->in[i]))
            out[i] = tl_sum(i == RNN_B_IH ? a : b, .dims = TL_DIMS(0));
}

/* ---- The two ops -------------------------------------------------------------------------------------------------------- */

/* Of a batch of none: zeros like each of n operands that is there. */
static tl_status zeros_like_all(tl_tensor *const *in, int n, tl_tensor **out)
{
    for (int i = 0; i < n; i++)
        if (!is_none(in[i]) && !(out[i] = tl_zeros_like(in[i])))
            return tl_error_code();
    return TL_OK;
}

tl_status rnn_decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    struct run r;
    tl_tensor *h, *c;
    tl_status s = run_begin(&r, attrs, in);
    if (s == TL_OK && r.samples == 0) {
        struct tl_meta y = {.dtype = (tl_dtype)in[RNN_X]->dtype, .ndim = 3, .shape = {r.steps, 0, r.hidden}};
        out[0] = zeros_for(&y, in[RNN_X]);
        s = out[0] ? zeros_like_all(in + RNN_H, 2, out + 1) : tl_error_code();
    } else if (s == TL_OK && (s = run_forward(&r, &h, &c)) == TL_OK) {
        out[0] = tl_stack((int)r.steps, r.y, 0);
        out[1] = h;
        if (r.attrs->mode == TL_RNN_LSTM)
            out[2] = c;
        s = made(out[0]);
    }
    run_end(&r);
    return s;
}

tl_status rnn_decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    struct run r;
    tl_tensor *h, *c;
    tl_status s = run_begin(&r, attrs, in);
    if (s == TL_OK && r.samples == 0) {
        s = zeros_like_all(in, RNN_GRADIENTS, out);
    } else if (s == TL_OK && (s = run_forward(&r, &h, &c)) == TL_OK) {
        run_back(&r, out);
        s = made(out[RNN_X]) == TL_OK ? made(out[RNN_W_HH]) : tl_error_code();
    }
    run_end(&r);
    return s;
}
