/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of NVIDIA's libraries, in the order in which the core asks them.
 */
#include "ops/ops.h"

const struct tl_kernel *const cuda_kernels[] = {
    &cuda_matmul_kernel, &cuda_addmm_kernel, &cuda_conv2d_kernel, &cuda_conv2d_grad_input_kernel, &cuda_conv2d_grad_weight_kernel, NULL};
const size_t cuda_n_kernels = sizeof cuda_kernels / sizeof *cuda_kernels - 1;

const struct tl_kernel *cuda_shared_kernel(const char *op)
{
    for (const struct tl_kernel *const *k = cuda_all_kernels + cuda_n_kernels; *k; k++)
        if (strcmp((*k)->op, op) == 0)
            return *k;
    return NULL;
}
