/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast CPU backend: one device, the processor, whose memory is the host's. Kernels are of two sorts: vector code of
 * our own (vector/, compiled for several instruction sets and chosen here), and oneDNN for convolutions and matrix
 * products. Whatever this table lacks or refuses, the core finds in the reference backend's, which shares the memory.
 * Work is done before a call returns, so there is no stream.
 */
#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layouts.h"
#include "vector/pi.h"

const struct tl_host *cpu_host;
const struct cpu_vector *cpu_vector;

static struct cpu_table kernels;
static struct tl_backend backend;
static char description[160];

/* ---- device ---- */

/* The levels of vector code, best first, and what oneDNN calls the same. */
static const struct level {
    const char *name;
    const struct cpu_vector *vector;
    int onednn;
} levels[] = {
#if defined(__x86_64__)
    {"avx512", &cpu_vector_avx512, dnnl_cpu_isa_avx512_core},
    {"avx2", &cpu_vector_avx2, dnnl_cpu_isa_avx2},
#endif
    {"base", &cpu_vector_base, dnnl_cpu_isa_sse41},
};
enum { LEVELS = sizeof levels / sizeof *levels };

static bool processor_has(const struct level *level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (level->vector == &cpu_vector_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    if (level->vector == &cpu_vector_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return level->vector == &cpu_vector_base;
}

/* The best level that the processor has, at most the one that TELAR_CPU_ISA names; oneDNN then keeps to the same. */
static const struct cpu_vector *choose_vector(void)
{
    const char *most = getenv("TELAR_CPU_ISA");
    int first = 0;
    if (most && *most) {
        while (first < LEVELS && strcmp(most, levels[first].name) != 0)
            first++;
        if (first == LEVELS) {
            cpu_host->log(TL_LOG_WARN, "cpu", "TELAR_CPU_ISA=%s is ignored: expected avx512, avx2 or base", most);
            first = 0;
        } else if (dnnl_set_max_cpu_isa((dnnl_cpu_isa_t)levels[first].onednn) != dnnl_success) {
            cpu_host->log(TL_LOG_WARN, "cpu", "TELAR_CPU_ISA=%s does not hold for oneDNN, which has been used before", most);
        }
    }
    while (!processor_has(&levels[first]))
        first++;
    return levels[first].vector;
}

/* The processor's name, from the kernel's list; "processor" where there is none. */
static void processor_name(char *name, size_t size)
{
    snprintf(name, size, "processor");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        value += strspn(value, ": \t");
        snprintf(name, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(file);
}

static tl_status device_count(int *count)
{
    *count = 1;
    return TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    if (index != 0)
        return cpu_host->fail(TL_ERR_DEVICE, "cpu: there is one device, cpu:0; device %d was asked for", index);
    struct tl_device *d = calloc(1, sizeof *d);
    if (!d)
        return cpu_host->fail(TL_ERR_NOMEM, "cpu: no memory for the device");
    char name[96];
    processor_name(name, sizeof name);
    snprintf(description, sizeof description, "%s, %s, %s", name, cpu_vector->name, cpu_onednn_version());
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    *d = (struct tl_device){
        .struct_size = sizeof *d,
        .flags = TL_DEVICE_HOST_MEMORY,
        .alignment = 64,
        .memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0,
        .description = description,
    };
    *device = d;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    free(device);
}

/* ---- table and plugin ---- */

bool cpu_table_add(struct cpu_table *table, const struct tl_kernel *kernel)
{
    if (table->count + 1 >= table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 256;
        const struct tl_kernel **grown = realloc(table->kernels, capacity * sizeof(*grown));
        if (!grown)
            return false;
        table->kernels = grown;
        table->capacity = capacity;
    }
    table->kernels[table->count++] = kernel;
    table->kernels[table->count] = NULL;
    return true;
}

static bool add_kernels(struct cpu_table *table)
{
#define ADD(file) &&cpu_add_##file(table)
    return true CPU_OP_FILES(ADD);
#undef ADD
}

static void close_backend(const void *iface)
{
    (void)iface;
    cpu_layouts_close();
    free(kernels.kernels);
    kernels = (struct cpu_table){0};
}

static tl_status refuse_open(struct tl_error *err, tl_status code, const char *message)
{
    err->code = code;
    snprintf(err->message, sizeof err->message, "cpu: %s", message);
    return code;
}

static tl_status open_backend(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    cpu_host = host;
    cpu_vector = choose_vector();
    cpu_pi_init();
    const char *why = cpu_layouts_open();
    if (why)
        return refuse_open(err, TL_ERR_PLUGIN, why);
    if (!add_kernels(&kernels)) {
        close_backend(NULL);
        return refuse_open(err, TL_ERR_NOMEM, "no memory for the table of kernels");
    }
    backend = (struct tl_backend){
        .struct_size = sizeof backend,
        .device_count = device_count,
        .device_open = device_open,
        .device_close = device_close,
        .layout_size = cpu_layout_size,
        .reorder = cpu_reorder,
        .kernels = kernels.kernels,
    };
    *iface = &backend;
    return TL_OK;
}

TL_PUBLIC extern const struct tl_plugin telar_plugin;
const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_BACKEND_ABI,
    .kind = "backend",
    .name = "cpu",
    .version = "0.1.0",
    .summary = "vector code for SSE2, AVX2 and AVX-512, and oneDNN",
    .open = open_backend,
    .close = close_backend,
};
