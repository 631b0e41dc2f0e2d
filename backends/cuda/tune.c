/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of a library's candidates is the fastest for a call is measured once and kept on disk, so that later runs choose the same.
 */
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 2, REPEATS = 4 };

bool cuda_tunes(const struct tl_call *call, double multiplications)
{
    return call->math != TL_MATH_STRICT && multiplications >= CUDA_TUNE_FROM;
}

bool cuda_tuner_open(struct cuda_tuner *t, struct cuda_device *device, size_t bytes)
{
    *t = (struct cuda_tuner){.device = device};
    CUresult code = CU(cuMemAlloc)(&t->memory, bytes ? bytes : 1);
    if (code == CUDA_SUCCESS)
        code = CU(cuStreamCreate)(&t->stream, CU_STREAM_NON_BLOCKING);
    if (code == CUDA_SUCCESS)
        code = CU(cuEventCreate)(&t->begin, CU_EVENT_DEFAULT);
    if (code == CUDA_SUCCESS)
        code = CU(cuEventCreate)(&t->end, CU_EVENT_DEFAULT);
    if (code == CUDA_SUCCESS)
        code = CU(cuMemsetD8Async)(t->memory, 0, bytes ? bytes : 1, t->stream);
    /* What else is enqueued would be measured, too. */
    if (code == CUDA_SUCCESS && device->queue)
        code = CU(cuStreamSynchronize)(device->queue);
    if (code == CUDA_SUCCESS)
        return true;
    const char *name = NULL;
    CU(cuGetErrorName)(code, &name);
    cuda_host->log(TL_LOG_DEBUG, "cuda", "nothing is measured: %s, with %zu MiB wanted", name ? name : "an unknown error", bytes >> 20);
    cuda_tuner_close(t);
    return false;
}

void cuda_tuner_close(struct cuda_tuner *t)
{
    if (t->stream)
        CU(cuStreamSynchronize)(t->stream);
    if (t->begin)
        CU(cuEventDestroy)(t->begin);
    if (t->end)
        CU(cuEventDestroy)(t->end);
    if (t->stream)
        CU(cuStreamDestroy)(t->stream);
    if (t->memory)
        CU(cuMemFree)(t->memory);
    *t = (struct cuda_tuner){0};
}

float cuda_tuner_time(const struct cuda_tuner *t, bool (*work)(void *context, CUstream stream), void *context)
{
    if (!work(context, t->stream) || CU(cuStreamSynchronize)(t->stream) != CUDA_SUCCESS)
        return -1;
    float best = -1;
    for (int round = 0; round < ROUNDS; round++) {
        float milliseconds = 0;
        if (CU(cuEventRecord)(t->begin, t->stream) != CUDA_SUCCESS)
            return -1;
        for (int i = 0; i < REPEATS; i++)
            if (!work(context, t->stream))
                return -1;
        if (CU(cuEventRecord)(t->end, t->stream) != CUDA_SUCCESS || CU(cuEventSynchronize)(t->end) != CUDA_SUCCESS ||
            CU(cuEventElapsedTime)(&milliseconds, t->begin, t->end) != CUDA_SUCCESS)
            return -1;
        float each = milliseconds * 1000 / REPEATS;
        best = best < 0 || each < best ? each : best;
    }
    return best;
}

static void full_key(const struct cuda_device *device, const char *key, char *full, size_t size)
{
    snprintf(full, size, "tuned %s on %s", key, device->libraries);
}

bool cuda_tuned_get(const struct cuda_device *device, const char *key, void *found, size_t size)
{
    char full[1200];
    size_t got = 0;
    full_key(device, key, full, sizeof full);
    void *bytes = cuda_host->cache_get("cuda", full, &got);
    const bool fits = bytes && got == size;
    if (fits)
        memcpy(found, bytes, size);
    free(bytes);
    return fits;
}

void cuda_tuned_put(const struct cuda_device *device, const char *key, const void *found, size_t size)
{
    char full[1200];
    full_key(device, key, full, sizeof full);
    cuda_host->cache_put("cuda", full, found, size);
}

const char *cuda_view_text(char *text, size_t size, const struct tl_view *view)
{
    size_t n = (size_t)snprintf(text, size, "%s [", tl_dtype_name(view->dtype));
    for (int d = 0; d < view->ndim && n < size; d++)
        n += (size_t)snprintf(text + n, size - n, "%s%lld", d ? " x " : "", (long long)view->shape[d]);
    if (n < size)
        snprintf(text + n, size - n, "]");
    return text;
}
