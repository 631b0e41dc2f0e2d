/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution and its two gradients through cuDNN. Tensor cores want channels-last: halves, and f32 where TF32 is allowed, are given and taken so,
 * weights too, which the core keeps reordered; plain f32 stays as it comes. The bias is added by the convolution's engine where one can, else by the
 * shared kernel; its gradient is the shared kernel's sum.
 */
#include "../graph.h"
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>

enum { X = 1, W, Y, BIAS, UNBIASED }; /* tensors of the graph */
enum { CANDIDATES = 8 };

struct conv_plan {
    struct cuda_device *device;
    enum graph_conv kind;
    struct graph_plan plan;
    uint32_t layout;
    bool fused;                  /* the graph adds the bias */
    const struct tl_kernel *add; /* of the bias, after the convolution */
    const struct tl_kernel *sum; /* of dy, for the bias's gradient */
    void *sum_plan;
};

/* The tensors of a convolution, whichever of them are inputs. */
struct conv_views {
    const struct tl_view *x, *w, *y, *bias; /* bias: or its gradient; NULL if there is none */
};

static struct conv_views views_of(const struct tl_call *call, enum graph_conv kind)
{
    const struct tl_view *in = call->in, *out = call->out;
    struct conv_views v = kind == GRAPH_FORWARD      ? (struct conv_views){&in[0], &in[1], &out[0], &in[2]}
                          : kind == GRAPH_GRAD_INPUT ? (struct conv_views){&out[0], &in[1], &in[0], NULL}
                                                     : (struct conv_views){&in[0], &out[0], &in[1], &out[1]};
    if (v.bias && !tl_view_present(v.bias))
        v.bias = NULL;
    return v;
}

static enum graph_conv kind_of(const struct tl_kernel *kernel)
{
    return kernel == &cuda_conv2d_kernel ? GRAPH_FORWARD : kernel == &cuda_conv2d_grad_input_kernel ? GRAPH_GRAD_INPUT : GRAPH_GRAD_WEIGHT;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    const enum graph_conv kind = kind_of(call->kernel);
    const struct conv_views v = views_of(call, kind);
    if (tl_view_numel(v.x) == 0 || tl_view_numel(v.w) == 0 || tl_view_numel(v.y) == 0)
        return "cuDNN takes no empty tensors";
    for (int d = 0; d < 4; d++)
        if (v.x->shape[d] > INT32_MAX || v.w->shape[d] > INT32_MAX || v.y->shape[d] > INT32_MAX)
            return "a size is beyond cuDNN's 32 bits";
    if (kind == GRAPH_FORWARD && v.bias && !cuda_shared_kernel("add"))
        return "there is no kernel that adds the bias";
    if (kind == GRAPH_GRAD_WEIGHT && v.bias && !cuda_shared_kernel("sum"))
        return "there is no kernel that sums the bias's gradient";
    return NULL;
}

/* ---- The bias, by shared kernels -------------------------------------------------------------------------------------------------------- */

/* y by the dimensions in which it lies in memory, with those before and after the channels as one each: returns where the channels are. */
static int by_channels(const struct tl_view *y, uint32_t layout, struct tl_view *merged)
{
    const int64_t channels = y->shape[1], pixels = y->shape[2] * y->shape[3];
    *merged = (struct tl_view){.dtype = y->dtype, .layout = TL_LAYOUT_CONTIGUOUS, .mem = y->mem};
    if (layout == TL_LAYOUT_CHANNELS_LAST) {
        merged->ndim = 2;
        merged->shape[0] = y->shape[0] * pixels;
        merged->shape[1] = channels;
        merged->stride[0] = channels;
        merged->stride[1] = 1;
        return 1;
    }
    merged->ndim = 3;
    merged->shape[0] = y->shape[0];
    merged->shape[1] = channels;
    merged->shape[2] = pixels;
    merged->stride[0] = channels * pixels;
    merged->stride[1] = pixels;
    merged->stride[2] = 1;
    return 1;
}

static tl_status add_bias(struct tl_stream *stream, const struct conv_plan *plan, const struct tl_call *call, const struct conv_views *v)
{
    struct tl_view in[2], out;
    const int channels = by_channels(v->y, plan->layout, &out);
    in[0] = in[1] = out;
    in[1].layout = TL_LAYOUT_STRIDED;
    in[1].mem = v->bias->mem;
    memset(in[1].stride, 0, sizeof in[1].stride);
    in[1].stride[channels] = v->bias->stride[0];
    struct tl_residual none = {0};
    const struct tl_pointwise_attrs attrs = {.struct_size = sizeof attrs};
    const struct tl_call add = {.struct_size = sizeof add, .op = "add", .attrs = &attrs, .attrs_size = sizeof attrs, .n_in = 2, .n_out = 1, .in = in,
                                .out = &out, .residual = &none, .math = call->math, .kernel = plan->add};
    return plan->add->run(stream, NULL, &add, (struct tl_mem){0});
}

/* The call that sums dy to db. */
struct sum_call {
    struct tl_call call;
    struct tl_view in, out;
    struct tl_reduce_attrs attrs;
    struct tl_residual none;
};

static void describe_sum(struct sum_call *s, const struct conv_plan *plan, const struct tl_call *call, const struct conv_views *v)
{
    *s = (struct sum_call){.attrs = {.struct_size = sizeof s->attrs, .keepdim = true}};
    const int channels = by_channels(v->y, plan->layout, &s->in);
    s->out = s->in;
    s->out.mem = v->bias->mem;
    for (int d = 0; d < s->in.ndim; d++) {
        if (d != channels)
            s->attrs.dims.v[s->attrs.dims.n++] = d;
        s->out.shape[d] = d == channels ? s->in.shape[d] : 1;
        s->out.stride[d] = d < channels ? s->in.shape[channels] : 1;
    }
    s->call = (struct tl_call){.struct_size = sizeof s->call, .op = "sum", .attrs = &s->attrs, .attrs_size = sizeof s->attrs, .n_in = 1, .n_out = 1,
                               .in = &s->in, .out = &s->out, .residual = &s->none, .math = call->math, .kernel = plan->sum};
}

/* Plan the sum; its workspace may be the convolution's, which runs before it. */
static tl_status plan_sum(struct conv_plan *plan, const struct tl_call *call, const struct conv_views *v, size_t *workspace)
{
    struct sum_call s;
    uint32_t layouts[2] = {TL_LAYOUT_CONTIGUOUS, TL_LAYOUT_CONTIGUOUS};
    struct tl_prep prep = {.struct_size = sizeof prep, .in_layout = &layouts[0], .out_layout = &layouts[1]};
    plan->sum = cuda_shared_kernel("sum");
    describe_sum(&s, plan, call, v);
    s.in.mem = s.out.mem = (struct tl_mem){0};
    if (plan->sum->refuses && plan->sum->refuses(&plan->device->gpu.device, &s.call))
        return TL_ERR_UNSUPPORTED;
    tl_status status = plan->sum->prepare ? plan->sum->prepare(&plan->device->gpu.device, &s.call, &prep) : TL_OK;
    if (status != TL_OK)
        return status;
    plan->sum_plan = prep.plan;
    if (prep.workspace > *workspace)
        *workspace = prep.workspace;
    return (layouts[0] != TL_LAYOUT_CONTIGUOUS && layouts[0] != TL_LAYOUT_STRIDED) || layouts[1] != TL_LAYOUT_CONTIGUOUS ? TL_ERR_UNSUPPORTED : TL_OK;
}

/* ---- The graph -------------------------------------------------------------------------------------------------------------------------- */

/* One way to do a call. */
struct form {
    uint32_t layout;
    bool fused;
};

static struct graph_tensor tensor_of(int64_t id, const struct tl_view *v, uint32_t layout)
{
    const int64_t c = v->shape[1], h = v->shape[2], w = v->shape[3];
    struct graph_tensor t = {.id = id, .dtype = v->dtype, .shape = {v->shape[0], c, h, w}, .stride = {c * h * w, h * w, w, 1}};
    if (layout == TL_LAYOUT_CHANNELS_LAST)
        memcpy(t.stride, (int64_t[]){c * h * w, 1, w * c, c}, sizeof t.stride);
    return t;
}

/* y = conv(x, w), or a gradient of it; fused: y = conv(x, w) + bias, where the sum before is kept in f32. */
static cudnnBackendDescriptor_t describe(struct graph *g, const struct tl_call *call, const struct conv_views *v, enum graph_conv kind,
                                         const struct form *form)
{
    const bool wide = v->x->dtype == TL_F64;
    const struct graph_tensor x = tensor_of(X, v->x, form->layout), w = tensor_of(W, v->w, form->layout), y = tensor_of(Y, v->y, form->layout);
    cudnnBackendDescriptor_t operations[2], dx = graph_tensor(g, &x), dw = graph_tensor(g, &w), dy = graph_tensor(g, &y);
    if (!form->fused) {
        operations[0] = graph_convolution(g, kind, call->attrs, wide, dx, dw, dy);
        return graph_close(g, operations, 1);
    }
    const int64_t k = v->y->shape[1];
    const struct graph_tensor bias = {.id = BIAS, .dtype = v->bias->dtype, .shape = {1, k, 1, 1}, .stride = {k, 1, k, k}};
    struct graph_tensor before = y;
    before.id = UNBIASED;
    before.dtype = wide ? TL_F64 : TL_F32;
    before.within = true;
    cudnnBackendDescriptor_t db = graph_tensor(g, &bias), d_before = graph_tensor(g, &before);
    operations[0] = graph_convolution(g, kind, call->attrs, wide, dx, dw, d_before);
    operations[1] = graph_add(g, wide, d_before, db, dy);
    return graph_close(g, operations, 2);
}

static size_t bytes_of(const struct tl_view *v)
{
    return (size_t)tl_view_numel(v) * tl_dtype_size(v->dtype);
}

static int operands_of(const struct conv_plan *plan, const struct conv_views *v, struct graph_operand *operands)
{
    int n = 0;
    operands[n++] = (struct graph_operand){X, cuda_pointer(v->x->mem), bytes_of(v->x), plan->kind == GRAPH_GRAD_INPUT};
    operands[n++] = (struct graph_operand){W, cuda_pointer(v->w->mem), bytes_of(v->w), plan->kind == GRAPH_GRAD_WEIGHT};
    operands[n++] = (struct graph_operand){Y, cuda_pointer(v->y->mem), bytes_of(v->y), plan->kind == GRAPH_FORWARD};
    if (plan->fused)
        operands[n++] = (struct graph_operand){BIAS, cuda_pointer(v->bias->mem), bytes_of(v->bias), false};
    return n;
}

/* ---- Choosing an engine ------------------------------------------------------------------------------------------------------------------ */

struct measured {
    const struct conv_plan *conv;
    const struct graph_plan *plan;
    struct graph_operand operands[4];
    int n;
    CUdeviceptr workspace;
};

static bool execute_once(void *context, CUstream stream)
{
    (void)stream; /* the handle's, for the time */
    const struct measured *m = context;
    return graph_execute(m->conv->device, m->plan, m->operands, m->n, m->workspace) == CUDNN_STATUS_SUCCESS;
}

/* The fastest of n plans; negative where they cannot be measured. */
static int measure(const struct conv_plan *conv, const struct conv_views *v, const struct graph_plan *plans, int n)
{
    struct measured m = {.conv = conv};
    struct cuda_tuner tuner;
    size_t bytes = 0, workspace = 0;
    float best = -1, first = -1;
    int chosen = -1;
    m.n = operands_of(conv, v, m.operands);
    for (int i = 0; i < m.n; i++)
        bytes += (m.operands[i].bytes + 255) / 256 * 256;
    for (int i = 0; i < n; i++)
        workspace = plans[i].workspace > workspace ? plans[i].workspace : workspace;
    if (!cuda_tuner_open(&tuner, conv->device, bytes + workspace))
        return -1;
    CUdeviceptr at = tuner.memory;
    for (int i = 0; i < m.n; i++) {
        m.operands[i].at = at;
        at += (m.operands[i].bytes + 255) / 256 * 256;
    }
    m.workspace = at;
    if (CU(cudnnSetStream)(conv->device->cudnn, tuner.stream) == CUDNN_STATUS_SUCCESS)
        for (int i = 0; i < n; i++) {
            m.plan = &plans[i];
            const float time = cuda_tuner_time(&tuner, execute_once, &m);
            first = i == 0 ? time : first;
            if (time >= 0 && (best < 0 || time < best)) {
                best = time;
                chosen = i;
            }
        }
    CU(cudnnSetStream)(conv->device->cudnn, conv->device->queue);
    cuda_tuner_close(&tuner);
    cuda_host->log(TL_LOG_DEBUG, "cuda", "measured %d engines: number %d takes %.1f us, the first %.1f us", n, chosen, (double)best, (double)first);
    return chosen;
}

static void key_of(const struct tl_call *call, const struct conv_views *v, const struct graph_wish *wish, const struct form *form, char *key, size_t size)
{
    const struct tl_conv2d_attrs *a = call->attrs;
    char x[120], w[120], y[120];
    snprintf(key, size, "%s %s * %s = %s, stride %lld %lld, padding %lld %lld, dilation %lld %lld%s%s%s", call->op, cuda_view_text(x, sizeof x, v->x),
             cuda_view_text(w, sizeof w, v->w), cuda_view_text(y, sizeof y, v->y), (long long)a->stride[0], (long long)a->stride[1],
             (long long)a->padding[0], (long long)a->padding[1], (long long)a->dilation[0], (long long)a->dilation[1],
             form->layout == TL_LAYOUT_CHANNELS_LAST ? ", channels last" : "", form->fused ? ", with bias" : "", wish->tf32 ? ", tf32" : "");
}

/* What the cache on disk holds of a measured call. */
struct tuned {
    int64_t engine;
    int32_t proposal, reserved;
};

/* The plan for one form. False: cuDNN has none. */
static bool choose(struct conv_plan *conv, const struct tl_call *call, const struct conv_views *v, const struct graph_wish *wish, const struct form *form)
{
    struct graph g = {.device = conv->device};
    struct graph_plan plans[CANDIDATES];
    struct tuned tuned;
    char key[600];
    const char *how = "proposed first";
    const bool tunes = cuda_tunes(call, (double)tl_view_numel(v->y) * (double)(v->w->shape[1] * v->w->shape[2] * v->w->shape[3]));
    int n = 0, chosen = 0;
    conv->layout = form->layout;
    conv->fused = form->fused;
    cudnnBackendDescriptor_t closed = describe(&g, call, v, conv->kind, form);
    key_of(call, v, wish, form, key, sizeof key);
    if (closed && tunes && cuda_tuned_get(conv->device, key, &tuned, sizeof tuned)) {
        n = graph_plans(&g, closed, wish, tuned.proposal, plans, 1);
        if (n > 0 && plans[0].engine != tuned.engine)
            graph_plan_free(&plans[--n]);
        how = "measured before";
    }
    if (n == 0) {
        n = graph_plans(&g, closed, wish, -1, plans, tunes ? CANDIDATES : 1);
        how = "proposed first";
        if (tunes && n > 1 && (chosen = measure(conv, v, plans, n)) >= 0) {
            tuned = (struct tuned){.engine = plans[chosen].engine, .proposal = plans[chosen].proposal};
            cuda_tuned_put(conv->device, key, &tuned, sizeof tuned);
            how = "measured now";
        }
    }
    graph_free(&g);
    chosen = chosen < 0 ? 0 : chosen;
    for (int i = 0; i < n; i++)
        if (i != chosen)
            graph_plan_free(&plans[i]);
    if (n == 0)
        return false;
    conv->plan = plans[chosen];
    cuda_host->log(TL_LOG_DEBUG, "cuda", "%s: engine %lld (%s), %zu KiB of workspace (%s)", key, (long long)conv->plan.engine, conv->plan.notes,
                   conv->plan.workspace >> 10, how);
    return true;
}

/* Forms to try, best first; how many. */
static int forms_of(const struct tl_call *call, const struct conv_views *v, enum graph_conv kind, bool tensor_cores, struct form *forms)
{
    const uint32_t first = tensor_cores || call->in[0].layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    const uint32_t second = first == TL_LAYOUT_CONTIGUOUS ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    int n = 0;
    if (kind == GRAPH_FORWARD && v->bias && tensor_cores)
        forms[n++] = (struct form){first, true};
    forms[n++] = (struct form){first, false};
    forms[n++] = (struct form){second, false};
    return n;
}

/* ---- Planning ---------------------------------------------------------------------------------------------------------------------------- */

static void release(void *p)
{
    struct conv_plan *plan = p;
    pthread_mutex_lock(&plan->device->lock);
    /* Kernels that a plan has compiled are unloaded from the current context. */
    if (CU(cuCtxSetCurrent)(plan->device->context) == CUDA_SUCCESS)
        graph_plan_free(&plan->plan);
    pthread_mutex_unlock(&plan->device->lock);
    if (plan->sum_plan && plan->sum->release)
        plan->sum->release(plan->sum_plan);
    free(plan);
}

static size_t workspace_limit(const struct cuda_device *device)
{
    const uint64_t share = device->gpu.device.memory / 32, most = UINT64_C(1) << 30;
    return (size_t)(share < most ? share : most);
}

static bool find_plan(struct conv_plan *plan, const struct tl_call *call, const struct conv_views *v)
{
    const tl_dtype dtype = v->x->dtype;
    const bool strict = call->math == TL_MATH_STRICT, tf32 = dtype == TL_F32 && plan->device->tf32 && !strict;
    struct graph_wish wish = {.dtype = dtype, .tf32 = tf32, .strict = strict, .workspace = workspace_limit(plan->device)};
    struct form forms[3];
    const int n = forms_of(call, v, plan->kind, tf32 || dtype == TL_F16 || dtype == TL_BF16, forms);
    bool found = false;
    pthread_mutex_lock(&plan->device->lock);
    for (int i = 0; i < n && !found; i++) {
        wish.tensor_cores = forms[i].fused; /* without them, adding the bias after is cheap beside the convolution */
        found = choose(plan, call, v, &wish, &forms[i]);
    }
    pthread_mutex_unlock(&plan->device->lock);
    return found;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct conv_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return cuda_host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    plan->device = cuda_device_of(device);
    plan->kind = kind_of(call->kernel);
    const struct conv_views v = views_of(call, plan->kind);
    tl_status status = cuda_enter(plan->device);
    if (status == TL_OK && !find_plan(plan, call, &v)) {
        prep->declined = "cuDNN has no engine for it";
        status = TL_ERR_UNSUPPORTED;
    }
    prep->workspace = plan->plan.workspace;
    if (status == TL_OK && plan->kind == GRAPH_GRAD_WEIGHT && v.bias) {
        prep->declined = "the bias's gradient cannot be summed";
        status = plan_sum(plan, call, &v, &prep->workspace);
    }
    if (status != TL_OK) {
        release(plan);
        return status;
    }
    if (plan->kind == GRAPH_FORWARD && v.bias && !plan->fused)
        plan->add = cuda_shared_kernel("add");
    prep->in_layout[0] = prep->in_layout[1] = prep->out_layout[0] = plan->layout;
    prep->plan = plan;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *planned, const struct tl_call *call, struct tl_mem workspace)
{
    const struct conv_plan *plan = planned;
    const struct conv_views v = views_of(call, plan->kind);
    struct graph_operand operands[4];
    const int n = operands_of(plan, &v, operands);
    tl_status status = cuda_enter(plan->device);
    if (status == TL_OK)
        status = graph_run(cuda_stream_of(stream), call->op, &plan->plan, operands, n, cuda_pointer(workspace));
    if (status == TL_OK && plan->add)
        status = add_bias(stream, plan, call, &v);
    if (status == TL_OK && plan->sum) {
        struct sum_call s;
        describe_sum(&s, plan, call, &v);
        status = plan->sum->run(stream, plan->sum_plan, &s.call, workspace);
    }
    return status;
}

#define KERNEL(name)                                                                                                                       \
    const struct tl_kernel cuda_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "cuda:cudnn", .refuses = refuses, \
                                                   .prepare = prepare, .run = run, .release = release};
KERNEL(conv2d)
KERNEL(conv2d_grad_input)
KERNEL(conv2d_grad_weight)
