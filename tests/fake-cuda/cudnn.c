/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in for cuDNN.
 */
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake.h"

int fake_default(const char *name)
{
    fake_log("cudnn %s", name);
    return CUDNN_STATUS_SUCCESS;
}

FAKE_API size_t CUDNNWINAPI cudnnGetVersion(void)
{
    long long version = 91300;
    fake_fault("cudnn", &version);
    return (size_t)version;
}

FAKE_API const char *CUDNNWINAPI cudnnGetErrorString(cudnnStatus_t status)
{
    return status ? "CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS_SUCCESS";
}

FAKE_API void CUDNNWINAPI cudnnGetLastErrorString(char *words, size_t size)
{
    if (size)
        snprintf(words, size, "the stand-in says no more");
}

FAKE_API cudnnStatus_t CUDNNWINAPI cudnnCreate(cudnnHandle_t *handle)
{
    *handle = malloc(1);
    return *handle ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_INTERNAL_ERROR;
}

FAKE_API cudnnStatus_t CUDNNWINAPI cudnnDestroy(cudnnHandle_t handle)
{
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}
