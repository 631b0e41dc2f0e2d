/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of few rows with a matrix stored by columns, x W^T + b, as dense layers make them. sgemm rearranges all of W before
 * it multiplies, which costs more than the product; oneDNN's matmul primitive does it piece by piece in the cache where
 * it has its AVX-512 code. Elsewhere the primitive is sgemm again, and nothing is gained.
 */
#include <stdlib.h>
#include <string.h>

#include "../layouts.h"

enum {
    LEAST_ROWS = 8,      /* a single row is a matrix-vector product, which sgemm does as fast as memory is read */
    MOST_ROWS = 256,     /* from here on the rearrangement does not count */
    LEAST_SIZE = 1 << 14 /* elements of W: below, the call costs more than the product */
};

/* y = a b + bias, of a call of matmul or addmm. */
struct dense {
    const struct tl_view *a, *b, *y, *bias;
};

static struct dense dense_of(const struct tl_call *call)
{
    bool added = call->n_in == 3;
    return (struct dense){.a = &call->in[added], .b = &call->in[1 + added], .y = &call->out[0], .bias = added ? &call->in[0] : NULL};
}

static bool in_rows(const struct tl_view *v)
{
    return v->stride[1] == 1 && v->stride[0] >= v->shape[1];
}

static bool in_columns(const struct tl_view *v)
{
    return v->stride[0] == 1 && v->stride[1] >= v->shape[0];
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    struct dense d = dense_of(call);
    if (cpu_vector != &cpu_vector_avx512)
        return "no AVX-512";
    if (call->math == TL_MATH_STRICT)
        return "may divide sums among threads";
    if (d.a->dtype != TL_F32 || d.a->ndim != 2)
        return "not two matrices of f32";
    int64_t m = d.a->shape[0], k = d.a->shape[1], n = d.b->shape[1];
    if (m < LEAST_ROWS || m > MOST_ROWS || k == 0 || n == 0 || n < LEAST_SIZE / k)
        return "too few or too many rows, or too few columns";
    if (!in_rows(d.a) || !in_columns(d.b) || !in_rows(d.y))
        return "the second matrix does not lie in columns, or the others not in rows";
    if (!d.bias)
        return NULL;
    const struct tl_addmm_attrs *attrs = call->attrs;
    if (attrs->alpha != 1 || attrs->beta != 1 || d.bias->ndim != 1 || d.bias->shape[0] != n || d.bias->stride[0] != 1)
        return "what is added is not a plain bias";
    return NULL;
}

static void release(void *plan)
{
    cpu_primitive_free(plan);
    free(plan);
}

static dnnl_status_t build(struct cpu_primitive *p, const struct dense *d)
{
    onednn_desc a = NULL, b = NULL, y = NULL, bias = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = cpu_describe(&a, d->a, 1);
    if (status == dnnl_success)
        status = cpu_describe(&b, d->b, 1);
    if (status == dnnl_success)
        status = cpu_describe(&y, d->y, 1);
    if (status == dnnl_success && d->bias) {
        dnnl_dims_t shape = {1, d->bias->shape[0]}, stride = {d->bias->shape[0], 1};
        status = onednn_desc_create(&bias, 2, shape, dnnl_f32, stride);
    }
    if (status == dnnl_success)
        status = onednn_matmul(&pd, cpu_engine, a, b, bias, y, cpu_attr);
    if (status == dnnl_success)
        status = cpu_primitive_create(p, pd);
    if (status == dnnl_success)
        status = cpu_primitive_add(p, DNNL_ARG_SRC, a);
    if (status == dnnl_success)
        status = cpu_primitive_add(p, DNNL_ARG_WEIGHTS, b);
    if (status == dnnl_success)
        status = cpu_primitive_add(p, DNNL_ARG_DST, y);
    if (status == dnnl_success && bias)
        status = cpu_primitive_add(p, DNNL_ARG_BIAS, bias);
    onednn_desc_free(a);
    onednn_desc_free(b);
    onednn_desc_free(y);
    onednn_desc_free(bias);
    return status;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    struct dense d = dense_of(call);
    struct cpu_primitive *plan = calloc(1, sizeof *plan);
    if (!plan)
        return cpu_host->fail(TL_ERR_NOMEM, "%s: no memory for a plan", call->op);
    int before = cpu_threads_enter(cpu_host->num_threads());
    dnnl_status_t status = build(plan, &d);
    cpu_threads_leave(before);
    if (status != dnnl_success) {
        release(plan);
        return cpu_onednn_fail(call->op, status);
    }
    for (int i = 0; i < call->n_in; i++)
        prep->in_layout[i] = TL_LAYOUT_STRIDED;
    prep->plan = plan;
    prep->workspace = plan->scratch;
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream;
    struct dense d = dense_of(call);
    void *data[4] = {cpu_data(d.a), cpu_data(d.b), cpu_data(d.y)};
    if (d.bias)
        data[3] = cpu_data(d.bias);
    const struct cpu_primitive *p = plan;
    dnnl_status_t status = cpu_primitive_run(p, data, p->scratch ? tl_mem_ptr(workspace) : NULL);
    return status == dnnl_success ? TL_OK : cpu_onednn_fail(call->op, status);
}

#define KERNEL(op_)                                                                                                          \
    static const struct tl_kernel op_##_dense = {                                                                            \
        .struct_size = sizeof(struct tl_kernel), .op = #op_, .maker = "cpu:onednn-matmul", .refuses = refuses,               \
        .prepare = prepare, .run = run, .release = release,                                                                  \
    };

KERNEL(matmul)
KERNEL(addmm)

bool cpu_add_dense(struct cpu_table *table)
{
    return cpu_table_add(table, &matmul_dense) && cpu_table_add(table, &addmm_dense);
}
