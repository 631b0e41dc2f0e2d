/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in driver: starting, devices, contexts, modules, launches. memory.c and queue.c have the rest.
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static bool started;
static struct CUctx_st contexts[FAKE_DEVICES];
static _Thread_local CUcontext current;

/* ---- Errors -------------------------------------------------------------------------------------------------------------------------------- */

#define ERRORS(F)                                                                                                             \
    F(CUDA_SUCCESS, "no error")                                                                                               \
    F(CUDA_ERROR_INVALID_VALUE, "invalid argument")                                                                           \
    F(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")                                                                              \
    F(CUDA_ERROR_NOT_INITIALIZED, "initialization error")                                                                     \
    F(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")                                                             \
    F(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")                                                                    \
    F(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid")                                                             \
    F(CUDA_ERROR_INVALID_CONTEXT, "invalid device context")                                                                   \
    F(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device")                               \
    F(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered")                                                    \
    F(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle")                                                                   \
    F(CUDA_ERROR_NOT_FOUND, "named symbol not found")                                                                         \
    F(CUDA_ERROR_NOT_READY, "device not ready")                                                                               \
    F(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")                                                 \
    F(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure")                                                                 \
    F(CUDA_ERROR_NOT_SUPPORTED, "operation not supported")                                                                    \
    F(CUDA_ERROR_SYSTEM_NOT_READY, "system not yet initialized")                                                              \
    F(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination")                   \
    F(CUDA_ERROR_UNKNOWN, "unknown error")

static const struct {
    CUresult code;
    const char *name, *words;
} errors[] = {
#define ROW(code, words) {code, #code, words},
    ERRORS(ROW)
#undef ROW
};

static CUresult find_error(CUresult code, const char **name, const char **words)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) {
            *name = errors[i].name;
            *words = errors[i].words;
            return CUDA_SUCCESS;
        }
    *name = *words = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

FAKE_API CUresult CUDAAPI cuGetErrorName(CUresult code, const char **name)
{
    const char *words;
    return find_error(code, name, &words);
}

FAKE_API CUresult CUDAAPI cuGetErrorString(CUresult code, const char **words)
{
    const char *name;
    return find_error(code, &name, words);
}

int fake_default(const char *name)
{
    fake_flaw("%s: the stand-in driver does not have it", name);
    return CUDA_ERROR_NOT_SUPPORTED;
}

/* NVRTC asks for one, and goes without. */
FAKE_API CUresult CUDAAPI cuGetExportTable(const void **table, const CUuuid *id)
{
    (void)id;
    *table = NULL;
    return CUDA_ERROR_NOT_FOUND;
}

/* ---- Starting, devices -------------------------------------------------------------------------------------------------------------------- */

static int n_devices(void)
{
    long long n = fake_fault("no-device", NULL) ? 0 : fake_number("FAKE_CUDA_DEVICES", 1);
    return n < 0 ? 0 : n > FAKE_DEVICES ? FAKE_DEVICES : (int)n;
}

FAKE_API CUresult CUDAAPI cuInit(unsigned flags)
{
    (void)flags;
    long long code = n_devices() ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
    fake_fault("init", &code);
    started = code == CUDA_SUCCESS;
    return (CUresult)code;
}

FAKE_API CUresult CUDAAPI cuDriverGetVersion(int *version)
{
    long long v = 13000;
    fake_fault("driver", &v);
    *version = (int)v;
    return CUDA_SUCCESS;
}

FAKE_API CUresult CUDAAPI cuDeviceGetCount(int *count)
{
    *count = started ? n_devices() : 0;
    return started ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

FAKE_API CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal)
{
    *device = ordinal;
    return !started ? CUDA_ERROR_NOT_INITIALIZED : ordinal >= 0 && ordinal < n_devices() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

FAKE_API CUresult CUDAAPI cuDeviceGetName(char *name, int size, CUdevice device)
{
    snprintf(name, (size_t)size, "Stand-in GPU %d", device);
    return CUDA_SUCCESS;
}

FAKE_API CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute what, CUdevice device)
{
    int capability = (int)fake_number("FAKE_CUDA_CAPABILITY", 90);
    (void)device;
    switch ((int)what) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability / 10; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability % 10; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 132; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 48 << 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = 227 << 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = 2048; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = 50 << 20; break;
    case CU_DEVICE_ATTRIBUTE_INTEGRATED: *value = 0; break;
    default: fake_flaw("cuDeviceGetAttribute: the stand-in driver does not know attribute %d", (int)what); return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

/* ---- Contexts ------------------------------------------------------------------------------------------------------------------------------ */

CUcontext fake_enter(const char *function, CUresult *code)
{
    pthread_mutex_lock(&fake_lock);
    if (!current || current->users == 0) {
        fake_flaw("%s: the thread has no context", function);
        *code = CUDA_ERROR_INVALID_CONTEXT;
        return NULL;
    }
    *code = current->lost;
    return current->lost == CUDA_SUCCESS ? current : NULL;
}

FAKE_API CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    if (!started || device < 0 || device >= n_devices())
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    CUcontext c = &contexts[device];
    if (c->users++ == 0)
        *c = (struct CUctx_st){.device = device, .users = 1};
    *context = c;
    fake_log("context of device %d", device);
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

FAKE_API CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device)
{
    pthread_mutex_lock(&fake_lock);
    CUcontext c = &contexts[device];
    CUresult code = c->users > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    if (code != CUDA_SUCCESS) {
        fake_flaw("cuDevicePrimaryCtxRelease: device %d has no context", device);
    } else if (--c->users == 0) {
        fake_log("context of device %d released", device);
        fake_forget_memory_locked(c);
        if (c->n_modules && c->lost == CUDA_SUCCESS)
            fake_flaw("%lld modules were not unloaded", c->n_modules);
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuCtxSetCurrent(CUcontext context)
{
    current = context;
    return CUDA_SUCCESS;
}

/* ---- Modules -------------------------------------------------------------------------------------------------------------------------------- */

struct CUfunc_st {
    struct CUfunc_st *next;
    char name[200];
    struct kernel_info info;
};

struct CUmod_st {
    CUcontext context;
    const void *image; /* as long as the call that gave it lasts, of a real one; here until the kernel is found, at once after it */
    struct CUfunc_st *functions;
};

FAKE_API CUresult CUDAAPI cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned n, CUjit_option *options, void **values)
{
    (void)n, (void)options, (void)values;
    static long long rejected;
    CUresult code;
    CUcontext c = fake_enter("cuModuleLoadDataEx", &code);
    long long reject = 0;
    if (c && fake_fault("reject", &reject) && rejected < reject) {
        rejected++;
        code = CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    CUmodule m = code == CUDA_SUCCESS ? calloc(1, sizeof *m) : NULL;
    if (m) {
        c->n_modules++;
        m->context = c;
        m->image = image;
        *module = m;
    }
    fake_log("module %s%s", memcmp(image, "\177ELF", 4) == 0 ? "binary" : "ptx", m ? "" : ": refused");
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuModuleUnload(CUmodule module)
{
    CUresult code;
    CUcontext c = fake_enter("cuModuleUnload", &code);
    if (c && module->context != c)
        fake_flaw("cuModuleUnload: a module of another device");
    for (CUfunction f = module->functions, next; f; f = next) {
        next = f->next;
        free(f);
    }
    module->context->n_modules--;
    free(module);
    pthread_mutex_unlock(&fake_lock);
    return code;
}

FAKE_API CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    CUresult code;
    if (fake_enter("cuModuleGetFunction", &code)) {
        CUfunction f = calloc(1, sizeof *f);
        if (f && fake_read_image(module->image, name, &f->info)) {
            snprintf(f->name, sizeof f->name, "%s", name);
            f->next = module->functions;
            module->functions = *function = f;
        } else {
            code = f ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_OUT_OF_MEMORY;
            free(f);
        }
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}

/* ---- Launches ------------------------------------------------------------------------------------------------------------------------------ */

/* The addresses among the arguments, also within structs. Reading all bytes of all of them shows what is too short under a sanitizer. */
static int gather_addresses(const struct kernel_info *info, void **values, CUdeviceptr *addresses, int room)
{
    int n = 0;
    for (int i = 0; i < info->n; i++)
        for (size_t at = 0; at < info->size[i]; at += 8) {
            CUdeviceptr word = 0;
            memcpy(&word, (const char *)values[i] + at, info->size[i] - at < 8 ? info->size[i] - at : 8);
            if (info->size[i] - at >= 8 && fake_is_address(word) && n < room)
                addresses[n++] = word;
        }
    return n;
}

static void launch_locked(CUcontext c, const char *name, CUstream stream, const CUdeviceptr *addresses, int n)
{
    long long failure = CUDA_SUCCESS;
    fake_fault_at("fail", ++c->n_launched, &failure);
    for (int i = 0; i < n; i++)
        fake_block_locked(c, addresses[i], 0, name);
    fake_enqueue_launch_locked(stream, addresses, n, (CUresult)failure);
}

FAKE_API bool fake_driver_launch(const char *name, CUstream stream, const uint64_t *addresses, int n);
bool fake_driver_launch(const char *name, CUstream stream, const uint64_t *addresses, int n)
{
    CUresult code;
    CUdeviceptr at[FAKE_PARAMETERS];
    CUcontext c = fake_enter(name, &code);
    bool done = c && fake_is_stream_locked(stream);
    for (int i = 0; i < n; i++)
        at[i] = addresses[i];
    if (done)
        launch_locked(c, name, stream, at, n);
    else if (c)
        fake_flaw("%s: launched on no stream", name);
    fake_log("library %s%s", name, done ? "" : ": refused");
    pthread_mutex_unlock(&fake_lock);
    return done;
}

FAKE_API CUresult CUDAAPI cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                                         unsigned shared, CUstream stream, void **values, void **extra)
{
    (void)extra;
    CUresult code;
    CUcontext c = fake_enter("cuLaunchKernel", &code);
    if (c && (!fake_is_stream_locked(stream))) {
        fake_flaw("%s: launched on no stream", f->name);
        code = CUDA_ERROR_INVALID_HANDLE;
    } else if (c && (gx - 1 > 0x7ffffffe || gy - 1 > 65534 || gz - 1 > 65534 || bx - 1 > 1023 || by - 1 > 1023 || bz - 1 > 63 ||
                     bx * by * bz > f->info.threads || shared > 227 << 10)) {
        fake_flaw("%s: %u x %u x %u groups of %u x %u x %u items, of which it takes %u, with %u bytes of shared memory", f->name, gx, gy, gz, bx, by,
                  bz, f->info.threads, shared);
        code = CUDA_ERROR_INVALID_VALUE;
    } else if (c) {
        CUdeviceptr addresses[FAKE_PARAMETERS];
        int n = gather_addresses(&f->info, values, addresses, FAKE_PARAMETERS);
        launch_locked(c, f->name, stream, addresses, n);
        fake_log("launch %s groups %u %u %u items %u %u %u arguments %d addresses %d", f->name, gx, gy, gz, bx, by, bz, f->info.n, n);
    }
    pthread_mutex_unlock(&fake_lock);
    return code;
}
