/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products through cuBLASLt, plain and added to something: y = beta c + alpha a b. cuBLASLt counts in columns, so what it computes is the
 * transpose, y^T = b^T a^T: a matrix that lies in rows is, read in columns, its own transpose, and nothing is moved.
 *
 * Heuristics propose algorithms; of a large product's proposals the fastest is found by measuring. An operand may begin at any element, which is not
 * known before run(): a second algorithm, for the least alignment, waits for that.
 */
#include "ops.h"
#include "../../gpu/ops/ops.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 16, CANDIDATES = 8 };

/* One matrix: element (i, j) of batch s at s * batch + i * row + j * column. */
struct matrix {
    int64_t row, column, batch;
};

/* The matrix as cuBLASLt reads it. */
struct order {
    bool in_columns;
    int64_t leading; /* elements from one row (column) to the next */
};

/* How c comes in. SPREAD: it is copied to y, which is added to. */
enum addend { NOTHING, BIAS, MATRIX, SPREAD };

struct product {
    tl_dtype dtype;
    int64_t batches, m, n, k;
    struct matrix a, b, c;
    double alpha, beta;
    enum addend addend;
};

/* Addresses of a run, or of the memory that is measured on. c is y's where nothing else is added. */
struct places {
    CUdeviceptr a, b, c, y, bias, workspace;
};

struct choice {
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace;
};

/* What an operand's address must be a multiple of. */
struct alignments {
    uint32_t a, b, c, y, bias;
};

union scale {
    float f32;
    double f64;
};

struct matmul_plan {
    struct cuda_device *device;
    struct product p;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, c, y; /* c: y's, unless it is added as a matrix */
    union scale alpha, beta;
    struct alignments aligned_at;
    struct choice aligned, unaligned;
};

/* ---- The call ------------------------------------------------------------------------------------------------------------------------- */

static struct matrix matrix_of(const struct tl_view *v)
{
    const int d = v->ndim - 2;
    return (struct matrix){v->stride[d], v->stride[d + 1], d > 0 ? v->stride[0] : 0};
}

/* A matrix as it lies after the core has made it row-major. */
static struct matrix matrix_in_rows(int64_t rows, int64_t columns)
{
    return (struct matrix){columns, 1, rows * columns};
}

/* Does it lie in rows or in columns, as cuBLASLt can read it? Strides of a single row or column do not count. */
static bool order_of(const struct matrix *x, int64_t rows, int64_t columns, struct order *order)
{
    if ((x->column == 1 || columns == 1) && (x->row >= columns || rows == 1)) {
        *order = (struct order){.leading = rows == 1 ? columns : x->row};
        return true;
    }
    if ((x->row == 1 || rows == 1) && (x->column >= rows || columns == 1)) {
        *order = (struct order){.in_columns = true, .leading = columns == 1 ? rows : x->column};
        return true;
    }
    return false;
}

static struct product product_of(const struct tl_call *call)
{
    const bool added = call->n_in == 3;
    const struct tl_view *a = &call->in[added], *b = &call->in[added + 1];
    const int d = a->ndim - 2;
    struct product p = {.dtype = a->dtype, .batches = d > 0 ? a->shape[0] : 1, .m = a->shape[d], .k = a->shape[d + 1], .n = b->shape[d + 1],
                        .a = matrix_of(a), .b = matrix_of(b), .alpha = 1};
    if (!added)
        return p;
    const struct tl_addmm_attrs *attrs = call->attrs;
    const struct tl_view *c = &call->in[0];
    const int last = c->ndim - 1;
    p.alpha = attrs->alpha;
    p.beta = attrs->beta;
    p.c.column = last >= 0 && c->shape[last] != 1 ? c->stride[last] : 0;
    p.c.row = last >= 1 && c->shape[0] != 1 ? c->stride[0] : 0;
    if (p.beta == 0)
        p.addend = NOTHING;
    else if (p.beta == 1 && (p.c.column == 1 || p.n == 1) && (p.c.row == 0 || p.m == 1))
        p.addend = BIAS;
    else if ((p.c.column == 1 || p.n == 1) && p.c.row >= p.n)
        p.addend = MATRIX;
    else
        p.addend = SPREAD;
    return p;
}

static bool is_empty(const struct product *p)
{
    return p->batches == 0 || p->m == 0 || p->n == 0;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    if (!tl_dtype_is_float(call->out[0].dtype))
        return "cuBLASLt multiplies floating types here";
    const struct product p = product_of(call);
    if (p.m > INT32_MAX || p.n > INT32_MAX || p.k > INT32_MAX || p.batches > INT32_MAX)
        return "a size is beyond cuBLASLt's 32 bits";
    if (call->n_in == 3 && (p.k == 0 || p.alpha == 0) && !is_empty(&p))
        return "nothing is multiplied";
    return NULL;
}

/* ---- Descriptors ------------------------------------------------------------------------------------------------------------------------ */

static cudaDataType_t type_of(tl_dtype dtype)
{
    return dtype == TL_F64 ? CUDA_R_64F : dtype == TL_F16 ? CUDA_R_16F : dtype == TL_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* A row-major matrix of `rows` and `columns`, or one in columns, seen in columns. */
static cublasStatus_t describe(cublasLtMatrixLayout_t *layout, const struct product *p, int64_t rows, int64_t columns, const struct order *order,
                               int64_t batch)
{
    const uint64_t long_ones = (uint64_t)(order->in_columns ? rows : columns), lines = (uint64_t)(order->in_columns ? columns : rows);
    cublasStatus_t code = CU(cublasLtMatrixLayoutCreate)(layout, type_of(p->dtype), long_ones, lines, order->leading);
    const int32_t batches = (int32_t)p->batches;
    if (code != CUBLAS_STATUS_SUCCESS || batches == 1)
        return code;
    code = CU(cublasLtMatrixLayoutSetAttribute)(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches);
    return code != CUBLAS_STATUS_SUCCESS ? code : CU(cublasLtMatrixLayoutSetAttribute)(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch, sizeof batch);
}

static cublasStatus_t set_operation(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t what, const void *value, size_t size)
{
    return CU(cublasLtMatmulDescSetAttribute)(operation, what, value, size);
}

static cublasStatus_t set_bias(const struct matmul_plan *plan, CUdeviceptr bias)
{
    const void *pointer = (const void *)(uintptr_t)bias;
    return plan->p.addend == BIAS ? set_operation(plan->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &pointer, sizeof pointer)
                                  : CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t describe_operation(struct matmul_plan *plan, const struct order *a, const struct order *b, bool tf32)
{
    const bool wide = plan->p.dtype == TL_F64;
    /* The operands change places; a matrix that lies in columns is the transpose of what is wanted of it. */
    const int32_t first = b->in_columns ? CUBLAS_OP_T : CUBLAS_OP_N, second = a->in_columns ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = plan->p.addend == BIAS ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    cublasStatus_t code = CU(cublasLtMatmulDescCreate)(&plan->operation,
                                                       wide   ? CUBLAS_COMPUTE_64F
                                                       : tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                              : CUBLAS_COMPUTE_32F,
                                                       wide ? CUDA_R_64F : CUDA_R_32F);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = set_operation(plan->operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = set_operation(plan->operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = set_operation(plan->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    return code;
}

static cublasStatus_t describe_all(struct matmul_plan *plan, const struct order *a, const struct order *b, bool tf32)
{
    const struct product *p = &plan->p;
    const struct order y = {.leading = p->n}, c = {.leading = p->addend == MATRIX ? p->c.row : p->n};
    cublasStatus_t code = describe_operation(plan, a, b, tf32);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = describe(&plan->a, p, p->m, p->k, a, p->a.batch);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = describe(&plan->b, p, p->k, p->n, b, p->b.batch);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = describe(&plan->c, p, p->m, p->n, &c, p->m * p->n);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = describe(&plan->y, p, p->m, p->n, &y, p->m * p->n);
    return code;
}

static void free_descriptors(struct matmul_plan *plan)
{
    cublasLtMatrixLayout_t *const layouts[] = {&plan->a, &plan->b, &plan->c, &plan->y};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (*layouts[i])
            CU(cublasLtMatrixLayoutDestroy)(*layouts[i]);
        *layouts[i] = NULL;
    }
    if (plan->operation)
        CU(cublasLtMatmulDescDestroy)(plan->operation);
    plan->operation = NULL;
}

static void release(void *p)
{
    free_descriptors(p);
    free(p);
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------------------- */

#define AT(place) ((void *)(uintptr_t)(place))

static cublasStatus_t multiply(const struct matmul_plan *plan, const struct choice *choice, const struct places *at, CUstream stream)
{
    cublasStatus_t code = set_bias(plan, at->bias);
    if (code != CUBLAS_STATUS_SUCCESS)
        return code;
    return CU(cublasLtMatmul)(plan->device->cublaslt, plan->operation, &plan->alpha, AT(at->b), plan->b, AT(at->a), plan->a, &plan->beta, AT(at->c),
                              plan->c, AT(at->y), plan->y, &choice->algorithm, AT(at->workspace), choice->workspace, stream);
}

static bool is_aligned(const struct places *at, const struct alignments *to)
{
    return at->a % to->a == 0 && at->b % to->b == 0 && at->c % to->c == 0 && at->y % to->y == 0 && at->bias % to->bias == 0;
}

/* y = c, repeated. */
static tl_status spread(struct tl_stream *stream, const struct matmul_plan *plan, const struct tl_call *call)
{
    struct tl_view c = call->out[0];
    c.layout = TL_LAYOUT_STRIDED;
    c.mem = call->in[0].mem;
    c.stride[0] = plan->p.c.row;
    c.stride[1] = plan->p.c.column;
    struct tl_residual none = {0};
    const struct tl_call copy = {.struct_size = sizeof copy, .op = "copy", .n_in = 1, .n_out = 1, .in = &c, .out = call->out, .residual = &none,
                                 .math = call->math, .kernel = &gpu_copy_kernel};
    return gpu_copy_kernel.run(stream, NULL, &copy, (struct tl_mem){0});
}

static tl_status run(struct tl_stream *stream, const void *planned, const struct tl_call *call, struct tl_mem workspace)
{
    const struct matmul_plan *plan = planned;
    const struct product *p = &plan->p;
    const struct tl_view *in = call->in + (call->n_in == 3), *y = &call->out[0];
    struct cuda_stream *s = cuda_stream_of(stream);
    if (is_empty(p))
        return TL_OK;
    tl_status status = cuda_enter(plan->device);
    if (status != TL_OK)
        return status;
    if (p->k == 0) {
        CUresult code = CU(cuMemsetD8Async)(cuda_pointer(y->mem), 0, (size_t)tl_view_numel(y) * tl_dtype_size(y->dtype), s->handle);
        return code == CUDA_SUCCESS ? TL_OK : cuda_fail(call->op, code);
    }
    if (p->addend == SPREAD && (status = spread(stream, plan, call)) != TL_OK)
        return status;
    struct places at = {.a = cuda_pointer(in[0].mem), .b = cuda_pointer(in[1].mem), .y = cuda_pointer(y->mem), .workspace = cuda_pointer(workspace)};
    at.c = p->addend == MATRIX ? cuda_pointer(call->in[0].mem) : at.y;
    at.bias = p->addend == BIAS ? cuda_pointer(call->in[0].mem) : 0;
    cublasStatus_t code = multiply(plan, is_aligned(&at, &plan->aligned_at) ? &plan->aligned : &plan->unaligned, &at, s->handle);
    if (code != CUBLAS_STATUS_SUCCESS)
        return cuda_fail_cublas(call->op, "multiplying", code);
    cuda_launched(s, call->op);
    return TL_OK;
}

/* ---- Choosing an algorithm ------------------------------------------------------------------------------------------------------------ */

/* What cuBLASLt may take; more on devices whose fastest algorithms want it. */
static uint64_t workspace_limit(const struct cuda_device *device)
{
    return device->major >= 9 ? 32 << 20 : 8 << 20;
}

static cublasStatus_t prefer(cublasLtMatmulPreference_t preference, const struct matmul_plan *plan, const struct alignments *at)
{
    const uint64_t workspace = workspace_limit(plan->device);
    /* Parts of a sum are not rounded to half precision. */
    const bool half = plan->p.dtype == TL_F16 || plan->p.dtype == TL_BF16;
    const uint32_t reduction = half ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_MASK;
    const struct {
        cublasLtMatmulPreferenceAttributes_t what;
        const void *value;
        size_t size;
    } wishes[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &at->b, sizeof at->b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &at->a, sizeof at->a},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &at->c, sizeof at->c},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &at->y, sizeof at->y},
    };
    cublasStatus_t code = CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes && code == CUBLAS_STATUS_SUCCESS; i++)
        code = CU(cublasLtMatmulPreferenceSetAttribute)(preference, wishes[i].what, wishes[i].value, wishes[i].size);
    /* The heuristics do not read the bias, but look at how its address is aligned. */
    return code == CUBLAS_STATUS_SUCCESS ? set_bias(plan, at->bias) : code;
}

/* Algorithms for operands aligned so, best first; how many. */
static int propose(const struct matmul_plan *plan, const struct alignments *at, struct choice *choices, int most)
{
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    int n_found = 0, n = 0;
    cublasStatus_t code = CU(cublasLtMatmulPreferenceCreate)(&preference);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = prefer(preference, plan, at);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = CU(cublasLtMatmulAlgoGetHeuristic)(plan->device->cublaslt, plan->operation, plan->b, plan->a, plan->c, plan->y, preference,
                                                  most < CANDIDATES ? most : CANDIDATES, found, &n_found);
    if (preference)
        CU(cublasLtMatmulPreferenceDestroy)(preference);
    if (code != CUBLAS_STATUS_SUCCESS) {
        cuda_host->log(TL_LOG_DEBUG, "cuda", "cuBLASLt proposes no algorithm: %s", CU(cublasLtGetStatusString)(code));
        return 0;
    }
    for (int i = 0; i < n_found; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS)
            choices[n++] = (struct choice){found[i].algo, found[i].workspaceSize};
    return n;
}

static uint32_t promised(const struct product *p, int64_t batch, size_t element)
{
    uint32_t promise = ALIGNMENT;
    while (p->batches > 1 && (uint64_t)batch * element % promise != 0)
        promise /= 2;
    return promise;
}

static struct alignments promises(const struct product *p)
{
    const size_t element = tl_dtype_size(p->dtype);
    const uint32_t y = promised(p, p->m * p->n, element);
    return (struct alignments){promised(p, p->a.batch, element), promised(p, p->b.batch, element), y, y, ALIGNMENT};
}

struct measured {
    const struct matmul_plan *plan;
    const struct choice *choice;
    struct places at;
};

static bool multiply_once(void *context, CUstream stream)
{
    const struct measured *m = context;
    return multiply(m->plan, m->choice, &m->at, stream) == CUBLAS_STATUS_SUCCESS;
}

static size_t rounded(uint64_t elements, tl_dtype dtype)
{
    return ((size_t)elements * tl_dtype_size(dtype) + 255) / 256 * 256;
}

/* Elements from the first to the last. */
static uint64_t extent(const struct product *p, const struct matrix *x, int64_t rows, int64_t columns)
{
    return (uint64_t)((p->batches - 1) * x->batch + (rows - 1) * x->row + (columns - 1) * x->column + 1);
}

/* The fastest of n; negative where they cannot be measured. */
static int measure(const struct matmul_plan *plan, const struct choice *choices, int n)
{
    const struct product *p = &plan->p;
    const struct matrix y = {p->n, 1, p->m * p->n};
    const size_t a = rounded(extent(p, &p->a, p->m, p->k), p->dtype), b = rounded(extent(p, &p->b, p->k, p->n), p->dtype),
                 to = rounded(extent(p, &y, p->m, p->n), p->dtype),
                 c = p->addend == MATRIX ? rounded(extent(p, &p->c, p->m, p->n), p->dtype) : rounded((uint64_t)p->n, p->dtype);
    struct cuda_tuner tuner;
    struct measured m = {.plan = plan};
    float best = -1, first = -1;
    int chosen = -1;
    if (!cuda_tuner_open(&tuner, plan->device, a + b + to + c + workspace_limit(plan->device)))
        return -1;
    m.at = (struct places){.a = tuner.memory, .b = tuner.memory + a, .y = tuner.memory + a + b, .workspace = tuner.memory + a + b + to + c};
    m.at.c = p->addend == MATRIX ? m.at.y + to : m.at.y;
    m.at.bias = m.at.y + to;
    for (int i = 0; i < n; i++) {
        m.choice = &choices[i];
        const float time = cuda_tuner_time(&tuner, multiply_once, &m);
        first = i == 0 ? time : first;
        if (time >= 0 && (best < 0 || time < best)) {
            best = time;
            chosen = i;
        }
    }
    cuda_tuner_close(&tuner);
    cuda_host->log(TL_LOG_DEBUG, "cuda", "measured %d algorithms: number %d takes %.1f us, the first %.1f us", n, chosen, (double)best, (double)first);
    return chosen;
}

static void key_of(const struct tl_call *call, const struct matmul_plan *plan, const struct order *a, const struct order *b, char *key, size_t size)
{
    const struct product *p = &plan->p;
    snprintf(key, size, "%s %s%s %lld x %lld x %lld x %lld, a %c%lld %lld, b %c%lld %lld, addend %d %lld, aligned %u %u %u", call->op,
             tl_dtype_name(p->dtype), plan->device->tf32 ? " tf32" : "", (long long)p->batches, (long long)p->m, (long long)p->n, (long long)p->k,
             a->in_columns ? 'T' : 'N', (long long)a->leading, (long long)p->a.batch, b->in_columns ? 'T' : 'N', (long long)b->leading,
             (long long)p->b.batch, (int)p->addend, (long long)(p->addend == MATRIX ? p->c.row : 0), plan->aligned_at.a, plan->aligned_at.b,
             plan->aligned_at.y);
}

/* What an earlier run has measured, if cuBLASLt still takes it. */
static bool recall(struct matmul_plan *plan, const char *key)
{
    cublasLtMatmulHeuristicResult_t checked = {.state = CUBLAS_STATUS_NOT_SUPPORTED};
    if (!cuda_tuned_get(plan->device, key, &plan->aligned.algorithm, sizeof plan->aligned.algorithm))
        return false;
    cublasStatus_t code = CU(cublasLtMatmulAlgoCheck)(plan->device->cublaslt, plan->operation, plan->b, plan->a, plan->c, plan->y,
                                                      &plan->aligned.algorithm, &checked);
    plan->aligned.workspace = checked.workspaceSize;
    return code == CUBLAS_STATUS_SUCCESS && checked.state == CUBLAS_STATUS_SUCCESS && checked.workspaceSize <= workspace_limit(plan->device);
}

static void say(const struct tl_call *call, const struct matmul_plan *plan, const char *how)
{
    char a[200], b[200];
    int32_t id = -1, split = -1;
    uint32_t tile = 0, stages = 0;
    size_t written;
    const cublasLtMatmulAlgo_t *algorithm = &plan->aligned.algorithm;
    const struct tl_view *in = call->in + (call->n_in == 3);
    if (!cuda_host->log_enabled(TL_LOG_DEBUG, "cuda"))
        return;
    CU(cublasLtMatmulAlgoConfigGetAttribute)(algorithm, CUBLASLT_ALGO_CONFIG_ID, &id, sizeof id, &written);
    CU(cublasLtMatmulAlgoConfigGetAttribute)(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &split, sizeof split, &written);
    CU(cublasLtMatmulAlgoConfigGetAttribute)(algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID, &tile, sizeof tile, &written);
    CU(cublasLtMatmulAlgoConfigGetAttribute)(algorithm, CUBLASLT_ALGO_CONFIG_STAGES_ID, &stages, sizeof stages, &written);
    static const char *const addends[] = {"", ", c as bias", ", c as matrix", ", c copied"};
    cuda_host->log(TL_LOG_DEBUG, "cuda", "%s %s by %s%s: cuBLASLt's algorithm %d, tile %u, stages %u, split %d, %zu bytes of workspace (%s)", call->op,
                   cuda_view_text(a, sizeof a, &in[0]), cuda_view_text(b, sizeof b, &in[1]), addends[plan->p.addend], id, tile, stages, split,
                   plan->aligned.workspace, how);
}

/* False: cuBLASLt has nothing for this. */
static bool choose(const struct tl_call *call, struct matmul_plan *plan, const struct order *a, const struct order *b)
{
    const struct product *p = &plan->p;
    const uint32_t element = (uint32_t)tl_dtype_size(p->dtype);
    const struct alignments least = {element, element, element, element, element};
    struct choice choices[CANDIDATES];
    plan->aligned_at = promises(p);
    int n = propose(plan, &least, choices, 1);
    if (n == 0)
        return false;
    plan->unaligned = choices[0];
    const bool tunes = cuda_tunes(call, (double)p->batches * (double)p->m * (double)p->n * (double)p->k);
    char key[500];
    key_of(call, plan, a, b, key, sizeof key);
    const char *how = "proposed first";
    if (tunes && recall(plan, key)) {
        how = "measured before";
    } else {
        if ((n = propose(plan, &plan->aligned_at, choices, tunes ? CANDIDATES : 1)) == 0)
            return false;
        int chosen = -1;
        if (tunes && n > 1) {
            pthread_mutex_lock(&plan->device->lock);
            chosen = measure(plan, choices, n);
            pthread_mutex_unlock(&plan->device->lock);
        }
        plan->aligned = choices[chosen < 0 ? 0 : chosen];
        if (chosen >= 0) {
            cuda_tuned_put(plan->device, key, &plan->aligned.algorithm, sizeof plan->aligned.algorithm);
            how = "measured now";
        }
    }
    say(call, plan, how);
    return true;
}

/* ---- Planning ---------------------------------------------------------------------------------------------------------------------------- */

/* As the operand comes, if cuBLASLt can read it so; else as the core will have made it. */
static uint32_t settle(struct matrix *x, int64_t rows, int64_t columns, struct order *order)
{
    if (order_of(x, rows, columns, order))
        return TL_LAYOUT_STRIDED;
    *x = matrix_in_rows(rows, columns);
    order_of(x, rows, columns, order);
    return TL_LAYOUT_CONTIGUOUS;
}

/* Batches of rows that follow each other, all by one matrix, are one product. */
static void merge_batches(struct product *p, const struct order *a)
{
    if (p->batches == 1 || p->b.batch != 0 || a->in_columns || p->a.batch != p->m * a->leading || p->batches > INT32_MAX / p->m)
        return;
    p->m *= p->batches;
    p->a.row = a->leading;
    p->batches = 1;
}

static void set_scales(struct matmul_plan *plan)
{
    const struct product *p = &plan->p;
    const double beta = p->addend == MATRIX || p->addend == SPREAD ? p->beta : 0;
    if (p->dtype == TL_F64) {
        plan->alpha.f64 = p->alpha;
        plan->beta.f64 = beta;
    } else {
        plan->alpha.f32 = (float)p->alpha;
        plan->beta.f32 = (float)beta;
    }
}

/* Describe and choose. *found: is there an algorithm? */
static tl_status build(const struct tl_call *call, struct matmul_plan *plan, const struct order *a, const struct order *b, bool *found)
{
    set_scales(plan);
    cublasStatus_t code = describe_all(plan, a, b, plan->p.dtype == TL_F32 && plan->device->tf32 && call->math != TL_MATH_STRICT);
    if (code != CUBLAS_STATUS_SUCCESS)
        return cuda_fail_cublas(call->op, "describing the operands", code);
    *found = choose(call, plan, a, b);
    return TL_OK;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    const int first = call->n_in == 3;
    struct matmul_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return cuda_host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    plan->device = cuda_device_of(device);
    struct product *p = &plan->p;
    *p = product_of(call);
    prep->plan = plan;
    if (first)
        prep->in_layout[0] = TL_LAYOUT_STRIDED;
    if (is_empty(p) || p->k == 0)
        return TL_OK;
    struct order a, b;
    bool found = false;
    prep->in_layout[first] = settle(&p->a, p->m, p->k, &a);
    prep->in_layout[first + 1] = settle(&p->b, p->k, p->n, &b);
    merge_batches(p, &a);
    tl_status status = cuda_enter(plan->device);
    if (status == TL_OK)
        status = build(call, plan, &a, &b, &found);
    if (status == TL_OK && !found && p->addend == BIAS) {
        free_descriptors(plan);
        p->addend = SPREAD;
        status = build(call, plan, &a, &b, &found);
    }
    if (status != TL_OK || !found) {
        prep->plan = NULL;
        prep->declined = "cuBLASLt has no algorithm for it";
        release(plan);
        return status != TL_OK ? status : TL_ERR_UNSUPPORTED;
    }
    prep->workspace = plan->aligned.workspace > plan->unaligned.workspace ? plan->aligned.workspace : plan->unaligned.workspace;
    return TL_OK;
}

const struct tl_kernel cuda_matmul_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "matmul", .maker = "cuda:cublaslt", .refuses = refuses,
                                             .prepare = prepare, .run = run, .release = release};
const struct tl_kernel cuda_addmm_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "addmm", .maker = "cuda:cublaslt", .refuses = refuses,
                                            .prepare = prepare, .run = run, .release = release};
