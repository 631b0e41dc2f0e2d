/* SPDX-License-Identifier: Apache-2.0
 *
 * Recurrent layers. The products of all steps with w_ih are one matrix product; a step then adds its product with w_hh and computes the
 * gates of each unit in one pass. Where there are too few steps to pay for rearranged weights, the product is the library's.
 */
#include "rnn.h"

#include <string.h>

#include "matmul.h"

enum { FEW_STEPS = 3 };

const char rnn_maker[] = "cpu:vector";

struct rnn rnn_sizes(const struct tl_call *call)
{
    const struct tl_rnn_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[RNN_X], *w = &call->in[RNN_W_HH];
    const struct tl_view *lengths = &call->in[RNN_LENGTHS];
    struct rnn r = {.steps = x->shape[0], .samples = x->shape[1], .features = x->shape[2], .hidden = w->shape[1], .rows = w->shape[0],
                    .panel = cpu_vector->pair, .mode = (int)a->mode, .reverse = a->reverse, .strict = call->math == TL_MATH_STRICT};
    r.gates = r.rows / r.hidden;
    r.lengths = tl_view_present(lengths) && lengths->mem.handle ? cpu_data(lengths) : NULL;
    return r;
}

tl_status rnn_check_lengths(const struct tl_call *call, const struct rnn *r)
{
    for (int64_t n = 0; r->lengths && n < r->samples; n++)
        if (r->lengths[n] < 0 || r->lengths[n] > r->steps)
            return cpu_host->fail(TL_ERR_INDEX, "%s: length %lld at position %lld is out of range: expected 0 to %lld", call->op,
                                  (long long)r->lengths[n], (long long)n, (long long)r->steps);
    return TL_OK;
}

const float *rnn_masked(const struct rnn *r, const float *x, float *scratch)
{
    int64_t n = r->features;
    if (!r->lengths)
        return x;
    for (int64_t row = 0; row < r->steps * r->samples; row++)
        if (rnn_lasts(r, row % r->samples, row / r->samples))
            memcpy(scratch + row * n, x + row * n, (size_t)n * sizeof *x);
        else
            memset(scratch + row * n, 0, (size_t)n * sizeof *x);
    return scratch;
}

/* ---- Before the steps ------------------------------------------------------------------------------------------------- */

struct work {
    const struct rnn *r;
    const struct rnn_kept *kept;
    const float *h0, *c0, *w_hh;
    float *y;
    float *panels;
    float *bias;  /* rows */
    float *state; /* twice [samples, hidden], where samples end at different times */
    float *x;     /* masked */
};

static int64_t layout(const struct rnn *r, struct work *w, float *memory)
{
    float **const part[] = {&w->panels, &w->bias, &w->state, &w->x};
    const int64_t size[] = {r->rows * r->hidden, r->rows, r->lengths ? 2 * r->samples * r->hidden : 0,
                            r->lengths ? r->steps * r->samples * r->features : 0};
    int64_t at = 0;
    for (size_t i = 0; i < sizeof size / sizeof *size; at += size[i++])
        *part[i] = memory ? memory + at : NULL;
    return at;
}

int64_t rnn_forward_floats(const struct rnn *r)
{
    struct work w;
    return layout(r, &w, NULL);
}

/* Every gate starts as the sum of its biases, but the inner part of a GRU has its own. */
static bool sum_biases(const struct rnn *r, const float *b_ih, const float *b_hh, float *bias)
{
    int64_t shared = r->mode == TL_RNN_GRU ? 2 * r->hidden : r->rows;
    for (int64_t i = 0; i < r->rows; i++)
        bias[i] = (b_ih ? b_ih[i] : 0) + (b_hh && i < shared ? b_hh[i] : 0);
    return b_ih || b_hh;
}

static tl_status input_product(const struct tl_call *call, const struct work *w)
{
    const struct rnn *r = w->r;
    const float *b_ih = tl_view_present(&call->in[RNN_B_IH]) ? cpu_data(&call->in[RNN_B_IH]) : NULL;
    const float *b_hh = tl_view_present(&call->in[RNN_B_HH]) ? cpu_data(&call->in[RNN_B_HH]) : NULL;
    float *x = (float *)(uintptr_t)rnn_masked(r, cpu_data(&call->in[RNN_X]), w->x);
    struct cpu_product p = {.batches = 1, .m = r->steps * r->samples, .n = r->rows, .k = r->features, .alpha = 1, .beta = 1,
                            .a = {x, r->features, 1}, .b = {cpu_data(&call->in[RNN_W_IH]), 1, r->features}, .c = {w->bias, 0, 1},
                            .y = {w->kept->gates, r->rows, 1}};
    p.has_c = sum_biases(r, b_ih, b_hh, w->bias);
    for (int64_t row = 0; r->mode == TL_RNN_GRU && row < r->steps * r->samples; row++)
        if (b_hh)
            memcpy(w->kept->extra + row * r->hidden, b_hh + 2 * r->hidden, (size_t)r->hidden * sizeof *b_hh);
        else
            memset(w->kept->extra + row * r->hidden, 0, (size_t)r->hidden * sizeof *b_hh);
    return cpu_multiply(call, &p);
}

/* A panel's weights: for each gate [hidden, width]. */
static void pack(const struct work *w, int64_t panel)
{
    const struct rnn *r = w->r;
    int64_t width = rnn_width(r, panel), first = panel * r->panel;
    for (int64_t g = 0; g < r->gates; g++)
        cpu_vector->convert->transpose(w->panels + (first * r->gates + g * width) * r->hidden, width,
                                       w->w_hh + (g * r->hidden + first) * r->hidden, r->hidden, width, r->hidden);
}

/* ---- Steps -------------------------------------------------------------------------------------------------------------- */

/* Where the product with w_hh of a gate is added, for units from `first`; *row: floats from sample to sample. */
static float *sums_at(const struct work *w, int64_t t, int64_t g, int64_t first, int64_t *row)
{
    const struct rnn *r = w->r;
    if (r->mode == TL_RNN_GRU && g == 2) {
        *row = r->hidden;
        return w->kept->extra + t * r->samples * r->hidden + first;
    }
    *row = r->rows;
    return w->kept->gates + t * r->samples * r->rows + g * r->hidden + first;
}

/* The state before step k: of all samples, [samples, hidden]. */
static const float *state_before(const struct work *w, int64_t k)
{
    const struct rnn *r = w->r;
    int64_t size = r->samples * r->hidden;
    if (k == 0)
        return w->h0;
    return r->lengths ? w->state + ((k - 1) & 1) * size : w->y + rnn_time(r, k - 1) * size;
}

/* The gates of units first … first + n - 1 of one sample. */
static void unit_step(const struct work *w, int64_t k, int64_t sample, int64_t first, int64_t n)
{
    const struct rnn *r = w->r;
    const struct cpu_rnn_loops *loops = cpu_vector->rnn;
    int64_t t = rnn_time(r, k), at = (t * r->samples + sample) * r->hidden + first, in_state = sample * r->hidden + first;
    float *gates = w->kept->gates + (t * r->samples + sample) * r->rows + first, *extra = w->kept->extra + at, *h = w->y + at;
    const float *h_before = state_before(w, k) + in_state, *c_before = NULL;
    if (r->mode == TL_RNN_LSTM)
        c_before = k == 0 ? w->c0 + in_state : w->kept->extra + rnn_time(r, k - 1) * r->samples * r->hidden + in_state;
    size_t bytes = (size_t)n * sizeof *h;
    float *h_after = r->lengths ? w->state + (k & 1) * r->samples * r->hidden + in_state : NULL;
    if (!rnn_lasts(r, sample, t)) {
        memset(h, 0, bytes);
        memcpy(h_after, h_before, bytes);
        if (c_before)
            memcpy(extra, c_before, bytes);
        return;
    }
    if (r->mode == TL_RNN_LSTM)
        loops->lstm_step(gates, r->hidden, c_before, extra, h, n);
    else if (r->mode == TL_RNN_GRU)
        loops->gru_step(gates, r->hidden, extra, h_before, h, n);
    else
        (r->mode == TL_RNN_RELU ? loops->relu_step : loops->tanh_step)(gates, h, n);
    if (h_after)
        memcpy(h_after, h, bytes);
}

/* A thread's panels through all steps. */
static void run_panels(const struct work *w, int64_t begin, int64_t end)
{
    const struct rnn *r = w->r;
    for (int64_t p = begin; p < end; p++)
        pack(w, p);
    for (int64_t k = 0; k < r->steps; k++) {
        const float *h = state_before(w, k);
        for (int64_t p = begin; p < end; p++) {
            int64_t width = rnn_width(r, p), first = p * r->panel, row;
            for (int64_t g = 0; g < r->gates; g++) {
                float *sums = sums_at(w, rnn_time(r, k), g, first, &row);
                cpu_vector->small_matmul(sums, row, h, r->hidden, 1, w->panels + (first * r->gates + g * width) * r->hidden, width, r->samples,
                                         width, r->hidden, 1);
            }
            for (int64_t n = 0; n < r->samples; n++)
                unit_step(w, k, n, first, width);
        }
#pragma omp barrier
    }
}

/* Few steps: the library's product for all gates that it can add to at once, then the gates. */
static tl_status run_few(const struct tl_call *call, const struct work *w)
{
    const struct rnn *r = w->r;
    for (int64_t k = 0; k < r->steps; k++) {
        int64_t together = r->mode == TL_RNN_GRU ? 2 : r->gates;
        for (int64_t g = 0; g < r->gates; g += together) {
            int64_t row, count = g == 0 ? together : 1;
            float *sums = sums_at(w, rnn_time(r, k), g, 0, &row);
            struct cpu_product p = {.batches = 1, .m = r->samples, .n = count * r->hidden, .k = r->hidden, .alpha = 1, .beta = 1, .has_c = true,
                                    .a = {(float *)(uintptr_t)state_before(w, k), r->hidden, 1},
                                    .b = {(float *)(uintptr_t)w->w_hh + g * r->hidden * r->hidden, 1, r->hidden}, .c = {sums, row, 1},
                                    .y = {sums, row, 1}};
            tl_status s = cpu_multiply(call, &p);
            if (s != TL_OK)
                return s;
        }
        for (int64_t n = 0; n < r->samples; n++)
            unit_step(w, k, n, 0, r->hidden);
    }
    return TL_OK;
}

static tl_status run_steps(const struct tl_call *call, const struct work *w)
{
    if (w->r->steps <= FEW_STEPS)
        return run_few(call, w);
    int threads = rnn_threads(w->r);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(rnn_panels(w->r), 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        run_panels(w, begin, end);
    }
    return TL_OK;
}

tl_status rnn_forward(const struct tl_call *call, const struct rnn *r, const struct rnn_kept *kept, float *y, float *h_n, float *c_n,
                      float *scratch)
{
    struct work w = {.r = r, .kept = kept, .h0 = cpu_data(&call->in[RNN_H0]), .w_hh = cpu_data(&call->in[RNN_W_HH]), .y = y};
    if (r->mode == TL_RNN_LSTM)
        w.c0 = cpu_data(&call->in[RNN_C0]);
    layout(r, &w, scratch);
    tl_status s = rnn_check_lengths(call, r);
    if (s != TL_OK || r->samples == 0)
        return s;
    s = input_product(call, &w);
    if (s == TL_OK)
        s = run_steps(call, &w);
    size_t bytes = (size_t)(r->samples * r->hidden) * sizeof *y;
    if (s == TL_OK && h_n)
        memcpy(h_n, state_before(&w, r->steps), bytes);
    if (s == TL_OK && c_n)
        memcpy(c_n, kept->extra + rnn_time(r, r->steps - 1) * r->samples * r->hidden, bytes);
    return s;
}

/* ---- The kernel --------------------------------------------------------------------------------------------------------- */

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[RNN_X].dtype == TL_F32 ? NULL : "only f32";
}

/* Whether there are lengths is known from the view, though its memory is not yet there. */
static struct rnn planned(const struct tl_call *call)
{
    static const int64_t some;
    struct rnn r = rnn_sizes(call);
    r.lengths = tl_view_present(&call->in[RNN_LENGTHS]) ? &some : NULL;
    return r;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct rnn r = planned(call);
    bool wanted = (call->flags & TL_CALL_WANT_RESIDUAL) != 0;
    prep->residual = wanted ? (size_t)rnn_kept_floats(&r) * sizeof(float) : 0;
    prep->workspace = (size_t)(rnn_forward_floats(&r) + (wanted ? 0 : rnn_kept_floats(&r))) * sizeof(float);
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    struct rnn r = rnn_sizes(call);
    float *scratch = workspace.handle ? tl_mem_ptr(workspace) : NULL;
    bool wanted = (call->flags & TL_CALL_WANT_RESIDUAL) && call->residual->mem.handle;
    struct rnn_kept kept = rnn_kept_at(&r, wanted ? tl_mem_ptr(call->residual->mem) : (void *)(scratch + rnn_forward_floats(&r)));
    return rnn_forward(call, &r, &kept, cpu_data(&call->out[0]), cpu_data(&call->out[1]),
                       r.mode == TL_RNN_LSTM ? cpu_data(&call->out[2]) : NULL, scratch);
}

static const struct tl_kernel kernel = {
    .struct_size = sizeof(struct tl_kernel), .op = "rnn", .maker = rnn_maker, .refuses = refuses, .prepare = prepare, .run = run,
};

bool cpu_add_rnn(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel);
}
