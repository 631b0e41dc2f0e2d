/* SPDX-License-Identifier: Apache-2.0
 *
 * addmm: y = beta c + alpha a b, where c may be a row, a column or a single number, repeated. With beta = 0, c is not
 * read, so that a NaN in it does not matter; nor does one in a or b with alpha = 0.
 */
#ifndef T
#include "../reference.h"

#define TEMPLATE "ops/addmm.c"
#include "../each_float.h"

static body *const table[TL_DTYPE_COUNT] = {FLOATING(addmm)};
KERNEL(addmm, TL_KERNEL_STRIDED, call->out[0], table);

#else
#include "matmul.h"

static tl_status NAME(addmm)(const struct tl_call *call)
{
    const struct tl_addmm_attrs *attrs = call->attrs;
    const struct tl_view *vc = &call->in[0], *va = &call->in[1], *vb = &call->in[2], *vy = &call->out[0];
    const T *c = input(call, 0), *a = input(call, 1), *b = input(call, 2);
    T *y = output(call, 0);
    const bool column_c = vc->ndim > 0 && vc->shape[vc->ndim - 1] > 1, row_c = vc->ndim > 1 && vc->shape[0] > 1;
    const int64_t c_column = column_c ? vc->stride[vc->ndim - 1] : 0, c_row = row_c ? vc->stride[0] : 0;
    const struct matmul_strides stride = {va->stride[1], vb->stride[0], vb->stride[1]};
    SUM sum[MATMUL_COLUMNS];
    for (int64_t i = 0; i < vy->shape[0]; i++) {
        for (int64_t first = 0; first < vy->shape[1]; first += MATMUL_COLUMNS) {
            const int64_t left = vy->shape[1] - first, columns = left < MATMUL_COLUMNS ? left : MATMUL_COLUMNS;
            NAME(matmul_row)(sum, a + i * va->stride[0], b + first * stride.b_column, va->shape[1], columns, stride);
            for (int64_t j = 0; j < columns; j++) {
                SUM value = attrs->alpha != 0 ? attrs->alpha * sum[j] : 0;
                if (attrs->beta != 0)
                    value += attrs->beta * (SUM)c[i * c_row + (first + j) * c_column];
                y[i * vy->stride[0] + (first + j) * vy->stride[1]] = (T)value;
            }
        }
    }
    return TL_OK;
}
#endif
