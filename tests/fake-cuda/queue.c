/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues: what is enqueued is done when somebody waits for it, in order, and not before. A host buffer that is filled again too early thus gives
 * the wrong bytes, as it would on a device.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

enum { ADDRESSES = 24 };
enum kind { COPY_IN, COPY_OUT, COPY, SET, LAUNCH };

struct command {
    struct command *next;
    enum kind kind;
    uint64_t serial;
    CUdeviceptr address[ADDRESSES]; /* to, from; of a launch, all that it was given */
    int n;
    unsigned char *host;
    size_t size;
    unsigned char value;
    CUresult failure;
};

struct CUstream_st {
    CUstream next;
    CUcontext context;
    struct command *first, *last;
    uint64_t enqueued, done;
};

struct CUevent_st {
    CUstream stream; /* where it was recorded; NULL: nowhere */
    uint64_t serial;
};

static CUstream streams;

bool fake_is_stream_locked(CUstream stream)
{
    for (CUstream s = streams; s; s = s->next)
        if (s == stream)
            return true;
    return false;
}

bool fake_in_use_locked(const struct block *block)
{
    for (CUstream s = streams; s; s = s->next)
        for (const struct command *c = s->first; c; c = c->next) {
            if (c->host && c->host >= block->bytes && c->host < block->bytes + block->size)
                return true;
            for (int i = 0; i < c->n; i++)
                if (c->address[i] >= block->address && c->address[i] < block->address + block->size)
                    return true;
        }
    return false;
}

static unsigned char *bytes_of(CUcontext context, CUdeviceptr address, size_t size, const char *what)
{
    struct block *b = fake_block_locked(context, address, size, what);
    return b ? b->bytes + (address - b->address) : NULL;
}

static CUresult perform(CUstream s, const struct command *c)
{
    static const char *const names[] = {"copy in", "copy out", "copy", "set", "launch"};
    if (c->kind == LAUNCH) {
        for (int i = 0; i < c->n; i++)
            fake_block_locked(s->context, c->address[i], 0, names[c->kind]);
        return c->failure;
    }
    unsigned char *to = c->kind == COPY_OUT ? c->host : bytes_of(s->context, c->address[0], c->size, names[c->kind]);
    const unsigned char *from = c->kind == COPY_IN ? c->host : c->kind == SET ? to : bytes_of(s->context, c->address[1], c->size, names[c->kind]);
    if (!to || !from)
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (c->kind == SET)
        memset(to, c->value, c->size);
    else
        memcpy(to, from, c->size);
    return CUDA_SUCCESS;
}

static CUresult run_until(CUstream s, uint64_t serial)
{
    while (s->first && s->first->serial <= serial && s->context->lost == CUDA_SUCCESS) {
        struct command *c = s->first;
        s->context->lost = perform(s, c);
        s->done = c->serial;
        s->first = c->next;
        free(c);
    }
    return s->context->lost;
}

static CUresult enqueue(CUstream s, const struct command *what)
{
    struct command *c = malloc(sizeof *c);
    if (!c)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *c = *what;
    c->next = NULL;
    c->serial = ++s->enqueued;
    if (s->first)
        s->last->next = c;
    else
        s->first = c;
    s->last = c;
    return CUDA_SUCCESS;
}

void fake_enqueue_launch_locked(CUstream stream, const CUdeviceptr *addresses, int n, CUresult failure)
{
    struct command c = {.kind = LAUNCH, .failure = failure};
    for (int i = 0; i < n && c.n < ADDRESSES; i++)
        c.address[c.n++] = addresses[i];
    enqueue(stream, &c);
}

/* ---- Streams ------------------------------------------------------------------------------------------------------------------------------ */

static CUcontext enter_stream(const char *function, CUstream stream, CUresult *code)
{
    CUcontext c = fake_enter(function, code);
    if (c && (!fake_is_stream_locked(stream) || stream->context != c)) {
        fake_flaw("%s: no stream of the context", function);
        *code = CUDA_ERROR_INVALID_HANDLE;
        return NULL;
    }
    return c;
}

FAKE_API CUresult CUDAAPI cuStreamCreate(CUstream *stream, unsigned flags)
{
    (void)flags;
    CUresult code;
    CUcontext c = fake_enter("cuStreamCreate", &code);
    CUstream s = c ? calloc(1, sizeof *s) : NULL;
    if (s) {
        s->context = c;
        s->next = streams;
        streams = *stream = s;
    } else if (c) {
        code = CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuStreamDestroy(CUstream stream)
{
    /* Also of a lost device: the host's share of it goes. */
    pthread_mutex_lock(&fake_lock);
    CUstream *at = &streams;
    while (*at && *at != stream)
        at = &(*at)->next;
    CUresult code = *at ? stream->context->lost : CUDA_ERROR_INVALID_HANDLE;
    if (*at) {
        *at = stream->next;
        if (stream->first && code == CUDA_SUCCESS)
            fake_flaw("cuStreamDestroy: work is still waiting");
        for (struct command *c = stream->first, *next; c; c = next) {
            next = c->next;
            free(c);
        }
        free(stream);
    } else {
        fake_flaw("cuStreamDestroy: no stream");
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuStreamSynchronize(CUstream stream)
{
    CUresult code;
    if (enter_stream("cuStreamSynchronize", stream, &code))
        code = run_until(stream, UINT64_MAX);
    fake_log("sync%s", code == CUDA_SUCCESS ? "" : ": failed");
    pthread_mutex_unlock(&fake_lock);
    return code;
}

/* ---- Events -------------------------------------------------------------------------------------------------------------------------------- */

FAKE_API CUresult CUDAAPI cuEventCreate(CUevent *event, unsigned flags)
{
    (void)flags;
    CUresult code;
    if (fake_enter("cuEventCreate", &code) && !(*event = calloc(1, sizeof **event)))
        code = CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuEventDestroy(CUevent event)
{
    free(event);
    return CUDA_SUCCESS;
}

FAKE_API CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream)
{
    CUresult code;
    if (enter_stream("cuEventRecord", stream, &code)) {
        event->stream = stream;
        event->serial = stream->enqueued;
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuEventSynchronize(CUevent event)
{
    CUresult code;
    if (fake_enter("cuEventSynchronize", &code) && event->stream && fake_is_stream_locked(event->stream))
        code = run_until(event->stream, event->serial);
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    CUresult code;
    if (fake_enter("cuEventElapsedTime", &code)) {
        bool recorded = start->stream && end->stream;
        code = !recorded ? CUDA_ERROR_INVALID_HANDLE : end->serial > end->stream->done ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
        *milliseconds = recorded ? (float)(end->serial - start->serial) * 0.001f : 0;
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

/* ---- Copies -------------------------------------------------------------------------------------------------------------------------------- */

static CUresult copy(const char *function, const char *name, CUstream stream, struct command *c)
{
    CUresult code;
    CUcontext context = enter_stream(function, stream, &code);
    for (int i = 0; context && i < c->n; i++)
        if (c->address[i] && !fake_block_locked(context, c->address[i], c->size, function)) {
            code = CUDA_ERROR_INVALID_VALUE;
            context = NULL;
        }
    if (context && c->host && !fake_is_pinned_locked(c->host, c->size))
        fake_flaw("%s: the host's memory is not pinned", function);
    if (context)
        code = enqueue(stream, c);
    fake_log("%s %zu%s", name, c->size, code == CUDA_SUCCESS ? "" : ": failed");
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t size, CUstream stream)
{
    return copy("cuMemcpyHtoDAsync", "copy-in", stream,
                &(struct command){.kind = COPY_IN, .address = {to}, .n = 1, .host = (unsigned char *)(uintptr_t)from, .size = size});
}

FAKE_API CUresult CUDAAPI cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t size, CUstream stream)
{
    return copy("cuMemcpyDtoHAsync", "copy-out", stream, &(struct command){.kind = COPY_OUT, .address = {0, from}, .n = 2, .host = to, .size = size});
}

FAKE_API CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream)
{
    return copy("cuMemcpyDtoDAsync", "copy", stream, &(struct command){.kind = COPY, .address = {to, from}, .n = 2, .size = size});
}

FAKE_API CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream stream)
{
    return copy("cuMemsetD8Async", "set", stream, &(struct command){.kind = SET, .address = {to}, .n = 1, .size = size, .value = value});
}
