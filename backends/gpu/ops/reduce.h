/* SPDX-License-Identifier: Apache-2.0
 *
 * What other ops use of the reductions.
 */
#ifndef TELAR_BACKENDS_GPU_REDUCE_H
#define TELAR_BACKENDS_GPU_REDUCE_H

#include "team.h"

/** What is reduced. squares: another operand like x is taken off x before, and the difference squared. */
struct gpu_reduction {
    const char *op; /**< "sum", ... */
    const struct tl_view *x, *y;
    bool goes[TL_MAX_DIMS]; /**< is the dimension reduced? */
    bool squares;
    double divisor; /**< what the sum is divided by at the end */
};

struct gpu_reduction_plan;

/** Plan it; with *workspace, free() *plan. */
tl_status gpu_reduction_prepare(struct gpu *gpu, const struct gpu_reduction *what, struct gpu_reduction_plan **plan, size_t *workspace);
tl_status gpu_reduction_run(struct tl_stream *stream, const struct gpu_reduction_plan *plan, const char *name, struct tl_mem x, struct tl_mem second,
                            struct tl_mem y, struct tl_mem workspace);

#endif
