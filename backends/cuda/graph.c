/* SPDX-License-Identifier: Apache-2.0
 *
 * Describing graphs to cuDNN, and asking its heuristics for engines.
 */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Parts ------------------------------------------------------------------------------------------------------------------------------ */

static void refuse(struct graph *g, const char *what, cudnnStatus_t code)
{
    char words[300] = "";
    if (code == CUDNN_STATUS_SUCCESS || g->refused[0])
        return;
    CU(cudnnGetLastErrorString)(words, sizeof words);
    snprintf(g->refused, sizeof g->refused, "%s: %s%s%s", what, CU(cudnnGetErrorString)(code), words[0] ? ": " : "", words);
}

static cudnnBackendDescriptor_t part(struct graph *g, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    if (g->refused[0])
        return NULL;
    if (g->n_parts == (int)(sizeof g->parts / sizeof *g->parts)) {
        snprintf(g->refused, sizeof g->refused, "the graph has too many parts");
        return NULL;
    }
    cudnnStatus_t code = CU(cudnnBackendCreateDescriptor)(type, &d);
    refuse(g, "a descriptor", code);
    if (code != CUDNN_STATUS_SUCCESS)
        return NULL;
    return g->parts[g->n_parts++] = d;
}

static void set(struct graph *g, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
                const void *values)
{
    char what[40];
    if (g->refused[0])
        return;
    snprintf(what, sizeof what, "attribute %d", (int)name);
    refuse(g, what, CU(cudnnBackendSetAttribute)(d, name, type, n, values));
}

static void set_part(struct graph *g, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value)
{
    set(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

/* The part, complete; NULL if cuDNN does not take it so. */
static cudnnBackendDescriptor_t finish(struct graph *g, cudnnBackendDescriptor_t d, const char *what)
{
    if (!g->refused[0])
        refuse(g, what, CU(cudnnBackendFinalize)(d));
    return g->refused[0] ? NULL : d;
}

void graph_free(struct graph *g)
{
    while (g->n_parts > 0)
        CU(cudnnBackendDestroyDescriptor)(g->parts[--g->n_parts]);
}

static cudnnDataType_t type_of(tl_dtype dtype)
{
    return dtype == TL_F64 ? CUDNN_DATA_DOUBLE : dtype == TL_F16 ? CUDNN_DATA_HALF : dtype == TL_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

cudnnBackendDescriptor_t graph_tensor(struct graph *g, const struct graph_tensor *t)
{
    const cudnnDataType_t type = type_of(t->dtype);
    const int64_t alignment = GRAPH_ALIGNMENT;
    cudnnBackendDescriptor_t d = part(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &t->id);
    set(g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, t->shape);
    set(g, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, t->stride);
    set(g, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &t->within);
    return finish(g, d, "a tensor");
}

/* A convolution of two dimensions. How many groups it has follows from the tensors' channels. */
static cudnnBackendDescriptor_t window(struct graph *g, const struct tl_conv2d_attrs *attrs, bool wide)
{
    const cudnnDataType_t computing = wide ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t dimensions = 2;
    cudnnBackendDescriptor_t d = part(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set(g, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &computing);
    set(g, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(g, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions);
    set(g, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, attrs->dilation);
    set(g, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, attrs->stride);
    set(g, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, attrs->padding);
    set(g, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, attrs->padding);
    return finish(g, d, "the convolution");
}

cudnnBackendDescriptor_t graph_convolution(struct graph *g, enum graph_conv kind, const struct tl_conv2d_attrs *attrs, bool wide,
                                           cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y)
{
    static const struct {
        cudnnBackendDescriptorType_t type;
        cudnnBackendAttributeName_t x, w, y, window, alpha, beta;
    } words[] = {
        [GRAPH_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
        [GRAPH_GRAD_INPUT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
        [GRAPH_GRAD_WEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
    };
    const float one = 1, zero = 0;
    const double wide_one = 1, wide_zero = 0;
    const cudnnBackendAttributeType_t number = wide ? CUDNN_TYPE_DOUBLE : CUDNN_TYPE_FLOAT;
    cudnnBackendDescriptor_t over = window(g, attrs, wide), d = part(g, words[kind].type);
    set_part(g, d, words[kind].x, x);
    set_part(g, d, words[kind].w, w);
    set_part(g, d, words[kind].y, y);
    set_part(g, d, words[kind].window, over);
    set(g, d, words[kind].alpha, number, 1, wide ? (const void *)&wide_one : &one);
    set(g, d, words[kind].beta, number, 1, wide ? (const void *)&wide_zero : &zero);
    return finish(g, d, "the operation");
}

cudnnBackendDescriptor_t graph_add(struct graph *g, bool wide, cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y)
{
    const cudnnDataType_t computing = wide ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
    const cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
    cudnnBackendDescriptor_t sum = part(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(g, sum, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(g, sum, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &computing);
    sum = finish(g, sum, "the addition");
    cudnnBackendDescriptor_t d = part(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_part(g, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, sum);
    set_part(g, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    set_part(g, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_part(g, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    return finish(g, d, "adding");
}

cudnnBackendDescriptor_t graph_close(struct graph *g, const cudnnBackendDescriptor_t *operations, int n)
{
    cudnnBackendDescriptor_t d = part(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(g, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->device->cudnn);
    set(g, d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, operations);
    return finish(g, d, "the graph");
}

/* ---- Engines ---------------------------------------------------------------------------------------------------------------------------- */

enum { PROPOSALS = 32, NOTES = CUDNN_NUMERICAL_NOTE_TYPE_COUNT };

static const char *const note_names[NOTES] = {
    [CUDNN_NUMERICAL_NOTE_TENSOR_CORE] = "tensor cores",      [CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS] = "inputs rounded",
    [CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION] = "sums rounded", [CUDNN_NUMERICAL_NOTE_FFT] = "Fourier",
    [CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC] = "does not repeat", [CUDNN_NUMERICAL_NOTE_WINOGRAD] = "Winograd",
    [CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4] = "tiles of 4",  [CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6] = "tiles of 6",
    [CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13] = "tiles of 13", [CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP] = "NaN kept",
};

static bool is_allowed(const bool *notes, const struct graph_wish *wish)
{
    const bool half = wish->dtype == TL_F16 || wish->dtype == TL_BF16;
    if (notes[CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC] || notes[CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION])
        return false;
    /* f32 on tensor cores is TF32, or less. */
    if (wish->dtype == TL_F32 && (notes[CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS] || (notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE] && !wish->tf32)))
        return false;
    if (wish->strict && (notes[CUDNN_NUMERICAL_NOTE_WINOGRAD] || notes[CUDNN_NUMERICAL_NOTE_FFT]))
        return false;
    /* The larger the tile, the larger its error. */
    return !notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6] && !notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13] &&
           !(half && notes[CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4]);
}

/* The engine of a configuration: its number, and what cuDNN notes of it. */
static cudnnStatus_t look_at(cudnnBackendDescriptor_t config, int64_t *number, bool *notes)
{
    cudnnBackendDescriptor_t engine = NULL;
    cudnnBackendNumericalNote_t list[NOTES];
    int64_t n = 0;
    memset(notes, 0, NOTES * sizeof *notes);
    cudnnStatus_t code = CU(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
    if (code != CUDNN_STATUS_SUCCESS)
        return code;
    code = CU(cudnnBackendGetAttribute)(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine);
    if (code == CUDNN_STATUS_SUCCESS)
        code = CU(cudnnBackendGetAttribute)(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, number);
    n = 0;
    if (code == CUDNN_STATUS_SUCCESS)
        code = CU(cudnnBackendGetAttribute)(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, NOTES, &n, list);
    for (int64_t i = 0; code == CUDNN_STATUS_SUCCESS && i < n && i < NOTES; i++)
        if ((unsigned)list[i] < NOTES)
            notes[list[i]] = true;
    CU(cudnnBackendDestroyDescriptor)(engine);
    return code;
}

static void say_notes(char *text, size_t size, const bool *notes)
{
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < NOTES; i++)
        if (notes[i] && n < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", note_names[i]);
}

void graph_plan_free(struct graph_plan *plan)
{
    if (plan->plan)
        CU(cudnnBackendDestroyDescriptor)(plan->plan);
    if (plan->config)
        CU(cudnnBackendDestroyDescriptor)(plan->config);
    plan->plan = plan->config = NULL;
}

/* Make plan->plan of plan->config. */
static bool realize(const struct graph *g, const struct graph_wish *wish, struct graph_plan *plan)
{
    struct graph asked = {.device = g->device};
    cudnnStatus_t code = CU(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan);
    int64_t workspace = 0, n = 0;
    refuse(&asked, "a plan", code);
    if (code != CUDNN_STATUS_SUCCESS)
        plan->plan = NULL;
    set(&asked, plan->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->device->cudnn);
    set_part(&asked, plan->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, plan->config);
    if (finish(&asked, plan->plan, "a plan"))
        refuse(&asked, "its workspace",
               CU(cudnnBackendGetAttribute)(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &workspace));
    if (!asked.refused[0] && (uint64_t)workspace > wish->workspace)
        snprintf(asked.refused, sizeof asked.refused, "it wants %lld MiB of workspace", (long long)(workspace >> 20));
    plan->workspace = (size_t)workspace;
    if (!asked.refused[0])
        return true;
    cuda_host->log(TL_LOG_DEBUG, "cuda", "engine %lld (%s) is passed over: %s", (long long)plan->engine, plan->notes, asked.refused);
    return false;
}

/* What is tried, over all proposals of all modes. */
struct search {
    struct graph *g;
    cudnnBackendDescriptor_t closed;
    const struct graph_wish *wish;
    int32_t only, seen; /* proposals that the wish allows */
    struct graph_plan *plans;
    int n, most;
};

/* One proposal; takes the configuration. */
static void consider(struct search *s, cudnnBackendDescriptor_t config)
{
    bool notes[NOTES];
    struct graph_plan plan = {.config = config, .engine = -1};
    cudnnStatus_t code = look_at(config, &plan.engine, notes);
    say_notes(plan.notes, sizeof plan.notes, notes);
    if (code != CUDNN_STATUS_SUCCESS) {
        cuda_host->log(TL_LOG_DEBUG, "cuda", "a proposal cannot be looked at: %s", CU(cudnnGetErrorString)(code));
    } else if (!is_allowed(notes, s->wish)) {
        cuda_host->log(TL_LOG_DEBUG, "cuda", "engine %lld is not wanted: %s", (long long)plan.engine, plan.notes);
    } else if (s->wish->tensor_cores && s->seen == 0 && !notes[CUDNN_NUMERICAL_NOTE_TENSOR_CORE]) {
        cuda_host->log(TL_LOG_DEBUG, "cuda", "engine %lld is thought to be the fastest, without tensor cores", (long long)plan.engine);
        s->most = 0;
    } else {
        plan.proposal = s->seen++;
        if ((s->only < 0 || s->only == plan.proposal) && realize(s->g, s->wish, &plan)) {
            s->plans[s->n++] = plan;
            return;
        }
    }
    graph_plan_free(&plan);
}

/* The heuristics' proposals in one mode, finalized configurations; how many. */
static int64_t ask_heuristics(struct graph *g, cudnnBackendDescriptor_t closed, cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t *configs)
{
    struct graph asked = {.device = g->device};
    cudnnBackendDescriptor_t heuristics = part(&asked, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    int64_t n = 0, made = 0, got = 0;
    set_part(&asked, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, closed);
    set(&asked, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (finish(&asked, heuristics, "the heuristics"))
        refuse(&asked, "proposals", CU(cudnnBackendGetAttribute)(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &n, NULL));
    n = n < PROPOSALS ? n : PROPOSALS;
    while (!asked.refused[0] && made < n) {
        cudnnStatus_t code = CU(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[made]);
        refuse(&asked, "a configuration", code);
        made += code == CUDNN_STATUS_SUCCESS;
    }
    if (!asked.refused[0] && n > 0)
        refuse(&asked, "proposals",
               CU(cudnnBackendGetAttribute)(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, &got, configs));
    got = asked.refused[0] ? 0 : got < made ? got : made;
    while (made > got)
        CU(cudnnBackendDestroyDescriptor)(configs[--made]);
    if (asked.refused[0])
        cuda_host->log(TL_LOG_DEBUG, "cuda", "cuDNN proposes no engines in mode %d: %s", (int)mode, asked.refused);
    graph_free(&asked);
    return got;
}

int graph_plans(struct graph *g, cudnnBackendDescriptor_t closed, const struct graph_wish *wish, int32_t proposal, struct graph_plan *plans, int most)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    struct search s = {.g = g, .closed = closed, .wish = wish, .only = proposal, .plans = plans, .most = most};
    if (!closed) {
        cuda_host->log(TL_LOG_DEBUG, "cuda", "cuDNN does not take the graph: %s", g->refused);
        return 0;
    }
    /* What the fallback proposes is only wanted where nothing else is there. */
    for (size_t m = 0; m < sizeof modes / sizeof *modes && s.n == 0 && s.most > 0; m++) {
        cudnnBackendDescriptor_t configs[PROPOSALS];
        const int64_t n = ask_heuristics(g, closed, modes[m], configs);
        for (int64_t i = 0; i < n; i++) {
            if (s.n < s.most)
                consider(&s, configs[i]);
            else
                CU(cudnnBackendDestroyDescriptor)(configs[i]);
        }
    }
    return s.n;
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------------------- */

enum { OPERANDS = 8 };

cudnnStatus_t graph_execute(struct cuda_device *device, const struct graph_plan *plan, const struct graph_operand *operands, int n,
                            CUdeviceptr workspace)
{
    int64_t ids[OPERANDS];
    void *places[OPERANDS], *work = (void *)(uintptr_t)workspace;
    cudnnBackendDescriptor_t pack = NULL;
    for (int i = 0; i < n; i++) {
        ids[i] = operands[i].id;
        places[i] = (void *)(uintptr_t)operands[i].at;
    }
    cudnnStatus_t code = CU(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (code != CUDNN_STATUS_SUCCESS)
        return code;
    code = CU(cudnnBackendSetAttribute)(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids);
    if (code == CUDNN_STATUS_SUCCESS)
        code = CU(cudnnBackendSetAttribute)(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, places);
    if (code == CUDNN_STATUS_SUCCESS)
        code = CU(cudnnBackendSetAttribute)(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &work);
    if (code == CUDNN_STATUS_SUCCESS)
        code = CU(cudnnBackendFinalize)(pack);
    if (code == CUDNN_STATUS_SUCCESS)
        code = CU(cudnnBackendExecute)(device->cudnn, plan->plan, pack);
    CU(cudnnBackendDestroyDescriptor)(pack);
    return code;
}

/* Aligned copies in place of operands that are not aligned. copies[i] is 0 where none is needed. */
static CUresult borrow(struct graph_operand *operands, int n, CUdeviceptr *copies, CUstream queue)
{
    for (int i = 0; i < n; i++) {
        if (operands[i].at % GRAPH_ALIGNMENT == 0)
            continue;
        CUresult code = CU(cuMemAllocAsync)(&copies[i], operands[i].bytes, queue);
        if (code == CUDA_SUCCESS && !operands[i].written)
            code = CU(cuMemcpyDtoDAsync)(copies[i], operands[i].at, operands[i].bytes, queue);
        if (code != CUDA_SUCCESS)
            return code;
        operands[i].at = copies[i];
    }
    return CUDA_SUCCESS;
}

static CUresult give_back(const struct graph_operand *operands, int n, const CUdeviceptr *copies, CUstream queue)
{
    CUresult first = CUDA_SUCCESS;
    for (int i = 0; i < n; i++) {
        CUresult code = CUDA_SUCCESS;
        if (!copies[i])
            continue;
        if (operands[i].written)
            code = CU(cuMemcpyDtoDAsync)(operands[i].at, copies[i], operands[i].bytes, queue);
        CUresult freed = CU(cuMemFreeAsync)(copies[i], queue);
        first = first != CUDA_SUCCESS ? first : code != CUDA_SUCCESS ? code : freed;
    }
    return first;
}

tl_status graph_run(struct cuda_stream *stream, const char *op, const struct graph_plan *plan, const struct graph_operand *operands, int n,
                    CUdeviceptr workspace)
{
    struct cuda_device *device = cuda_of(stream->base.gpu);
    struct graph_operand aligned[OPERANDS];
    CUdeviceptr copies[OPERANDS] = {0};
    memcpy(aligned, operands, (size_t)n * sizeof *operands);
    CUresult code = borrow(aligned, n, copies, stream->handle);
    tl_status status = TL_OK;
    if (code == CUDA_SUCCESS) {
        pthread_mutex_lock(&device->lock);
        cudnnStatus_t done = graph_execute(device, plan, aligned, n, workspace);
        if (done != CUDNN_STATUS_SUCCESS)
            status = cuda_fail_cudnn(op, "running a plan", done);
        pthread_mutex_unlock(&device->lock);
    }
    CUresult back = give_back(operands, n, copies, stream->handle);
    code = code != CUDA_SUCCESS ? code : back;
    if (status == TL_OK && code != CUDA_SUCCESS)
        status = cuda_fail(op, code);
    if (status == TL_OK)
        cuda_launched(stream, op);
    return status;
}
