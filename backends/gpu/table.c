/* SPDX-License-Identifier: Apache-2.0
 *
 * All kernels of this folder, in one list behind a backend's own.
 */
#include "ops/ops.h"

#include <stdlib.h>

const struct tl_kernel *const *gpu_kernel_table(const struct tl_kernel *const *own, size_t n)
{
#define POINTER(name) &gpu_##name##_kernel,
    static const struct tl_kernel *const shared[] = {GPU_KERNELS(POINTER)};
#undef POINTER
    const size_t n_shared = sizeof shared / sizeof *shared, n_pointwise = gpu_pointwise(NULL, 0);
    const struct tl_kernel **table = calloc(n + n_shared + n_pointwise + 1, sizeof *table);
    if (!table)
        return NULL;
    if (n)
        memcpy(table, own, n * sizeof *table);
    memcpy(table + n, shared, sizeof shared);
    gpu_pointwise(table + n + n_shared, n_pointwise);
    return table;
}
