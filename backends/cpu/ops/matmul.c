/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products, plain and added to a bias. Three kernels, in this order: small products by a loop of our own that
 * costs tens of nanoseconds; products of matrices stored by rows or by columns, through oneDNN, without copying; and
 * everything else through oneDNN after the core has made the operands contiguous.
 */
#include <string.h>

#include "../layouts.h"
#include "matmul.h"

enum {
    SMALL = 12288,      /* multiplications below which the library call costs more */
    SMALL_PACKED = 4096, /* elements of b that are rearranged on the stack */
    STRICT_ROWS = 128    /* of a product that one thread makes, in strict mode */
};

static struct cpu_matrix matrix_of(const struct tl_view *v)
{
    int d = v->ndim - 2;
    return (struct cpu_matrix){cpu_data(v), v->stride[d], v->stride[d + 1]};
}

static struct cpu_product matmul_of(const struct tl_call *call)
{
    const struct tl_view *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
    int d = a->ndim - 2;
    struct cpu_product p = {.batches = 1, .m = a->shape[d], .k = a->shape[d + 1], .n = b->shape[d + 1], .a = matrix_of(a),
                        .b = matrix_of(b), .y = matrix_of(y), .alpha = 1};
    if (d > 0) {
        p.batches = a->shape[0];
        p.a_step = a->stride[0];
        p.b_step = b->stride[0];
        p.y_step = y->stride[0];
    }
    return p;
}

static struct cpu_product addmm_of(const struct tl_call *call)
{
    const struct tl_addmm_attrs *attrs = call->attrs;
    const struct tl_view *c = &call->in[0], *a = &call->in[1], *b = &call->in[2];
    struct cpu_product p = {.batches = 1, .m = a->shape[0], .k = a->shape[1], .n = b->shape[1], .a = matrix_of(a), .b = matrix_of(b),
                        .y = matrix_of(&call->out[0]), .alpha = attrs->alpha, .beta = attrs->beta, .has_c = attrs->beta != 0};
    if (p.alpha == 0)
        p.k = 0; /* a and b do not count, not even as NaN */
    /* c is [n] or [m, n], or 1 in place of either. */
    p.c.data = cpu_data(c);
    p.c.column = c->ndim > 0 && c->shape[c->ndim - 1] != 1 ? c->stride[c->ndim - 1] : 0;
    p.c.row = c->ndim > 1 && c->shape[0] != 1 ? c->stride[0] : 0;
    return p;
}

/* ---- the addend ---- */

/* y = beta c, or 0. */
static void start(const struct cpu_product *p)
{
    for (int64_t i = 0; i < p->m; i++) {
        float *y = p->y.data + i * p->y.row;
        const float *c = p->c.data + i * p->c.row;
        if (!p->has_c)
            memset(y, 0, (size_t)p->n * sizeof *y);
        else if (p->beta == 1 && p->c.column == 1)
            memmove(y, c, (size_t)p->n * sizeof *y);
        else
            for (int64_t j = 0; j < p->n; j++)
                y[j] = (float)p->beta * c[j * p->c.column];
    }
}

/* ---- small ---- */

static bool only_f32(const struct tl_call *call)
{
    for (int i = 0; i < call->n_in; i++)
        if (call->in[i].dtype != TL_F32)
            return false;
    return true;
}

static const char *refuses_small_product(const struct tl_call *call, const struct cpu_product *p)
{
    if (!only_f32(call))
        return "only f32";
    if (p->y.column != 1 && p->n != 1)
        return "the result does not lie in rows";
    if (p->m > SMALL || p->n > SMALL || p->k > SMALL || p->batches > SMALL || p->m * p->n > SMALL ||
        p->m * p->n * p->k > SMALL || p->m * p->n * p->k * p->batches > SMALL)
        return "too large for the small kernel";
    if (p->b.column != 1 && p->k * p->n > SMALL_PACKED)
        return "the second matrix does not lie in rows";
    return NULL;
}

static void run_small(struct cpu_product *p)
{
    float packed[SMALL_PACKED];
    for (int64_t s = 0; s < p->batches; s++) {
        const float *b = p->b.data;
        int64_t b_row = p->b.row;
        if (p->b.column != 1) {
            if (s == 0 || p->b_step != 0)
                for (int64_t i = 0; i < p->k; i++)
                    for (int64_t j = 0; j < p->n; j++)
                        packed[i * p->n + j] = b[i * p->b.row + j * p->b.column];
            b = packed;
            b_row = p->n;
        }
        start(p);
        cpu_vector->small_matmul(p->y.data, p->y.row, p->a.data, p->a.row, p->a.column, b, b_row, p->m, p->n, p->k,
                                 (float)p->alpha);
        p->a.data += p->a_step;
        p->b.data += p->b_step;
        p->y.data += p->y_step;
    }
}

/* ---- large ---- */

/* How BLAS sees an m by n matrix: 'N' in rows, 'T' in columns, 0 neither; and the distance between them. */
static char order_of(const struct cpu_matrix *x, int64_t m, int64_t n, int64_t *distance)
{
    if ((x->column == 1 || n == 1) && (x->row >= n || m == 1)) {
        *distance = m == 1 || x->row < n ? n : x->row;
        return 'N';
    }
    if ((x->row == 1 || m == 1) && (x->column >= m || n == 1)) {
        *distance = n == 1 || x->column < m ? m : x->column;
        return 'T';
    }
    return 0;
}

static const char *refuses_blas(const struct tl_call *call, const struct cpu_product *p)
{
    int64_t distance;
    if (!only_f32(call))
        return "only f32";
    if (order_of(&p->y, p->m, p->n, &distance) != 'N')
        return "the result does not lie in rows";
    if (!order_of(&p->a, p->m, p->k, &distance) || !order_of(&p->b, p->k, p->n, &distance))
        return "an operand lies neither in rows nor in columns";
    return NULL;
}

/* One product through oneDNN, into a y that holds beta c already. */
static dnnl_status_t blas(const struct cpu_product *p, int64_t batch, float beta)
{
    int64_t lda = 1, ldb = 1, ldc = 1;
    char ta = order_of(&p->a, p->m, p->k, &lda), tb = order_of(&p->b, p->k, p->n, &ldb);
    order_of(&p->y, p->m, p->n, &ldc);
    return dnnl_sgemm(ta, tb, p->m, p->n, p->k, (float)p->alpha, p->a.data + batch * p->a_step, lda,
                      p->b.data + batch * p->b_step, ldb, beta, p->y.data + batch * p->y_step, ldc);
}

tl_status cpu_multiply(const struct tl_call *call, const struct cpu_product *p)
{
    dnnl_status_t status = dnnl_success;
    if (p->m == 0 || p->n == 0 || p->batches == 0)
        return TL_OK;
    if (p->k == 0 || p->has_c)
        for (int64_t s = 0; s < p->batches; s++) {
            struct cpu_product one = *p;
            one.y.data += s * p->y_step;
            start(&one);
        }
    if (p->k == 0)
        return TL_OK;
    float beta = p->has_c ? 1.0f : 0.0f;
    /* Many batches: one thread each. In strict mode, in which sums must not be divided among threads, so for blocks of rows,
     * too. Else all threads on each product in turn. */
    bool strict = call->math == TL_MATH_STRICT;
    int64_t rows = strict ? STRICT_ROWS : p->m, blocks = (p->m + rows - 1) / rows;
    int threads = cpu_host->num_threads();
    bool across = strict || (p->batches >= 2 * threads && threads > 1);
    int before = cpu_threads_enter(across ? 1 : threads);
    if (across) {
        int failed = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(| : failed)
        for (int64_t task = 0; task < p->batches * blocks; task++) {
            struct cpu_product part = *p;
            int64_t first = task % blocks * rows;
            part.m = p->m - first < rows ? p->m - first : rows;
            part.a.data += first * p->a.row;
            part.y.data += first * p->y.row;
            failed |= blas(&part, task / blocks, beta) != dnnl_success;
        }
        status = failed ? dnnl_runtime_error : dnnl_success;
    } else {
        for (int64_t s = 0; s < p->batches && status == dnnl_success; s++)
            status = blas(p, s, beta);
    }
    cpu_threads_leave(before);
    return status == dnnl_success ? TL_OK : cpu_onednn_fail(call->op, status);
}

/* ---- kernels ---- */

#define KERNELS(op_, product_of)                                                                                            \
    static const char *op_##_refuses_small(const struct tl_device *device, const struct tl_call *call)                      \
    {                                                                                                                       \
        (void)device;                                                                                                       \
        struct cpu_product p = product_of(call);                                                                                \
        return refuses_small_product(call, &p);                                                                             \
    }                                                                                                                       \
    static tl_status op_##_run_small(struct tl_stream *stream, const void *plan, const struct tl_call *call,                \
                                     struct tl_mem workspace)                                                               \
    {                                                                                                                       \
        (void)stream, (void)plan, (void)workspace;                                                                          \
        struct cpu_product p = product_of(call);                                                                                \
        run_small(&p);                                                                                                      \
        return TL_OK;                                                                                                       \
    }                                                                                                                       \
    static const char *op_##_refuses_strided(const struct tl_device *device, const struct tl_call *call)                    \
    {                                                                                                                       \
        (void)device;                                                                                                       \
        struct cpu_product p = product_of(call);                                                                                \
        return refuses_blas(call, &p);                                                                                      \
    }                                                                                                                       \
    static const char *op_##_refuses(const struct tl_device *device, const struct tl_call *call)                            \
    {                                                                                                                       \
        (void)device;                                                                                                       \
        return only_f32(call) ? NULL : "only f32";                                                                          \
    }                                                                                                                       \
    static tl_status op_##_run(struct tl_stream *stream, const void *plan, const struct tl_call *call,                      \
                               struct tl_mem workspace)                                                                     \
    {                                                                                                                       \
        (void)stream, (void)plan, (void)workspace;                                                                          \
        struct cpu_product p = product_of(call);                                                                                \
        return cpu_multiply(call, &p);                                                                                          \
    }                                                                                                                       \
    static const struct tl_kernel op_##_small = {                                                                           \
        .struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = #op_, .maker = "cpu:vector",             \
        .refuses = op_##_refuses_small, .run = op_##_run_small,                                                             \
    };                                                                                                                      \
    static const struct tl_kernel op_##_strided = {                                                                         \
        .struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = #op_, .maker = "cpu:onednn",             \
        .refuses = op_##_refuses_strided, .run = op_##_run,                                                                 \
    };                                                                                                                      \
    static const struct tl_kernel op_##_contiguous = {                                                                      \
        .struct_size = sizeof(struct tl_kernel), .op = #op_, .maker = "cpu:onednn", .refuses = op_##_refuses,               \
        .run = op_##_run,                                                                                                   \
    };

KERNELS(matmul, matmul_of)
KERNELS(addmm, addmm_of)

bool cpu_add_matmul(struct cpu_table *table)
{
    return cpu_table_add(table, &matmul_small) && cpu_table_add(table, &matmul_strided) &&
           cpu_table_add(table, &matmul_contiguous) && cpu_table_add(table, &addmm_small) &&
           cpu_table_add(table, &addmm_strided) && cpu_table_add(table, &addmm_contiguous);
}
