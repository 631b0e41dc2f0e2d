/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in driver's own: what its files share. One lock guards everything; functions that end in _locked are called with it.
 */
#ifndef TELAR_TESTS_FAKE_CUDA_DRIVER_H
#define TELAR_TESTS_FAKE_CUDA_DRIVER_H

#include <cuda.h>
#include <pthread.h>

#include "fake.h"

enum { FAKE_DEVICES = 8, FAKE_PARAMETERS = 64 };

/** The primary context of a device. */
struct CUctx_st {
    int device, users;
    CUresult lost; /**< what everything gives from now on */
    size_t used;   /**< bytes of its memory */
    long long n_allocated, n_launched, n_modules;
};

extern pthread_mutex_t fake_lock;
/** Takes the lock; the calling thread's context. NULL, and *code: there is none, or it is lost. */
CUcontext fake_enter(const char *function, CUresult *code);

/** Memory of a device, and host memory that it sees. Addresses are none of this process. */
struct block {
    CUdeviceptr address;
    size_t size;
    unsigned char *bytes;
    CUcontext context;
    bool pinned, freed;
};
/** The block in which [address, address + size) lies, of this context and alive; NULL, and a flaw in the log. */
struct block *fake_block_locked(CUcontext context, CUdeviceptr address, size_t size, const char *what);
/** Is it an address that this driver made? */
bool fake_is_address(CUdeviceptr address);
/** Is this host memory pinned? */
bool fake_is_pinned_locked(const void *bytes, size_t size);
/** Tells of what is left of a context's memory, and forgets all of it. */
void fake_forget_memory_locked(CUcontext context);

/** Does work that waits use this block? */
bool fake_in_use_locked(const struct block *block);
/** A launch that reads and writes these addresses; it fails with `failure`, unless that is CUDA_SUCCESS. */
void fake_enqueue_launch_locked(CUstream stream, const CUdeviceptr *addresses, int n, CUresult failure);
bool fake_is_stream_locked(CUstream stream);

/** A kernel as its image describes it. */
struct kernel_info {
    int n; /**< parameters; -1: the image does not say */
    size_t size[FAKE_PARAMETERS];
    unsigned threads; /**< most items of a group */
};
/** False: there is no such kernel. */
bool fake_read_image(const void *image, const char *name, struct kernel_info *info);

#endif
