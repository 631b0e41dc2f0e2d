/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of NVIDIA's libraries, in the order in which the core asks them.
 */
#include "backend.h"

const struct tl_kernel *const cuda_kernels[] = {NULL};
const size_t cuda_n_kernels = sizeof cuda_kernels / sizeof *cuda_kernels - 1;
