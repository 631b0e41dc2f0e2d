/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution and its two gradients, through oneDNN. Activations are channels-last, so that convolutions, pointwise ops,
 * pooling and normalisation chain without reorders; weights are in whatever packed form oneDNN likes for the shape, a
 * private layout that the core keeps with the weight until it changes. The gradient of the weights leaves as a plain tensor,
 * since optimizers read it element by element: run() unpacks it.
 */
#include <stdlib.h>
#include <string.h>

#include "../layouts.h"

enum conv_kind { FORWARD, GRAD_INPUT, GRAD_WEIGHT };

struct conv_plan {
    struct cpu_primitive conv;
    struct cpu_primitive unpack; /* of grad_weight: packed to plain; no primitive if it is plain already */
    size_t packed_offset;        /* in the workspace, where the packed gradient is made */
    bool has_bias;
    int other[CPU_MOST_LINKS], n_other; /* operands of the epilogue */
    bool varies; /* may divide sums, or order them, by the number of threads */
};

/* The three tensors of a convolution, whichever of them are inputs. */
struct conv_views {
    const struct tl_view *x, *w, *y, *b;
    enum conv_kind kind;
};

static const char *const op_name[] = {"conv2d", "conv2d_grad_input", "conv2d_grad_weight"};

static struct conv_views views_of(const struct tl_call *call, enum conv_kind kind)
{
    struct conv_views v = {.kind = kind};
    switch (kind) {
    case FORWARD:
        v.x = &call->in[0], v.w = &call->in[1], v.y = &call->out[0];
        v.b = call->n_in > 2 && tl_view_present(&call->in[2]) ? &call->in[2] : NULL;
        break;
    case GRAD_INPUT:
        v.y = &call->in[0], v.w = &call->in[1], v.x = &call->out[0];
        break;
    case GRAD_WEIGHT:
        v.x = &call->in[0], v.y = &call->in[1], v.w = &call->out[0];
        v.b = call->n_out > 1 && tl_view_present(&call->out[1]) ? &call->out[1] : NULL;
        break;
    }
    return v;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    for (int i = 0; i < call->n_in; i++)
        if (tl_view_present(&call->in[i]) && call->in[i].dtype != TL_F32)
            return "only f32";
    const char *epilogue = cpu_epilogue_refused(call);
    if (epilogue)
        return epilogue;
    for (int i = 0; i < 2; i++)
        if (tl_view_numel(&call->in[i]) == 0)
            return "an empty tensor";
    if (tl_view_numel(&call->out[0]) == 0)
        return "an empty tensor";
    return NULL;
}

/* ---- planning ---- */

/* Everything oneDNN wants to know of a convolution. */
struct geometry {
    dnnl_dims_t stride, dilation, padding;
    int64_t groups;
};

static struct geometry geometry_of(const struct tl_conv2d_attrs *attrs)
{
    struct geometry g = {.groups = attrs->groups};
    for (int d = 0; d < 2; d++) {
        g.stride[d] = attrs->stride[d];
        g.dilation[d] = attrs->dilation[d] - 1; /* oneDNN counts the gaps */
        g.padding[d] = attrs->padding[d];
    }
    return g;
}

static dnnl_prop_kind_t prop_kind(enum conv_kind kind)
{
    return kind == GRAD_INPUT    ? dnnl_backward_data
           : kind == GRAD_WEIGHT ? dnnl_backward_weights
                                 : dnnl_forward_training;
}

/* The primitive descriptor, with activations in the given layout and weights as oneDNN likes. */
static dnnl_status_t create_descriptor(dnnl_primitive_desc_t *pd, const struct tl_call *call, const struct conv_views *v,
                                       uint32_t x_layout, uint32_t y_layout)
{
    dnnl_primitive_attr_t attr = cpu_attr;
    struct geometry g = geometry_of(call->attrs);
    onednn_desc x = NULL, w = NULL, y = NULL, b = NULL;
    dnnl_primitive_desc_t forward = NULL;
    dnnl_dims_t shape;
    int split = g.groups > 1;
    for (int d = 0; d < 4; d++)
        shape[d + split] = v->w->shape[d];
    if (split) {
        shape[0] = g.groups;
        shape[1] = v->w->shape[0] / g.groups;
    }
    dnnl_status_t status = cpu_describe_as(&x, v->x, x_layout, 1);
    if (status == dnnl_success)
        status = cpu_describe_as(&y, v->y, y_layout, 1);
    if (status == dnnl_success)
        status = onednn_desc_create(&w, 4 + split, shape, dnnl_f32, NULL);
    if (status == dnnl_success && v->b)
        status = cpu_describe_as(&b, v->b, TL_LAYOUT_CONTIGUOUS, 1);
    if (status == dnnl_success && v->kind != FORWARD)
        status = onednn_convolution(&forward, cpu_engine, dnnl_forward_training, x, w, NULL, y, g.stride, g.dilation, g.padding,
                                    g.padding, NULL, cpu_attr);
    if (status == dnnl_success && call->n_epilogue)
        status = cpu_epilogue_attr(&attr, call, y_layout);
    if (status == dnnl_success)
        status = onednn_convolution(pd, cpu_engine, prop_kind(v->kind), x, w, b, y, g.stride, g.dilation, g.padding,
                                    g.padding, forward, attr);
    if (attr != cpu_attr)
        dnnl_primitive_attr_destroy(attr);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    onednn_desc_free(x);
    onednn_desc_free(w);
    onednn_desc_free(y);
    onednn_desc_free(b);
    return status;
}

/* Does the name of the implementation that oneDNN has chosen have this part? "ref" is its slow fallback. */
static bool is_named(const_dnnl_primitive_desc_t pd, const char *part)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success || !name ||
           strstr(name, part) != NULL;
}

/* Channels-last if oneDNN has code for it here (it nearly always has), else contiguous, else anything. */
static dnnl_status_t choose_descriptor(dnnl_primitive_desc_t *pd, const struct tl_call *call, const struct conv_views *v,
                                       uint32_t *layout)
{
    static const uint32_t candidates[] = {TL_LAYOUT_CHANNELS_LAST, TL_LAYOUT_CONTIGUOUS};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        *layout = candidates[i];
        if (create_descriptor(pd, call, v, *layout, *layout) != dnnl_success)
            continue;
        if (!is_named(*pd, "ref"))
            return dnnl_success;
        dnnl_primitive_desc_destroy(*pd);
    }
    return create_descriptor(pd, call, v, *layout, *layout);
}

/* Declare the arguments in the order in which run() gives them. */
static dnnl_status_t declare(struct conv_plan *plan, const_dnnl_primitive_desc_t pd, const struct conv_views *v)
{
    static const struct { int arg; dnnl_query_t query; } order[3][3] = {
        [FORWARD] = {{DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md}, {DNNL_ARG_DST, dnnl_query_dst_md}},
        [GRAD_INPUT] = {{DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md}},
        [GRAD_WEIGHT] = {{DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md},
                         {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md}},
    };
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < 3 && status == dnnl_success; i++)
        status = cpu_primitive_add(&plan->conv, order[v->kind][i].arg, onednn_query(pd, order[v->kind][i].query));
    if (status != dnnl_success || !v->b)
        return status;
    onednn_desc b = NULL;
    status = cpu_describe_as(&b, v->b, TL_LAYOUT_CONTIGUOUS, 1);
    if (status == dnnl_success)
        status = cpu_primitive_add(&plan->conv, v->kind == FORWARD ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS, b);
    onednn_desc_free(b);
    return status;
}

/* The step from the packed gradient of the weights to the plain one. */
static dnnl_status_t plan_unpacking(struct conv_plan *plan, onednn_desc packed, const struct tl_view *w, int64_t groups)
{
    onednn_desc plain = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = cpu_describe_as(&plain, w, TL_LAYOUT_CONTIGUOUS, groups);
    if (status == dnnl_success && !dnnl_memory_desc_equal(plain, packed)) {
        status = dnnl_reorder_primitive_desc_create(&pd, packed, cpu_engine, plain, cpu_engine, cpu_attr);
        if (status == dnnl_success)
            status = cpu_primitive_create(&plan->unpack, pd);
        if (status == dnnl_success)
            status = cpu_primitive_add(&plan->unpack, DNNL_ARG_FROM, packed);
        if (status == dnnl_success)
            status = cpu_primitive_add(&plan->unpack, DNNL_ARG_TO, plain);
    }
    onednn_desc_free(plain);
    return status;
}

static void release(void *plan)
{
    struct conv_plan *p = plan;
    cpu_primitive_free(&p->conv);
    cpu_primitive_free(&p->unpack);
    free(p);
}

static size_t rounded(size_t bytes)
{
    return (bytes + CPU_SCRATCH_ALIGNMENT - 1) / CPU_SCRATCH_ALIGNMENT * CPU_SCRATCH_ALIGNMENT;
}

static dnnl_status_t build(struct conv_plan *plan, const struct tl_call *call, const struct conv_views *v, struct tl_prep *prep)
{
    const struct tl_conv2d_attrs *attrs = call->attrs;
    uint32_t layout;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = choose_descriptor(&pd, call, v, &layout);
    if (status != dnnl_success)
        return status;

    uint32_t *x = v->kind == GRAD_INPUT ? &prep->out_layout[0] : &prep->in_layout[0];
    uint32_t *y = v->kind == FORWARD ? &prep->out_layout[0] : &prep->in_layout[v->kind == GRAD_INPUT ? 0 : 1];
    *x = *y = layout;
    plan->varies = !is_named(pd, "jit:avx") && !is_named(pd, "jit_1x1:"); /* matrix products and batches of them do */
    dnnl_primitive_desc_t kept = NULL; /* cpu_primitive_create takes pd */
    status = dnnl_primitive_desc_clone(&kept, pd);
    if (status != dnnl_success) {
        dnnl_primitive_desc_destroy(pd);
        return status;
    }
    status = cpu_primitive_create(&plan->conv, pd);
    if (status == dnnl_success)
        status = declare(plan, kept, v);
    for (int i = 0; i < call->n_epilogue && status == dnnl_success; i++) {
        int other = call->epilogue[i].other;
        if (other < 0)
            continue;
        onednn_desc desc = NULL;
        status = cpu_describe_as(&desc, &call->in[other], layout, 1);
        if (status == dnnl_success)
            status = cpu_primitive_add(&plan->conv, DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1, desc);
        onednn_desc_free(desc);
        prep->in_layout[other] = layout;
        plan->other[plan->n_other++] = other;
    }
    prep->workspace = plan->conv.scratch;
    if (status == dnnl_success && v->kind == GRAD_WEIGHT) {
        onednn_desc packed = onednn_query(kept, dnnl_query_diff_weights_md);
        status = plan_unpacking(plan, packed, v->w, attrs->groups);
        if (status == dnnl_success && plan->unpack.primitive) {
            plan->packed_offset = rounded(plan->conv.scratch > plan->unpack.scratch ? plan->conv.scratch : plan->unpack.scratch);
            prep->workspace = plan->packed_offset + rounded(dnnl_memory_desc_get_size(packed));
        }
    } else if (status == dnnl_success) {
        prep->in_layout[1] = cpu_layout_of(onednn_query(kept, dnnl_query_weights_md), v->w, attrs->groups);
        if (prep->in_layout[1] == UINT32_MAX)
            status = dnnl_out_of_memory;
    }
    dnnl_primitive_desc_destroy(kept);
    return status;
}

static tl_status prepare(const struct tl_call *call, struct tl_prep *prep, enum conv_kind kind)
{
    struct conv_views v = views_of(call, kind);
    struct conv_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return cpu_host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", op_name[kind]);
    plan->has_bias = v.b != NULL;
    /* In strict mode the number of threads must not show: in the weights' gradient it always does, elsewhere where oneDNN
     * works by matrix products. */
    bool strict = call->math == TL_MATH_STRICT, alone = kind == GRAD_WEIGHT && strict;
    int before = cpu_threads_enter(alone ? 1 : cpu_host->num_threads());
    dnnl_status_t status = build(plan, call, &v, prep);
    if (status == dnnl_success && strict && !alone && plan->varies) {
        cpu_threads_enter(1);
        cpu_primitive_free(&plan->conv);
        status = build(plan, call, &v, prep);
    }
    cpu_threads_leave(before);
    if (status != dnnl_success) {
        release(plan);
        return cpu_onednn_fail(op_name[kind], status);
    }
    prep->plan = plan;
    return TL_OK;
}

/* ---- running ---- */

static tl_status run(const struct conv_plan *plan, const struct tl_call *call, struct tl_mem workspace, enum conv_kind kind)
{
    struct conv_views v = views_of(call, kind);
    char *work = tl_mem_ptr(workspace);
    void *data[4 + CPU_MOST_LINKS] = {cpu_data(&call->in[0]), cpu_data(&call->in[1]), cpu_data(&call->out[0])};
    int n = 3;
    if (plan->unpack.primitive)
        data[2] = work + plan->packed_offset;
    if (plan->has_bias)
        data[n++] = cpu_data(v.b);
    for (int i = 0; i < plan->n_other; i++)
        data[n++] = cpu_data(&call->in[plan->other[i]]);
    dnnl_status_t status = cpu_primitive_run(&plan->conv, data, work);
    if (status == dnnl_success && plan->unpack.primitive)
        status = cpu_primitive_run(&plan->unpack, (void *[]){data[2], cpu_data(&call->out[0])}, work);
    return status == dnnl_success ? TL_OK : cpu_onednn_fail(op_name[kind], status);
}

#define KERNEL(name, kind, how)                                                                                          \
    static tl_status prepare_##name(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)   \
    {                                                                                                                   \
        (void)device;                                                                                                   \
        return prepare(call, prep, kind);                                                                               \
    }                                                                                                                   \
    static tl_status run_##name(struct tl_stream *stream, const void *plan, const struct tl_call *call,                 \
                                struct tl_mem workspace)                                                                \
    {                                                                                                                   \
        (void)stream;                                                                                                   \
        return run(plan, call, workspace, kind);                                                                        \
    }                                                                                                                   \
    static const struct tl_kernel name = {                                                                              \
        .struct_size = sizeof(struct tl_kernel), .flags = how, .op = #name, .maker = "cpu:onednn",                      \
        .refuses = refuses, .prepare = prepare_##name, .run = run_##name, .release = release,                           \
    };

KERNEL(conv2d, FORWARD, TL_KERNEL_EPILOGUE)
KERNEL(conv2d_grad_input, GRAD_INPUT, 0)
KERNEL(conv2d_grad_weight, GRAD_WEIGHT, 0)

bool cpu_add_conv2d(struct cpu_table *table)
{
    return cpu_table_add(table, &conv2d) && cpu_table_add(table, &conv2d_grad_input) &&
           cpu_table_add(table, &conv2d_grad_weight);
}
