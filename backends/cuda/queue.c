/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory and the queue of a device.
 */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>

tl_status cuda_enter(const struct cuda_device *device)
{
    CUresult code = CU(cuCtxSetCurrent)(device->context);
    return code == CUDA_SUCCESS ? TL_OK : cuda_fail("using the device", code);
}

/* After these nothing on the device can be trusted, and every later call fails. */
static bool is_lost(CUresult code)
{
    return code == CUDA_ERROR_ILLEGAL_ADDRESS || code == CUDA_ERROR_MISALIGNED_ADDRESS || code == CUDA_ERROR_ILLEGAL_INSTRUCTION ||
           code == CUDA_ERROR_INVALID_ADDRESS_SPACE || code == CUDA_ERROR_INVALID_PC || code == CUDA_ERROR_LAUNCH_FAILED ||
           code == CUDA_ERROR_HARDWARE_STACK_ERROR || code == CUDA_ERROR_ECC_UNCORRECTABLE || code == CUDA_ERROR_LAUNCH_TIMEOUT ||
           code == CUDA_ERROR_ASSERT || code == CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

tl_status cuda_fail(const char *what, CUresult code)
{
    const char *name = NULL, *words = NULL;
    if (CU(cuGetErrorName)(code, &name) != CUDA_SUCCESS || !name)
        name = "an unknown error";
    if (CU(cuGetErrorString)(code, &words) != CUDA_SUCCESS || !words)
        words = "no words for it";
    return cuda_host->fail(code == CUDA_ERROR_OUT_OF_MEMORY ? TL_ERR_NOMEM : TL_ERR_DEVICE, "cuda: %s: %s (%s)%s", what, words, name,
                           is_lost(code) ? "; the device is lost to this process, what is on the host can still be saved" : "");
}

tl_status cuda_fail_cublas(const char *op, const char *what, cublasStatus_t code)
{
    return cuda_host->fail(code == CUBLAS_STATUS_ALLOC_FAILED ? TL_ERR_NOMEM : TL_ERR_DEVICE, "cuda: %s: %s: cuBLASLt says %s", op, what,
                           CU(cublasLtGetStatusString)(code));
}

tl_status cuda_fail_cudnn(const char *op, const char *what, cudnnStatus_t code)
{
    char words[300] = "";
    CU(cudnnGetLastErrorString)(words, sizeof words);
    return cuda_host->fail(TL_ERR_DEVICE, "cuda: %s: %s: cuDNN says %s%s%s", op, what, CU(cudnnGetErrorString)(code), words[0] ? ": " : "", words);
}

void cuda_launched(struct cuda_stream *stream, const char *op)
{
    char *last = stream->last[stream->n_launched++ % CUDA_LAST];
    size_t n = strnlen(op, sizeof stream->last[0] - 1);
    memcpy(last, op, n);
    last[n] = 0;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------------------------------ */

tl_status cuda_alloc(const struct tl_device *device, size_t bytes, struct tl_mem *mem)
{
    const struct cuda_device *c = cuda_device_of(device);
    tl_status s = cuda_enter(c);
    if (s != TL_OK)
        return s;
    CUdeviceptr address = 0;
    CUresult code = CU(cuMemAlloc)(&address, bytes);
    if (code == CUDA_ERROR_OUT_OF_MEMORY) {
        size_t unused = 0, all = 0;
        CU(cuMemGetInfo)(&unused, &all);
        return cuda_host->fail(TL_ERR_NOMEM, "cuda: no room for %zu bytes: %zu of %zu MiB are free; nvidia-smi says who holds the rest", bytes, unused >> 20,
                               all >> 20);
    }
    if (code != CUDA_SUCCESS)
        return cuda_fail("allocating", code);
    *mem = (struct tl_mem){.handle = (void *)(uintptr_t)address};
    return TL_OK;
}

void cuda_free(const struct tl_device *device, struct tl_mem mem)
{
    if (CU(cuCtxSetCurrent)(cuda_device_of(device)->context) == CUDA_SUCCESS)
        CU(cuMemFree)(cuda_pointer(mem));
}

/* ---- The queue ------------------------------------------------------------------------------------------------------------------------- */

static CUresult open_stages(struct cuda_stream *s)
{
    for (int i = 0; i < CUDA_STAGES; i++) {
        CUresult code = CU(cuMemHostAlloc)(&s->stage[i].bytes, CUDA_STAGE_BYTES, CU_MEMHOSTALLOC_PORTABLE);
        if (code == CUDA_SUCCESS)
            code = CU(cuEventCreate)(&s->stage[i].done, CU_EVENT_DISABLE_TIMING);
        if (code != CUDA_SUCCESS)
            return code;
    }
    return CUDA_SUCCESS;
}

tl_status cuda_stream_open(const struct tl_device *device, struct tl_stream **stream)
{
    struct cuda_device *c = cuda_device_of(device);
    tl_status status = cuda_enter(c);
    if (status != TL_OK)
        return status;
    struct cuda_stream *s = calloc(1, sizeof *s);
    if (!s)
        return cuda_host->fail(TL_ERR_NOMEM, "cuda: no memory for a queue");
    s->base.gpu = &c->gpu;
    CUresult code = CU(cuStreamCreate)(&s->handle, CU_STREAM_NON_BLOCKING);
    if (code == CUDA_SUCCESS)
        code = open_stages(s);
    if (code != CUDA_SUCCESS) {
        status = cuda_fail("creating a queue", code);
        cuda_stream_close(&s->base);
        return status;
    }
    cudnnStatus_t dnn = CU(cudnnSetStream)(c->cudnn, s->handle);
    if (dnn != CUDNN_STATUS_SUCCESS) {
        status = cuda_fail_cudnn("cuDNN", "giving it a queue", dnn);
        cuda_stream_close(&s->base);
        return status;
    }
    c->queue = s->handle;
    *stream = &s->base;
    return TL_OK;
}

void cuda_stream_close(struct tl_stream *stream)
{
    struct cuda_stream *s = cuda_stream_of(stream);
    if (cuda_of(stream->gpu)->queue == s->handle)
        cuda_of(stream->gpu)->queue = NULL;
    /* All of it on a lost device, too. */
    CU(cuCtxSetCurrent)(cuda_of(stream->gpu)->context);
    if (s->handle)
        CU(cuStreamSynchronize)(s->handle);
    for (int i = 0; i < CUDA_STAGES; i++) {
        if (s->stage[i].done)
            CU(cuEventDestroy)(s->stage[i].done);
        if (s->stage[i].bytes)
            CU(cuMemFreeHost)(s->stage[i].bytes);
    }
    if (s->handle)
        CU(cuStreamDestroy)(s->handle);
    free(s);
}

/* What may have failed: the driver says that something did, not what. */
static tl_status late_failure(const struct cuda_stream *s, CUresult code)
{
    char what[100 + CUDA_LAST * (sizeof s->last[0] + 2)] = "waiting for the device"; /* room for all names */
    size_t n = strlen(what);
    for (uint64_t i = 0; i < CUDA_LAST && i < s->n_launched; i++)
        n += (size_t)snprintf(what + n, sizeof what - n, "%s%s", i ? ", " : " (last enqueued, newest first: ",
                              s->last[(s->n_launched - 1 - i) % CUDA_LAST]);
    if (s->n_launched)
        snprintf(what + n, sizeof what - n, "; CUDA_LAUNCH_BLOCKING=1 finds which)");
    return cuda_fail(what, code);
}

tl_status cuda_sync(struct tl_stream *stream)
{
    struct cuda_stream *s = cuda_stream_of(stream);
    struct cuda_device *c = cuda_of(stream->gpu);
    tl_status status = cuda_enter(c);
    if (status != TL_OK)
        return status;
    CUresult code = CU(cuStreamSynchronize)(s->handle);
    if (code != CUDA_SUCCESS)
        return late_failure(s, code);
    if (!s->reports)
        return TL_OK;
    s->reports = false;
    struct gpu_report report = *(volatile struct gpu_report *)c->report;
    if (report.code == 0)
        return TL_OK;
    memset(c->report, 0, sizeof *c->report);
    return gpu_report_fail(stream->gpu, &report);
}

/* ---- Copies: through pinned memory, a stage after the other, so that the host fills one while the device reads another ---------------------- */

static CUresult take_stage(struct cuda_stream *s, struct cuda_stage **stage)
{
    *stage = &s->stage[s->next_stage];
    s->next_stage = (s->next_stage + 1) % CUDA_STAGES;
    return (*stage)->used ? CU(cuEventSynchronize)((*stage)->done) : CUDA_SUCCESS;
}

static CUresult mark_stage(struct cuda_stream *s, struct cuda_stage *stage)
{
    stage->used = true;
    return CU(cuEventRecord)(stage->done, s->handle);
}

tl_status cuda_copy_in(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes)
{
    struct cuda_stream *s = cuda_stream_of(stream);
    tl_status status = cuda_enter(cuda_of(stream->gpu));
    CUresult code = CUDA_SUCCESS;
    for (size_t at = 0; status == TL_OK && code == CUDA_SUCCESS && at < bytes; at += CUDA_STAGE_BYTES) {
        size_t some = bytes - at < CUDA_STAGE_BYTES ? bytes - at : CUDA_STAGE_BYTES;
        struct cuda_stage *stage;
        if ((code = take_stage(s, &stage)) != CUDA_SUCCESS)
            break;
        memcpy(stage->bytes, (const char *)from + at, some);
        code = CU(cuMemcpyHtoDAsync)(cuda_pointer(to) + at, stage->bytes, some, s->handle);
        if (code == CUDA_SUCCESS)
            code = mark_stage(s, stage);
    }
    return status != TL_OK ? status : code == CUDA_SUCCESS ? TL_OK : cuda_fail("copying to the device", code);
}

tl_status cuda_copy_out(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes)
{
    struct cuda_stream *s = cuda_stream_of(stream);
    tl_status status = cuda_enter(cuda_of(stream->gpu));
    if (status != TL_OK)
        return status;
    CUresult code = CUDA_SUCCESS;
    struct {
        struct cuda_stage *stage;
        size_t at, some;
    } flight[2] = {{0}}; /* one is on its way while the other is read */
    size_t at = 0;
    for (int i = 0; code == CUDA_SUCCESS && (at < bytes || flight[i].stage || flight[!i].stage); i = !i) {
        if (flight[i].stage) {
            if ((code = CU(cuEventSynchronize)(flight[i].stage->done)) != CUDA_SUCCESS)
                break;
            memcpy((char *)to + flight[i].at, flight[i].stage->bytes, flight[i].some);
            flight[i].stage = NULL;
        }
        if (at >= bytes)
            continue;
        flight[i].at = at;
        flight[i].some = bytes - at < CUDA_STAGE_BYTES ? bytes - at : CUDA_STAGE_BYTES;
        if ((code = take_stage(s, &flight[i].stage)) != CUDA_SUCCESS)
            break;
        code = CU(cuMemcpyDtoHAsync)(flight[i].stage->bytes, cuda_pointer(from) + at, flight[i].some, s->handle);
        if (code == CUDA_SUCCESS)
            code = mark_stage(s, flight[i].stage);
        at += flight[i].some;
    }
    return code == CUDA_SUCCESS ? TL_OK : late_failure(s, code);
}

tl_status cuda_copy(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes)
{
    struct cuda_stream *s = cuda_stream_of(stream);
    tl_status status = cuda_enter(cuda_of(stream->gpu));
    if (status != TL_OK)
        return status;
    CUresult code = CU(cuMemcpyDtoDAsync)(cuda_pointer(to), cuda_pointer(from), bytes, s->handle);
    return code == CUDA_SUCCESS ? TL_OK : cuda_fail("copying within the device", code);
}
