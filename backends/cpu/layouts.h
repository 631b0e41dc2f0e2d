/* SPDX-License-Identifier: Apache-2.0
 *
 * oneDNN in this backend: the engine, descriptors of views, private layouts, and the execution of primitives.
 */
#ifndef CPU_LAYOUTS_H
#define CPU_LAYOUTS_H

#include "cpu.h"
#include "onednn.h"

extern dnnl_engine_t cpu_engine;
extern dnnl_primitive_attr_t cpu_attr; /**< scratch memory comes from the caller */

/** Open and close oneDNN. Returns NULL or why it cannot be used. */
const char *cpu_layouts_open(void);
void cpu_layouts_close(void);

/** "oneDNN 2.6.3", for the device's description. */
const char *cpu_onednn_version(void);

/** Fail with oneDNN's reason: `what` names the op. */
tl_status cpu_onednn_fail(const char *what, dnnl_status_t status);

/** The layout id of a descriptor: of `groups` > 1, it has one dimension more than the tensor, the first being split. Equal
 *  descriptors have equal ids. A dense row-major descriptor is TL_LAYOUT_CONTIGUOUS. 0xffffffff if memory ran out. */
uint32_t cpu_layout_of(onednn_desc desc, const struct tl_view *view, int64_t groups);

/** Descriptor of a view as it lies in memory, or with the given standard layout; made, to be freed. */
dnnl_status_t cpu_describe(onednn_desc *desc, const struct tl_view *view, int64_t groups);
dnnl_status_t cpu_describe_as(onednn_desc *desc, const struct tl_view *view, uint32_t layout, int64_t groups);

/** Weights of 3 x 3 convolutions as conv2d_winograd.c wants them; the second for the gradient of the input. */
enum { CPU_LAYOUT_WINOGRAD = TL_LAYOUT_PRIVATE + (1 << 20), CPU_LAYOUT_WINOGRAD_TURNED };
size_t cpu_winograd_size(uint32_t layout, const struct tl_view *w);
void cpu_winograd_pack(const struct tl_view *w, uint32_t layout, float *to);

/** The backend's slots. */
size_t cpu_layout_size(const struct tl_device *device, uint32_t layout, const struct tl_view *view);
tl_status cpu_reorder(struct tl_stream *stream, const struct tl_view *from, const struct tl_view *to);

enum { CPU_MOST_LINKS = 6 };

/** Why an epilogue cannot be post-ops of a primitive; NULL: it can, or there is none. */
const char *cpu_epilogue_refused(const struct tl_call *call);
/** Attributes with the call's epilogue as post-ops, whose operands lie in `layout`; made, to be destroyed. */
dnnl_status_t cpu_epilogue_attr(dnnl_primitive_attr_t *attr, const struct tl_call *call, uint32_t layout);

enum { CPU_MOST_ARGUMENTS = 8 + CPU_MOST_LINKS };

/** A primitive and the descriptors of its arguments. */
struct cpu_primitive {
    dnnl_primitive_t primitive;
    int threads; /**< for which it was made */
    int n;
    int arg[CPU_MOST_ARGUMENTS];
    onednn_desc desc[CPU_MOST_ARGUMENTS];
    size_t scratch; /**< bytes */
};

enum { CPU_SCRATCH_ALIGNMENT = 64 };

/** Make a primitive from a descriptor (which is destroyed in every case). Call add_arg for each argument afterwards. */
dnnl_status_t cpu_primitive_create(struct cpu_primitive *p, dnnl_primitive_desc_t pd);
/** Declare the next argument: data[i] of cpu_primitive_run() is the i-th declared. Clones the descriptor. */
dnnl_status_t cpu_primitive_add(struct cpu_primitive *p, int arg, onednn_desc desc);
void cpu_primitive_free(struct cpu_primitive *p);

/** Run with the given data and p->scratch bytes of scratch memory. Re-entrant. */
dnnl_status_t cpu_primitive_run(const struct cpu_primitive *p, void *const *data, void *scratch);

/** oneDNN asks OpenMP for the number of threads: set it, and restore it. */
int cpu_threads_enter(int threads);
void cpu_threads_leave(int before);

#endif
