/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening NVIDIA's libraries. A library is looked for where the dynamic linker looks, then in the toolkit: CUDA_HOME, else CUDA_PATH, else
 * that of the build. Of several versions the one of the driver's CUDA comes first. The first that has all functions is taken.
 */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Where a toolkit keeps the libraries for this processor. */
#if defined(__aarch64__)
#define TELAR_CUDA_TARGET "sbsa-linux"
#else
#define TELAR_CUDA_TARGET "x86_64-linux"
#endif

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
    const char *names[3]; /* file names, newest first */
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

/* Fill the table from an opened library; or, and nothing is filled, the first name that it lacks. */
static const char *fill(void *handle, const struct function *functions)
{
    for (const struct function *f = functions; f->name; f++)
        if (!dlsym(handle, f->name))
            return f->name;
    for (const struct function *f = functions; f->name; f++) {
        void *address = dlsym(handle, f->name);
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

/* NULL: none. */
static const char *toolkit(void)
{
    const char *home = secure_getenv("CUDA_HOME"), *path = secure_getenv("CUDA_PATH");
    const char *root = home && *home ? home : path && *path ? path : TELAR_CUDA_DIR;
    return root[0] == '/' ? root : NULL;
}

static void *search(const char *name, const struct library *l, bool in_toolkit, char *why, size_t size)
{
    static const char *const folders[] = {"lib64", "lib", "targets/" TELAR_CUDA_TARGET "/lib"};
    char path[1024];
    const char *root = in_toolkit ? toolkit() : NULL;
    void *handle = try_open(name, l, why, size);
    for (int f = 0; f < 3 && root && !handle; f++)
        if (snprintf(path, sizeof path, "%s/%s/%s", root, folders[f], name) < (int)sizeof path)
            handle = try_open(path, l, why, size);
    return handle;
}

/* The driver runs what was made for its own CUDA or an older one; a newer one is better than none. */
static int first_name(const struct library *l)
{
    int supported = 0, version = 0;
    if (!CU(cuDriverGetVersion) || CU(cuDriverGetVersion)(&supported) != CUDA_SUCCESS || !l->names[1])
        return 0;
    return sscanf(strstr(l->names[0], ".so.") + 4, "%d", &version) == 1 && supported / 1000 < version ? 1 : 0;
}

tl_status cuda_library_open(const struct tl_host *host, enum cuda_library library)
{
    const struct library *l = &libraries[library];
    char why[400] = "";
    pthread_mutex_lock(&state.lock);
    void *handle = state.handle[library];
    /* The driver belongs to the system; a toolkit has only stubs of it. */
    bool in_toolkit = library != CUDA_LIBRARY_DRIVER;
    int n_names = l->names[1] ? 2 : 1, first = in_toolkit && !handle ? first_name(l) : 0;
    for (int n = 0; n < n_names && !handle; n++)
        handle = search(l->names[(first + n) % n_names], l, in_toolkit, why, sizeof why);
    state.handle[library] = handle;
    pthread_mutex_unlock(&state.lock);
    if (handle)
        return TL_OK;
    return host->fail(TL_ERR_DEVICE, "cuda: %s is missing (%s): %s", l->what, why, l->remedy);
}
