/* SPDX-License-Identifier: Apache-2.0
 *
 * What the backends for GPUs share: kernels written once, in the common part of OpenCL C and CUDA C++, and the host code that
 * plans and launches them. A backend (cuda, opencl) brings devices, memory, a queue, and a way to compile and to launch; this
 * folder is compiled into each. Libraries of one vendor (cuDNN, cuBLASLt, CLBlast) stand in front of these kernels in the backend's own table.
 *
 * Sources. kernels/NAME.cl is a text of kernels, kernels/common.cl what they all use, and kernels/cuda.cl or kernels/opencl.cl the few words
 * that the two languages spell differently. A kernel is a text, specialised by #define lines, compiled once for a device and kept, in
 * memory and in the cache on disk. Texts never include anything: a machine needs no headers to run them.
 */
#ifndef TELAR_BACKENDS_GPU_H
#define TELAR_BACKENDS_GPU_H

#include <telar/attrs.h>
#include <telar/backend.h>
#include <telar/pointwise.h>

/** Text of kernels. The table of all is made from the files by the build. */
struct gpu_source {
    const char *name; /**< the file's, without .cl */
    const char *text;
};
extern const struct gpu_source gpu_sources[];

/** One device as the shared code sees it: the first member of the backend's own struct, and what tl_device.state points at. */
struct gpu {
    const struct tl_host *host;
    const char *component;   /**< the backend's name in logs and messages, "cuda" */
    const char *prelude;     /**< name of the source that spells the language: "cuda" or "opencl" */
    const char *identity;    /**< what a compiled kernel depends on beside its text: device, driver, compiler */
    struct tl_device device; /**< as the core sees it */
    int units;               /**< multiprocessors (compute units) */
    int lanes;               /**< work-items that run in step: 32 on NVIDIA, 1 on a processor */
    int group_limit;         /**< most work-items of a group */
    size_t local_limit;      /**< most bytes of local memory of a group */
    bool f64;                /**< computes in double */
    struct tl_mem report;    /**< where kernels report a bad value: see gpu_report_check() */
    struct gpu_cache *cache; /**< compiled kernels */
    struct gpu_quick *quick; /**< those of kernels without plans, found by number */
};

/** The queue, as the shared code sees it: first member of the backend's own. */
struct tl_stream {
    struct gpu *gpu;
};

static inline struct gpu *gpu_of(const struct tl_device *device)
{
    return (struct gpu *)(uintptr_t)device->state;
}

/* ---- What a backend brings -------------------------------------------------------------------------------------------------------- */

/** A compiled kernel; each backend has its own struct. */
struct gpu_kernel;

/** Compile `text` (complete, all #defines in it) and find the kernel `entry` in it; or make it from `binary`, which gpu_compile() gave earlier
 *  (text is NULL then; a binary that the driver does not take is an error without a message). *binary and *size are set to
 *  what may be kept on disk (free() it), or to NULL. Blocks. */
tl_status gpu_compile(struct gpu *gpu, const char *text, const char *entry, void **binary, size_t *size, struct gpu_kernel **kernel);
void gpu_kernel_free(struct gpu *gpu, struct gpu_kernel *kernel);

/** An argument of a launch. A buffer of the kernel, BUFFER(T, x), is a GPU_MEMORY(view.mem, sizeof T); anything else a GPU_VALUE(variable),
 *  whose type is exactly the parameter's. */
struct gpu_arg {
    const void *value; /**< NULL: a buffer */
    size_t size;       /**< of the value, or of an element of the buffer */
    struct tl_mem mem;
};
#define GPU_VALUE(variable) ((struct gpu_arg){.value = &(variable), .size = sizeof(variable)})
#define GPU_MEMORY(memory, element) ((struct gpu_arg){.size = (element), .mem = (memory)})
#define GPU_VIEW(view) GPU_MEMORY((view)->mem, tl_dtype_size((view)->dtype))

/** How many work-items: groups of `size` items, up to three-dimensional; zeros count as 1. */
struct gpu_grid {
    uint32_t groups[3], size[3];
};

/** Enqueue a kernel. `name` is the op's, for messages. */
tl_status gpu_launch(struct tl_stream *stream, const struct gpu_kernel *kernel, const char *name, struct gpu_grid grid, int n_args,
                     const struct gpu_arg *args);

/* ---- Compiled kernels ---------------------------------------------------------------------------------------------------------------- */

/** The kernel `entry` of source `source` with `defines` (lines of #define, or ""), from memory, from the cache on disk, or compiled now.
 *  What it returns lives as long as the device. */
tl_status gpu_kernel(struct gpu *gpu, const char *source, const char *entry, const char *defines, const struct gpu_kernel **kernel);

/** To begin and to end with a device. */
tl_status gpu_init(struct gpu *gpu);
void gpu_finish(struct gpu *gpu);

/** The whole text that gpu_kernel() has compiled, for tests; free() it. NULL: out of memory, or no such source. */
char *gpu_text(const char *prelude, const char *source, const char *defines);

/** For kernels that run without a plan and may not spend time on putting texts together: `key` says everything that the text depends on. Called in
 *  run() only, where calls come one at a time. NULL: not there yet; gpu_quick_put() it. */
const struct gpu_kernel *gpu_quick_get(const struct gpu *gpu, uint64_t key);
void gpu_quick_put(struct gpu *gpu, uint64_t key, const struct gpu_kernel *kernel);

/** A text that grows; for defines. Where one does not fit, the text becomes one that does not compile. */
struct gpu_defines {
    size_t n;
    char text[3072];
};
void gpu_define(struct gpu_defines *d, const char *format, ...) TL_PRINTF(2, 3);

/* ---- Helpers for the host side of kernels ---------------------------------------------------------------------------------------------- */

/** Names that the texts know a dtype by, "f32", "bool", and the type that it is computed in: "float", "double" or "long". */
const char *gpu_computing_type(tl_dtype dtype);

/** Defines REAL and what the verbs need for computing in the type that `dtype` is computed in. */
void gpu_define_real(struct gpu_defines *d, tl_dtype dtype);

/** May offsets into all of these views be counted in 32 bits? */
bool gpu_small(const struct tl_view *views, int n);

/** Defines INDEX: int where `small`, else long. */
void gpu_define_index(struct gpu_defines *d, bool small);

/** A number that a kernel takes as INDEX: 4 bytes where `small`, else 8. */
struct gpu_index {
    union {
        int32_t small;
        int64_t large;
    } value;
    size_t size;
};
static inline struct gpu_index gpu_index(bool small, int64_t value)
{
    struct gpu_index i = {.size = small ? 4 : 8};
    if (small)
        i.value.small = (int32_t)value;
    else
        i.value.large = value;
    return i;
}
#define GPU_INDEX(index) ((struct gpu_arg){.value = &(index).value, .size = (index).size})

/** A struct that a kernel takes, all of whose fields are INDEX: put together field by field in prepare(), passed as GPU_FIELDS(f). */
enum { GPU_MOST_FIELDS = 80 };
struct gpu_fields {
    int n;
    bool small;
    union {
        int32_t small[GPU_MOST_FIELDS];
        int64_t large[GPU_MOST_FIELDS];
    } value;
};
void gpu_put(struct gpu_fields *f, int64_t value);
#define GPU_FIELDS(f) ((struct gpu_arg){.value = &(f).value, .size = (size_t)(f).n * ((f).small ? 4 : 8)})

/** An element as it is stored. */
union gpu_element {
    float f32;
    double f64;
    uint16_t u16;
    int8_t i8;
    uint8_t u8;
    int32_t i32;
    int64_t i64;
};

/** Order dimensions by the strides of `out`, leave out those of size 1, and merge neighbours that all operands step through as one. All have
 *  out's shape; at least one dimension is left. */
void gpu_coalesce(struct tl_view *out, struct tl_view *in, int n_in);

/** Groups of `size` items so that n items have work, at `each` elements an item, but no more than the device runs well at once: kernels go
 *  on in steps of GLOBAL_SIZE. */
struct gpu_grid gpu_grid_for(const struct gpu *gpu, int64_t n, int each, uint32_t size);

/** Why a call is not for these kernels: its computing type is not the device's. NULL: it is. */
const char *gpu_refuses_type(const struct tl_device *device, tl_dtype dtype);

/* ---- Bad values ---------------------------------------------------------------------------------------------------------------------- */

/** Kernels that check values (indices, labels, divisors) take a last buffer, `report`, and call REPORT(code, value, position, size):
 *  the first bad one is kept there. Enqueue with gpu_report_arg(), after gpu_report_site() has said which call it is. The backend's sync() calls
 *  gpu_report_take() with the bytes of the report when they are not zero. */
enum { GPU_REPORT_INDEX = 1, GPU_REPORT_LABEL = 2, GPU_REPORT_DIVISOR = 3 };
struct gpu_report {
    int32_t code, site;
    int64_t value, position, size;
};
#define GPU_REPORT_ARG(gpu) GPU_MEMORY((gpu)->report, sizeof(int32_t))

/** A number for this op's name that fits into a report. */
int32_t gpu_report_site(const char *op);

/** Words for what a kernel reported; returns its code. */
tl_status gpu_report_fail(const struct gpu *gpu, const struct gpu_report *report);

/* ---- Tables ----------------------------------------------------------------------------------------------------------------------------- */

/** The shared kernels, NULL-terminated, after the `n` that come first: a backend's own. Made once for a process. NULL: out of memory. */
const struct tl_kernel *const *gpu_kernel_table(const struct tl_kernel *const *own, size_t n);

/** Pointwise kernels: fills list[0 … room) and returns how many there are. */
size_t gpu_pointwise(const struct tl_kernel **list, size_t room);

#endif
