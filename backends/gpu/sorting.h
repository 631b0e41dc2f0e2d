/* SPDX-License-Identifier: Apache-2.0
 *
 * Stable sorting, for sort and topk, and for ops that bring together what goes to one place.
 */
#ifndef TELAR_BACKENDS_GPU_SORTING_H
#define TELAR_BACKENDS_GPU_SORTING_H

#include "ops/ops.h"

/** What is sorted: lines [outer, n, inner] along n; the first `keep` of each are wanted. */
struct gpu_sorting {
    tl_dtype type;
    int64_t outer, n, inner, keep;
    bool descending;
    bool small;        /**< indices are of 32 bits */
    bool index_places; /**< places are written as INDEX, else as 64 bits */
};

enum { GPU_SORT_PASSES = 24 };

/** More elements than these are counted in 64 bits: a grid over runs may have twice as many items. */
enum { GPU_SORT_SMALL = INT32_MAX / 4 };

/** How it is sorted. */
struct gpu_sort {
    const struct gpu_kernel *blocks, *merge, *last;
    struct gpu_grid grid, pass_grid[GPU_SORT_PASSES];
    struct gpu_numbers numbers[GPU_SORT_PASSES + 1]; /* of the blocks, then of each pass */
    int passes;
    size_t element, place, last_place; /* bytes */
    size_t values, half; /* workspace: where values begin in a half, bytes of a half */
    size_t workspace;
};

tl_status gpu_sort_prepare(struct gpu *gpu, const char *op, const struct gpu_sorting *what, struct gpu_sort *sort);

/** Enqueue it; `workspace` has sort->workspace bytes. Nothing overlaps. */
tl_status gpu_sort_run(struct tl_stream *stream, const char *op, const struct gpu_sort *sort, struct tl_mem x, struct tl_mem values,
                       struct tl_mem places, struct tl_mem workspace);

#endif
