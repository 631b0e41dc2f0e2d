/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin and its devices: those of all platforms that the ICD loader knows, numbered through.
 */
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>

const struct tl_host *opencl_host;

enum { DEVICES = 32 };

/* Devices of all platforms in their order. A machine without a platform has none, which is no error. */
static int list_devices(cl_platform_id *platforms, cl_device_id *devices)
{
    cl_platform_id all[DEVICES];
    cl_uint n_platforms = 0;
    if (clGetPlatformIDs(DEVICES, all, &n_platforms) != CL_SUCCESS)
        return 0;
    int n = 0;
    for (cl_uint p = 0; p < n_platforms && p < DEVICES; p++) {
        cl_uint found = 0;
        if (clGetDeviceIDs(all[p], CL_DEVICE_TYPE_ALL, (cl_uint)(DEVICES - n), devices + n, &found) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < found && n < DEVICES; d++)
            platforms[n++] = all[p];
    }
    return n;
}

static tl_status device_count(int *count)
{
    cl_platform_id platforms[DEVICES];
    cl_device_id devices[DEVICES];
    static bool answered; /* the core counts with a lock held */
    tl_status s = answered ? TL_OK : opencl_probe_drivers();
    if (s != TL_OK)
        return s;
    answered = true;
    *count = list_devices(platforms, devices);
    return TL_OK;
}

static void text_of(cl_device_id id, cl_device_info what, char *text, size_t size)
{
    if (clGetDeviceInfo(id, what, size, text, NULL) != CL_SUCCESS)
        snprintf(text, size, "?");
}

static bool has_extension(cl_device_id id, const char *name)
{
    size_t size = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &size) != CL_SUCCESS || size == 0)
        return false;
    char *all = malloc(size + 1);
    bool found = false;
    if (all && clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, size, all, NULL) == CL_SUCCESS) {
        all[size] = 0;
        char *rest = all;
        for (char *word; !found && (word = strtok_r(rest, " ", &rest));)
            found = strcmp(word, name) == 0;
    }
    free(all);
    return found;
}

#define ASK(id, what, variable) (clGetDeviceInfo(id, what, sizeof(variable), &(variable), NULL) == CL_SUCCESS)

static void describe(struct opencl_device *o)
{
    char name[128], driver[64], version[128], platform[128];
    text_of(o->id, CL_DEVICE_NAME, name, sizeof name);
    text_of(o->id, CL_DRIVER_VERSION, driver, sizeof driver);
    text_of(o->id, CL_DEVICE_VERSION, version, sizeof version);
    if (clGetPlatformInfo(o->platform, CL_PLATFORM_NAME, sizeof platform, platform, NULL) != CL_SUCCESS)
        snprintf(platform, sizeof platform, "?");
    snprintf(o->description, sizeof o->description, "%s (%s, driver %s), %d units, %s", name, platform, driver, o->gpu.units,
             o->gpu.f64 ? "f32 and f64" : "f32, no f64");
    snprintf(o->identity, sizeof o->identity, "%s|%s|%s|%s", platform, name, version, driver);
}

static tl_status device_open(int index, struct tl_device **device)
{
    cl_platform_id platforms[DEVICES];
    cl_device_id devices[DEVICES];
    if (index >= list_devices(platforms, devices))
        return opencl_host->fail(TL_ERR_DEVICE, "opencl: there is no device %d", index);
    struct opencl_device *o = calloc(1, sizeof *o);
    if (!o)
        return opencl_host->fail(TL_ERR_NOMEM, "opencl: no memory for a device");
    o->platform = platforms[index];
    o->id = devices[index];
    cl_uint units = 1;
    cl_ulong memory = 0, largest = 0, local = 16384;
    size_t group = 1;
    cl_bool available = CL_FALSE;
    bool known = ASK(o->id, CL_DEVICE_MAX_COMPUTE_UNITS, units) && ASK(o->id, CL_DEVICE_GLOBAL_MEM_SIZE, memory) &&
                 ASK(o->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, largest) && ASK(o->id, CL_DEVICE_LOCAL_MEM_SIZE, local) &&
                 ASK(o->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, group) && ASK(o->id, CL_DEVICE_AVAILABLE, available);
    if (!known || !available || group < 256) {
        free(o);
        return opencl_host->fail(TL_ERR_DEVICE, "opencl: device %d %s", index,
                                 known && available ? "runs groups of fewer than 256 work-items, which the kernels need" : "does not answer");
    }
    cl_int code;
    o->context = clCreateContext((cl_context_properties[]){CL_CONTEXT_PLATFORM, (cl_context_properties)o->platform, 0}, 1, &o->id, NULL, NULL, &code);
    if (!o->context) {
        free(o);
        return opencl_fail("creating a context", code);
    }
    o->gpu = (struct gpu){.host = opencl_host,
                          .component = "opencl",
                          .prelude = "opencl",
                          .identity = o->identity,
                          .units = (int)units,
                          .lanes = 1,
                          .group_limit = group < 1024 ? (int)group : 1024,
                          .local_limit = (size_t)local,
                          .f64 = has_extension(o->id, "cl_khr_fp64"),
                          .device = {.struct_size = sizeof(struct tl_device),
                                     .index = index,
                                     .alignment = 128,
                                     .memory = memory,
                                     .max_allocation = largest,
                                     .description = o->description,
                                     .state = o}};
    describe(o);
    tl_status s = gpu_init(&o->gpu);
    if (s == TL_OK)
        s = opencl_alloc(&o->gpu.device, sizeof(struct gpu_report), &o->gpu.report);
    if (s != TL_OK) {
        gpu_finish(&o->gpu);
        clReleaseContext(o->context);
        free(o);
        return s;
    }
    *device = &o->gpu.device;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    struct opencl_device *o = opencl_of(gpu_of(device));
    opencl_free(device, o->gpu.report);
    gpu_finish(&o->gpu);
    clReleaseContext(o->context);
    free(o);
}

static struct tl_backend backend = {
    .struct_size = sizeof(struct tl_backend),
    .device_count = device_count,
    .device_open = device_open,
    .device_close = device_close,
    .alloc = opencl_alloc,
    .free = opencl_free,
    .stream_open = opencl_stream_open,
    .stream_close = opencl_stream_close,
    .sync = opencl_sync,
    .copy_in = opencl_copy_in,
    .copy_out = opencl_copy_out,
    .copy = opencl_copy,
};

static tl_status open_plugin(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    opencl_host = host;
    if (!backend.kernels && !(backend.kernels = gpu_kernel_table(NULL, 0))) {
        err->code = TL_ERR_NOMEM;
        strcpy(err->message, "opencl: no memory for the table of kernels");
        return TL_ERR_NOMEM;
    }
    *iface = &backend;
    return TL_OK;
}

static void close_plugin(const void *iface)
{
    (void)iface;
    free((void *)(uintptr_t)backend.kernels);
    backend.kernels = NULL;
}

TL_PUBLIC extern const struct tl_plugin telar_plugin;
const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = "opencl",
    .version = "1.0",
    .summary = "any OpenCL 1.2 device; kernels compiled on first use and kept",
    .open = open_plugin,
    .close = close_plugin,
};
