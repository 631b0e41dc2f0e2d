/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenCL backend: devices through the ICD loader, buffers, one in-order queue a device; its kernels are those of backends/gpu.
 */
#ifndef TELAR_BACKENDS_OPENCL_H
#define TELAR_BACKENDS_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "../gpu/gpu.h"

struct opencl_device {
    struct gpu gpu;
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    char description[512], identity[512];
};

struct tl_stream_opencl {
    struct tl_stream base;
    cl_command_queue queue;
    bool reports; /**< a kernel that may report a bad value was enqueued since the last sync */
    struct tl_error late;
};

static inline struct opencl_device *opencl_of(const struct gpu *gpu)
{
    return (struct opencl_device *)(uintptr_t)gpu;
}
static inline cl_mem opencl_mem(struct tl_mem m)
{
    return m.handle;
}

extern const struct tl_host *opencl_host;

/** A failure of an OpenCL call in words: what was being done, and the code's name. Returns the status that fits. */
tl_status opencl_fail(const char *what, cl_int code);

/* queue.c: the slots of the table for memory and the queue. */
tl_status opencl_alloc(const struct tl_device *device, size_t bytes, struct tl_mem *mem);
void opencl_free(const struct tl_device *device, struct tl_mem mem);
tl_status opencl_stream_open(const struct tl_device *device, struct tl_stream **stream);
void opencl_stream_close(struct tl_stream *stream);
tl_status opencl_sync(struct tl_stream *stream);
tl_status opencl_copy_in(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes);
tl_status opencl_copy_out(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes);
tl_status opencl_copy(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes);

/** Do the drivers name their devices without ending the program? An error if not (probe.c). */
tl_status opencl_probe_drivers(void);

#endif
