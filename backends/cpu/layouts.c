/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge to oneDNN. A private layout is a descriptor that oneDNN has chosen (usually packed weights); each
 * distinct one is interned once and known to the core by number.
 */
#include "layouts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

dnnl_engine_t cpu_engine;
dnnl_primitive_attr_t cpu_attr;
static dnnl_stream_t cpu_stream;

struct interned {
    onednn_desc desc;
    int64_t groups;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct interned *table;
static uint32_t table_count, table_capacity;

/* ---- oneDNN itself ---- */

const char *cpu_onednn_version(void)
{
    static char text[48];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

const char *cpu_layouts_open(void)
{
    if (dnnl_version()->major != DNNL_VERSION_MAJOR)
        return "the installed oneDNN has another major version than the one this was built with";
    if (dnnl_engine_create(&cpu_engine, dnnl_cpu, 0) != dnnl_success)
        return "oneDNN has no CPU engine here";
    if (dnnl_stream_create(&cpu_stream, cpu_engine, dnnl_stream_default_flags) != dnnl_success ||
        dnnl_primitive_attr_create(&cpu_attr) != dnnl_success ||
        dnnl_primitive_attr_set_scratchpad_mode(cpu_attr, dnnl_scratchpad_mode_user) != dnnl_success) {
        cpu_layouts_close();
        return "oneDNN cannot be initialised";
    }
    return NULL;
}

void cpu_layouts_close(void)
{
    for (uint32_t i = 0; i < table_count; i++)
        onednn_desc_free(table[i].desc);
    free(table);
    table = NULL;
    table_count = table_capacity = 0;
    if (cpu_attr)
        dnnl_primitive_attr_destroy(cpu_attr);
    if (cpu_stream)
        dnnl_stream_destroy(cpu_stream);
    if (cpu_engine)
        dnnl_engine_destroy(cpu_engine);
    cpu_attr = NULL;
    cpu_stream = NULL;
    cpu_engine = NULL;
}

tl_status cpu_onednn_fail(const char *what, dnnl_status_t status)
{
    if (status == dnnl_out_of_memory)
        return cpu_host->fail(TL_ERR_NOMEM, "%s: oneDNN ran out of memory", what);
    return cpu_host->fail(TL_ERR_UNSUPPORTED, "%s: oneDNN says %s", what,
                          status == dnnl_unimplemented       ? "that it has no implementation"
                          : status == dnnl_invalid_arguments ? "that the arguments are invalid"
                                                             : "that it failed at run time");
}

int cpu_threads_enter(int threads)
{
    int before = omp_get_max_threads();
    if (before != threads)
        omp_set_num_threads(threads);
    return before;
}

void cpu_threads_leave(int before)
{
    if (before != omp_get_max_threads())
        omp_set_num_threads(before);
}

/* ---- descriptors of views ---- */

static dnnl_data_type_t data_type(tl_dtype t)
{
    switch (t) {
    case TL_F32: return dnnl_f32;
    case TL_F16: return dnnl_f16;
    case TL_BF16: return dnnl_bf16;
    case TL_I8: return dnnl_s8;
    case TL_U8: return dnnl_u8;
    case TL_I32: return dnnl_s32;
    default: return dnnl_data_type_undef;
    }
}

static dnnl_status_t describe(onednn_desc *desc, const struct tl_view *view, const int64_t *stride, int64_t groups, bool strided)
{
    dnnl_dims_t shape, strides;
    int split = groups > 1, ndim = view->ndim + split;
    for (int d = 0; d < view->ndim; d++) {
        shape[d + split] = view->shape[d];
        strides[d + split] = stride[d];
    }
    if (split) {
        shape[0] = groups;
        shape[1] = view->shape[0] / groups;
        strides[0] = stride[0] * shape[1];
    }
    /* A view's extents of 1 may carry strides that mean nothing; oneDNN compares descriptors bit by bit. Strides made for a layout
     * are what they should be: pictures of one channel are channels-last only with that channel's stride of 1. */
    for (int d = ndim - 1; d >= 0; d--)
        if (strided && shape[d] == 1)
            strides[d] = d == ndim - 1 ? 1 : shape[d + 1] * strides[d + 1];
    return onednn_desc_create(desc, ndim, shape, data_type(view->dtype), strides);
}

dnnl_status_t cpu_describe(onednn_desc *desc, const struct tl_view *view, int64_t groups)
{
    return describe(desc, view, view->stride, groups, true);
}

dnnl_status_t cpu_describe_as(onednn_desc *desc, const struct tl_view *view, uint32_t layout, int64_t groups)
{
    int64_t stride[TL_MAX_DIMS], expected = 1;
    if (layout == TL_LAYOUT_CHANNELS_LAST) {
        stride[1] = 1;
        expected = view->shape[1];
    }
    for (int d = view->ndim - 1; d >= 0; d--) {
        if (layout == TL_LAYOUT_CHANNELS_LAST && d == 1)
            continue;
        stride[d] = expected;
        expected *= view->shape[d];
    }
    return describe(desc, view, stride, groups, false);
}

/* ---- private layouts ---- */

uint32_t cpu_layout_of(onednn_desc desc, const struct tl_view *view, int64_t groups)
{
    uint32_t id = UINT32_MAX;
    onednn_desc plain = NULL, clone = NULL;
    if (cpu_describe_as(&plain, view, TL_LAYOUT_CONTIGUOUS, groups) != dnnl_success)
        return id;
    bool contiguous = dnnl_memory_desc_equal(plain, desc);
    onednn_desc_free(plain);
    if (contiguous)
        return TL_LAYOUT_CONTIGUOUS;

    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < table_count && id == UINT32_MAX; i++)
        if (table[i].groups == groups && dnnl_memory_desc_equal(table[i].desc, desc))
            id = TL_LAYOUT_PRIVATE + i;
    if (id == UINT32_MAX && table_count == table_capacity) {
        uint32_t capacity = table_capacity ? 2 * table_capacity : 64;
        struct interned *grown = realloc(table, capacity * sizeof *grown);
        if (grown) {
            table = grown;
            table_capacity = capacity;
        }
    }
    if (id == UINT32_MAX && table_count < table_capacity && onednn_desc_clone(&clone, desc) == dnnl_success) {
        table[table_count] = (struct interned){.desc = clone, .groups = groups};
        id = TL_LAYOUT_PRIVATE + table_count++;
    }
    pthread_mutex_unlock(&lock);
    return id;
}

/* The interned descriptor, valid until close; NULL for an unknown id. */
static onednn_desc find_layout(uint32_t id, int64_t *groups)
{
    onednn_desc desc = NULL;
    pthread_mutex_lock(&lock);
    if (id >= TL_LAYOUT_PRIVATE && id - TL_LAYOUT_PRIVATE < table_count) {
        desc = table[id - TL_LAYOUT_PRIVATE].desc;
        *groups = table[id - TL_LAYOUT_PRIVATE].groups;
    }
    pthread_mutex_unlock(&lock);
    return desc;
}

/* Does the descriptor (of a tensor whose first dimension is split into groups) have the view's shape? */
static bool same_shape(onednn_desc desc, int64_t groups, const struct tl_view *view)
{
    int64_t shape[DNNL_MAX_NDIMS];
    int split = groups > 1;
    if (onednn_desc_shape(desc, shape) != view->ndim + split)
        return false;
    for (int d = 0; d < view->ndim; d++) {
        int64_t extent = split && d == 0 ? shape[0] * shape[1] : shape[d + split];
        if (extent != view->shape[d])
            return false;
    }
    return true;
}

size_t cpu_layout_size(const struct tl_device *device, uint32_t layout, const struct tl_view *view)
{
    (void)device;
    int64_t groups = 1;
    if (layout == CPU_LAYOUT_WINOGRAD || layout == CPU_LAYOUT_WINOGRAD_TURNED)
        return cpu_winograd_size(layout, view);
    onednn_desc desc = find_layout(layout, &groups);
    return desc && same_shape(desc, groups, view) ? dnnl_memory_desc_get_size(desc) : 0;
}

tl_status cpu_reorder(struct tl_stream *stream, const struct tl_view *from, const struct tl_view *to)
{
    (void)stream;
    if (from->layout >= CPU_LAYOUT_WINOGRAD)
        return TL_ERR_UNSUPPORTED; /* rounded; only weights are brought into it */
    if (to->layout >= CPU_LAYOUT_WINOGRAD) {
        cpu_winograd_pack(from, to->layout, cpu_data(to));
        return TL_OK;
    }
    int64_t groups = 1, ignored;
    onednn_desc a = find_layout(from->layout, &groups), b = find_layout(to->layout, a ? &ignored : &groups);
    onednn_desc a_made = NULL, b_made = NULL;
    dnnl_status_t status = dnnl_success;
    if (!a && (status = cpu_describe(&a_made, from, groups)) == dnnl_success)
        a = a_made;
    if (status == dnnl_success && !b && (status = cpu_describe(&b_made, to, groups)) == dnnl_success)
        b = b_made;

    struct cpu_primitive p = {0};
    dnnl_primitive_desc_t pd = NULL;
    int before = cpu_threads_enter(cpu_host->num_threads());
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, a, cpu_engine, b, cpu_engine, cpu_attr);
    if (status == dnnl_success)
        status = cpu_primitive_create(&p, pd);
    if (status == dnnl_success)
        status = cpu_primitive_add(&p, DNNL_ARG_FROM, a);
    if (status == dnnl_success)
        status = cpu_primitive_add(&p, DNNL_ARG_TO, b);
    void *scratch = NULL;
    if (status == dnnl_success && p.scratch && !(scratch = aligned_alloc(CPU_SCRATCH_ALIGNMENT, p.scratch)))
        status = dnnl_out_of_memory;
    if (status == dnnl_success)
        status = cpu_primitive_run(&p, (void *[]){cpu_data(from), cpu_data(to)}, scratch);
    cpu_threads_leave(before);
    free(scratch);
    cpu_primitive_free(&p);
    onednn_desc_free(a_made);
    onednn_desc_free(b_made);
    return status == dnnl_success ? TL_OK : cpu_onednn_fail("reorder", status);
}

/* ---- primitives ---- */

dnnl_status_t cpu_primitive_create(struct cpu_primitive *p, dnnl_primitive_desc_t pd)
{
    *p = (struct cpu_primitive){.threads = omp_get_max_threads()};
    onednn_desc scratch = onednn_query(pd, dnnl_query_scratchpad_md);
    p->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    p->scratch = (p->scratch + CPU_SCRATCH_ALIGNMENT - 1) / CPU_SCRATCH_ALIGNMENT * CPU_SCRATCH_ALIGNMENT;
    dnnl_status_t status = p->scratch ? cpu_primitive_add(p, DNNL_ARG_SCRATCHPAD, scratch) : dnnl_success;
    if (status == dnnl_success)
        status = dnnl_primitive_create(&p->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

dnnl_status_t cpu_primitive_add(struct cpu_primitive *p, int arg, onednn_desc desc)
{
    dnnl_status_t status = onednn_desc_clone(&p->desc[p->n], desc);
    if (status == dnnl_success)
        p->arg[p->n++] = arg;
    return status;
}

void cpu_primitive_free(struct cpu_primitive *p)
{
    for (int i = 0; i < p->n; i++)
        onednn_desc_free(p->desc[i]);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    *p = (struct cpu_primitive){0};
}

dnnl_status_t cpu_primitive_run(const struct cpu_primitive *p, void *const *data, void *scratch)
{
    dnnl_exec_arg_t args[CPU_MOST_ARGUMENTS];
    dnnl_status_t status = dnnl_success;
    int made = 0;
    for (; made < p->n; made++) {
        void *at = p->arg[made] == DNNL_ARG_SCRATCHPAD ? scratch : *data++;
        args[made].arg = p->arg[made];
        status = dnnl_memory_create(&args[made].memory, p->desc[made], cpu_engine, at);
        if (status != dnnl_success)
            break;
    }
    int before = cpu_threads_enter(p->threads);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(p->primitive, cpu_stream, made, args);
    cpu_threads_leave(before);
    while (made-- > 0)
        dnnl_memory_destroy(args[made].memory);
    return status;
}
