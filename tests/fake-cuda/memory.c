/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory: the stand-in driver's blocks, each with a gap behind it. Fresh memory is garbage, visibly.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

/* No address of a process: reading there on the host ends it. */
#define FIRST UINT64_C(0x00f0000000000000)
#define LAST UINT64_C(0x00ffffffffffffff)
enum { GAP = 1 << 20 };

static struct block *blocks;
static size_t n_blocks, capacity;
static CUdeviceptr next_address = FIRST;

bool fake_is_address(CUdeviceptr address)
{
    return address >= FIRST && address <= LAST;
}

static struct block *add(CUcontext context, size_t size, bool pinned)
{
    if (n_blocks == capacity) {
        size_t more = capacity ? 2 * capacity : 256;
        struct block *grown = realloc(blocks, more * sizeof *grown);
        if (!grown)
            return NULL;
        blocks = grown;
        capacity = more;
    }
    unsigned char *bytes = aligned_alloc(256, (size + 255) / 256 * 256);
    if (!bytes)
        return NULL;
    memset(bytes, 0xa5, size);
    blocks[n_blocks] = (struct block){.address = next_address, .size = size, .bytes = bytes, .context = context, .pinned = pinned};
    next_address += (size + 255) / 256 * 256 + GAP;
    return &blocks[n_blocks++];
}

/* The last one that begins at or before the address: they lie in order. */
static struct block *at_or_before(CUdeviceptr address)
{
    size_t low = 0, high = n_blocks;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (blocks[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &blocks[low - 1] : NULL;
}

struct block *fake_block_locked(CUcontext context, CUdeviceptr address, size_t size, const char *what)
{
    struct block *b = at_or_before(address);
    if (!b || address - b->address > b->size || size > b->size - (address - b->address)) {
        fake_flaw("%s: %zu bytes at %#llx are nobody's", what, size, (unsigned long long)address);
        return NULL;
    }
    if (b->freed) {
        fake_flaw("%s: %zu bytes at %#llx were freed", what, size, (unsigned long long)address);
        return NULL;
    }
    if (b->context != context && !b->pinned) {
        fake_flaw("%s: %zu bytes at %#llx are of device %d, not %d", what, size, (unsigned long long)address, b->context->device, context->device);
        return NULL;
    }
    return b;
}

static void drop(struct block *b)
{
    if (!b->pinned)
        b->context->used -= b->size;
    free(b->bytes);
    b->bytes = NULL;
    b->freed = true;
}

void fake_forget_memory_locked(CUcontext context)
{
    size_t left = 0, bytes = 0;
    for (size_t i = 0; i < n_blocks; i++)
        if (blocks[i].context == context && !blocks[i].freed) {
            left++;
            bytes += blocks[i].size;
            drop(&blocks[i]);
        }
    /* Of a lost device nothing can be freed. */
    if (left && context->lost == CUDA_SUCCESS)
        fake_flaw("%zu blocks with %zu bytes were not freed", left, bytes);
    bool any = false;
    for (size_t i = 0; i < n_blocks; i++)
        any |= !blocks[i].freed;
    if (any)
        return;
    free(blocks);
    blocks = NULL;
    n_blocks = capacity = 0;
}

bool fake_is_pinned_locked(const void *bytes, size_t size)
{
    const unsigned char *start = bytes;
    for (size_t i = 0; i < n_blocks; i++)
        if (blocks[i].pinned && !blocks[i].freed && start >= blocks[i].bytes && start + size <= blocks[i].bytes + blocks[i].size)
            return true;
    return false;
}

static CUresult total_locked(size_t *total)
{
    long long bytes = 80LL << 30;
    fake_fault("memory", &bytes);
    *total = (size_t)bytes;
    return CUDA_SUCCESS;
}

FAKE_API CUresult CUDAAPI cuDeviceTotalMem(size_t *bytes, CUdevice device)
{
    return device >= 0 && device < FAKE_DEVICES ? total_locked(bytes) : CUDA_ERROR_INVALID_DEVICE;
}

FAKE_API CUresult CUDAAPI cuMemGetInfo(size_t *unused, size_t *total)
{
    CUresult code;
    CUcontext c = fake_enter("cuMemGetInfo", &code);
    if (c) {
        total_locked(total);
        *unused = *total - c->used;
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuMemAlloc(CUdeviceptr *address, size_t bytes)
{
    CUresult code;
    CUcontext c = fake_enter("cuMemAlloc", &code);
    size_t total;
    total_locked(&total);
    if (c && bytes == 0)
        code = CUDA_ERROR_INVALID_VALUE;
    else if (c && (fake_fault_at("oom", ++c->n_allocated, NULL) || bytes > total - c->used))
        code = CUDA_ERROR_OUT_OF_MEMORY;
    fake_log("alloc %zu%s", bytes, code == CUDA_SUCCESS ? "" : ": no");
    if (code == CUDA_SUCCESS) {
        struct block *b = add(c, bytes, false);
        if (b) {
            c->used += bytes;
            *address = b->address;
        } else {
            code = CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuMemFree(CUdeviceptr address)
{
    CUresult code;
    CUcontext c = fake_enter("cuMemFree", &code);
    struct block *b = c ? fake_block_locked(c, address, 0, "cuMemFree") : NULL;
    if (c && (!b || b->address != address || b->pinned)) {
        fake_flaw("cuMemFree: %#llx is no block's address", (unsigned long long)address);
        code = CUDA_ERROR_INVALID_VALUE;
    } else if (c) {
        if (fake_in_use_locked(b))
            fake_flaw("cuMemFree: work that uses %#llx is still waiting", (unsigned long long)address);
        fake_log("free %zu", b->size);
        drop(b);
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuMemHostAlloc(void **bytes, size_t size, unsigned flags)
{
    (void)flags;
    CUresult code;
    CUcontext c = fake_enter("cuMemHostAlloc", &code);
    struct block *b = c && !fake_fault("pinned", NULL) ? add(c, size, true) : NULL;
    if (c && !b)
        code = CUDA_ERROR_OUT_OF_MEMORY;
    if (b)
        *bytes = b->bytes;
    pthread_mutex_unlock(&fake_lock);
    return code;
}

static struct block *pinned_locked(const void *bytes)
{
    for (size_t i = 0; i < n_blocks; i++)
        if (blocks[i].pinned && !blocks[i].freed && blocks[i].bytes == bytes)
            return &blocks[i];
    return NULL;
}

FAKE_API CUresult CUDAAPI cuMemHostGetDevicePointer(CUdeviceptr *address, void *bytes, unsigned flags)
{
    (void)flags;
    CUresult code;
    CUcontext c = fake_enter("cuMemHostGetDevicePointer", &code);
    struct block *b = c ? pinned_locked(bytes) : NULL;
    if (b)
        *address = b->address;
    else if (c)
        code = CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuMemFreeHost(void *bytes)
{
    CUresult code;
    CUcontext c = fake_enter("cuMemFreeHost", &code);
    struct block *b = c ? pinned_locked(bytes) : NULL;
    if (c && !b) {
        fake_flaw("cuMemFreeHost: not pinned here");
        code = CUDA_ERROR_INVALID_VALUE;
    } else if (b) {
        if (fake_in_use_locked(b))
            fake_flaw("cuMemFreeHost: work that uses it is still waiting");
        drop(b);
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}
