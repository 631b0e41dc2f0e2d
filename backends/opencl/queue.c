/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory and the queue of a device.
 */
#include "opencl.h"

#include <stdlib.h>

static const char *name_of(cl_int code)
{
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
#define CODE(name) {name, #name}
        CODE(CL_DEVICE_NOT_FOUND), CODE(CL_DEVICE_NOT_AVAILABLE), CODE(CL_COMPILER_NOT_AVAILABLE), CODE(CL_MEM_OBJECT_ALLOCATION_FAILURE),
        CODE(CL_OUT_OF_RESOURCES), CODE(CL_OUT_OF_HOST_MEMORY), CODE(CL_BUILD_PROGRAM_FAILURE), CODE(CL_INVALID_VALUE), CODE(CL_INVALID_DEVICE),
        CODE(CL_INVALID_CONTEXT), CODE(CL_INVALID_COMMAND_QUEUE), CODE(CL_INVALID_MEM_OBJECT), CODE(CL_INVALID_BINARY),
        CODE(CL_INVALID_BUILD_OPTIONS), CODE(CL_INVALID_PROGRAM_EXECUTABLE), CODE(CL_INVALID_KERNEL_NAME), CODE(CL_INVALID_KERNEL),
        CODE(CL_INVALID_ARG_INDEX), CODE(CL_INVALID_ARG_VALUE), CODE(CL_INVALID_ARG_SIZE), CODE(CL_INVALID_KERNEL_ARGS),
        CODE(CL_INVALID_WORK_DIMENSION), CODE(CL_INVALID_WORK_GROUP_SIZE), CODE(CL_INVALID_WORK_ITEM_SIZE), CODE(CL_INVALID_GLOBAL_OFFSET),
        CODE(CL_INVALID_BUFFER_SIZE), CODE(CL_INVALID_GLOBAL_WORK_SIZE), CODE(CL_MEM_COPY_OVERLAP),
#undef CODE
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return "an error";
}

tl_status opencl_fail(const char *what, cl_int code)
{
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES || code == CL_OUT_OF_HOST_MEMORY ||
                  code == CL_INVALID_BUFFER_SIZE;
    return opencl_host->fail(memory ? TL_ERR_NOMEM : TL_ERR_DEVICE, "opencl: %s: %s (%d)", what, name_of(code), (int)code);
}

static struct tl_stream_opencl *own(struct tl_stream *stream)
{
    return (struct tl_stream_opencl *)stream;
}

tl_status opencl_alloc(const struct tl_device *device, size_t bytes, struct tl_mem *mem)
{
    cl_int code;
    if (bytes > device->max_allocation)
        return opencl_host->fail(TL_ERR_NOMEM, "opencl: %zu bytes in one piece, where the device gives at most %llu", bytes,
                                 (unsigned long long)device->max_allocation);
    cl_mem buffer = clCreateBuffer(opencl_of(gpu_of(device))->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (!buffer)
        return opencl_host->fail(TL_ERR_NOMEM, "opencl: no room for %zu bytes: %s (%d)", bytes, name_of(code), (int)code);
    *mem = (struct tl_mem){.handle = buffer};
    return TL_OK;
}

void opencl_free(const struct tl_device *device, struct tl_mem mem)
{
    (void)device;
    clReleaseMemObject(opencl_mem(mem));
}

tl_status opencl_stream_open(const struct tl_device *device, struct tl_stream **stream)
{
    struct opencl_device *o = opencl_of(gpu_of(device));
    struct tl_stream_opencl *s = calloc(1, sizeof *s);
    if (!s)
        return opencl_host->fail(TL_ERR_NOMEM, "opencl: no memory for a queue");
    cl_int code;
    s->base.gpu = &o->gpu;
    s->queue = clCreateCommandQueue(o->context, o->id, 0, &code);
    if (!s->queue) {
        free(s);
        return opencl_fail("creating a queue", code);
    }
    static const struct gpu_report none;
    code = clEnqueueWriteBuffer(s->queue, opencl_mem(o->gpu.report), CL_TRUE, 0, sizeof none, &none, 0, NULL, NULL);
    if (code != CL_SUCCESS) {
        clReleaseCommandQueue(s->queue);
        free(s);
        return opencl_fail("writing to the device", code);
    }
    *stream = &s->base;
    return TL_OK;
}

void opencl_stream_close(struct tl_stream *stream)
{
    clFinish(own(stream)->queue);
    clReleaseCommandQueue(own(stream)->queue);
    free(own(stream));
}

tl_status opencl_sync(struct tl_stream *stream)
{
    struct tl_stream_opencl *s = own(stream);
    cl_int code = clFinish(s->queue);
    if (code != CL_SUCCESS)
        return opencl_fail("waiting for the device", code);
    if (!s->reports)
        return TL_OK;
    struct gpu_report report;
    static const struct gpu_report none;
    cl_mem buffer = opencl_mem(stream->gpu->report);
    s->reports = false;
    code = clEnqueueReadBuffer(s->queue, buffer, CL_TRUE, 0, sizeof report, &report, 0, NULL, NULL);
    if (code == CL_SUCCESS && report.code != 0)
        code = clEnqueueWriteBuffer(s->queue, buffer, CL_TRUE, 0, sizeof none, &none, 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return opencl_fail("reading what kernels report", code);
    return report.code ? gpu_report_fail(stream->gpu, &report) : TL_OK;
}

tl_status opencl_copy_in(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes)
{
    cl_int code = clEnqueueWriteBuffer(own(stream)->queue, opencl_mem(to), CL_TRUE, (size_t)to.offset, bytes, from, 0, NULL, NULL);
    return code == CL_SUCCESS ? TL_OK : opencl_fail("copying to the device", code);
}

tl_status opencl_copy_out(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes)
{
    cl_int code = clEnqueueReadBuffer(own(stream)->queue, opencl_mem(from), CL_TRUE, (size_t)from.offset, bytes, to, 0, NULL, NULL);
    return code == CL_SUCCESS ? TL_OK : opencl_fail("copying from the device", code);
}

tl_status opencl_copy(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes)
{
    cl_int code = clEnqueueCopyBuffer(own(stream)->queue, opencl_mem(from), opencl_mem(to), (size_t)from.offset, (size_t)to.offset, bytes, 0, NULL,
                                      NULL);
    return code == CL_SUCCESS ? TL_OK : opencl_fail("copying within the device", code);
}
