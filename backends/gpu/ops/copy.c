/* SPDX-License-Identifier: Apache-2.0
 *
 * copy and fill, for every pair of types and any strides. Nothing else can do them in a device's place.
 */
#include "ops.h"

#include <stdio.h>

/* What becomes of an element: as it is, or through the number that it stands for. */
static void define_conversion(struct gpu_defines *d, tl_dtype from, tl_dtype to)
{
    static const char *const least[TL_DTYPE_COUNT] = {[TL_I8] = "-128", [TL_U8] = "0", [TL_I32] = "-2147483647 - 1",
                                                      [TL_I64] = "-9223372036854775807L - 1"};
    static const char *const most[TL_DTYPE_COUNT] = {[TL_I8] = "127", [TL_U8] = "255", [TL_I32] = "2147483647",
                                                     [TL_I64] = "9223372036854775807L"};
    if (from == to)
        gpu_define(d, "CONVERT(x) (x)");
    else if (tl_dtype_is_float(from) && least[to])
        gpu_define(d, "CONVERT(x) ((STORAGE(TY))saturated(DECODE(TX, x), %s, %s))", least[to], most[to]);
    else
        gpu_define(d, "CONVERT(x) ENCODE(TY, (REAL)DECODE(TX, x))");
}

static const char *copy_refuses(const struct tl_device *device, const struct tl_call *call)
{
    tl_dtype from = call->in[0].dtype, to = call->out[0].dtype;
    return from == to ? NULL : gpu_refuses_type(device, from) ? gpu_refuses_type(device, from) : gpu_refuses_type(device, to);
}

enum form { DENSE, STRIDED, TRANSPOSED };

/* A batch of matrices whose rows become columns? x and y are merged to as few dimensions as there are. */
static bool is_transposed(const struct tl_view *x, const struct tl_view *y)
{
    int r = y->ndim - 2, c = y->ndim - 1;
    if ((y->ndim != 2 && y->ndim != 3) || y->stride[c] != 1 || x->stride[r] != 1 || x->stride[c] < x->shape[r] || y->stride[r] < y->shape[c])
        return false;
    return y->shape[r] >= 8 && y->shape[c] >= 8 && (y->shape[r] + 31) / 32 <= 65535 && (r == 0 || y->shape[0] <= 65535);
}

static tl_status run_copy(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)plan, (void)workspace;
    struct gpu *gpu = stream->gpu;
    struct tl_view x = call->in[0], y = call->out[0];
    const int64_t n = tl_view_numel(&y);
    if (n == 0)
        return TL_OK;
    gpu_coalesce(&y, &x, 1);
    const bool small = gpu_small(&x, 1) && gpu_small(&y, 1);
    const enum form form = y.ndim == 1 && x.stride[0] == 1 && y.stride[0] == 1 ? DENSE : is_transposed(&x, &y) ? TRANSPOSED : STRIDED;
    const uint64_t key = ((((uint64_t)0xc0 << 8 | x.dtype) << 8 | y.dtype) << 8 | (uint64_t)form << 1 | small) << 8 | (uint64_t)y.ndim;
    const struct gpu_kernel *kernel = gpu_quick_get(gpu, key);
    if (!kernel) {
        static const char *const entries[] = {"copy_dense", "copy_strided", "copy_transposed"};
        struct gpu_defines d = {0};
        gpu_define_index(&d, small);
        gpu_define_real(&d, x.dtype);
        gpu_define(&d, "TX %s", tl_dtype_name(x.dtype));
        gpu_define(&d, "TY %s", tl_dtype_name(y.dtype));
        gpu_define(&d, "NDIM %d", y.ndim);
        define_conversion(&d, x.dtype, y.dtype);
        tl_status s = gpu_kernel(gpu, "copy", entries[form], d.text, &kernel);
        if (s != TL_OK)
            return s;
        gpu_quick_put(gpu, key, kernel);
    }
    if (form == TRANSPOSED) {
        const int r = y.ndim - 2, c = y.ndim - 1;
        struct gpu_index rows = gpu_index(small, y.shape[r]), columns = gpu_index(small, y.shape[c]), x_step = gpu_index(small, x.stride[c]),
                         y_step = gpu_index(small, y.stride[r]), x_batch = gpu_index(small, r ? x.stride[0] : 0),
                         y_batch = gpu_index(small, r ? y.stride[0] : 0);
        struct gpu_grid grid = {.groups = {(uint32_t)((y.shape[c] + 31) / 32), (uint32_t)((y.shape[r] + 31) / 32), (uint32_t)(r ? y.shape[0] : 1)},
                                .size = {32, 8}};
        return gpu_launch(stream, kernel, call->op, grid, 8,
                          (struct gpu_arg[]){GPU_VIEW(&x), GPU_VIEW(&y), GPU_INDEX(rows), GPU_INDEX(columns), GPU_INDEX(x_step), GPU_INDEX(y_step),
                                             GPU_INDEX(x_batch), GPU_INDEX(y_batch)});
    }
    struct gpu_index count = gpu_index(small, n);
    union gpu_walk walk;
    struct gpu_arg args[4] = {GPU_VIEW(&x), GPU_VIEW(&y), GPU_INDEX(count)};
    if (form == STRIDED)
        args[3] = (struct gpu_arg){.value = &walk, .size = gpu_walk_fill(&walk, small, &y, &x, 1)};
    return gpu_launch(stream, kernel, call->op, gpu_grid_for(gpu, n, 1, 256), form == STRIDED ? 4 : 3, args);
}

const struct tl_kernel gpu_copy_kernel = {.struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = "copy", .maker = "gpu:copy",
                                          .refuses = copy_refuses, .run = run_copy};

size_t gpu_encode(double value, tl_dtype type, union gpu_element *e)
{
    static const double least[TL_DTYPE_COUNT] = {[TL_I8] = -128, [TL_I32] = -0x1p31, [TL_I64] = -0x1p63};
    static const double most[TL_DTYPE_COUNT] = {[TL_I8] = 127, [TL_U8] = 255, [TL_I32] = 0x1p31 - 1, [TL_I64] = 0x1p63};
    int64_t whole = value != value || tl_dtype_is_float(type) || type == TL_BOOL ? 0
                    : value <= least[type]                                          ? (int64_t)least[type]
                    : value >= most[type] ? (type == TL_I64 ? INT64_MAX : (int64_t)most[type])
                                          : (int64_t)value;
    switch (type) {
    case TL_F32: e->f32 = (float)value; break;
    case TL_F64: e->f64 = value; break;
    case TL_F16: e->u16 = tl_f16_of_f32((float)value); break;
    case TL_BF16: e->u16 = tl_bf16_of_f32((float)value); break;
    case TL_I8: e->i8 = (int8_t)whole; break;
    case TL_U8: e->u8 = (uint8_t)whole; break;
    case TL_I32: e->i32 = (int32_t)whole; break;
    case TL_BOOL: e->u8 = value != 0; break;
    default: e->i64 = whole; break;
    }
    return tl_dtype_size(type);
}

static tl_status run_fill(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)plan, (void)workspace;
    struct gpu *gpu = stream->gpu;
    const struct tl_fill_attrs *attrs = call->attrs;
    struct tl_view y = call->out[0];
    const int64_t n = tl_view_numel(&y);
    if (n == 0)
        return TL_OK;
    gpu_coalesce(&y, NULL, 0);
    const bool small = gpu_small(&y, 1), dense = y.ndim == 1 && y.stride[0] == 1;
    const uint64_t key = (((uint64_t)0xf1 << 8 | y.dtype) << 8 | (uint64_t)dense << 1 | small) << 8 | (uint64_t)y.ndim;
    const struct gpu_kernel *kernel = gpu_quick_get(gpu, key);
    if (!kernel) {
        struct gpu_defines d = {0};
        gpu_define_index(&d, small);
        gpu_define(&d, "TY %s", tl_dtype_name(y.dtype));
        gpu_define(&d, "NDIM %d", y.ndim);
        tl_status s = gpu_kernel(gpu, "fill", dense ? "fill_dense" : "fill_strided", d.text, &kernel);
        if (s != TL_OK)
            return s;
        gpu_quick_put(gpu, key, kernel);
    }
    struct gpu_index count = gpu_index(small, n);
    union gpu_element element;
    union gpu_walk walk;
    struct gpu_arg args[4] = {GPU_VIEW(&y), GPU_INDEX(count)};
    args[2] = (struct gpu_arg){.value = &element, .size = gpu_encode(attrs->value, y.dtype, &element)};
    if (!dense)
        args[3] = (struct gpu_arg){.value = &walk, .size = gpu_walk_fill(&walk, small, &y, NULL, 0)};
    return gpu_launch(stream, kernel, call->op, gpu_grid_for(gpu, n, 1, 256), dense ? 3 : 4, args);
}

const struct tl_kernel gpu_fill_kernel = {.struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = "fill", .maker = "gpu:fill",
                                          .run = run_fill};
