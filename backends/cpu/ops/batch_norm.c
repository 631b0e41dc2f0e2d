/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch normalisation and its gradient, channels-last or contiguous, whichever the input is. With m the number of values
 * per channel, d = 1 / sqrt(var + eps), z = (x - mean) d:
 *
 *     y  = w z + b
 *     db = sum(dy)      dw = sum(dy z)
 *     dx = w d (dy - db / m - z dw / m)        training
 *     dx = w d dy                              with the running statistics, which are constants then
 *
 * Each is one affine map per channel, once the sums are known. Sums are taken over pieces of fixed size, in float,
 * relative to one value of the channel (so that variance does not cancel), and added up in double in a fixed order:
 * results do not depend on the number of threads. Residual: mean, then d.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu.h"

#define MAKER "cpu:vector"

enum {
    PIECE_ROWS = 64,      /* pixels summed in float, channels-last */
    PIECE_PLANE = 4096,   /* elements summed in float, contiguous: 128 a lane at least */
    ROWS_AT_ONCE = 1024   /* pixels per task */
};

/* Input seen as [outer, channels, inner] (contiguous) or [rows, channels] (channels-last, or inner = 1). */
struct shape {
    int64_t outer, channels, inner, rows;
    int64_t m; /* values per channel */
    bool rows_of_channels;
    int64_t tasks; /* pieces of work whose sums are kept apart */
};

static struct shape shape_of(const struct tl_view *x)
{
    struct shape s = {.outer = x->shape[0], .channels = x->shape[1], .inner = 1};
    for (int d = 2; d < x->ndim; d++)
        s.inner *= x->shape[d];
    s.m = s.rows = s.outer * s.inner;
    s.rows_of_channels = s.inner == 1 || x->layout == TL_LAYOUT_CHANNELS_LAST;
    s.tasks = s.rows_of_channels ? (s.rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE : s.outer;
    return s;
}

/* ---- sums ---- */

/* The two sums of all channels. In the workspace: a pair of doubles per task and channel, then floats for pieces. */
struct sums {
    double *partial; /* [tasks][2][channels] */
    float *piece;    /* [threads][2][channels] */
};

static size_t sums_size(const struct shape *s, int threads)
{
    return (size_t)s->channels * 2 * ((size_t)s->tasks * sizeof(double) + (size_t)threads * sizeof(float)) + 64;
}

static struct sums sums_at(const struct shape *s, void *workspace)
{
    struct sums at = {.partial = workspace};
    at.piece = (float *)(void *)(at.partial + 2 * s->tasks * s->channels);
    return at;
}

/* One task: of x alone, sum(x - shift) and sum((x - shift)^2); of dy and x, sum(dy) and sum(dy (x - shift)). */
static void sum_task(const struct shape *s, const float *dy, const float *x, const float *shift, int64_t task, double *total,
                     float *piece)
{
    const struct cpu_norm_loops *loops = cpu_vector->norm;
    int64_t c = s->channels;
    memset(total, 0, (size_t)c * 2 * sizeof *total);
    if (!s->rows_of_channels) {
        for (int64_t k = 0; k < c; k++)
            for (int64_t i = 0; i < s->inner; i += PIECE_PLANE) {
                int64_t at = (task * c + k) * s->inner + i, n = s->inner - i < PIECE_PLANE ? s->inner - i : PIECE_PLANE;
                float sum, product;
                if (dy)
                    loops->plane_products(dy + at, x + at, shift[k], n, &sum, &product);
                else
                    loops->plane_moments(x + at, shift[k], n, &sum, &product);
                total[k] += (double)sum;
                total[c + k] += (double)product;
            }
        return;
    }
    int64_t end = (task + 1) * ROWS_AT_ONCE < s->rows ? (task + 1) * ROWS_AT_ONCE : s->rows;
    for (int64_t row = task * ROWS_AT_ONCE; row < end; row += PIECE_ROWS) {
        int64_t n = end - row < PIECE_ROWS ? end - row : PIECE_ROWS;
        if (dy)
            loops->row_products(dy + row * c, x + row * c, shift, n, c, piece, piece + c);
        else
            loops->row_moments(x + row * c, shift, n, c, piece, piece + c);
        for (int64_t k = 0; k < 2 * c; k++)
            total[k] += (double)piece[k];
    }
}

static void sum_all(const struct shape *s, const float *dy, const float *x, const float *shift, void *workspace, int threads)
{
    struct sums at = sums_at(s, workspace);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *piece = at.piece + 2 * s->channels * omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t task = 0; task < s->tasks; task++)
            sum_task(s, dy, x, shift, task, at.partial + task * 2 * s->channels, piece);
    }
    for (int64_t task = 1; task < s->tasks; task++)
        for (int64_t k = 0; k < 2 * s->channels; k++)
            at.partial[k] += at.partial[task * 2 * s->channels + k];
}

/* ---- affine maps ---- */

/* y = x scale + offset, or y = x scale + z by_z + offset if z is given. Coefficients per channel. */
static void affine(const struct shape *s, float *y, const float *x, const float *z, const float *scale, const float *by_z,
                   const float *offset, int threads)
{
    const struct cpu_norm_loops *loops = cpu_vector->norm;
    int64_t units = s->rows_of_channels ? s->rows : s->outer * s->channels, c = s->channels;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(units, 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        if (s->rows_of_channels) {
            int64_t at = begin * c;
            if (z)
                loops->row_affine2(y + at, x + at, z + at, end - begin, c, scale, by_z, offset);
            else
                loops->row_affine(y + at, x + at, end - begin, c, scale, offset);
        } else {
            for (int64_t i = begin; i < end; i++) {
                int64_t at = i * s->inner, k = i % c;
                if (z)
                    loops->plane_affine2(y + at, x + at, z + at, s->inner, scale[k], by_z[k], offset[k]);
                else
                    loops->plane_affine(y + at, x + at, s->inner, scale[k], offset[k]);
            }
        }
    }
}

/* ---- statistics ---- */

static const float *given(const struct tl_call *call, int input)
{
    return input < call->n_in && tl_view_present(&call->in[input]) ? cpu_data(&call->in[input]) : NULL;
}

static float *wanted(const struct tl_call *call, int output)
{
    return output < call->n_out && tl_view_present(&call->out[output]) ? cpu_data(&call->out[output]) : NULL;
}

/* One value of each channel: the first. */
static void first_values(const struct shape *s, const float *x, float *shift)
{
    for (int64_t k = 0; k < s->channels; k++)
        shift[k] = x[s->rows_of_channels ? k : k * s->inner];
}

/* The batch's mean, 1 / deviation, and biased variance. `mean` holds the shift first. */
static void batch_statistics(const struct shape *s, const float *x, double eps, float *mean, float *inverse, float *variance,
                             void *workspace, int threads)
{
    first_values(s, x, mean);
    sum_all(s, NULL, x, mean, workspace, threads);
    const double *sum = sums_at(s, workspace).partial;
    for (int64_t k = 0; k < s->channels; k++) {
        double shifted = sum[k] / (double)s->m, square = sum[s->channels + k] / (double)s->m;
        double var = square - shifted * shifted;
        var = var < 0 ? 0 : var;
        mean[k] = (float)((double)mean[k] + shifted);
        inverse[k] = (float)(1.0 / sqrt(var + eps));
        if (variance)
            variance[k] = (float)var;
    }
}

static void running_statistics(const struct shape *s, const float *mean, const float *variance, double eps, float *inverse,
                               float *mean_out)
{
    for (int64_t k = 0; k < s->channels; k++) {
        mean_out[k] = mean[k];
        inverse[k] = (float)(1.0 / sqrt((double)variance[k] + eps));
    }
}

/* ---- kernels ---- */

struct norm_plan {
    int threads;
    size_t sums; /* bytes of the workspace before the arrays of floats */
};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    for (int i = 0; i < call->n_in; i++)
        if (tl_view_present(&call->in[i]) && call->in[i].dtype != TL_F32)
            return "only f32";
    return tl_view_numel(&call->in[0]) == 0 ? "an empty tensor" : NULL;
}

static tl_status make_plan(const struct tl_call *call, struct tl_prep *prep, bool residual)
{
    struct norm_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return cpu_host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    struct tl_view x = call->in[0];
    x.layout = prep->in_layout[0];
    struct shape s = shape_of(&x);
    plan->threads = cpu_threads(tl_view_numel(&x), 16384);
    plan->sums = (sums_size(&s, plan->threads) + 63) / 64 * 64;
    prep->workspace = plan->sums + (size_t)s.channels * 6 * sizeof(float);
    if (residual)
        prep->residual = (size_t)s.channels * 2 * sizeof(float);
    prep->plan = plan;
    return TL_OK;
}

static uint32_t offered(const struct tl_view *v)
{
    return v->layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    const struct tl_batch_norm_attrs *a = call->attrs;
    prep->in_layout[0] = prep->out_layout[0] = offered(&call->in[0]);
    return make_plan(call, prep, a->training && call->flags & TL_CALL_WANT_RESIDUAL);
}

static tl_status run(struct tl_stream *stream, const void *plan_, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream;
    const struct norm_plan *plan = plan_;
    const struct tl_batch_norm_attrs *a = call->attrs;
    struct shape s = shape_of(&call->in[0]);
    const float *x = cpu_data(&call->in[0]), *old_mean = given(call, 1), *old_variance = given(call, 2);
    const float *weight = given(call, 3), *bias = given(call, 4);
    float *new_mean = wanted(call, 1), *new_variance = wanted(call, 2);
    int64_t c = s.channels;
    float *scale = (float *)(void *)((char *)tl_mem_ptr(workspace) + plan->sums), *offset = scale + c;
    float *mean = offset + c, *inverse = mean + c, *variance = inverse + c;
    if (a->training && call->flags & TL_CALL_WANT_RESIDUAL && call->residual->size) {
        mean = tl_mem_ptr(call->residual->mem);
        inverse = mean + c;
    }
    if (a->training)
        batch_statistics(&s, x, a->eps, mean, inverse, variance, tl_mem_ptr(workspace), plan->threads);
    else
        running_statistics(&s, old_mean, old_variance, a->eps, inverse, mean);
    for (int64_t k = 0; k < c; k++) {
        double by = (double)inverse[k] * (weight ? (double)weight[k] : 1.0);
        scale[k] = (float)by;
        offset[k] = (float)((bias ? (double)bias[k] : 0.0) - (double)mean[k] * by);
    }
    affine(&s, cpu_data(&call->out[0]), x, NULL, scale, NULL, offset, plan->threads);
    double unbiased = s.m > 1 ? (double)s.m / (double)(s.m - 1) : NAN;
    for (int64_t k = 0; a->training && k < c; k++) {
        if (new_mean && old_mean)
            new_mean[k] = (float)((1 - a->momentum) * (double)old_mean[k] + a->momentum * (double)mean[k]);
        if (new_variance && old_variance)
            new_variance[k] = (float)((1 - a->momentum) * (double)old_variance[k] + a->momentum * unbiased * (double)variance[k]);
    }
    return TL_OK;
}

static tl_status prepare_grad(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    bool last = offered(&call->in[0]) == TL_LAYOUT_CHANNELS_LAST || offered(&call->in[1]) == TL_LAYOUT_CHANNELS_LAST;
    uint32_t layout = last ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    prep->in_layout[0] = prep->in_layout[1] = prep->out_layout[0] = layout;
    return make_plan(call, prep, false);
}

static tl_status run_grad(struct tl_stream *stream, const void *plan_, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream;
    const struct norm_plan *plan = plan_;
    const struct tl_batch_norm_attrs *a = call->attrs;
    struct shape s = shape_of(&call->in[0]);
    const float *x = cpu_data(&call->in[0]), *dy = cpu_data(&call->in[1]), *weight = given(call, 2);
    float *dweight = wanted(call, 1), *dbias = wanted(call, 2);
    int64_t c = s.channels;
    float *by_dy = (float *)(void *)((char *)tl_mem_ptr(workspace) + plan->sums), *by_x = by_dy + c, *offset = by_x + c;
    float *mean = offset + c, *inverse = mean + c;
    const struct tl_residual *left = call->residual;
    if (!a->training) {
        running_statistics(&s, given(call, 3), given(call, 4), a->eps, inverse, mean);
    } else if (left->size >= (size_t)c * 2 * sizeof(float) && left->maker && strcmp(left->maker, MAKER) == 0) {
        mean = tl_mem_ptr(left->mem);
        inverse = mean + c;
    } else {
        batch_statistics(&s, x, a->eps, mean, inverse, NULL, tl_mem_ptr(workspace), plan->threads);
    }
    sum_all(&s, dy, x, mean, tl_mem_ptr(workspace), plan->threads);
    const double *sum = sums_at(&s, tl_mem_ptr(workspace)).partial;
    for (int64_t k = 0; k < c; k++) {
        double d = (double)inverse[k], db = sum[k], dw = sum[c + k] * d, by = d * (weight ? (double)weight[k] : 1.0);
        double of_x = a->training ? -by * d * dw / (double)s.m : 0.0;
        by_dy[k] = (float)by;
        by_x[k] = (float)of_x;
        offset[k] = (float)(a->training ? -by * db / (double)s.m - of_x * (double)mean[k] : 0.0);
        if (dweight)
            dweight[k] = (float)dw;
        if (dbias)
            dbias[k] = (float)db;
    }
    if (a->training)
        affine(&s, cpu_data(&call->out[0]), dy, x, by_dy, by_x, offset, plan->threads);
    else
        affine(&s, cpu_data(&call->out[0]), dy, NULL, by_dy, NULL, offset, plan->threads);
    return TL_OK;
}

static const struct tl_kernel batch_norm = {
    .struct_size = sizeof(struct tl_kernel), .op = "batch_norm", .maker = MAKER,
    .refuses = refuses, .prepare = prepare, .run = run, .release = free,
};

static const struct tl_kernel batch_norm_grad = {
    .struct_size = sizeof(struct tl_kernel), .op = "batch_norm_grad", .maker = MAKER,
    .refuses = refuses, .prepare = prepare_grad, .run = run_grad, .release = free,
};

bool cpu_add_batch_norm(struct cpu_table *table)
{
    return cpu_table_add(table, &batch_norm) && cpu_table_add(table, &batch_norm_grad);
}
