/* SPDX-License-Identifier: Apache-2.0
 *
 * One call of a backend's kernel, without the core: operands in layouts, strides and places that the core makes only now and then, compared with
 * the reference backend's kernel in f64 (integers in their own type) on the same values, row-major. What lies between an operand's elements
 * and around them must stay as it is.
 */
#ifndef TELAR_TESTS_KERNEL_CALL_H
#define TELAR_TESTS_KERNEL_CALL_H

#include <telar/attrs.h>
#include <telar/backend.h>
#include <telar/telar.h>

#include "tap.h"

enum { KERNEL_OPERANDS = 6 };

/** How an operand lies. SHIFTED: one element after the beginning of its memory. */
enum lie { ROWS, LAST, REVERSED, SHIFTED };

struct kernel_operand {
    tl_dtype dtype;
    int ndim; /**< -1: absent */
    int64_t shape[TL_MAX_DIMS];
    enum lie lie;
    double (*value)(int64_t i); /**< of element i, in row-major order; inputs only */
};

struct kernel_case {
    const char *op, *what;
    const void *attrs;
    size_t attrs_size;
    int n_in, n_out;
    struct kernel_operand in[KERNEL_OPERANDS], out[KERNEL_OPERANDS];
    double bound;   /**< relative to the largest value of an output */
    bool foreign;   /**< a gradient finds no residual */
    unsigned first; /**< outputs that the forward has written over inputs: bit i: output i is input i's memory */
};

/** A backend with a device and a queue. */
struct kernel_place {
    const struct tl_backend *backend;
    struct tl_device *device;
    struct tl_stream *stream;
};

static bool kernel_place_open(struct kernel_place *p, const char *name)
{
    int n = 0;
    *p = (struct kernel_place){.backend = tl_plugin_open("backend", name, TL_BACKEND_ABI)};
    return p->backend && p->backend->device_count(&n) == TL_OK && n > 0 && p->backend->device_open(0, &p->device) == TL_OK &&
           (!p->backend->stream_open || p->backend->stream_open(p->device, &p->stream) == TL_OK);
}

static void kernel_place_close(struct kernel_place *p)
{
    if (p->stream)
        p->backend->stream_close(p->stream);
    if (p->device)
        p->backend->device_close(p->device);
}

/* ---- Memory -------------------------------------------------------------------------------------------------------------------------- */

static bool on_host(const struct kernel_place *p)
{
    return p->device->flags & TL_DEVICE_HOST_MEMORY;
}

static struct tl_mem take(const struct kernel_place *p, size_t bytes, const void *content)
{
    struct tl_mem m = {0};
    bytes = bytes ? bytes : 1;
    if (on_host(p))
        m.handle = calloc(1, bytes + 64);
    else if (p->backend->alloc(p->device, bytes, &m) != TL_OK)
        m.handle = NULL;
    if (!m.handle)
        bail_out("no memory for an operand");
    if (content && on_host(p))
        memcpy(m.handle, content, bytes);
    else if (content && p->backend->copy_in(p->stream, m, content, bytes) != TL_OK)
        bail_out("an operand cannot be copied");
    return m;
}

static void give_back(const struct kernel_place *p, struct tl_mem m)
{
    m.offset = 0;
    if (on_host(p))
        free(m.handle);
    else if (m.handle)
        p->backend->free(p->device, m);
}

/* ---- Elements ---------------------------------------------------------------------------------------------------------------------- */

static void put_element(tl_dtype t, unsigned char *to, double v)
{
    switch (t) {
    case TL_F32: memcpy(to, &(float){(float)v}, 4); break;
    case TL_F64: memcpy(to, &v, 8); break;
    case TL_F16: memcpy(to, &(uint16_t){tl_f16_of_f32((float)v)}, 2); break;
    case TL_BF16: memcpy(to, &(uint16_t){tl_bf16_of_f32((float)v)}, 2); break;
    case TL_I8: *(int8_t *)to = (int8_t)v; break;
    case TL_U8: *to = (uint8_t)v; break;
    case TL_BOOL: *to = v != 0; break;
    case TL_I32: memcpy(to, &(int32_t){(int32_t)v}, 4); break;
    default: memcpy(to, &(int64_t){(int64_t)v}, 8); break;
    }
}

static double get_element(tl_dtype t, const unsigned char *from)
{
    union {
        float f;
        double d;
        uint16_t h;
        int32_t i;
        int64_t l;
    } u = {.l = 0};
    memcpy(&u, from, tl_dtype_size(t));
    switch (t) {
    case TL_F32: return (double)u.f;
    case TL_F64: return u.d;
    case TL_F16: return (double)tl_f32_of_f16(u.h);
    case TL_BF16: return (double)tl_f32_of_bf16(u.h);
    case TL_I8: return *(const int8_t *)from;
    case TL_U8:
    case TL_BOOL: return *from;
    case TL_I32: return u.i;
    default: return (double)u.l;
    }
}

static void lay_out(struct tl_view *v, enum lie lie)
{
    int order[TL_MAX_DIMS];
    int64_t step = lie == REVERSED ? 3 : 1; /* with room between the elements */
    for (int d = 0; d < v->ndim; d++)
        order[d] = lie == REVERSED ? d : v->ndim - 1 - d;
    if (lie == LAST && v->ndim > 2) {
        order[0] = 1;
        for (int d = v->ndim - 1, k = 1; d >= 0; d--)
            if (d != 1)
                order[k++] = d;
    }
    v->layout = lie == LAST && v->ndim > 2 ? TL_LAYOUT_CHANNELS_LAST : lie == REVERSED ? TL_LAYOUT_STRIDED : TL_LAYOUT_CONTIGUOUS;
    for (int k = 0; k < v->ndim; k++) {
        v->stride[order[k]] = step;
        step *= v->shape[order[k]] ? v->shape[order[k]] : 1;
    }
}

static int64_t place_of(const struct tl_view *v, int64_t i)
{
    int64_t at = 0;
    for (int d = v->ndim - 1; d >= 0; d--) {
        at += i % v->shape[d] * v->stride[d];
        i /= v->shape[d];
    }
    return at;
}

/* ---- Operands ---------------------------------------------------------------------------------------------------------------------------- */

enum { FILLER = 0x5a };

struct placed {
    struct tl_view view;
    unsigned char *bytes; /* what is in memory, or should be */
    size_t size;
    bool borrowed; /* its memory is an input's */
};

static struct placed place_operand(const struct kernel_place *p, const struct kernel_operand *o, tl_dtype dtype, enum lie lie)
{
    struct placed x = {.view = {.dtype = dtype, .ndim = o->ndim}};
    if (o->ndim < 0)
        return x;
    memcpy(x.view.shape, o->shape, sizeof o->shape);
    lay_out(&x.view, lie);
    const int64_t n = tl_view_numel(&x.view), lead = lie == SHIFTED ? 1 : 0;
    const size_t size = tl_dtype_size(dtype);
    x.size = (size_t)(lead + (n ? place_of(&x.view, n - 1) + 1 : 0) + 3) * size;
    if (!(x.bytes = malloc(x.size)))
        bail_out("no memory for an operand");
    memset(x.bytes, FILLER, x.size);
    for (int64_t i = 0; i < n && o->value; i++) {
        unsigned char rounded[8];
        put_element(o->dtype, rounded, o->value(i));
        put_element(dtype, x.bytes + (size_t)(lead + place_of(&x.view, i)) * size, get_element(o->dtype, rounded));
    }
    x.view.mem = take(p, x.size, x.bytes);
    x.view.mem.offset += (size_t)lead * size;
    return x;
}

static void fetch(const struct kernel_place *p, struct placed *x, unsigned char *bytes)
{
    struct tl_mem m = x->view.mem;
    m.offset = 0;
    if (on_host(p))
        memcpy(bytes, m.handle, x->size);
    else if (p->backend->copy_out(p->stream, bytes, m, x->size) != TL_OK)
        bail_out("a result cannot be read");
}

/* Is everything but the elements as it was? */
static bool rest_is_whole(const struct placed *x, const unsigned char *now)
{
    const size_t size = tl_dtype_size(x->view.dtype);
    unsigned char *is_element = calloc(1, x->size);
    bool whole = is_element != NULL;
    for (int64_t i = 0; whole && i < tl_view_numel(&x->view); i++)
        memset(is_element + x->view.mem.offset + (size_t)place_of(&x->view, i) * size, 1, size);
    for (size_t i = 0; whole && i < x->size; i++)
        whole = is_element[i] || now[i] == FILLER;
    free(is_element);
    return whole;
}

/* ---- A call -------------------------------------------------------------------------------------------------------------------------------- */

/** Results of a call, row-major; free() the values. */
struct kernel_results {
    tl_status status;
    bool whole;
    double *out[KERNEL_OPERANDS];
    uint32_t layout[KERNEL_OPERANDS];
    struct tl_residual left; /**< the residual, on the device: kernel_residual_free() */
};

static void kernel_residual_free(const struct kernel_place *p, struct kernel_results *r)
{
    if (r->left.size)
        give_back(p, r->left.mem);
    r->left.size = 0;
}

static const struct tl_kernel *find(const struct kernel_place *p, struct tl_call *call)
{
    for (const struct tl_kernel *const *k = p->backend->kernels; *k; k++) {
        call->kernel = *k;
        if (strcmp((*k)->op, call->op) == 0 && !((*k)->refuses && (*k)->refuses(p->device, call)))
            return *k;
    }
    return NULL;
}

static struct kernel_results call_kernel(const struct kernel_place *p, const struct kernel_case *c, bool reference, struct tl_residual *residual, bool wanted)
{
    struct kernel_results r = {.whole = true};
    struct placed in[KERNEL_OPERANDS], out[KERNEL_OPERANDS];
    struct tl_view in_views[KERNEL_OPERANDS], out_views[KERNEL_OPERANDS];
    uint32_t layouts[2 * KERNEL_OPERANDS] = {0};
    struct tl_residual mine = residual ? *residual : (struct tl_residual){0};
#define TYPE(o) (reference && tl_dtype_is_float((o).dtype) ? TL_F64 : (o).dtype)
    for (int i = 0; i < c->n_in; i++) {
        in[i] = place_operand(p, &c->in[i], TYPE(c->in[i]), reference ? ROWS : c->in[i].lie);
        in_views[i] = in[i].view;
    }
    for (int i = 0; i < c->n_out; i++) {
        out_views[i] = (struct tl_view){.dtype = TYPE(c->out[i]), .ndim = c->out[i].ndim};
        memcpy(out_views[i].shape, c->out[i].shape, sizeof c->out[i].shape);
        lay_out(&out_views[i], ROWS);
    }
    struct tl_call call = {.struct_size = sizeof call,
                           .flags = wanted ? TL_CALL_WANT_RESIDUAL : 0,
                           .op = c->op,
                           .attrs = c->attrs,
                           .attrs_size = (uint32_t)c->attrs_size,
                           .n_in = c->n_in,
                           .n_out = c->n_out,
                           .in = in_views,
                           .out = out_views,
                           .residual = &mine};
    struct tl_prep prep = {.struct_size = sizeof prep, .in_layout = layouts, .out_layout = layouts + KERNEL_OPERANDS};
    const struct tl_kernel *k = find(p, &call);
    r.status = !k ? TL_ERR_NOT_FOUND : k->prepare ? k->prepare(p->device, &call, &prep) : TL_OK;
    /* A kernel that does not take an operand as it lies gets it row-major, as from the core. */
    for (int i = 0; i < c->n_in; i++) {
        if (!tl_view_present(&in_views[i]) || layouts[i] == in_views[i].layout || layouts[i] == TL_LAYOUT_STRIDED)
            continue;
        free(in[i].bytes);
        give_back(p, in[i].view.mem);
        in[i] = place_operand(p, &c->in[i], TYPE(c->in[i]), layouts[i] == TL_LAYOUT_CHANNELS_LAST ? LAST : ROWS);
        in_views[i] = in[i].view;
    }
    for (int i = 0; i < c->n_out; i++) {
        r.layout[i] = layouts[KERNEL_OPERANDS + i];
        if (c->first & 1u << i && !reference) {
            out[i] = in[i];
            out[i].borrowed = true;
        } else {
            struct kernel_operand o = c->out[i];
            o.value = c->first & 1u << i ? c->in[i].value : NULL;
            out[i] = place_operand(p, &o, TYPE(o), r.layout[i] == TL_LAYOUT_CHANNELS_LAST ? LAST : reference || o.lie != SHIFTED ? ROWS : SHIFTED);
        }
        out_views[i] = out[i].view;
    }
    struct tl_mem workspace = {0};
    unsigned char *dirt = malloc(prep.workspace + 1);
    memset(dirt, 0xff, prep.workspace + 1); /* NaNs */
    if (prep.workspace)
        workspace = take(p, prep.workspace, dirt);
    if (wanted && prep.residual)
        mine = (struct tl_residual){.maker = k->maker, .size = prep.residual, .mem = take(p, prep.residual, NULL)};
    if (r.status == TL_OK)
        r.status = k->run(p->stream, prep.plan, &call, workspace);
    if (p->stream && r.status == TL_OK)
        r.status = p->backend->sync(p->stream);
    for (int i = 0; i < c->n_out; i++) {
        const int64_t n = tl_view_present(&out_views[i]) ? tl_view_numel(&out_views[i]) : 0;
        unsigned char *now = malloc(out[i].size + 1);
        r.out[i] = calloc((size_t)n + 1, sizeof(double));
        if (tl_view_present(&out_views[i])) {
            fetch(p, &out[i], now);
            r.whole &= rest_is_whole(&out[i], now);
            for (int64_t e = 0; e < n; e++)
                r.out[i][e] = get_element(out_views[i].dtype, now + out[i].view.mem.offset +
                                                                  (size_t)place_of(&out_views[i], e) * tl_dtype_size(out_views[i].dtype));
            if (!out[i].borrowed)
                give_back(p, out[i].view.mem);
        }
        free(now);
        if (!out[i].borrowed)
            free(out[i].bytes);
    }
    for (int i = 0; i < c->n_in; i++)
        if (tl_view_present(&in_views[i])) {
            give_back(p, in[i].view.mem);
            free(in[i].bytes);
        }
    if (workspace.handle)
        give_back(p, workspace);
    free(dirt);
    if (k && k->release)
        k->release(prep.plan);
    r.left = mine;
    return r;
#undef TYPE
}

/** One point: the case on `p` and on the reference. `keep`: where to leave the residual that the forward makes; `found`: what a gradient finds. */
static void judge_kernel(const struct kernel_place *p, const struct kernel_place *reference, const struct kernel_case *c, struct tl_residual *found,
                         struct kernel_results *keep)
{
    struct kernel_results got = call_kernel(p, c, false, found, keep != NULL), want = call_kernel(reference, c, true, NULL, false);
    char text[400] = "";
    if (got.status != want.status)
        snprintf(text, sizeof text, "status %s, the reference has %s: %s", tl_status_name(got.status), tl_status_name(want.status),
                 tl_error_message());
    else if (!got.whole)
        snprintf(text, sizeof text, "bytes around an output have changed");
    for (int i = 0; i < c->n_out && !text[0] && want.status == TL_OK; i++) {
        struct tl_view v = {.ndim = c->out[i].ndim};
        memcpy(v.shape, c->out[i].shape, sizeof v.shape);
        double largest = 1e-2;
        const int64_t n = v.ndim < 0 ? 0 : tl_view_numel(&v);
        for (int64_t e = 0; e < n; e++)
            if (isfinite(want.out[i][e]))
                largest = fmax(largest, fabs(want.out[i][e]));
        for (int64_t e = 0; e < n && !text[0]; e++) {
            const double x = got.out[i][e], y = want.out[i][e];
            if (!(x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= c->bound * largest))
                snprintf(text, sizeof text, "output %d, element %lld: %.9g, the reference has %.9g (largest %.3g)", i, (long long)e, x, y, largest);
        }
    }
    if (!ok(!text[0], "%s, %s", c->op, c->what))
        diag("%s", text);
    tl_error_clear();
    for (int i = 0; i < c->n_out; i++) {
        free(got.out[i]);
        free(want.out[i]);
    }
    if (keep)
        *keep = got;
}

#endif
