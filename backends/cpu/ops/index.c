/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that pick whole rows of f32 by index: index_select, embedding, and their gradients. Rows are copied or added
 * as blocks of memory. Indices are checked before anything is written.
 */
#include <string.h>

#include "../cpu.h"

enum { GRAIN = 16384 };

/* Is every index in [0, size)? */
static tl_status check(const struct tl_call *call, const int64_t *index, int64_t n, int64_t size)
{
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= size)
            return cpu_host->fail(TL_ERR_INDEX, "%s: index %lld at position %lld is outside 0 to %lld", call->op,
                                  (long long)index[i], (long long)i, (long long)size - 1);
    return TL_OK;
}

static const char *refuses_floats(const struct tl_call *call, int first, int second)
{
    return call->in[first].dtype == TL_F32 && call->in[second].dtype == TL_F32 ? NULL : "only f32";
}

/* y[o][i][*] = x[o][index[i]][*] */
static void take(void *y, const void *x, const int64_t *index, int64_t outer, int64_t n, int64_t size, size_t row)
{
    int threads = cpu_threads(outer * n * (int64_t)row / 4, GRAIN);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t task = 0; task < outer * n; task++) {
        int64_t o = task / n, i = task % n;
        memcpy((char *)y + (size_t)task * row, (const char *)x + (size_t)(o * size + index[i]) * row, row);
    }
}

static tl_status run_index_select(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_along_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    int64_t outer = 1, n = tl_view_numel(&call->in[1]), size = x->shape[a->dim], inner = 1;
    for (int d = 0; d < x->ndim; d++)
        *(d < a->dim ? &outer : &inner) *= d == a->dim ? 1 : x->shape[d];
    tl_status status = check(call, cpu_data(&call->in[1]), n, size);
    if (status != TL_OK || outer * n * inner == 0)
        return status;
    take(cpu_data(&call->out[0]), cpu_data(x), cpu_data(&call->in[1]), outer, n, size, (size_t)inner * tl_dtype_size(x->dtype));
    return TL_OK;
}

static tl_status run_embedding(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_view *table = &call->in[0];
    int64_t n = tl_view_numel(&call->in[1]);
    tl_status status = check(call, cpu_data(&call->in[1]), n, table->shape[0]);
    if (status != TL_OK || n * table->shape[1] == 0)
        return status;
    take(cpu_data(&call->out[0]), cpu_data(table), cpu_data(&call->in[1]), 1, n, table->shape[0],
         (size_t)table->shape[1] * tl_dtype_size(table->dtype));
    return TL_OK;
}

static void add_row(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

static const char *refuses_embedding_grad(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return refuses_floats(call, 0, 0);
}

/* Threads share the columns, so that rows that occur twice are added in order. */
static tl_status run_embedding_grad(struct tl_stream *stream, const void *plan, const struct tl_call *call,
                                    struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_embedding_attrs *a = call->attrs;
    const float *dy = cpu_data(&call->in[0]);
    const int64_t *index = cpu_data(&call->in[1]);
    float *y = cpu_data(&call->out[0]);
    int64_t n = tl_view_numel(&call->in[1]), c = call->out[0].shape[1];
    tl_status status = check(call, index, n, a->rows);
    if (status != TL_OK)
        return status;
    memset(y, 0, (size_t)(a->rows * c) * sizeof *y);
    int threads = cpu_threads(n * c, GRAIN);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(c, 16, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        for (int64_t i = 0; i < n; i++)
            if (!(a->padding && index[i] == a->padding_idx))
                add_row(y + index[i] * c + begin, dy + i * c + begin, end - begin);
    }
    return TL_OK;
}

static const char *refuses_index_add(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return refuses_floats(call, 0, 2);
}

static tl_status run_index_add(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_along_attrs *a = call->attrs;
    const struct tl_view *x = &call->in[0];
    const int64_t *index = cpu_data(&call->in[1]);
    float *y = cpu_data(&call->out[0]);
    const float *source = cpu_data(&call->in[2]);
    int64_t outer = 1, n = tl_view_numel(&call->in[1]), size = x->shape[a->dim], inner = 1;
    for (int d = 0; d < x->ndim; d++)
        *(d < a->dim ? &outer : &inner) *= d == a->dim ? 1 : x->shape[d];
    tl_status status = check(call, index, n, size);
    if (status != TL_OK)
        return status;
    if (cpu_data(x) != (void *)y)
        memcpy(y, cpu_data(x), (size_t)tl_view_numel(x) * sizeof *y);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++)
            add_row(y + (o * size + index[i]) * inner, source + (o * n + i) * inner, inner);
    return TL_OK;
}

#define KERNEL(op_, refuses_)                                                                                  \
    static const struct tl_kernel kernel_##op_ = {                                                             \
        .struct_size = sizeof(struct tl_kernel), .op = #op_, .maker = "cpu:rows", .refuses = refuses_,         \
        .run = run_##op_,                                                                                      \
    };

KERNEL(index_select, NULL)
KERNEL(embedding, NULL)
KERNEL(embedding_grad, refuses_embedding_grad)
KERNEL(index_add, refuses_index_add)

bool cpu_add_index(struct cpu_table *table)
{
    return cpu_table_add(table, &kernel_index_select) && cpu_table_add(table, &kernel_embedding) &&
           cpu_table_add(table, &kernel_embedding_grad) && cpu_table_add(table, &kernel_index_add);
}
