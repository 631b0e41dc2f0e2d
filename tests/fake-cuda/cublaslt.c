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
    results[0] = (cublasLtMatmulHeuristicResult_t){.workspaceSize = 4096, .state = CUBLAS_STATUS_SUCCESS, .wavesCount = 1};
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}
