/* SPDX-License-Identifier: Apache-2.0
 *
 * sum, mean, prod, amax, amin, argmax and argmin of f32, over any dimensions of any strides. Dimensions are sorted by
 * stride and merged; then either the innermost one is reduced (rows) or it is kept (columns, whole vectors of
 * results at a time). The work is cut into pieces of fixed size, whose results are combined in order, so that what
 * comes out does not depend on the number of threads.
 */
#include <math.h>
#include <stdlib.h>

#include "../cpu.h"

enum reduction { SUM, MEAN, PROD, AMAX, AMIN };

enum {
    PIECE = 32768,      /* elements reduced to one partial result */
    COLUMNS = 256,      /* results computed side by side */
    FLOAT_ROWS = 64,    /* rows summed in float */
    STACK_PARTIALS = 1024
};

/* Kept or reduced dimensions, innermost first. Strides in elements. */
struct dims {
    int n;
    int64_t shape[TL_MAX_DIMS], x_stride[TL_MAX_DIMS], y_stride[TL_MAX_DIMS];
    int64_t total;
};

struct reduce {
    enum reduction kind;
    const float *x;
    float *y;
    struct dims kept, reduced;
    bool columns;
    int64_t width;  /* results of a block: 1, or up to COLUMNS */
    int64_t blocks; /* of results */
    int64_t pieces; /* of each block's reduction */
    int64_t piece;  /* steps of each */
    double *partial; /* [blocks][pieces][width] */
};

/* ---- geometry ---- */

static void add_dim(struct dims *d, int64_t shape, int64_t x_stride, int64_t y_stride)
{
    d->total *= shape;
    if (shape == 1)
        return;
    int at = d->n++;
    for (; at > 0 && d->x_stride[at - 1] > x_stride; at--) {
        d->shape[at] = d->shape[at - 1];
        d->x_stride[at] = d->x_stride[at - 1];
        d->y_stride[at] = d->y_stride[at - 1];
    }
    d->shape[at] = shape;
    d->x_stride[at] = x_stride;
    d->y_stride[at] = y_stride;
}

static void merge_dims(struct dims *d)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        if (n > 0 && d->x_stride[i] == d->x_stride[n - 1] * d->shape[n - 1] &&
            d->y_stride[i] == d->y_stride[n - 1] * d->shape[n - 1]) {
            d->shape[n - 1] *= d->shape[i];
            continue;
        }
        d->shape[n] = d->shape[i];
        d->x_stride[n] = d->x_stride[i];
        d->y_stride[n++] = d->y_stride[i];
    }
    if (n == 0) {
        d->shape[0] = 1;
        d->x_stride[0] = d->y_stride[0] = 1;
        n = 1;
    }
    d->n = n;
}

/* x is reduced where y has size 1 and the attributes say so; with no dims, everywhere. */
static void set_dims(const struct tl_call *call, struct dims *kept, struct dims *reduced)
{
    const struct tl_reduce_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    kept->n = reduced->n = 0;
    kept->total = reduced->total = 1;
    for (int d = 0; d < x->ndim; d++) {
        bool over = a->dims.n == 0;
        for (int64_t i = 0; i < a->dims.n; i++)
            over |= a->dims.v[i] == d;
        if (over)
            add_dim(reduced, x->shape[d], x->stride[d], 0);
        else
            add_dim(kept, x->shape[d], x->stride[d], y->stride[d]);
    }
    merge_dims(kept);
    merge_dims(reduced);
}

static void plan(struct reduce *r)
{
    r->columns = r->kept.x_stride[0] == 1 && r->kept.shape[0] > 1 && (r->reduced.x_stride[0] != 1 || r->reduced.shape[0] == 1);
    if (r->columns) {
        int64_t across = (r->kept.shape[0] + COLUMNS - 1) / COLUMNS;
        r->width = r->kept.shape[0] < COLUMNS ? r->kept.shape[0] : COLUMNS;
        r->blocks = across * (r->kept.total / r->kept.shape[0]);
        r->piece = PIECE / r->width;
        r->piece = r->piece < FLOAT_ROWS ? FLOAT_ROWS : r->piece;
    } else {
        r->width = 1;
        r->blocks = r->kept.total;
        r->piece = PIECE;
    }
    r->pieces = r->reduced.total <= r->piece ? 1 : (r->reduced.total + r->piece - 1) / r->piece;
}

/* Offset in x of the index-th step of a set of dimensions. */
static int64_t locate(const struct dims *d, int64_t index, int64_t *at)
{
    int64_t offset = 0;
    for (int i = 0; i < d->n; i++) {
        at[i] = i + 1 < d->n ? index % d->shape[i] : index;
        index = i + 1 < d->n ? index / d->shape[i] : 0;
        offset += at[i] * d->x_stride[i];
    }
    return offset;
}

/* From any element to the start of the next run of the innermost dimension. */
static int64_t next_run(const struct dims *d, int64_t offset, int64_t *at)
{
    offset -= at[0] * d->x_stride[0];
    at[0] = 0;
    for (int i = 1; i < d->n; i++) {
        offset += d->x_stride[i];
        if (++at[i] < d->shape[i])
            break;
        offset -= at[i] * d->x_stride[i];
        at[i] = 0;
    }
    return offset;
}

/* ---- pieces ---- */

static double combine(enum reduction kind, double a, double b)
{
    switch (kind) {
    case PROD: return a * b;
    case AMAX: return b > a || b != b ? b : a;
    case AMIN: return b < a || b != b ? b : a;
    default: return a + b;
    }
}

static double neutral(enum reduction kind)
{
    return kind == PROD ? 1.0 : kind == AMAX ? -INFINITY : kind == AMIN ? INFINITY : 0.0;
}

static double reduce_run(enum reduction kind, const float *x, int64_t n, int64_t stride)
{
    const struct cpu_reduce_loops *loops = cpu_vector->reduce;
    switch (kind) {
    case PROD: return loops->prod_row(x, n, stride);
    case AMAX: return (double)loops->max_row(x, n, stride, 1);
    case AMIN: return (double)loops->max_row(x, n, stride, -1);
    default: return loops->sum_row(x, n, stride);
    }
}

/* Rows: steps [begin, end) of the reduction of one result. */
static double reduce_row(const struct reduce *r, const float *x, int64_t begin, int64_t end)
{
    int64_t at[TL_MAX_DIMS], offset = locate(&r->reduced, begin, at);
    double result = neutral(r->kind);
    while (begin < end) {
        int64_t n = r->reduced.shape[0] - at[0];
        n = n < end - begin ? n : end - begin;
        result = combine(r->kind, result, reduce_run(r->kind, x + offset, n, r->reduced.x_stride[0]));
        begin += n;
        offset = next_run(&r->reduced, offset, at);
    }
    return result;
}

/* A few rows of `width` columns into `result`. */
static void reduce_rows(const struct reduce *r, const float *x, int64_t rows, int64_t stride, int64_t width, double *result)
{
    float buffer[COLUMNS];
    if (r->kind == AMAX || r->kind == AMIN) {
        for (int64_t c = 0; c < width; c++)
            buffer[c] = (float)result[c];
        cpu_vector->reduce->max_columns(buffer, x, rows, stride, width, r->kind == AMAX ? 1.0f : -1.0f);
        for (int64_t c = 0; c < width; c++)
            result[c] = (double)buffer[c];
    } else if (r->kind == PROD) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < width; c++)
                result[c] *= (double)x[i * stride + c];
    } else {
        cpu_vector->reduce->sum_columns(buffer, x, rows, stride, width);
        for (int64_t c = 0; c < width; c++)
            result[c] += (double)buffer[c];
    }
}

static void reduce_columns(const struct reduce *r, const float *x, int64_t begin, int64_t end, int64_t width, double *result)
{
    int64_t at[TL_MAX_DIMS], offset = locate(&r->reduced, begin, at), stride = r->reduced.x_stride[0];
    for (int64_t c = 0; c < width; c++)
        result[c] = neutral(r->kind);
    while (begin < end) {
        int64_t n = r->reduced.shape[0] - at[0];
        n = n < end - begin ? n : end - begin;
        n = n < FLOAT_ROWS ? n : FLOAT_ROWS;
        reduce_rows(r, x + offset, n, stride, width, result);
        begin += n;
        at[0] += n;
        offset += n * stride;
        if (at[0] == r->reduced.shape[0])
            offset = next_run(&r->reduced, offset, at);
    }
}

/* ---- blocks ---- */

/* Where a block's first result lies in x and y, and how many it has. */
static int64_t block_at(const struct reduce *r, int64_t block, int64_t *x, int64_t *y)
{
    int64_t across = r->columns ? (r->kept.shape[0] + COLUMNS - 1) / COLUMNS : r->kept.shape[0];
    int64_t at = block % across, outer = block / across;
    int64_t first = r->columns ? at * COLUMNS : at, width = r->columns ? r->kept.shape[0] - first : 1;
    *x = first * r->kept.x_stride[0];
    *y = first * r->kept.y_stride[0];
    for (int d = 1; d < r->kept.n; d++) {
        *x += outer % r->kept.shape[d] * r->kept.x_stride[d];
        *y += outer % r->kept.shape[d] * r->kept.y_stride[d];
        outer /= r->kept.shape[d];
    }
    return width < r->width ? width : r->width;
}

static void finish(const struct reduce *r, const double *result, int64_t y, int64_t width)
{
    double scale = r->kind == MEAN ? 1.0 / (double)r->reduced.total : 1.0;
    if (r->kind == MEAN && r->reduced.total == 0)
        scale = NAN;
    for (int64_t c = 0; c < width; c++)
        r->y[y + c * r->kept.y_stride[0]] = (float)(r->kind == MEAN ? result[c] * scale : result[c]);
}

static void reduce_piece(const struct reduce *r, int64_t block, int64_t piece, double *result)
{
    int64_t x, y, width = block_at(r, block, &x, &y);
    int64_t begin = piece * r->piece, end = begin + r->piece;
    end = end < r->reduced.total ? end : r->reduced.total;
    if (r->columns)
        reduce_columns(r, r->x + x, begin, end, width, result);
    else
        result[0] = reduce_row(r, r->x + x, begin, end);
}

/* Blocks [begin, end), each in one piece. */
static void run_whole(const struct reduce *r, int64_t begin, int64_t end)
{
    double result[COLUMNS];
    if (!r->columns && r->kept.n == 1 && r->reduced.n == 1) { /* rows of a matrix: nothing to work out */
        for (int64_t row = begin; row < end; row++) {
            result[0] = reduce_run(r->kind, r->x + row * r->kept.x_stride[0], r->reduced.total, r->reduced.x_stride[0]);
            finish(r, result, row * r->kept.y_stride[0], 1);
        }
        return;
    }
    for (int64_t block = begin; block < end; block++) {
        int64_t x, y, width = block_at(r, block, &x, &y);
        reduce_piece(r, block, 0, result);
        finish(r, result, y, width);
    }
}

static void run_combined(const struct reduce *r, int threads)
{
    int64_t tasks = r->blocks * r->pieces;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t task = 0; task < tasks; task++)
        reduce_piece(r, task / r->pieces, task % r->pieces, r->partial + task * r->width);
    for (int64_t block = 0; block < r->blocks; block++) {
        int64_t x, y, width = block_at(r, block, &x, &y);
        double *first = r->partial + block * r->pieces * r->width;
        for (int64_t piece = 1; piece < r->pieces; piece++)
            for (int64_t c = 0; c < width; c++)
                first[c] = combine(r->kind, first[c], first[piece * r->width + c]);
        finish(r, first, y, width);
    }
}

static tl_status run_reduction(const struct tl_call *call, enum reduction kind)
{
    struct reduce r;
    r.kind = kind;
    r.x = cpu_data(&call->in[0]);
    r.y = cpu_data(&call->out[0]);
    const struct tl_reduce_attrs *a = call->attrs;
    bool all = a->dims.n == 0 || a->dims.n == call->in[0].ndim;
    if (all && cpu_contiguous(&call->in[0])) { /* short sums should cost little */
        r.reduced.total = tl_view_numel(&call->in[0]);
        r.kept.y_stride[0] = 1;
        double result = r.reduced.total <= PIECE ? reduce_run(kind, r.x, r.reduced.total, 1) : 0;
        if (r.reduced.total <= PIECE) {
            finish(&r, &result, 0, 1);
            return TL_OK;
        }
    }
    set_dims(call, &r.kept, &r.reduced);
    if (r.kept.total == 0)
        return TL_OK;
    if (r.reduced.total == 0) /* of several dimensions, some of which are there: none has a place */
        r.reduced = (struct dims){.n = 1, .x_stride = {1}};
    plan(&r);
    int threads = cpu_threads(r.kept.total * r.reduced.total, PIECE);
    if (r.pieces == 1) {
#pragma omp parallel num_threads(threads) if (threads > 1)
        {
            int64_t begin, end;
            cpu_share(r.blocks, 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
            run_whole(&r, begin, end);
        }
        return TL_OK;
    }
    double on_stack[STACK_PARTIALS];
    int64_t partials = r.blocks * r.pieces * r.width;
    r.partial = partials <= STACK_PARTIALS ? on_stack : malloc((size_t)partials * sizeof *r.partial);
    if (!r.partial)
        return cpu_host->fail(TL_ERR_NOMEM, "%s: no memory for %lld partial results", call->op, (long long)partials);
    run_combined(&r, threads);
    if (r.partial != on_stack)
        free(r.partial);
    return TL_OK;
}

/* ---- argmax, argmin ---- */

/* Indices count along one dimension, or through all in row-major order: only what is dense that way is done here. */
static const char *refuses_argmax(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const struct tl_reduce_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    if (x->dtype != TL_F32)
        return "only f32";
    int64_t last = x->ndim - 1;
    bool all = a->dims.n == 0 || a->dims.n == x->ndim;
    if (all ? !cpu_contiguous(x) : a->dims.n != 1 || a->dims.v[0] != last || (x->stride[last] != 1 && x->shape[last] != 1))
        return "only along dense rows";
    return NULL;
}

static tl_status find_extreme(const struct tl_call *call, float sign)
{
    const struct tl_reduce_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    bool all = a->dims.n == 0 || a->dims.n == x->ndim;
    int64_t n = all ? tl_view_numel(x) : x->shape[x->ndim - 1], rows = tl_view_numel(y);
    int threads = cpu_threads(n * rows, PIECE);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, from = 0, to = 0;
        for (int d = all ? -1 : x->ndim - 2; d >= 0; d--) {
            from += rest % x->shape[d] * x->stride[d];
            to += rest % x->shape[d] * y->stride[d];
            rest /= x->shape[d];
        }
        ((int64_t *)cpu_data(y))[to] = cpu_vector->reduce->argmax_row((const float *)cpu_data(x) + from, n, sign);
    }
    return TL_OK;
}

/* ---- kernels ---- */

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->in[0].dtype == TL_F32 && call->out[0].dtype == TL_F32 ? NULL : "only f32";
}

#define KERNEL(op_, refuses_, ...)                                                                                   \
    static tl_status run_##op_(struct tl_stream *stream, const void *plan_, const struct tl_call *call,              \
                               struct tl_mem workspace)                                                              \
    {                                                                                                                \
        (void)stream, (void)plan_, (void)workspace;                                                                  \
        return __VA_ARGS__;                                                                                          \
    }                                                                                                                \
    static const struct tl_kernel kernel_##op_ = {                                                                   \
        .struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = #op_, .maker = "cpu:vector",      \
        .refuses = refuses_, .run = run_##op_,                                                                       \
    };

KERNEL(sum, refuses, run_reduction(call, SUM))
KERNEL(mean, refuses, run_reduction(call, MEAN))
KERNEL(prod, refuses, run_reduction(call, PROD))
KERNEL(amax, refuses, run_reduction(call, AMAX))
KERNEL(amin, refuses, run_reduction(call, AMIN))
KERNEL(argmax, refuses_argmax, find_extreme(call, 1))
KERNEL(argmin, refuses_argmax, find_extreme(call, -1))

bool cpu_add_reduce(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_sum) && cpu_table_add(table, &kernel_mean) && cpu_table_add(table, &kernel_prod) &&
           cpu_table_add(table, &kernel_amax) && cpu_table_add(table, &kernel_amin) && cpu_table_add(table, &kernel_argmax) &&
           cpu_table_add(table, &kernel_argmin);
}
