/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin and its devices.
 */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>

const struct tl_host *cuda_host;
const struct tl_kernel *const *cuda_all_kernels;

/* ---- The driver ------------------------------------------------------------------------------------------------------------------------ */

enum { OLDEST_DRIVER = 12000 };

/* A driver without a GPU. */
static tl_status no_device(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    return cuda_host->fail(TL_ERR_DEVICE, "cuda: the driver finds no GPU%s%s%s: nvidia-smi lists what there is", visible ? " (CUDA_VISIBLE_DEVICES is \"" : "",
                           visible ? visible : "", visible ? "\")" : "");
}

/* Open the driver and start it; later calls give the same answer, with the same words. */
static tl_status start_driver(void)
{
    tl_status s = cuda_library_open(cuda_host, CUDA_LIBRARY_DRIVER);
    if (s != TL_OK)
        return s;
    CUresult code = CU(cuInit)(0);
    if (code == CUDA_ERROR_NO_DEVICE)
        return no_device();
    if (code != CUDA_SUCCESS)
        return cuda_fail("starting the driver", code);
    int version = 0;
    if ((code = CU(cuDriverGetVersion)(&version)) != CUDA_SUCCESS)
        return cuda_fail("asking the driver for its version", code);
    if (version < OLDEST_DRIVER)
        return cuda_host->fail(TL_ERR_DEVICE, "cuda: the driver is for CUDA %d.%d; %d.%d or newer is needed: update the driver", version / 1000,
                               version % 1000 / 10, OLDEST_DRIVER / 1000, OLDEST_DRIVER % 1000 / 10);
    return TL_OK;
}

static tl_status device_count(int *count)
{
    *count = 0;
    tl_status s = start_driver();
    if (s != TL_OK)
        return s;
    CUresult code = CU(cuDeviceGetCount)(count);
    if (code != CUDA_SUCCESS)
        return cuda_fail("counting devices", code);
    return *count > 0 ? TL_OK : no_device();
}

/* ---- A device -------------------------------------------------------------------------------------------------------------------------- */

static int attribute(const struct cuda_device *c, CUdevice_attribute what)
{
    int value = 0;
    return CU(cuDeviceGetAttribute)(&value, what, c->id) == CUDA_SUCCESS ? value : 0;
}

static tl_status check_versions(void)
{
    size_t cudnn = CU(cudnnGetVersion)(), cublaslt = CU(cublasLtGetVersion)();
    size_t digits = cudnn < 10000 ? 1000 : 10000; /* before version 9 a major version was a thousand */
    if (cudnn / digits != 9)
        return cuda_host->fail(TL_ERR_DEVICE, "cuda: libcudnn.so.9 says it is version %zu.%zu; version 9 is needed: install cuDNN 9", cudnn / digits,
                               cudnn % digits / 100);
    if (cublaslt / 10000 < 12)
        return cuda_host->fail(TL_ERR_DEVICE, "cuda: cuBLASLt is version %zu.%zu; 12 or newer is needed: install the CUDA toolkit 12 or newer",
                               cublaslt / 10000, cublaslt % 10000 / 100);
    return TL_OK;
}

static tl_status open_libraries(void)
{
    for (int i = CUDA_LIBRARY_NVRTC; i < CUDA_LIBRARY_COUNT; i++) {
        tl_status s = cuda_library_open(cuda_host, (enum cuda_library)i);
        if (s != TL_OK)
            return s;
    }
    return check_versions();
}

static void describe(struct cuda_device *c, int driver)
{
    char name[128] = "?";
    int major = 0, minor = 0;
    size_t cudnn = CU(cudnnGetVersion)();
    CU(cuDeviceGetName)(name, sizeof name, c->id);
    CU(nvrtcVersion)(&major, &minor);
    snprintf(c->description, sizeof c->description, "%s, compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d, NVRTC %d.%d, cuDNN %zu.%zu.%zu",
             name, c->major, c->minor, c->gpu.units, driver / 1000, driver % 1000 / 10, major, minor, cudnn / 10000, cudnn % 10000 / 100, cudnn % 100);
    snprintf(c->identity, sizeof c->identity, "%s sm_%d%d nvrtc %d.%d driver %d", name, c->major, c->minor, major, minor, driver);
    snprintf(c->libraries, sizeof c->libraries, "%s, %d multiprocessors, driver %d, cuBLASLt %zu, cuDNN %zu", name, c->gpu.units, driver,
             CU(cublasLtGetVersion)(), cudnn);
}

/* A permission that is asked for, so anything that is not clear is none. */
static bool tf32_allowed(void)
{
    const char *text = getenv("TELAR_ALLOW_TF32");
    if (!text || !text[0] || strcmp(text, "0") == 0)
        return false;
    if (strcmp(text, "1") == 0)
        return true;
    cuda_host->log(TL_LOG_WARN, "cuda", "TELAR_ALLOW_TF32=%s is ignored: expected 1 or 0", text);
    return false;
}

static void close_device(struct cuda_device *c)
{
    if (c->context) {
        /* All of it on a lost device, too: the host's share goes, whatever the driver answers. */
        CU(cuCtxSetCurrent)(c->context);
        gpu_finish(&c->gpu);
        if (c->cudnn)
            CU(cudnnDestroy)(c->cudnn);
        if (c->cublaslt)
            CU(cublasLtDestroy)(c->cublaslt);
        if (c->report)
            CU(cuMemFreeHost)(c->report);
        CU(cuCtxSetCurrent)(NULL);
        CU(cuDevicePrimaryCtxRelease)(c->id);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static tl_status open_context(struct cuda_device *c)
{
    CUresult code = CU(cuDevicePrimaryCtxRetain)(&c->context, c->id);
    if (code != CUDA_SUCCESS) {
        c->context = NULL;
        return cuda_fail("opening a context", code);
    }
    tl_status s = cuda_enter(c);
    if (s != TL_OK)
        return s;
    void *report = NULL;
    CUdeviceptr seen = 0;
    code = CU(cuMemHostAlloc)(&report, sizeof *c->report, CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE);
    if (code != CUDA_SUCCESS)
        return cuda_fail("pinning host memory", code);
    c->report = report;
    memset(c->report, 0, sizeof *c->report);
    if ((code = CU(cuMemHostGetDevicePointer)(&seen, report, 0)) != CUDA_SUCCESS)
        return cuda_fail("pinning host memory", code);
    c->gpu.report = (struct tl_mem){.handle = (void *)(uintptr_t)seen};
    cublasStatus_t blas = CU(cublasLtCreate)(&c->cublaslt);
    if (blas != CUBLAS_STATUS_SUCCESS)
        return cuda_fail_cublas("cuBLASLt", "starting it", blas);
    cudnnStatus_t dnn = CU(cudnnCreate)(&c->cudnn);
    if (dnn != CUDNN_STATUS_SUCCESS)
        return cuda_fail_cudnn("cuDNN", "starting it", dnn);
    return gpu_init(&c->gpu);
}

static tl_status device_open(int index, struct tl_device **device)
{
    tl_status s = start_driver();
    if (s == TL_OK)
        s = open_libraries();
    if (s != TL_OK)
        return s;
    struct cuda_device *c = calloc(1, sizeof *c);
    if (!c)
        return cuda_host->fail(TL_ERR_NOMEM, "cuda: no memory for a device");
    pthread_mutex_init(&c->lock, NULL);
    c->tf32 = tf32_allowed();
    size_t memory = 0;
    int driver = 0;
    CUresult code = CU(cuDeviceGet)(&c->id, index);
    if (code == CUDA_SUCCESS)
        code = CU(cuDeviceTotalMem)(&memory, c->id);
    if (code == CUDA_SUCCESS)
        code = CU(cuDriverGetVersion)(&driver);
    if (code != CUDA_SUCCESS) {
        close_device(c);
        return cuda_fail("opening a device", code);
    }
    c->major = attribute(c, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    c->minor = attribute(c, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    if ((s = cuda_check_capability(c)) != TL_OK) {
        close_device(c);
        return s;
    }
    c->gpu = (struct gpu){.host = cuda_host,
                          .component = "cuda",
                          .prelude = "cuda",
                          .identity = c->identity,
                          .units = attribute(c, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
                          .lanes = 32,
                          .group_limit = 1024,
                          .local_limit = 48 << 10,
                          .f64 = true,
                          .device = {.struct_size = sizeof(struct tl_device),
                                     .index = index,
                                     .alignment = 256,
                                     .memory = memory,
                                     .description = c->description,
                                     .state = c}};
    describe(c, driver);
    s = open_context(c);
    if (s != TL_OK) {
        close_device(c);
        return s;
    }
    *device = &c->gpu.device;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    close_device(cuda_device_of(device));
}

/* ---- The plugin -------------------------------------------------------------------------------------------------------------------------- */

static struct tl_backend backend = {
    .struct_size = sizeof(struct tl_backend),
    .device_count = device_count,
    .device_open = device_open,
    .device_close = device_close,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .stream_open = cuda_stream_open,
    .stream_close = cuda_stream_close,
    .sync = cuda_sync,
    .copy_in = cuda_copy_in,
    .copy_out = cuda_copy_out,
    .copy = cuda_copy,
};

static tl_status open_plugin(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    cuda_host = host;
    if (!backend.kernels && !(backend.kernels = cuda_all_kernels = gpu_kernel_table(cuda_kernels, cuda_n_kernels))) {
        err->code = TL_ERR_NOMEM;
        strcpy(err->message, "cuda: no memory for the table of kernels");
        return TL_ERR_NOMEM;
    }
    *iface = &backend;
    return TL_OK;
}

static void close_plugin(const void *iface)
{
    (void)iface;
    free((void *)(uintptr_t)backend.kernels);
    backend.kernels = cuda_all_kernels = NULL;
}

TL_PUBLIC extern const struct tl_plugin telar_plugin;
const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = "cuda",
    .version = "1.0",
    .summary = "NVIDIA GPUs: cuDNN, cuBLASLt, kernels compiled on first use and kept",
    .open = open_plugin,
    .close = close_plugin,
};
