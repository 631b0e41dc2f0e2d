/* SPDX-License-Identifier: Apache-2.0
 *
 * The host side of kernels/sort.cl: one launch for lines that fit into local memory, else one for their blocks and one for each merge of WAYS runs.
 */
#include "sorting.h"

enum { BLOCK = 2048, WAYS = 4 };

static void define(struct gpu_defines *d, const struct gpu_sorting *w, bool final)
{
    gpu_define_index(d, w->small);
    gpu_define(d, "T %s", tl_dtype_name(w->type));
    if (tl_dtype_is_float(w->type))
        gpu_define(d, "FLOATING");
    gpu_define(d, "NUMBER %s", tl_dtype_is_float(w->type) || w->type == TL_I64 ? gpu_computing_type(w->type) : "int");
    if (w->descending)
        gpu_define(d, "DESCENDING");
    if (final)
        gpu_define(d, "FINAL");
    gpu_define(d, "PLACE %s", final && !w->index_places ? "long" : "INDEX");
}

static tl_status find_blocks(struct gpu *gpu, const struct gpu_sorting *w, int block, int lines, bool final, const struct gpu_kernel **kernel)
{
    struct gpu_defines d = {0};
    define(&d, w, final);
    gpu_define(&d, "BLOCK %d", block);
    gpu_define(&d, "LINES %d", lines);
    if (w->inner == 1)
        gpu_define(&d, "ALONG");
    return gpu_kernel(gpu, "sort", "sort_blocks", d.text, kernel);
}

static tl_status find_merge(struct gpu *gpu, const struct gpu_sorting *w, bool final, const struct gpu_kernel **kernel)
{
    struct gpu_defines d = {0};
    define(&d, w, final);
    gpu_define(&d, "WAYS %d", WAYS);
    return gpu_kernel(gpu, "sort", "merge_runs", d.text, kernel);
}

static int64_t divided(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

static struct gpu_numbers numbers(const struct gpu_sorting *w, int64_t width, int64_t runs)
{
    return gpu_numbers(w->small, 6, (const int64_t[]){w->outer * w->inner, w->n, w->keep, w->inner, width, runs});
}

static void plan_passes(const struct gpu *gpu, const struct gpu_sorting *w, struct gpu_sort *sort)
{
    const int64_t lines = w->outer * w->inner;
    int64_t runs = divided(w->n, BLOCK), width = BLOCK;
    for (; runs > 1; runs = divided(runs, WAYS), width *= WAYS) {
        sort->numbers[1 + sort->passes] = numbers(w, width, runs);
        sort->pass_grid[sort->passes++] = gpu_grid_for(gpu, lines * runs * (width < w->keep ? width : w->keep), 1, 256);
    }
    if (sort->passes == 0)
        return;
    sort->values = ((size_t)(lines * w->n) * sort->place + 15) / 16 * 16;
    sort->half = (sort->values + (size_t)(lines * w->n) * sort->element + 15) / 16 * 16;
    sort->workspace = sort->half * (sort->passes > 1 ? 2 : 1);
}

tl_status gpu_sort_prepare(struct gpu *gpu, const char *op, const struct gpu_sorting *w, struct gpu_sort *sort)
{
    memset(sort, 0, sizeof *sort);
    sort->element = tl_dtype_size(w->type);
    sort->place = w->small ? 4 : 8;
    sort->last_place = w->index_places ? sort->place : 8;
    plan_passes(gpu, w, sort);
    int block = sort->passes ? BLOCK : 2;
    while (block < w->n && block < BLOCK)
        block *= 2;
    const int lines = block < 512 ? 512 / block : 1;
    const int64_t blocks = divided(w->n, block);
    sort->numbers[0] = numbers(w, block, blocks);
    tl_status s = gpu_grid_of(gpu, op, divided(w->outer * w->inner * blocks, lines), 256, &sort->grid);
    if (s == TL_OK)
        s = find_blocks(gpu, w, block, lines, sort->passes == 0, &sort->blocks);
    if (s == TL_OK && sort->passes > 1)
        s = find_merge(gpu, w, false, &sort->merge);
    if (s == TL_OK && sort->passes > 0)
        s = find_merge(gpu, w, true, &sort->last);
    return s;
}

/* Half `i` of the workspace: places, then values. */
static struct tl_mem part(const struct gpu_sort *sort, struct tl_mem workspace, int i, bool values)
{
    return (struct tl_mem){workspace.handle, workspace.offset + (size_t)i * sort->half + (values ? sort->values : 0)};
}

tl_status gpu_sort_run(struct tl_stream *stream, const char *op, const struct gpu_sort *sort, struct tl_mem x, struct tl_mem values,
                       struct tl_mem places, struct tl_mem workspace)
{
    const bool merged = sort->passes > 0;
    const struct gpu_arg out_values = GPU_MEMORY(values, sort->element), out_places = GPU_MEMORY(places, sort->last_place);
    struct gpu_arg v = merged ? GPU_MEMORY(part(sort, workspace, 0, true), sort->element) : out_values,
                   p = merged ? GPU_MEMORY(part(sort, workspace, 0, false), sort->place) : out_places;
    tl_status s = gpu_launch(stream, sort->blocks, op, sort->grid, 4,
                             (struct gpu_arg[]){GPU_MEMORY(x, sort->element), v, p, GPU_NUMBERS(sort->numbers[0])});
    for (int i = 0; i < sort->passes && s == TL_OK; i++) {
        const bool last = i + 1 == sort->passes;
        const struct gpu_arg from_v = v, from_p = p;
        v = last ? out_values : GPU_MEMORY(part(sort, workspace, (i + 1) % 2, true), sort->element);
        p = last ? out_places : GPU_MEMORY(part(sort, workspace, (i + 1) % 2, false), sort->place);
        s = gpu_launch(stream, last ? sort->last : sort->merge, op, sort->pass_grid[i], 5,
                       (struct gpu_arg[]){from_v, from_p, v, p, GPU_NUMBERS(sort->numbers[1 + i])});
    }
    return s;
}
