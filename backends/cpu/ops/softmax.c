/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax, log_softmax and their gradients along any dimension of contiguous f32. Rows that are not dense (another
 * dimension than the last) are brought together a few at a time.
 */
#include "../cpu.h"

enum {
    TOGETHER = 8,     /* neighbouring rows transposed at once */
    LONGEST = 1024,   /* of rows that are not dense */
    GRAIN = 8192
};

/* x is [outer, n, inner]. */
struct rows {
    int64_t outer, n, inner;
};

static struct rows rows_of(const struct tl_call *call)
{
    const struct tl_along_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    struct rows r = {1, 1, 1};
    for (int d = 0; d < x->ndim; d++) {
        int64_t *into = d < a->dim ? &r.outer : d == a->dim ? &r.n : &r.inner;
        *into *= x->shape[d];
    }
    return r;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    struct rows r = rows_of(call);
    if (call->in[0].dtype != TL_F32)
        return "only f32";
    return r.inner > 1 && r.n > LONGEST ? "long rows that are not dense" : NULL;
}

typedef void forward_rows(float *y, const float *x, int64_t rows, int64_t n);
typedef void backward_rows(float *dx, const float *dy, const float *y, int64_t rows, int64_t n);

/* One of the two, on dense rows. b is NULL in the forward. */
static void run_dense(forward_rows *forward, backward_rows *backward, float *y, const float *a, const float *b, int64_t rows,
                      int64_t n)
{
    if (b)
        backward(y, a, b, rows, n);
    else
        forward(y, a, rows, n);
}

/* `count` neighbouring strided rows: transpose, work, transpose back. */
static void run_strided(const struct rows *r, forward_rows *forward, backward_rows *backward, float *y, const float *a,
                        const float *b, int64_t count)
{
    _Alignas(64) float rows[3][TOGETHER * LONGEST];
    const struct cpu_convert_loops *c = cpu_vector->convert;
    c->transpose(rows[0], r->n, a, r->inner, r->n, count);
    if (b)
        c->transpose(rows[1], r->n, b, r->inner, r->n, count);
    run_dense(forward, backward, rows[2], rows[0], b ? rows[1] : NULL, count, r->n);
    c->transpose(y, r->inner, rows[2], r->n, count, r->n);
}

static tl_status run(const struct tl_call *call, forward_rows *forward, backward_rows *backward)
{
    struct rows r = rows_of(call);
    float *y = cpu_data(&call->out[0]);
    const float *a = cpu_data(&call->in[0]), *b = backward ? cpu_data(&call->in[1]) : NULL;
    if (r.outer * r.n * r.inner == 0)
        return TL_OK;
    int64_t groups = r.inner == 1 ? 1 : (r.inner + TOGETHER - 1) / TOGETHER, tasks = r.outer * groups;
    int threads = cpu_threads(r.outer * r.n * r.inner, GRAIN);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(tasks, 1, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        if (r.inner == 1)
            run_dense(forward, backward, y + begin * r.n, a + begin * r.n, b ? b + begin * r.n : NULL, end - begin, r.n);
        else
            for (int64_t task = begin; task < end; task++) {
                int64_t first = task % groups * TOGETHER, at = task / groups * r.n * r.inner + first;
                run_strided(&r, forward, backward, y + at, a + at, b ? b + at : NULL,
                            r.inner - first < TOGETHER ? r.inner - first : TOGETHER);
            }
    }
    return TL_OK;
}

#define KERNEL(op_, forward, backward)                                                                          \
    static tl_status run_##op_(struct tl_stream *stream, const void *plan, const struct tl_call *call,          \
                               struct tl_mem workspace)                                                         \
    {                                                                                                           \
        (void)stream, (void)plan, (void)workspace;                                                              \
        return run(call, forward, backward);                                                                    \
    }                                                                                                           \
    static const struct tl_kernel kernel_##op_ = {                                                              \
        .struct_size = sizeof(struct tl_kernel), .op = #op_, .maker = "cpu:vector", .refuses = refuses,         \
        .run = run_##op_,                                                                                       \
    };

KERNEL(softmax, cpu_vector->softmax->softmax, NULL)
KERNEL(log_softmax, cpu_vector->softmax->log_softmax, NULL)
KERNEL(softmax_grad, NULL, cpu_vector->softmax->softmax_grad)
KERNEL(log_softmax_grad, NULL, cpu_vector->softmax->log_softmax_grad)

bool cpu_add_softmax(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_softmax) && cpu_table_add(table, &kernel_log_softmax) &&
           cpu_table_add(table, &kernel_softmax_grad) && cpu_table_add(table, &kernel_log_softmax_grad);
}
