/* SPDX-License-Identifier: Apache-2.0
 *
 * How many items work on one result, and in how many parts.
 */
#include "team.h"

struct gpu_team gpu_team_side_by_side(int64_t results, int64_t n)
{
    int lanes = 1;
    while (lanes < 32 && lanes * 4 < n)
        lanes *= 2;
    while (lanes < GPU_GROUP && n >= lanes * 16)
        lanes *= 2;
    while (lanes < GPU_GROUP && results * lanes < (int64_t)GPU_GROUPS_AT_ONCE * GPU_GROUP / 8 && n >= lanes * 4)
        lanes *= 2;
    return (struct gpu_team){1, lanes};
}

struct gpu_team gpu_team_across(int64_t results, int64_t n, size_t bytes)
{
    int columns = 1;
    while ((size_t)columns * bytes < 128 && columns < results)
        columns *= 2;
    while (columns < GPU_GROUP && n < GPU_GROUP / columns * 2)
        columns *= 2;
    return (struct gpu_team){columns, GPU_GROUP / columns};
}

struct gpu_team gpu_team_of_parts(int64_t parts)
{
    int lanes = 1;
    while (lanes < GPU_GROUP && lanes * 4 < parts)
        lanes *= 2;
    return (struct gpu_team){GPU_GROUP / lanes, lanes};
}

int64_t gpu_team_groups(struct gpu_team team, int64_t results)
{
    const int teams = GPU_GROUP / team.lanes;
    return results < 1 ? 1 : (results + teams - 1) / teams;
}

int64_t gpu_team_parts(struct gpu_team team, int64_t results, int64_t n, int batch, int64_t *span)
{
    const int64_t groups = gpu_team_groups(team, results), least = (int64_t)team.lanes * batch * 2;
    int64_t parts = 1;
    if (groups < GPU_GROUPS_AT_ONCE / 2 && n >= 4 * least) {
        parts = (GPU_GROUPS_AT_ONCE + groups - 1) / groups;
        parts = parts < n / least ? parts : n / least;
    }
    *span = (n + parts - 1) / parts;
    *span += (team.lanes - *span % team.lanes) % team.lanes;
    return *span ? (n + *span - 1) / *span : 1;
}

int gpu_team_held(struct gpu_team team, int64_t n)
{
    for (int each = 1; each <= 16; each *= 2)
        if (n <= (int64_t)each * team.lanes)
            return each;
    return 0;
}

uint32_t gpu_groups(int64_t groups)
{
    return (uint32_t)(groups < 1 << 20 ? groups : 1 << 20);
}

size_t gpu_real_size(tl_dtype dtype)
{
    return dtype == TL_F64 || !tl_dtype_is_float(dtype) ? 8 : 4;
}

struct gpu_real gpu_real(tl_dtype dtype, double value)
{
    struct gpu_real r = {.size = gpu_real_size(dtype)};
    if (dtype == TL_F64)
        r.value.d = value;
    else if (tl_dtype_is_float(dtype))
        r.value.f = (float)value;
    else
        r.value.i = (int64_t)value;
    return r;
}
