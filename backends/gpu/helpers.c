/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host side of many kernels needs: names of types, sizes of grids, words for bad values.
 */
#include "ops/ops.h"

#include <pthread.h>
#include <stdio.h>

const char *gpu_computing_type(tl_dtype dtype)
{
    return dtype == TL_F64 ? "double" : tl_dtype_is_float(dtype) ? "float" : "long";
}

void gpu_define_real(struct gpu_defines *d, tl_dtype dtype)
{
    gpu_define(d, "REAL %s", gpu_computing_type(dtype));
    gpu_define(d, "REAL_%s", gpu_computing_type(dtype));
}

bool gpu_small(const struct tl_view *views, int n)
{
    for (int i = 0; i < n; i++) {
        if (!tl_view_present(&views[i]))
            continue;
        int64_t last = 0, numel = 1;
        for (int d = 0; d < views[i].ndim; d++) {
            last += views[i].shape[d] > 0 ? (views[i].shape[d] - 1) * views[i].stride[d] : 0;
            numel *= views[i].shape[d];
        }
        /* Half of the range is left free, for steps beyond the end. */
        if (last >= INT32_MAX / 2 || numel >= INT32_MAX / 2)
            return false;
    }
    return true;
}

void gpu_define_index(struct gpu_defines *d, bool small)
{
    gpu_define(d, "INDEX %s", small ? "int" : "long");
    gpu_define(d, "INDEX_%s", small ? "int" : "long");
}

void gpu_put(struct gpu_fields *f, int64_t value)
{
    if (f->small)
        f->value.small[f->n++] = (int32_t)value;
    else
        f->value.large[f->n++] = value;
}

void gpu_put_divisor(struct gpu_fields *f, int64_t divisor)
{
    int bits = 0;
    divisor = divisor < 1 ? 1 : divisor; /* 0: of nothing, which nobody divides */
    while (bits < 31 && INT64_C(1) << bits < divisor)
        bits++;
    /* n m >> (31 + bits) is n / divisor for n below 2^31: m exceeds 2^(31 + bits) / divisor by less than 1, which adds less than 1 / divisor. */
    const uint64_t m = f->small ? (UINT64_C(1) << (31 + bits)) / (uint64_t)divisor + 1 : 0;
    gpu_put(f, divisor);
    gpu_put(f, (int32_t)(uint32_t)m);
    gpu_put(f, 31 + bits);
}

void gpu_lay_out(struct tl_view *v, uint32_t layout)
{
    int64_t step = 1;
    v->layout = layout;
    if (layout == TL_LAYOUT_CHANNELS_LAST && v->ndim >= 3) {
        v->stride[1] = 1;
        step = v->shape[1];
    }
    for (int d = v->ndim - 1; d >= 0; d--) {
        if (d == 1 && layout == TL_LAYOUT_CHANNELS_LAST && v->ndim >= 3)
            continue;
        v->stride[d] = step;
        step *= v->shape[d] > 0 ? v->shape[d] : 1;
    }
}

int gpu_order(const struct tl_view *v, int order[TL_MAX_DIMS])
{
    int n = 0;
    for (int d = 0; d < v->ndim; d++) {
        if (v->shape[d] == 1)
            continue;
        int at = n++;
        for (; at > 0 && v->stride[order[at - 1]] < v->stride[d]; at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
    return n;
}

static void swap(struct tl_view *v, int i, int j)
{
    int64_t shape = v->shape[i], stride = v->stride[i];
    v->shape[i] = v->shape[j];
    v->stride[i] = v->stride[j];
    v->shape[j] = shape;
    v->stride[j] = stride;
}

void gpu_coalesce(struct tl_view *out, struct tl_view *in, int n_in)
{
    for (int i = 1; i < out->ndim; i++)
        for (int j = i; j > 0 && out->stride[j] > out->stride[j - 1]; j--) {
            swap(out, j, j - 1);
            for (int k = 0; k < n_in; k++)
                swap(&in[k], j, j - 1);
        }
    int at = -1;
    for (int d = 0; d < out->ndim; d++) {
        if (out->shape[d] == 1)
            continue;
        bool joins = at >= 0 && out->stride[at] == out->stride[d] * out->shape[d];
        for (int k = 0; k < n_in && joins; k++)
            joins = in[k].stride[at] == in[k].stride[d] * in[k].shape[d];
        at += !joins;
        for (int k = -1; k < n_in; k++) {
            struct tl_view *v = k < 0 ? out : &in[k];
            v->shape[at] = joins ? v->shape[at] * v->shape[d] : v->shape[d];
            v->stride[at] = v->stride[d];
        }
    }
    for (int k = -1; k < n_in; k++) {
        struct tl_view *v = k < 0 ? out : &in[k];
        if (at < 0)
            v->shape[0] = v->stride[0] = 1;
        v->ndim = at < 0 ? 1 : at + 1;
    }
}

struct gpu_grid gpu_grid_for(const struct gpu *gpu, int64_t n, int each, uint32_t size)
{
    int64_t groups = (n + (int64_t)each * size - 1) / ((int64_t)each * size), most = (int64_t)gpu->units * 32;
    return (struct gpu_grid){.groups = {(uint32_t)(groups < 1 ? 1 : groups < most ? groups : most)}, .size = {size}};
}

tl_status gpu_grid_of(const struct gpu *gpu, const char *op, int64_t groups, uint32_t size, struct gpu_grid *grid)
{
    if (groups > INT32_MAX)
        return gpu->host->fail(TL_ERR_LIMIT, "%s: %lld groups of work-items, where a device runs %d at most: call it for a part of the operands at a time",
                               op, (long long)groups, (int)INT32_MAX);
    *grid = (struct gpu_grid){.groups = {(uint32_t)groups}, .size = {size}};
    return TL_OK;
}

const char *gpu_refuses_type(const struct tl_device *device, tl_dtype dtype)
{
    return dtype == TL_F64 && !gpu_of(device)->f64 ? "the device has no f64" : NULL;
}

/* ---- Bad values ---------------------------------------------------------------------------------------------------------------------- */

enum { SITES = 64 };
static struct {
    pthread_mutex_t lock;
    char names[SITES][40]; /* ops are few; what does not fit is "an op" */
    int32_t n;
} sites = {.lock = PTHREAD_MUTEX_INITIALIZER};

int32_t gpu_report_site(const char *op)
{
    int32_t at = 0;
    pthread_mutex_lock(&sites.lock);
    while (at < sites.n && strcmp(sites.names[at], op) != 0)
        at++;
    if (at == sites.n && at < SITES)
        snprintf(sites.names[sites.n++], sizeof sites.names[0], "%s", op);
    pthread_mutex_unlock(&sites.lock);
    return at;
}

tl_status gpu_report_fail(const struct gpu *gpu, const struct gpu_report *r)
{
    char op[40] = "an op";
    pthread_mutex_lock(&sites.lock);
    if (r->site >= 0 && r->site < sites.n)
        memcpy(op, sites.names[r->site], sizeof op);
    pthread_mutex_unlock(&sites.lock);
    if (r->code == GPU_REPORT_DIVISOR)
        return gpu->host->fail(TL_ERR_ARGUMENT, "%s: cannot divide an integer by zero: expected divisors other than 0, or floating operands "
                               "(which give NaN)", op);
    const char *what = r->code == GPU_REPORT_LABEL ? "label" : "index";
    if (r->size == 0)
        return gpu->host->fail(TL_ERR_INDEX, "%s: %s %lld at position %lld: there is nothing to choose from", op, what, (long long)r->value,
                               (long long)r->position);
    return gpu->host->fail(TL_ERR_INDEX, "%s: %s %lld at position %lld is out of range: expected 0 to %lld", op, what, (long long)r->value,
                           (long long)r->position, (long long)(r->size - 1));
}
