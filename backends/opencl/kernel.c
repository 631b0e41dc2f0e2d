/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling and launching: what backends/gpu asks of a backend.
 */
#include "opencl.h"

#include <stdlib.h>

struct gpu_kernel {
    cl_program program;
    cl_kernel kernel;
};

static const char options[] = "-cl-std=CL1.2";

/* The compiler's own words, as far as a message has room. */
static tl_status build_failed(struct opencl_device *o, cl_program program, const char *entry, cl_int code)
{
    size_t size = 0;
    char *words = NULL;
    if (clGetProgramBuildInfo(program, o->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS && size && (words = malloc(size + 1))) {
        words[0] = words[size] = 0;
        clGetProgramBuildInfo(program, o->id, CL_PROGRAM_BUILD_LOG, size, words, NULL);
    }
    opencl_host->log(TL_LOG_ERROR, "opencl", "%s does not compile:\n%s", entry, words ? words : "(the compiler says nothing)");
    tl_status s = opencl_host->fail(TL_ERR_PLUGIN, "opencl: the kernel %s does not compile on %s (code %d): %.500s", entry, o->gpu.device.description,
                                    (int)code, words ? words : "");
    free(words);
    return s;
}

static void keep_binary(cl_program program, void **binary, size_t *size)
{
    *binary = NULL;
    *size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL) != CL_SUCCESS || *size == 0)
        return;
    unsigned char *bytes = malloc(*size);
    if (bytes && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, NULL) == CL_SUCCESS)
        *binary = bytes;
    else
        free(bytes);
}

tl_status gpu_compile(struct gpu *gpu, const char *text, const char *entry, void **binary, size_t *size, struct gpu_kernel **kernel)
{
    struct opencl_device *o = opencl_of(gpu);
    struct gpu_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return opencl_host->fail(TL_ERR_NOMEM, "opencl: no memory for a kernel");
    cl_int code, status = CL_SUCCESS;
    k->program = text ? clCreateProgramWithSource(o->context, 1, &text, NULL, &code)
                      : clCreateProgramWithBinary(o->context, 1, &o->id, size, (const unsigned char **)binary, &status, &code);
    bool made = k->program && status == CL_SUCCESS;
    if (made)
        code = clBuildProgram(k->program, 1, &o->id, options, NULL, NULL);
    if (!made || code != CL_SUCCESS) {
        tl_status s = !text ? TL_ERR_PLUGIN : made ? build_failed(o, k->program, entry, code) : opencl_fail("making a program", code);
        gpu_kernel_free(gpu, k);
        return s;
    }
    k->kernel = clCreateKernel(k->program, entry, &code);
    if (!k->kernel) {
        gpu_kernel_free(gpu, k);
        return text ? opencl_fail(entry, code) : TL_ERR_PLUGIN;
    }
    if (text)
        keep_binary(k->program, binary, size);
    *kernel = k;
    return TL_OK;
}

void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *k)
{
    (void)gpu;
    if (k->kernel)
        clReleaseKernel(k->kernel);
    if (k->program)
        clReleaseProgram(k->program);
    free(k);
}

tl_status gpu_launch(struct tl_stream *stream, const struct gpu_kernel *kernel, const char *name, struct gpu_grid grid, int n_args,
                     const struct gpu_arg *args)
{
    struct tl_stream_opencl *s = (struct tl_stream_opencl *)stream;
    cl_int code = CL_SUCCESS;
    cl_uint at = 0;
    for (int i = 0; i < n_args && code == CL_SUCCESS; i++) {
        if (args[i].value) {
            code = clSetKernelArg(kernel->kernel, at++, args[i].size, args[i].value);
            continue;
        }
        cl_mem buffer = opencl_mem(args[i].mem);
        cl_ulong offset = args[i].mem.offset / args[i].size;
        code = clSetKernelArg(kernel->kernel, at++, sizeof buffer, &buffer);
        if (code == CL_SUCCESS)
            code = clSetKernelArg(kernel->kernel, at++, sizeof offset, &offset);
        s->reports |= args[i].mem.handle == stream->gpu->report.handle;
    }
    size_t global[3], local[3];
    for (int d = 0; d < 3; d++) {
        local[d] = grid.size[d] ? grid.size[d] : 1;
        global[d] = local[d] * (grid.groups[d] ? grid.groups[d] : 1);
    }
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(s->queue, kernel->kernel, 3, NULL, global, local, 0, NULL, NULL);
    return code == CL_SUCCESS ? TL_OK : opencl_fail(name, code);
}
