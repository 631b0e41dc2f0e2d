/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products for the kernels that are made of them.
 */
#ifndef CPU_OPS_MATMUL_H
#define CPU_OPS_MATMUL_H

#include "../cpu.h"

/** One matrix: element (i, j) at data[i * row + j * column]. */
struct cpu_matrix {
    float *data;
    int64_t row, column;
};

/** y = beta c + alpha a b, `batches` times: a [m, k], b [k, n]. c may be y, or have row 0 (a bias). */
struct cpu_product {
    int64_t batches, m, n, k;
    struct cpu_matrix a, b, c, y;
    int64_t a_step, b_step, y_step; /**< between batches */
    double alpha, beta;
    bool has_c;
};

/** Compute it, with all threads. a and b lie in rows or in columns, y in rows. */
tl_status cpu_multiply(const struct tl_call *call, const struct cpu_product *p);

#endif
