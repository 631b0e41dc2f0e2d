/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul: y[i, j] = sum over k of a[i, k] b[k, j]; with three dimensions, for each of a batch. Strides are free.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/matmul.c"
#include "../each_type.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(matmul), INTEGERS(matmul)};
KERNEL(matmul, TL_KERNEL_STRIDED, call->out[0], table);

#else
#include "matmul.h"

static void NAME(multiply)(const struct tl_call *call, const T *a, const T *b, T *y)
{
    const struct tl_view *va = &call->in[0], *vb = &call->in[1], *vy = &call->out[0];
    const int row = vy->ndim - 2, column = vy->ndim - 1;
    const struct matmul_strides stride = {va->stride[column], vb->stride[row], vb->stride[column]};
    SUM sum[MATMUL_COLUMNS];
    for (int64_t i = 0; i < vy->shape[row]; i++) {
        for (int64_t first = 0; first < vy->shape[column]; first += MATMUL_COLUMNS) {
            const int64_t left = vy->shape[column] - first, columns = left < MATMUL_COLUMNS ? left : MATMUL_COLUMNS;
            T *to = y + i * vy->stride[row] + first * vy->stride[column];
            NAME(matmul_row)(sum, a + i * va->stride[row], b + first * stride.b_column, va->shape[column], columns, stride);
            for (int64_t j = 0; j < columns; j++)
                to[j * vy->stride[column]] = (T)sum[j];
        }
    }
}

static tl_status NAME(matmul)(const struct tl_call *call)
{
    const bool batched = call->out[0].ndim == 3;
    const int64_t batch = batched ? call->out[0].shape[0] : 1;
    for (int64_t s = 0; s < batch; s++) {
        const int64_t a = batched ? s * call->in[0].stride[0] : 0, b = batched ? s * call->in[1].stride[0] : 0;
        const int64_t y = batched ? s * call->out[0].stride[0] : 0;
        NAME(multiply)(call, (const T *)input(call, 0) + a, (const T *)input(call, 1) + b, (T *)output(call, 0) + y);
    }
    return TL_OK;
}
#endif
