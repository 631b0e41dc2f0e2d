/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of recurrent layers. The steps go backwards, each with its gates in one pass and its product with w_hh; the gradients
 * of the weights and of x are products over all steps at the end. What the forward has left is used; else the steps are computed again.
 */
#include <string.h>

#include "matmul.h"
#include "rnn.h"

enum { SUM_ROWS = 64, SUM_COLUMNS = 512 };

struct work {
    const struct rnn *r;
    struct rnn_kept kept;
    const float *h0, *c0, *y, *dy, *x;
    float *panels; /* rows hidden */
    float *da, *db; /* [steps, samples, rows]; one and the same but for a GRU */
    float *dh, *dc; /* [samples, hidden] */
    float *first;   /* [samples, rows]: db of the step that a sample begins with */
    float *masked;
    float *again, *again_y, *scratch; /* where the steps are computed again */
};

static int64_t layout(const struct rnn *r, struct work *w, float *memory, bool again)
{
    int64_t all = r->steps * r->samples;
    float **const part[] = {&w->panels, &w->da, &w->db, &w->dh, &w->dc, &w->first, &w->masked, &w->again, &w->again_y, &w->scratch};
    const int64_t size[] = {r->rows * r->hidden, all * r->rows, r->mode == TL_RNN_GRU ? all * r->rows : 0, r->samples * r->hidden,
                            r->samples * r->hidden, r->samples * r->rows, r->lengths ? all * r->features : 0,
                            again ? rnn_kept_floats(r) : 0, again ? all * r->hidden : 0, again ? rnn_forward_floats(r) : 0};
    int64_t at = 0;
    for (size_t i = 0; i < sizeof size / sizeof *size; at += size[i++])
        *part[i] = memory ? memory + at : NULL;
    if (r->mode != TL_RNN_GRU)
        w->db = w->da;
    return at;
}

/* ---- Steps -------------------------------------------------------------------------------------------------------------- */

/* A panel's columns of w_hh: [rows, width]. */
static void pack(const struct work *w, const float *w_hh, int64_t panel)
{
    const struct rnn *r = w->r;
    int64_t width = rnn_width(r, panel), first = panel * r->panel;
    for (int64_t row = 0; row < r->rows; row++)
        memcpy(w->panels + first * r->rows + row * width, w_hh + row * r->hidden + first, (size_t)width * sizeof *w_hh);
}

/* Does sample n begin with step k? */
static bool begins(const struct rnn *r, int64_t n, int64_t k)
{
    return k == 0 || !rnn_lasts(r, n, rnn_time(r, k - 1));
}

static void unit_back(const struct work *w, int64_t k, int64_t sample, int64_t first, int64_t n)
{
    const struct rnn *r = w->r;
    const struct cpu_rnn_loops *loops = cpu_vector->rnn;
    int64_t t = rnn_time(r, k), row = t * r->samples + sample, at = row * r->hidden + first, in_state = sample * r->hidden + first;
    float *da = w->da + row * r->rows + first, *db = w->db + row * r->rows + first, *dh = w->dh + in_state, *dc = w->dc + in_state;
    if (!rnn_lasts(r, sample, t)) {
        for (int64_t g = 0; g < r->gates; g++) {
            memset(da + g * r->hidden, 0, (size_t)n * sizeof *da);
            memset(db + g * r->hidden, 0, (size_t)n * sizeof *db);
        }
        return;
    }
    const float *gates = w->kept.gates + row * r->rows + first, *extra = w->kept.extra + at, *dy = w->dy + at;
    int64_t before = k == 0 ? 0 : rnn_time(r, k - 1) * r->samples * r->hidden + in_state;
    if (r->mode == TL_RNN_LSTM)
        loops->lstm_back(da, gates, r->hidden, k == 0 ? w->c0 + in_state : w->kept.extra + before, extra, dy, dh, dc, n);
    else if (r->mode == TL_RNN_GRU)
        loops->gru_back(da, db, gates, r->hidden, extra, begins(r, sample, k) ? w->h0 + in_state : w->y + before, dy, dh, n);
    else
        (r->mode == TL_RNN_RELU ? loops->relu_back : loops->tanh_back)(da, gates, dy, dh, n);
}

static void run_panels(const struct work *w, const float *w_hh, int64_t begin, int64_t end)
{
    const struct rnn *r = w->r;
    for (int64_t p = begin; p < end; p++)
        pack(w, w_hh, p);
    for (int64_t k = r->steps - 1; k >= 0; k--) {
        const float *db = w->db + rnn_time(r, k) * r->samples * r->rows;
        for (int64_t p = begin; p < end; p++)
            for (int64_t n = 0; n < r->samples; n++)
                unit_back(w, k, n, p * r->panel, rnn_width(r, p));
#pragma omp barrier
        for (int64_t p = begin; p < end; p++) {
            int64_t first = p * r->panel, width = rnn_width(r, p);
            cpu_vector->small_matmul(w->dh + first, r->hidden, db, r->rows, 1, w->panels + first * r->rows, width, r->samples, width, r->rows, 1);
        }
    }
}

static void run_steps(const struct work *w, const float *w_hh)
{
    int threads = rnn_threads(w->r);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(rnn_panels(w->r), 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        run_panels(w, w_hh, begin, end);
    }
}

/* ---- After the steps ------------------------------------------------------------------------------------------------------ */

/* y += or = (left transposed) right, over `samples` rows of each. */
static tl_status weight_product(const struct tl_call *call, const struct work *w, float *left, const float *right, int64_t n, int64_t k, float *y,
                                bool add)
{
    struct cpu_product p = {.batches = 1, .m = w->r->rows, .n = n, .k = k, .alpha = 1, .beta = 1, .has_c = add, .a = {left, 1, w->r->rows},
                            .b = {(float *)(uintptr_t)right, n, 1}, .c = {y, n, 1}, .y = {y, n, 1}};
    return cpu_multiply(call, &p);
}

/* Of w_hh: each step but the first of a sample has the y before it, and that first one h0. */
static tl_status recurrent_product(const struct tl_call *call, const struct work *w, float *dw)
{
    const struct rnn *r = w->r;
    int64_t step = r->samples * r->rows, state = r->samples * r->hidden;
    float *later = w->db + (r->reverse ? 0 : step);
    const float *before = w->y + (r->reverse ? state : 0);
    tl_status s = weight_product(call, w, later, before, r->hidden, (r->steps - 1) * r->samples, dw, false);
    for (int64_t n = 0; n < r->samples; n++) {
        int64_t length = r->lengths ? r->lengths[n] : r->steps, t = r->reverse ? length - 1 : 0;
        if (length > 0)
            memcpy(w->first + n * r->rows, w->db + t * step + n * r->rows, (size_t)r->rows * sizeof *dw);
        else
            memset(w->first + n * r->rows, 0, (size_t)r->rows * sizeof *dw);
    }
    return s == TL_OK ? weight_product(call, w, w->first, w->h0, r->hidden, r->samples, dw, true) : s;
}

/* Sums of columns, a few rows in float at a time. */
static void sum_rows(const struct rnn *r, const float *d, float *to)
{
    int64_t all = r->steps * r->samples, blocks = (r->rows + SUM_COLUMNS - 1) / SUM_COLUMNS;
    int threads = cpu_threads(all * r->rows, 1 << 15);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = block * SUM_COLUMNS, n = r->rows - first < SUM_COLUMNS ? r->rows - first : SUM_COLUMNS;
        double sum[SUM_COLUMNS] = {0};
        float part[SUM_COLUMNS];
        for (int64_t row = 0; row < all; row += SUM_ROWS) {
            cpu_vector->reduce->sum_columns(part, d + row * r->rows + first, all - row < SUM_ROWS ? all - row : SUM_ROWS, r->rows, n);
            for (int64_t j = 0; j < n; j++)
                sum[j] += (double)part[j];
        }
        for (int64_t j = 0; j < n; j++)
            to[first + j] = (float)sum[j];
    }
}

static tl_status finish(const struct tl_call *call, const struct work *w)
{
    const struct rnn *r = w->r;
    struct cpu_product p = {.batches = 1, .m = r->steps * r->samples, .n = r->features, .k = r->rows, .alpha = 1, .a = {w->da, r->rows, 1},
                            .b = {cpu_data(&call->in[RNN_W_IH]), r->features, 1}, .y = {cpu_data(&call->out[RNN_X]), r->features, 1}};
    tl_status s = cpu_multiply(call, &p);
    if (s == TL_OK)
        s = weight_product(call, w, w->da, w->x, r->features, r->steps * r->samples, cpu_data(&call->out[RNN_W_IH]), false);
    if (s == TL_OK)
        s = recurrent_product(call, w, cpu_data(&call->out[RNN_W_HH]));
    for (int i = RNN_B_IH; i <= RNN_B_HH; i++)
        if (tl_view_present(&call->out[i]))
            sum_rows(r, i == RNN_B_IH ? w->da : w->db, cpu_data(&call->out[i]));
    return s;
}

static void states_in(const struct tl_call *call, const struct work *w)
{
    size_t bytes = (size_t)(w->r->samples * w->r->hidden) * sizeof(float);
    memcpy(w->dh, cpu_data(&call->in[RNN_DH]), bytes);
    if (w->r->mode == TL_RNN_LSTM)
        memcpy(w->dc, cpu_data(&call->in[RNN_DC]), bytes);
}

static void states_out(const struct tl_call *call, const struct work *w)
{
    size_t bytes = (size_t)(w->r->samples * w->r->hidden) * sizeof(float);
    memcpy(cpu_data(&call->out[RNN_H0]), w->dh, bytes);
    if (w->r->mode == TL_RNN_LSTM)
        memcpy(cpu_data(&call->out[RNN_C0]), w->dc, bytes);
}

/* ---- The kernel --------------------------------------------------------------------------------------------------------- */

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[RNN_X].dtype == TL_F32 ? NULL : "only f32";
}

/* Has our forward left what it computed? Plans differ by that. */
static bool residual_is_own(const struct tl_call *call, const struct rnn *r)
{
    const struct tl_residual *left = call->residual;
    return left->maker && strcmp(left->maker, rnn_maker) == 0 && left->size == (size_t)rnn_kept_floats(r) * sizeof(float);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    static const int64_t some;
    struct rnn r = rnn_sizes(call);
    struct work w;
    r.lengths = tl_view_present(&call->in[RNN_LENGTHS]) ? &some : NULL;
    prep->workspace = (size_t)layout(&r, &w, NULL, !residual_is_own(call, &r)) * sizeof(float);
    return TL_OK;
}

/* Of a batch of none. */
static void all_zero(const struct tl_call *call)
{
    for (int i = 0; i < call->n_out; i++)
        if (tl_view_present(&call->out[i]) && tl_view_numel(&call->out[i]) > 0)
            memset(cpu_data(&call->out[i]), 0, (size_t)tl_view_numel(&call->out[i]) * sizeof(float));
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    struct rnn r = rnn_sizes(call);
    struct work w = {.r = &r, .h0 = cpu_data(&call->in[RNN_H0]), .y = cpu_data(&call->in[RNN_Y]), .dy = cpu_data(&call->in[RNN_DY])};
    tl_status s = rnn_check_lengths(call, &r);
    if (s != TL_OK)
        return s;
    if (r.samples == 0) {
        all_zero(call);
        return TL_OK;
    }
    bool own = residual_is_own(call, &r);
    layout(&r, &w, tl_mem_ptr(workspace), !own);
    if (r.mode == TL_RNN_LSTM)
        w.c0 = cpu_data(&call->in[RNN_C0]);
    w.x = rnn_masked(&r, cpu_data(&call->in[RNN_X]), w.masked);
    w.kept = rnn_kept_at(&r, own ? tl_mem_ptr(call->residual->mem) : w.again);
    if (!own) {
        s = rnn_forward(call, &r, &w.kept, w.again_y, NULL, NULL, w.scratch);
        w.y = w.again_y;
    }
    if (s != TL_OK)
        return s;
    states_in(call, &w);
    run_steps(&w, cpu_data(&call->in[RNN_W_HH]));
    states_out(call, &w);
    return finish(call, &w);
}

static const struct tl_kernel kernel = {
    .struct_size = sizeof(struct tl_kernel), .op = "rnn_grad", .maker = rnn_maker, .refuses = refuses, .prepare = prepare, .run = run,
};

bool cpu_add_rnn_grad(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel);
}
