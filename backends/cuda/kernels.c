/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of NVIDIA's libraries, in the order in which the core asks them.
 */
#include "ops/ops.h"

const struct tl_kernel *const cuda_kernels[] = {&cuda_matmul_kernel, &cuda_addmm_kernel, NULL};
const size_t cuda_n_kernels = sizeof cuda_kernels / sizeof *cuda_kernels - 1;
