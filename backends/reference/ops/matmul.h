/* SPDX-License-Identifier: Apache-2.0
 *
 * One row of a matrix product: sum[j] = sum over k of a[k] b[k, j]. The inner loop goes along the rows of b, which is
 * several times as fast as down its columns; or along its columns, if b is the transpose of a matrix with rows.
 * Included by the template part of matmul.c and addmm.c.
 */
#include "../dot.h"

#ifndef REFERENCE_MATMUL_H
#define REFERENCE_MATMUL_H
enum { MATMUL_COLUMNS = 256 };

struct matmul_strides {
    int64_t a, b_row, b_column;
};
#endif

/** For up to MATMUL_COLUMNS columns j. */
static inline void NAME(matmul_row)(SUM *sum, const T *a, const T *b, int64_t inner, int64_t columns,
                                    struct matmul_strides stride)
{
    if (stride.b_row == 1 && stride.b_column != 1) {
        for (int64_t j = 0; j < columns; j++)
            sum[j] = NAME(dot)(a, stride.a, b + j * stride.b_column, 1, inner);
        return;
    }
    for (int64_t j = 0; j < columns; j++)
        sum[j] = 0;
    for (int64_t k = 0; k < inner; k++) {
        const SUM factor = (SUM)a[k * stride.a];
        const T *row = b + k * stride.b_row;
        if (stride.b_column == 1)
            for (int64_t j = 0; j < columns; j++)
                sum[j] += factor * (SUM)row[j];
        else
            for (int64_t j = 0; j < columns; j++)
                sum[j] += factor * (SUM)row[j * stride.b_column];
    }
}
