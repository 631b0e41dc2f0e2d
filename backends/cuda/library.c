/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening NVIDIA's libraries. A library is looked for where the dynamic linker looks, then in the toolkits that CUDA_HOME, CUDA_PATH and the
 * build name; the first that has all functions is taken.
 */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct cuda_functions cuda_functions;

struct function {
    const char *name;
    size_t offset;
};
#define QUOTE_(name) #name
#define QUOTE(name) QUOTE_(name)
#define ENTRY(name) {QUOTE(name), offsetof(struct cuda_functions, name##_)},
static const struct function driver[] = {CUDA_DRIVER(ENTRY){NULL, 0}};
static const struct function nvrtc[] = {CUDA_NVRTC(ENTRY){NULL, 0}};
static const struct function cublaslt[] = {CUDA_CUBLASLT(ENTRY){NULL, 0}};
static const struct function cudnn[] = {CUDA_CUDNN(ENTRY){NULL, 0}};

static const struct library {
    const char *names[4]; /* file names, best first */
    const struct function *functions;
    const char *what, *remedy;
} libraries[CUDA_LIBRARY_COUNT] = {
    {{"libcuda.so.1"}, driver, "the NVIDIA driver", "install the driver of the GPU"},
    {{"libnvrtc.so.13", "libnvrtc.so.12"}, nvrtc, "NVRTC, CUDA's run-time compiler", "install the CUDA toolkit 12 or newer, or set CUDA_HOME"},
    {{"libcublasLt.so.13", "libcublasLt.so.12"}, cublaslt, "cuBLASLt", "install the CUDA toolkit 12 or newer, or set CUDA_HOME"},
    {{"libcudnn.so.9"}, cudnn, "cuDNN 9", "install cuDNN 9, or put its folder into LD_LIBRARY_PATH"},
};

static struct {
    pthread_mutex_t lock;
    void *handle[CUDA_LIBRARY_COUNT];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Fill the table from an opened library; the first name that it lacks, or NULL. */
static const char *fill(void *handle, const struct function *functions)
{
    for (const struct function *f = functions; f->name; f++) {
        void *address = dlsym(handle, f->name);
        if (!address)
            return f->name;
        memcpy((char *)&cuda_functions + f->offset, &address, sizeof address);
    }
    return NULL;
}

/* One try. `why` keeps the first reason that says more than "no such file". */
static void *try_open(const char *path, const struct library *l, char *why, size_t size)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *words = dlerror();
        if (!why[0] || (strstr(why, "No such file") && words && !strstr(words, "No such file")))
            snprintf(why, size, "%s", words ? words : path);
        return NULL;
    }
    const char *lacking = fill(handle, l->functions);
    if (!lacking)
        return handle;
    snprintf(why, size, "%s has no function %s: it is too old", path, lacking);
    dlclose(handle);
    return NULL;
}

tl_status cuda_library_open(const struct tl_host *host, enum cuda_library library)
{
    static const char *const folders[] = {"lib64", "lib", "targets/x86_64-linux/lib"};
    const struct library *l = &libraries[library];
    char why[400] = "", path[1024];
    pthread_mutex_lock(&state.lock);
    void *handle = state.handle[library];
    const char *const roots[] = {secure_getenv("CUDA_HOME"), secure_getenv("CUDA_PATH"), TELAR_CUDA_DIR};
    for (int n = 0; n < 4 && l->names[n] && !handle; n++) {
        handle = try_open(l->names[n], l, why, sizeof why);
        /* The driver belongs to the system; a toolkit has only stubs of it. */
        for (int r = 0; r < 3 && library != CUDA_LIBRARY_DRIVER; r++)
            for (int f = 0; f < 3 && roots[r] && roots[r][0] == '/' && !handle; f++)
                if (snprintf(path, sizeof path, "%s/%s/%s", roots[r], folders[f], l->names[n]) < (int)sizeof path)
                    handle = try_open(path, l, why, sizeof why);
    }
    state.handle[library] = handle;
    pthread_mutex_unlock(&state.lock);
    if (handle)
        return TL_OK;
    return host->fail(TL_ERR_DEVICE, "cuda: %s is missing (%s): %s", l->what, why, l->remedy);
}
