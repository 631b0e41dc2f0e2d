/* SPDX-License-Identifier: Apache-2.0
 *
 * Teams of work-items, as TEAM() of kernels/common.cl has them: of the 256 of a group, `lanes` work on one result.
 */
#ifndef TELAR_BACKENDS_GPU_TEAM_H
#define TELAR_BACKENDS_GPU_TEAM_H

#include "ops.h"

enum { GPU_GROUP = 256 };

/** A reduction is split by its shape alone, for a device of this many groups at once, so that all devices give the same bits. */
enum { GPU_GROUPS_AT_ONCE = 1024 };

struct gpu_team {
    int step, lanes;
};

/** For results whose elements are neighbours: n of each. */
struct gpu_team gpu_team_side_by_side(int64_t results, int64_t n);

/** For results that are neighbours themselves; an item reads so many bytes at once. */
struct gpu_team gpu_team_across(int64_t results, int64_t n, size_t bytes);

/** For results that are put together from so many parts, which are little: in few steps. */
struct gpu_team gpu_team_of_parts(int64_t parts);

/** Groups that all results need, 1 at least. */
int64_t gpu_team_groups(struct gpu_team team, int64_t results);

/** Into how many parts the n elements of each result are split for the device to be busy; *span: elements of each part, all but the last.
 *  `batch`: how many an item reads at once. */
int64_t gpu_team_parts(struct gpu_team team, int64_t results, int64_t n, int batch, int64_t *span);

/** How many of n elements an item holds in registers, a power of two; 0: too many. */
int gpu_team_held(struct gpu_team team, int64_t n);

/** The number of groups as a launch takes it: kernels go on in steps of GROUPS_X. */
uint32_t gpu_groups(int64_t groups);

/** A number of the computing type of a dtype, to be passed as REAL. */
struct gpu_real {
    union {
        float f;
        double d;
        int64_t i;
    } value;
    size_t size;
};
struct gpu_real gpu_real(tl_dtype dtype, double value);
#define GPU_REAL(real) ((struct gpu_arg){.value = &(real).value, .size = (real).size})

/** Bytes of REAL for a dtype. */
size_t gpu_real_size(tl_dtype dtype);

#endif
