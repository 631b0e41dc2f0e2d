/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in for cuBLASLt: handles that are only counted, a way for every product, and products that are only written down.
 */
#include <cublasLt.h>
#include <stdlib.h>

#include "fake.h"

int fake_default(const char *name)
{
    fake_log("cublaslt %s", name);
    return CUBLAS_STATUS_SUCCESS;
}

FAKE_API size_t CUBLASWINAPI cublasLtGetVersion(void)
{
    long long version = 130000;
    fake_fault("cublaslt", &version);
    return (size_t)version;
}

FAKE_API const char *CUBLASWINAPI cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : status ? "CUBLAS_STATUS_OTHER" : "CUBLAS_STATUS_SUCCESS";
}

/* A handle of one byte, so that a leak shows under a sanitizer. */
static cublasStatus_t make(void **handle)
{
    *handle = malloc(1);
    return *handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

FAKE_API cublasStatus_t CUBLASWINAPI cublasLtCreate(cublasLtHandle_t *handle)
{
    return make((void **)handle);
}
FAKE_API cublasStatus_t CUBLASWINAPI cublasLtDestroy(cublasLtHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

#define HANDLE(name, type, ...)                                                                   \
    FAKE_API cublasStatus_t CUBLASWINAPI cublasLt##name##Create(type *handle, ##__VA_ARGS__)      \
    {                                                                                             \
        return make((void **)handle);                                                             \
    }                                                                                             \
    FAKE_API cublasStatus_t CUBLASWINAPI cublasLt##name##Destroy(type handle)                     \
    {                                                                                             \
        free(handle);                                                                             \
        return CUBLAS_STATUS_SUCCESS;                                                             \
    }
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wpedantic"
HANDLE(MatmulDesc, cublasLtMatmulDesc_t, cublasComputeType_t compute, cudaDataType_t scale)
HANDLE(MatrixLayout, cublasLtMatrixLayout_t, cudaDataType type, uint64_t rows, uint64_t columns, int64_t step)
HANDLE(MatmulPreference, cublasLtMatmulPreference_t)

FAKE_API cublasStatus_t CUBLASWINAPI cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                                                                    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                                    cublasLtMatmulPreference_t preference, int wanted,
                                                                    cublasLtMatmulHeuristicResult_t *results, int *found)
{
    *found = 0;
    if (fake_fault("decline", NULL) || wanted < 1)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *found = wanted < 3 ? wanted : 3;
    for (int i = 0; i < *found; i++)
        results[i] = (cublasLtMatmulHeuristicResult_t){.workspaceSize = (size_t)4096 << i, .state = CUBLAS_STATUS_SUCCESS, .wavesCount = 1};
    return CUBLAS_STATUS_SUCCESS;
}

/* The stand-in driver looks at the addresses, now and when the product's turn has come. */
FAKE_API cublasStatus_t CUBLASWINAPI cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha, const void *a,
                                                    cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                                                    const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                                                    cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm, void *workspace,
                                                    size_t workspace_size, cudaStream_t stream)
{
    const uint64_t addresses[] = {(uintptr_t)a, (uintptr_t)b, (uintptr_t)c, (uintptr_t)d, (uintptr_t)workspace};
    return fake_launch("cublasLtMatmul", stream, addresses, workspace ? 5 : 4) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
