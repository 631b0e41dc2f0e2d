/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d and conv2d_grad_input, row-major, of any stride, padding, dilation and groups. One launch: tiles of a product of matrices, or, where a
 * group has too few channels for that, an item for each result.
 */
#include "ops.h"

#include <stdlib.h>

struct plan {
    const struct gpu_kernel *kernel;
    struct gpu_fields fields;
    struct gpu_grid grid;
};

/* Sizes, in the words of kernels/conv.cl: `out` is what is computed. */
struct sizes {
    const struct tl_conv2d_attrs *attrs;
    const struct tl_view *out, *in, *w;
    bool backward, bias;
    int64_t groups, m, c;               /* channels of out and of in, in a group */
    int64_t step[2], phases[2], rows[2]; /* rows: rows and columns of out in a phase */
};

/* What a group computes: rows (channels of out) and columns (pixels) of a tile, depth of a step, and what an item has of the tile. */
struct tile {
    int m, n, k, rows, columns;
};

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static struct sizes sizes_of(const struct tl_call *call)
{
    struct sizes z = {.attrs = call->attrs, .out = &call->out[0], .in = &call->in[0], .w = &call->in[1]};
    z.backward = strcmp(call->kernel->op, "conv2d_grad_input") == 0;
    z.bias = !z.backward && tl_view_present(&call->in[2]);
    z.groups = z.attrs->groups;
    z.m = z.out->shape[1] / z.groups;
    z.c = z.in->shape[1] / z.groups;
    for (int d = 0; d < 2; d++) {
        const int64_t stride = z.attrs->stride[d], size = z.out->shape[2 + d];
        z.step[d] = z.backward ? stride / common_divisor(stride, z.attrs->dilation[d]) : 1;
        z.phases[d] = z.backward ? (stride < size ? stride : size) : 1;
        z.rows[d] = z.backward ? (size + stride - 1) / stride : size;
    }
    return z;
}

static int64_t up(int64_t n, int64_t of)
{
    return (n + of - 1) / of;
}

/* An item for each result where a tile would be nearly empty, or the grid would be larger than devices have it. */
static bool is_direct(const struct sizes *z)
{
    const int64_t depth = z->groups * z->phases[0] * z->phases[1];
    return (z->groups > 1 && z->m < 16) || z->m <= 2 || depth > 65535 || up(z->m, 16) > 65535;
}

static struct tile tile_of(const struct gpu *gpu, const struct sizes *z)
{
    const int64_t pixels = z->out->shape[0] * z->rows[0] * z->rows[1], depth = z->groups * z->phases[0] * z->phases[1];
    if (z->m <= 16)
        return (struct tile){16, 128, 16, 2, 4};
    if (z->m <= 32)
        return (struct tile){32, 128, 16, 4, 4};
    /* Each result is summed up in the same order whatever the tile. */
    if (z->m > 64 && up(z->m, 128) * up(pixels, 128) * depth >= 3 * (int64_t)gpu->units)
        return (struct tile){128, 128, 8, 8, 8};
    return (struct tile){64, 64, 16, 4, 4};
}

static void define_sizes(struct gpu_defines *d, const struct sizes *z)
{
    const struct tl_conv2d_attrs *a = z->attrs;
    static const char *const steps[] = {"ROW_STEP", "COLUMN_STEP"};
    for (int i = 0; i < 2; i++) {
        const char name = "RS"[i];
        const int64_t step = z->step[i], kernel = z->w->shape[2 + i];
        gpu_define(d, "K%c %lld", name, (long long)kernel);
        gpu_define(d, "S%c %lld", name, (long long)a->stride[i]);
        gpu_define(d, "P%c %lld", name, (long long)a->padding[i]);
        gpu_define(d, "D%c %lld", name, (long long)a->dilation[i]);
        gpu_define(d, "TAPS_%c %lld", name, (long long)up(kernel, step));
        gpu_define(d, "STEP_%c %lld", name, (long long)step);
        gpu_define(d, "PHASES_%c %lld", name, (long long)(z->phases[i] ? z->phases[i] : 1));
        gpu_define(d, "%s (%lld)", steps[i], (long long)(z->backward ? -(step * a->dilation[i] / a->stride[i]) : a->dilation[i]));
    }
    if (z->backward)
        gpu_define(d, "BACKWARD");
    if (z->bias)
        gpu_define(d, "BIAS");
}

static void put_sizes(struct gpu_fields *f, const struct sizes *z, bool direct)
{
    const int64_t taps = z->w->shape[2] * z->w->shape[3], *out = z->out->shape, *in = z->in->shape;
    gpu_put(f, direct ? tl_view_numel(z->out) : out[0] * z->rows[0] * z->rows[1]);
    for (int d = 0; d < 2; d++)
        gpu_put_divisor(f, direct ? out[2 + d] : z->rows[d]);
    gpu_put_divisor(f, out[1]);
    gpu_put(f, out[2]);
    gpu_put(f, out[3]);
    gpu_put(f, in[2]);
    gpu_put(f, in[3]);
    gpu_put(f, z->m);
    gpu_put(f, z->c);
    gpu_put(f, out[1] * out[2] * out[3]);
    gpu_put(f, in[1] * in[2] * in[3]);
    gpu_put(f, z->m * z->c * taps);
    /* w is [filters, channels of a group, r, s]. */
    gpu_put(f, z->backward ? taps : z->c * taps);
    gpu_put(f, z->backward ? z->m * taps : taps);
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    struct gpu *gpu = gpu_of(device);
    const struct sizes z = sizes_of(call);
    const struct tl_view views[3] = {*z.out, *z.in, *z.w};
    const bool direct = is_direct(&z);
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: out of memory for a plan", call->op);
    struct gpu_defines d = {0};
    plan->fields.small = gpu_small(views, 3);
    gpu_define_index(&d, plan->fields.small);
    gpu_define_real(&d, z.out->dtype);
    gpu_define(&d, "T %s", tl_dtype_name(z.out->dtype));
    define_sizes(&d, &z);
    put_sizes(&plan->fields, &z, direct);
    if (direct) {
        plan->grid = gpu_grid_for(gpu, tl_view_numel(z.out), 1, 256);
    } else {
        const struct tile t = tile_of(gpu, &z);
        const int64_t pixels = z.out->shape[0] * z.rows[0] * z.rows[1];
        gpu_define(&d, "TM %d", t.m);
        gpu_define(&d, "TN %d", t.n);
        gpu_define(&d, "TK %d", t.k);
        gpu_define(&d, "RM %d", t.rows);
        gpu_define(&d, "RN %d", t.columns);
        plan->grid = (struct gpu_grid){.groups = {(uint32_t)up(pixels, t.n), (uint32_t)up(z.m, t.m), (uint32_t)(z.groups * z.phases[0] * z.phases[1])},
                                       .size = {256}};
    }
    tl_status s = gpu_kernel(gpu, "conv", direct ? "conv_direct" : "conv_tiled", d.text, &plan->kernel);
    if (s == TL_OK)
        prep->plan = plan;
    else
        free(plan);
    return s;
}

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    if (up(call->out[0].shape[0] * call->out[0].shape[2] * call->out[0].shape[3], 64) > INT32_MAX)
        return "more than 2^37 pixels";
    return gpu_refuses_type(device, call->out[0].dtype);
}

static tl_status run(struct tl_stream *stream, const void *p, const struct tl_call *call, struct tl_mem workspace)
{
    (void)workspace;
    const struct plan *plan = p;
    const bool bias = call->n_in > 2 && tl_view_present(&call->in[2]);
    if (tl_view_numel(&call->out[0]) == 0)
        return TL_OK;
    return gpu_launch(stream, plan->kernel, call->op, plan->grid, 5,
                      (struct gpu_arg[]){GPU_VIEW(&call->in[0]), GPU_VIEW(&call->in[1]), GPU_VIEW(&call->in[bias ? 2 : 1]), GPU_VIEW(&call->out[0]),
                                         GPU_FIELDS(plan->fields)});
}

static void release(void *plan)
{
    free(plan);
}

#define CONV_KERNEL(name)                                                                                                              \
    const struct tl_kernel gpu_##name##_kernel = {.struct_size = sizeof(struct tl_kernel), .op = #name, .maker = "gpu:conv",           \
                                                  .refuses = refuses, .prepare = prepare, .run = run, .release = release}
CONV_KERNEL(conv2d);
CONV_KERNEL(conv2d_grad_input);
