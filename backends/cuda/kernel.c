/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling with NVRTC and launching: what backends/gpu asks of a backend.
 */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>

struct gpu_kernel {
    CUmodule module;
    CUfunction function;
};

/* The newest architecture that the compiler knows and the device runs; 0: it knows only newer ones, of which *oldest is the first. */
static int choose_target(const struct cuda_device *c, int *oldest)
{
    int n = 0, known[64], wanted = c->major * 10 + c->minor, newest = 0;
    *oldest = 0;
    if (CU(nvrtcGetNumSupportedArchs)(&n) == NVRTC_SUCCESS && n > 0 && n <= 64 && CU(nvrtcGetSupportedArchs)(known) == NVRTC_SUCCESS)
        for (int i = 0; i < n; i++) {
            *oldest = *oldest == 0 || known[i] < *oldest ? known[i] : *oldest;
            if (known[i] <= wanted && known[i] > newest)
                newest = known[i];
        }
    return newest;
}

tl_status cuda_check_capability(const struct cuda_device *c)
{
    int oldest, major = 0, minor = 0;
    if (choose_target(c, &oldest))
        return TL_OK;
    CU(nvrtcVersion)(&major, &minor);
    return cuda_host->fail(TL_ERR_DEVICE, "cuda: the GPU has compute capability %d.%d, and NVRTC %d.%d compiles for %d.%d and newer: an older CUDA toolkit "
                           "may know it", c->major, c->minor, major, minor, oldest / 10, oldest % 10);
}

/* What the compiler has said; free() it. NULL: nothing. */
static char *compiler_words(nvrtcProgram program)
{
    size_t size = 0;
    char *words = NULL;
    if (program && CU(nvrtcGetProgramLogSize)(program, &size) == NVRTC_SUCCESS && size > 1 && (words = malloc(size + 1))) {
        words[0] = words[size] = 0;
        CU(nvrtcGetProgramLog)(program, words);
    }
    return words;
}

static tl_status nvrtc_failed(nvrtcProgram program, const char *entry, nvrtcResult code)
{
    char *words = compiler_words(program);
    cuda_host->log(TL_LOG_ERROR, "cuda", "%s does not compile: %s\n%s", entry, CU(nvrtcGetErrorString)(code), words ? words : "");
    tl_status s = cuda_host->fail(TL_ERR_PLUGIN, "cuda: the kernel %s does not compile: %s: %.500s", entry, CU(nvrtcGetErrorString)(code),
                                  words ? words : "");
    free(words);
    return s;
}

/* *warned: the compiler had something to say about what it compiled, which is a flaw of the text. */
static tl_status compile(const struct cuda_device *c, const char *text, const char *entry, void **binary, size_t *size, bool *warned)
{
    char target[64];
    nvrtcProgram program = NULL;
    int oldest, architecture = choose_target(c, &oldest);
    bool cubin = architecture == c->major * 10 + c->minor; /* else PTX, which the driver compiles */
    snprintf(target, sizeof target, "--gpu-architecture=%s_%d", cubin ? "sm" : "compute", architecture);
    const char *options[] = {target, "--std=c++17", "--extra-device-vectorization"};
    nvrtcResult code = CU(nvrtcCreateProgram)(&program, text, entry, 0, NULL, NULL);
    if (code == NVRTC_SUCCESS)
        code = CU(nvrtcCompileProgram)(program, sizeof options / sizeof *options, options);
    if (code == NVRTC_SUCCESS)
        code = cubin ? CU(nvrtcGetCUBINSize)(program, size) : CU(nvrtcGetPTXSize)(program, size);
    if (code != NVRTC_SUCCESS) {
        tl_status s = nvrtc_failed(program, entry, code);
        if (program)
            CU(nvrtcDestroyProgram)(&program);
        return s;
    }
    char *words = compiler_words(program);
    if ((*warned = words != NULL))
        cuda_host->log(TL_LOG_WARN, "cuda", "the compiler warns about %s:\n%s", entry, words);
    free(words);
    char *bytes = malloc(*size);
    if (bytes && (code = cubin ? CU(nvrtcGetCUBIN)(program, bytes) : CU(nvrtcGetPTX)(program, bytes)) != NVRTC_SUCCESS) {
        free(bytes);
        bytes = NULL;
    }
    CU(nvrtcDestroyProgram)(&program);
    if (!bytes)
        return cuda_host->fail(TL_ERR_NOMEM, "cuda: no memory for the kernel %s", entry);
    *binary = bytes;
    return TL_OK;
}

/* The driver does not take what was just compiled: most often because the compiler is of a newer CUDA than it. */
static tl_status not_loaded(const char *entry, CUresult code)
{
    int major = 0, minor = 0, driver = 0;
    char what[400];
    CU(nvrtcVersion)(&major, &minor);
    CU(cuDriverGetVersion)(&driver);
    int n = snprintf(what, sizeof what, "loading the kernel %s", entry);
    if (major * 1000 + minor * 10 > driver)
        snprintf(what + n, sizeof what - (size_t)n, " (NVRTC %d.%d is newer than the driver, which is for CUDA %d.%d: update the driver, or install that toolkit)",
                 major, minor, driver / 1000, driver % 1000 / 10);
    return cuda_fail(what, code);
}

tl_status gpu_compile(struct gpu *gpu, const char *text, const char *entry, void **binary, size_t *size, struct gpu_kernel **kernel)
{
    struct cuda_device *c = cuda_of(gpu);
    bool warned = false;
    tl_status s = cuda_enter(c);
    if (s == TL_OK && text)
        s = compile(c, text, entry, binary, size, &warned);
    if (s != TL_OK)
        return s;
    struct gpu_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return cuda_host->fail(TL_ERR_NOMEM, "cuda: no memory for a kernel");
    CUresult code = CU(cuModuleLoadDataEx)(&k->module, *binary, 0, NULL, NULL);
    if (code == CUDA_SUCCESS && (code = CU(cuModuleGetFunction)(&k->function, k->module, entry)) != CUDA_SUCCESS)
        CU(cuModuleUnload)(k->module);
    if (code != CUDA_SUCCESS) {
        free(k);
        return text ? not_loaded(entry, code) : TL_ERR_PLUGIN;
    }
    if (warned) { /* not kept on disk: whoever compiles it next is to hear of it, too */
        free(*binary);
        *binary = NULL;
    }
    *kernel = k;
    return TL_OK;
}

void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *k)
{
    (void)gpu;
    CU(cuModuleUnload)(k->module);
    free(k);
}

tl_status gpu_launch(struct tl_stream *stream, const struct gpu_kernel *kernel, const char *name, struct gpu_grid grid, int n_args,
                     const struct gpu_arg *args)
{
    enum { ARGS = 48 };
    struct cuda_stream *s = cuda_stream_of(stream);
    CUdeviceptr pointers[ARGS];
    void *values[ARGS];
    if (n_args > ARGS)
        return cuda_host->fail(TL_ERR_LIMIT, "%s: %d arguments of a kernel, where %d are the most", name, n_args, (int)ARGS);
    for (int i = 0; i < n_args; i++) {
        pointers[i] = cuda_pointer(args[i].mem);
        values[i] = args[i].value ? (void *)(uintptr_t)args[i].value : &pointers[i];
        s->reports |= !args[i].value && args[i].mem.handle == stream->gpu->report.handle;
    }
    tl_status entered = cuda_enter(cuda_of(stream->gpu));
    if (entered != TL_OK)
        return entered;
#define AT_LEAST_1(x) ((x) ? (x) : 1)
    CUresult code = CU(cuLaunchKernel)(kernel->function, AT_LEAST_1(grid.groups[0]), AT_LEAST_1(grid.groups[1]), AT_LEAST_1(grid.groups[2]),
                                       AT_LEAST_1(grid.size[0]), AT_LEAST_1(grid.size[1]), AT_LEAST_1(grid.size[2]), 0, s->handle, values, NULL);
#undef AT_LEAST_1
    if (code != CUDA_SUCCESS)
        return cuda_fail(name, code);
    cuda_launched(s, name);
    return TL_OK;
}
