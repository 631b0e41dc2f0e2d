/* SPDX-License-Identifier: Apache-2.0
 *
 * pad and flip, of any type and any strides; channels-last gives channels-last. A flipped dimension is copied with a negative stride.
 */
#include "ops.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel;
    struct gpu_grid grid;
    struct gpu_fields fields;  /* pad */
    union gpu_element value;
    union gpu_walk walk;       /* flip */
    size_t walk_size;
    struct gpu_index n;
    uint64_t first;            /* flip: bytes from where x begins to the element that comes first */
};

static uint32_t layout_of(const struct tl_call *call)
{
    return call->in[0].layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
}

static tl_status finish(const struct gpu *gpu, const struct tl_call *call, struct tl_prep *prep, const struct plan *made, tl_status s)
{
    struct plan *plan = s == TL_OK ? malloc(sizeof *plan) : NULL;
    if (s == TL_OK && !plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: out of memory for a plan", call->op);
    if (s != TL_OK)
        return s;
    *plan = *made;
    prep->in_layout[0] = TL_LAYOUT_STRIDED;
    prep->out_layout[0] = layout_of(call);
    prep->plan = plan;
    return TL_OK;
}

static void release(void *plan)
{
    free(plan);
}

/* ---- pad ---------------------------------------------------------------------------------------------------------------------------------- */

/* A dimension of the kernel. */
struct side {
    int64_t y, x, before, step;
};

/* Dimensions in the order of y's memory. One without a border, whose rows lie side by side in x, becomes part of the one before it. */
static int sides_of(const struct tl_view *x, const struct tl_view *y, const struct tl_pad_attrs *attrs, struct side *sides)
{
    int order[TL_MAX_DIMS], n = gpu_order(y, order), at = 0;
    for (int i = 0; i < n; i++) {
        const int d = order[i], pair = 2 * (y->ndim - 1 - d);
        const struct side s = {y->shape[d], x->shape[d], pair < attrs->pad.n ? attrs->pad.v[pair] : 0, x->stride[d]};
        struct side *outer = &sides[at - 1];
        if (at > 0 && s.x == s.y && outer->step == s.step * s.x)
            *outer = (struct side){outer->y * s.y, outer->x * s.x, outer->before * s.y, s.step};
        else
            sides[at++] = s;
    }
    if (n == 0)
        sides[at++] = (struct side){1, 1, 0, 1}; /* a single number */
    if (tl_view_numel(x) == 0)
        sides[0].x = 0; /* all is border, also where the dimension that x lacks has size 1 in y */
    return at;
}

static tl_status prepare_pad(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_pad_attrs *attrs = call->attrs;
    const struct tl_view *x = &call->in[0];
    struct tl_view y = call->out[0];
    struct plan plan = {.fields.small = gpu_small(x, 1) && gpu_small(&y, 1)};
    struct gpu_defines d = {0};
    struct side sides[TL_MAX_DIMS];
    gpu_lay_out(&y, layout_of(call));
    const int ndim = sides_of(x, &y, attrs, sides);
    gpu_define_index(&d, plan.fields.small);
    gpu_define(&d, "T %s", tl_dtype_name(y.dtype));
    gpu_define(&d, "NDIM %d", ndim);
    gpu_put(&plan.fields, tl_view_numel(&y));
    for (int i = 0; i < ndim; i++) {
        gpu_put_divisor(&plan.fields, sides[i].y);
        gpu_put(&plan.fields, sides[i].before);
        gpu_put(&plan.fields, sides[i].x);
        gpu_put(&plan.fields, sides[i].step);
    }
    gpu_encode(attrs->value, y.dtype, &plan.value);
    plan.grid = gpu_grid_for(gpu, tl_view_numel(&y), 1, 256);
    return finish(gpu, call, prep, &plan, gpu_kernel(gpu, "pad", "pad", d.text, &plan.kernel));
}

static tl_status run_pad(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = p;
    const struct tl_view *y = &call->out[0];
    const struct tl_view *x = tl_view_numel(&call->in[0]) ? &call->in[0] : y; /* an empty one has no memory, and is not read */
    if (tl_view_numel(y) == 0)
        return TL_OK;
    return gpu_launch(stream, plan->kernel, call->op, plan->grid, 4,
                      (struct gpu_arg[]){GPU_VIEW(x), GPU_VIEW(y), GPU_FIELDS(plan->fields),
                                         {.value = &plan->value, .size = tl_dtype_size(y->dtype)}});
}

const struct tl_kernel gpu_pad_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "pad", .maker = "gpu:pad", .prepare = prepare_pad,
                                         .run = run_pad, .release = release};

/* ---- flip --------------------------------------------------------------------------------------------------------------------------------- */

static tl_status prepare_flip(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct tl_shape_attrs *attrs = call->attrs;
    struct tl_view x = call->in[0], y = call->out[0];
    const bool small = gpu_small(&x, 1) && gpu_small(&y, 1);
    const int64_t n = tl_view_numel(&y);
    struct plan plan = {.n = gpu_index(small, n), .grid = gpu_grid_for(gpu, n, 1, 256)};
    gpu_lay_out(&y, layout_of(call));
    for (int64_t i = 0; i < attrs->dims.n && n > 0; i++) {
        const int64_t d = attrs->dims.v[i];
        plan.first += (uint64_t)((x.shape[d] - 1) * x.stride[d]) * tl_dtype_size(x.dtype);
        x.stride[d] = -x.stride[d];
    }
    gpu_coalesce(&y, &x, 1);
    plan.walk_size = gpu_walk_fill(&plan.walk, small, &y, &x, 1);
    struct gpu_defines d = {0};
    gpu_define_index(&d, small);
    gpu_define_real(&d, x.dtype);
    gpu_define(&d, "TX %s", tl_dtype_name(x.dtype));
    gpu_define(&d, "TY %s", tl_dtype_name(y.dtype));
    gpu_define(&d, "NDIM %d", y.ndim);
    gpu_define(&d, "CONVERT(x) (x)");
    return finish(gpu, call, prep, &plan, gpu_kernel(gpu, "copy", "copy_strided", d.text, &plan.kernel));
}

static tl_status run_flip(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = p;
    struct tl_mem x = call->in[0].mem;
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    x.offset += plan->first;
    return gpu_launch(stream, plan->kernel, call->op, plan->grid, 4,
                      (struct gpu_arg[]){GPU_MEMORY(x, tl_dtype_size(call->in[0].dtype)), GPU_VIEW(&call->out[0]), GPU_INDEX(plan->n),
                                         {.value = &plan->walk, .size = plan->walk_size}});
}

const struct tl_kernel gpu_flip_kernel = {.struct_size = sizeof(struct tl_kernel), .op = "flip", .maker = "gpu:flip", .prepare = prepare_flip,
                                          .run = run_flip, .release = release};
