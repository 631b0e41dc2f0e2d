/* SPDX-License-Identifier: Apache-2.0
 *
 * cat: up to eight inputs in one launch, of any strides, each done by a row of groups. Dimensions through which all operands step as one are merged,
 * and what lies together in all is copied as elements of up to 16 bytes.
 */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>

/* What launches need beside memory. Parts are the inputs that are not empty. */
struct form {
    const struct gpu_kernel *kernel;
    bool small;
    int bytes, parts;           /* of an element, which may be several of the tensors' own; of a launch */
    int ndim, dim;              /* dimensions that are left, and the one along which parts are joined; -1: there is one part */
    int64_t inner;              /* elements that dimension dim has for each of a tensor's */
    int64_t shape[TL_MAX_DIMS]; /* of y */
    int from[TL_MAX_DIMS];      /* the tensors' dimension that says how far a step is */
};

struct plan {
    struct form form;
    uint32_t layout; /* of y */
};

static bool is_part(const struct tl_view *x)
{
    return tl_view_numel(x) > 0;
}

static int dim_of(const struct tl_call *call)
{
    return (int)((const struct tl_along_attrs *)call->attrs)->dim;
}

/* Do all operands step through dimensions `outer` and d, neighbours in y's memory, as one? */
static bool joins(const struct tl_call *call, const struct tl_view *y, int outer, int d)
{
    bool join = d != dim_of(call) && y->stride[outer] == y->stride[d] * y->shape[d];
    for (int k = 0; k < call->n_in && join; k++)
        join = !is_part(&call->in[k]) || call->in[k].stride[outer] == call->in[k].stride[d] * call->in[k].shape[d];
    return join;
}

static void merge(const struct tl_call *call, const struct tl_view *y, struct form *f)
{
    int order[TL_MAX_DIMS], n = gpu_order(y, order);
    f->dim = -1;
    f->inner = 1;
    for (int i = 0; i < n; i++) {
        const int d = order[i], last = f->ndim - 1;
        if (i > 0 && joins(call, y, f->from[last], d)) {
            f->shape[last] *= y->shape[d];
            f->from[last] = d;
            f->inner *= f->dim == last ? y->shape[d] : 1;
            continue;
        }
        f->dim = d == dim_of(call) ? f->ndim : f->dim;
        f->shape[f->ndim] = y->shape[d];
        f->from[f->ndim++] = d;
    }
    if (n == 0)
        f->shape[f->ndim++] = 1; /* a single number */
}

/* May `factor` neighbours be copied as one? */
static bool widens(const struct tl_call *call, const struct tl_view *y, const struct form *f, int factor)
{
    const int last = f->ndim - 1;
    if (factor > 1 && (y->stride[f->from[last]] != 1 || f->shape[last] % factor != 0))
        return false;
    for (int d = 0; d < last; d++)
        if (y->stride[f->from[d]] % factor != 0)
            return false;
    for (int k = 0; k < call->n_in && factor > 1; k++) {
        const struct tl_view *x = &call->in[k];
        if (!is_part(x))
            continue;
        if (x->stride[f->from[last]] != 1 || (f->dim == last && x->shape[dim_of(call)] * f->inner % factor != 0))
            return false;
        for (int d = 0; d < last; d++)
            if (x->stride[f->from[d]] % factor != 0)
                return false;
    }
    return true;
}

static int parts_of(const struct tl_call *call)
{
    int n = 0;
    for (int k = 0; k < call->n_in; k++)
        n += is_part(&call->in[k]);
    return n;
}

static void define_parts(struct gpu_defines *d, int parts)
{
    char buffers[400] = "", opens[300] = "", choose[200] = "";
    for (int k = 0; k < parts; k++) {
        snprintf(buffers + strlen(buffers), sizeof buffers - strlen(buffers), "BUFFER(const element, x%d), ", k);
        snprintf(opens + strlen(opens), sizeof opens - strlen(opens), "OPEN(const element, x%d) ", k);
        snprintf(choose + strlen(choose), sizeof choose - strlen(choose), k < parts - 1 ? "(k) == %d ? x%d : " : "x%d", k, k);
    }
    if (parts == 1)
        snprintf(choose, sizeof choose, "x0");
    gpu_define(d, "PARTS %d", parts);
    gpu_define(d, "BUFFERS %s", buffers);
    gpu_define(d, "OPENS %s", opens);
    gpu_define(d, "CHOOSE(k) (%s)", choose);
}

/* `most`: bytes of the largest element. */
static tl_status make_form(struct gpu *gpu, const struct tl_call *call, const struct tl_view *y, int most, struct form *f)
{
    const int size = (int)tl_dtype_size(y->dtype), n = parts_of(call);
    *f = (struct form){.small = gpu_small(y, 1) && gpu_small(call->in, call->n_in), .bytes = most};
    merge(call, y, f);
    while (f->bytes > size && !widens(call, y, f, f->bytes / size))
        f->bytes /= 2;
    f->shape[f->ndim - 1] /= f->bytes / size;
    /* As many as there are, up to eight, and up to what fits into the smallest room for arguments that OpenCL allows. */
    f->parts = 1;
    while (f->parts < 8 && f->parts < n && f->ndim + 2 * f->parts * (2 + 2 * f->ndim) <= GPU_MOST_FIELDS)
        f->parts *= 2;
    struct gpu_defines d = {0};
    gpu_define_index(&d, f->small);
    gpu_define(&d, "BYTES %d", f->bytes);
    gpu_define(&d, "NDIM %d", f->ndim);
    define_parts(&d, f->parts);
    return gpu_kernel(gpu, "cat", "cat", d.text, &f->kernel);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    struct tl_view y = call->out[0];
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: out of memory for a plan", call->op);
    plan->layout = call->in[0].layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    gpu_lay_out(&y, plan->layout);
    tl_status s = make_form(gpu, call, &y, 16, &plan->form);
    if (s != TL_OK) {
        free(plan);
        return s;
    }
    for (int k = 0; k < call->n_in; k++)
        prep->in_layout[k] = TL_LAYOUT_STRIDED;
    prep->out_layout[0] = plan->layout;
    prep->plan = plan;
    return TL_OK;
}

static bool is_aligned(const struct tl_call *call, int bytes)
{
    bool aligned = call->out[0].mem.offset % (uint64_t)bytes == 0;
    for (int k = 0; k < call->n_in; k++)
        aligned &= !is_part(&call->in[k]) || call->in[k].mem.offset % (uint64_t)bytes == 0;
    return aligned;
}

/* The struct part of x, which begins `before` along the dimension. Returns its elements. */
static int64_t put_part(struct gpu_fields *fields, const struct form *f, const struct tl_view *x, const struct tl_view *y, int dim, int64_t before)
{
    const int factor = f->bytes / (int)tl_dtype_size(y->dtype);
    int64_t shape[TL_MAX_DIMS], n = 1;
    for (int d = 0; d < f->ndim; d++) {
        shape[d] = d == f->dim ? x->shape[dim] * f->inner / (d == f->ndim - 1 ? factor : 1) : f->shape[d];
        n *= shape[d];
    }
    gpu_put(fields, n);
    gpu_put(fields, before * y->stride[dim] / factor);
    for (int d = 0; d < f->ndim; d++)
        gpu_put(fields, shape[d]);
    for (int d = 0; d < f->ndim; d++)
        gpu_put(fields, d == f->ndim - 1 && factor > 1 ? 1 : x->stride[f->from[d]] / factor);
    return n;
}

static void put_nothing(struct gpu_fields *fields, const struct form *f)
{
    for (int i = 0; i < 2 + 2 * f->ndim; i++)
        gpu_put(fields, 0);
}

/* Inputs from *k on, as many as go into a launch. */
static tl_status launch(struct tl_stream *stream, const struct tl_call *call, const struct form *f, int *k, int64_t *before)
{
    const struct tl_view *y = &call->out[0];
    const int factor = f->bytes / (int)tl_dtype_size(y->dtype), dim = dim_of(call);
    struct gpu_fields fields = {.small = f->small};
    struct gpu_arg args[10];
    int n = 0;
    int64_t largest = 0;
    for (int d = 0; d < f->ndim; d++)
        gpu_put(&fields, d == f->ndim - 1 && factor > 1 ? 1 : y->stride[f->from[d]] / factor);
    for (; *k < call->n_in && n < f->parts; ++*k) {
        const struct tl_view *x = &call->in[*k];
        if (!is_part(x))
            continue;
        const int64_t elements = put_part(&fields, f, x, y, dim, *before);
        largest = elements > largest ? elements : largest;
        *before += x->shape[dim];
        args[n++] = GPU_MEMORY(x->mem, (size_t)f->bytes);
    }
    if (n == 0)
        return TL_OK;
    for (; n < f->parts; n++) {
        put_nothing(&fields, f);
        args[n] = args[0];
    }
    args[n++] = GPU_MEMORY(y->mem, (size_t)f->bytes);
    args[n++] = GPU_FIELDS(fields);
    struct gpu_grid grid = gpu_grid_for(stream->gpu, largest, 1, 256);
    grid.groups[1] = (uint32_t)f->parts;
    return gpu_launch(stream, f->kernel, call->op, grid, n, args);
}

static tl_status run(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = p;
    const struct form *f = &plan->form;
    struct form plain;
    tl_status s = TL_OK;
    if (!is_aligned(call, f->bytes)) {
        s = make_form(stream->gpu, call, &call->out[0], (int)tl_dtype_size(call->out[0].dtype), &plain);
        f = &plain;
    }
    int64_t before = 0;
    for (int k = 0; k < call->n_in && s == TL_OK;)
        s = launch(stream, call, f, &k, &before);
    return s;
}

static void release(void *plan)
{
    free(plan);
}

const struct tl_kernel gpu_cat_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "cat", .maker = "gpu:cat", .prepare = prepare, .run = run,
                                         .release = release};
