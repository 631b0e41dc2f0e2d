/* SPDX-License-Identifier: Apache-2.0
 *
 * Pointwise ops: everything that is made from the lines of <telar/pointwise.def>. Promotion and broadcasting, the call of
 * the kernel, the public functions, and the gradients: as fused kernels named <op>_da, _db, _dc in the everyday case, and
 * as differentiable expressions of tensor ops under create_graph. Both come from the same text.
 */
#include <math.h>
#include <stdio.h>
#include <telar/pointwise.h>

#include "core/internal.h"

/* ---- Running ---------------------------------------------------------------------------------------------------------------- */

enum { OPERANDS = 6 };

struct walk {
    struct tl_view in[OPERANDS], out;
    int n;
};

static tl_status broadcast(const char *name, tl_tensor *const *in, int n, int *ndim, int64_t *shape)
{
    int most = 0;
    for (int i = 0; i < n; i++)
        most = in[i]->ndim > most ? in[i]->ndim : most;
    for (int d = 0; d < most; d++) {
        int64_t size = 1;
        for (int i = 0; i < n; i++) {
            int k = d - (most - in[i]->ndim);
            int64_t s = k < 0 ? 1 : in[i]->shape[k];
            if (s == 1 || s == size)
                continue;
            if (size != 1) {
                char text[3][160];
                for (int j = 0; j < 3; j++)
                    shape_text(text[j], sizeof text[j], j < n ? in[j]->ndim : 0, j < n ? in[j]->shape : NULL);
                return tl_fail(TL_ERR_SHAPE, "%s: shapes %s and %s%s%s do not broadcast: sizes %lld and %lld of dimension %d differ",
                               name, text[0], text[1], n > 2 ? " and " : "", n > 2 ? text[2] : "", (long long)size, (long long)s, d);
            }
            size = s;
        }
        shape[d] = size;
    }
    *ndim = most;
    return TL_OK;
}

/* Strides of an operand seen with the output's shape. */
static void stretch(const tl_tensor *t, const int64_t *strides, int ndim, const int64_t *shape, struct tl_view *v)
{
    v->dtype = (tl_dtype)t->dtype;
    v->ndim = ndim;
    v->layout = TL_LAYOUT_STRIDED;
    v->reserved = 0;
    for (int d = 0; d < ndim; d++) {
        int k = d - (ndim - t->ndim);
        v->shape[d] = shape[d];
        v->stride[d] = k < 0 || t->shape[k] == 1 ? 0 : strides[k];
    }
}

/* Order dimensions by the output's strides, then merge neighbours that every operand steps through as one. */
static void coalesce(struct walk *w)
{
    struct tl_view *o = &w->out;
    for (int i = 1; i < o->ndim; i++)
        for (int j = i; j > 0 && o->stride[j] > o->stride[j - 1]; j--) {
            for (int k = -1; k < w->n; k++) {
                struct tl_view *v = k < 0 ? o : &w->in[k];
                int64_t shape = v->shape[j], stride = v->stride[j];
                v->shape[j] = v->shape[j - 1];
                v->stride[j] = v->stride[j - 1];
                v->shape[j - 1] = shape;
                v->stride[j - 1] = stride;
            }
        }
    int at = -1;
    for (int d = 0; d < o->ndim; d++) {
        if (o->shape[d] == 1)
            continue;
        bool joins = at >= 0;
        for (int k = -1; k < w->n && joins; k++) {
            const struct tl_view *v = k < 0 ? o : &w->in[k];
            joins = v->stride[at] == v->stride[d] * v->shape[d];
        }
        at += !joins;
        for (int k = -1; k < w->n; k++) {
            struct tl_view *v = k < 0 ? o : &w->in[k];
            v->shape[at] = joins ? v->shape[at] * v->shape[d] : v->shape[d];
            v->stride[at] = v->stride[d];
        }
    }
    for (int k = -1; k < w->n; k++) {
        struct tl_view *v = k < 0 ? o : &w->in[k];
        v->ndim = at + 1;
    }
}

static tl_status run_walk(struct op_entry *e, const struct tl_pointwise_attrs *attrs, struct walk *w, device *d)
{
    const struct bound_kernel *b = device_kernels(d, e->kernel_id, e->kernel_name);
    if (!b)
        return tl_error_code();
    struct tl_residual none = {0};
    struct tl_call c = {.struct_size = sizeof c, .op = e->kernel_name, .attrs = attrs, .n_in = w->n, .n_out = 1, .in = w->in,
                        .out = &w->out, .residual = &none, .math = (uint32_t)tl_get_math()};
    for (; b->kernel; b++) {
        if (b->kernel->refuses && b->kernel->refuses(b->device, &c))
            continue;
        if (LIKELY(d->host)) {
            tl_status s = b->kernel->run(b->stream, NULL, &c, (struct tl_mem){0});
            return LIKELY(s == TL_OK) ? s : tl_fail(s, "%s: the kernel of %s failed", e->op->name, b->backend);
        }
        device_lock(d);
        tl_status s = b->kernel->run(b->stream, NULL, &c, (struct tl_mem){0});
        device_unlock(d);
        return s == TL_OK ? s : tl_fail(s, "%s: the kernel of %s failed", e->op->name, b->backend);
    }
    return TL_ERR_UNSUPPORTED;
}

/* The everyday case: contiguous operands of one shape (or single numbers). Nothing to broadcast, nothing to merge. */
static bool simple_walk(struct walk *w, tl_tensor *const *in, int n, const tl_tensor *out)
{
    int64_t shape = out->numel;
    if (!(out->flags & T_CONTIGUOUS))
        return false;
    for (int i = 0; i < n; i++) {
        const tl_tensor *t = in[i];
        bool same = t->numel == shape && (t->flags & T_CONTIGUOUS);
        if (!same && t->numel != 1)
            return false;
        w->in[i].dtype = (tl_dtype)t->dtype;
        w->in[i].layout = TL_LAYOUT_STRIDED;
        w->in[i].ndim = 1;
        w->in[i].shape[0] = shape;
        w->in[i].stride[0] = same && shape != 1;
        w->in[i].mem = tensor_mem(t);
    }
    w->n = n;
    w->out.dtype = (tl_dtype)out->dtype;
    w->out.layout = TL_LAYOUT_STRIDED;
    w->out.ndim = 1;
    w->out.shape[0] = shape;
    w->out.stride[0] = 1;
    w->out.mem = tensor_mem(out);
    return true;
}

/* The shortest way, for what eager code does most: contiguous operands of one shape on the host, a new result. false: not that case. */
static bool run_simply(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                       tl_tensor **out, tl_status *status)
{
    const tl_tensor *first = in[0];
    device *d = first->storage->device;
    if (*out || !d->host)
        return false;
    for (int i = 0; i < n; i++)
        if (!(in[i]->flags & T_CONTIGUOUS) || in[i]->storage->native || !in[i]->storage->canonical_made || in[i]->ndim != first->ndim)
            return false;
    for (int i = 1; i < n; i++)
        for (int k = 0; k < first->ndim; k++)
            if (in[i]->shape[k] != first->shape[k])
                return false;
    struct walk w;
    *out = tensor_new(d, out_dtype, first->ndim, first->shape, false);
    *status = *out ? TL_OK : tl_error_code();
    if (*status == TL_OK && simple_walk(&w, in, n, *out))
        *status = run_walk(e, attrs, &w, d);
    return true;
}

/* Channels-last operands keep their layout: if the largest operand is so, the result is too. */
static bool native_walk(struct walk *w, tl_tensor *const *in, int n, int ndim, const int64_t *shape, tl_dtype dtype, device *d,
                        tl_tensor **out, tl_status *status)
{
    struct tl_view native;
    bool found = false;
    if (*out || ndim < 3)
        return false;
    for (int i = 0; i < n && !found; i++)
        found = in[i]->storage->native && in[i]->ndim == ndim && memcmp(in[i]->shape, shape, (size_t)ndim * sizeof *shape) == 0 &&
                tensor_native(in[i], &native) && native.layout == TL_LAYOUT_CHANNELS_LAST;
    if (!found)
        return false;
    w->n = n;
    for (int i = 0; i < n; i++) {
        if (in[i]->storage->native && tensor_native(in[i], &native) && native.layout == TL_LAYOUT_CHANNELS_LAST) {
            stretch(in[i], native.stride, ndim, shape, &w->in[i]);
            w->in[i].mem = native.mem;
            continue;
        }
        if ((*status = tensor_canonical(in[i])) != TL_OK)
            return true;
        stretch(in[i], in[i]->strides, ndim, shape, &w->in[i]);
        w->in[i].mem = tensor_mem(in[i]);
    }
    *out = tensor_new(d, dtype, ndim, shape, true);
    if (!*out) {
        *status = tl_error_code();
        return true;
    }
    struct tl_view v = {.dtype = dtype, .ndim = ndim, .layout = TL_LAYOUT_CHANNELS_LAST};
    memcpy(v.shape, shape, (size_t)ndim * sizeof *shape);
    channels_last_strides(ndim, shape, v.stride);
    *status = tensor_adopt_native(*out, &v, (size_t)(*out)->numel * tl_dtype_size(dtype), &w->out);
    return true;
}

static bool is_half(tl_dtype t)
{
    return t == TL_F16 || t == TL_BF16;
}

/* No kernel takes these types: compute in f32, or on the host. */
static tl_status compute_elsewhere(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                                   tl_tensor *out)
{
    tl_tensor *moved[OPERANDS], *result = NULL;
    device *d = out->storage->device;
    bool half = false;
    for (int i = 0; i < n; i++)
        half |= is_half((tl_dtype)in[i]->dtype);
    if (!half && d->host)
        return tl_fail(TL_ERR_DTYPE, "%s: not done for %s", e->op->name, tl_dtype_name(n ? (tl_dtype)in[0]->dtype : out_dtype));
    const char *allowed = env_get("TELAR_FALLBACK", false);
    if (!half && allowed && strcmp(allowed, "error") == 0)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: no kernel on %s for %s, and TELAR_FALLBACK=error forbids the host's", e->op->name, d->name,
                       tl_dtype_name((tl_dtype)in[0]->dtype));
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        if (half) {
            moved[i] = is_half((tl_dtype)in[i]->dtype) ? tl_cast(in[i], TL_F32) : in[i];
        } else {
            moved[i] = tl_to_device(in[i], "cpu");
            bytes += (uint64_t)in[i]->numel * tl_dtype_size((tl_dtype)in[i]->dtype);
        }
        if (!moved[i])
            return tl_error_code();
    }
    fallback_note(e->op->name, d->name, half ? "widened to f32" : "host", bytes);
    tl_status s = pointwise_compute(e, attrs, moved, n, half && is_half(out_dtype) ? TL_F32 : out_dtype, &result);
    return s == TL_OK ? copy_values(result, out) : s;
}

static bool overlaps_badly(tl_tensor *const *in, int n, const tl_tensor *out)
{
    for (int i = 0; i < n; i++)
        if (in[i]->storage == out->storage &&
            !(in[i]->offset == out->offset && in[i]->ndim == out->ndim &&
              memcmp(in[i]->shape, out->shape, (size_t)out->ndim * sizeof *out->shape) == 0 &&
              memcmp(in[i]->strides, out->strides, (size_t)out->ndim * sizeof *out->strides) == 0))
            return true;
    return false;
}

tl_status pointwise_compute(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                            tl_tensor **out)
{
    struct walk w;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    tl_status s = TL_OK;
    if (LIKELY(run_simply(e, attrs, in, n, out_dtype, out, &s))) {
        if (LIKELY(s == TL_OK))
            return TL_OK;
        return tl_error_code() != TL_OK ? tl_error_code() : compute_elsewhere(e, attrs, in, n, out_dtype, *out);
    }
    device *d = in[0]->storage->device;
    bool same = true, natives = in[0]->storage->native != NULL;
    for (int i = 1; i < n; i++) {
        same &= in[i]->ndim == in[0]->ndim && memcmp(in[i]->shape, in[0]->shape, (size_t)in[0]->ndim * sizeof *shape) == 0;
        natives |= in[i]->storage->native != NULL;
    }
    if (LIKELY(same)) {
        ndim = in[0]->ndim;
        memcpy(shape, in[0]->shape, (size_t)ndim * sizeof *shape);
    } else if (broadcast(e->op->name, in, n, &ndim, shape) != TL_OK) {
        return tl_error_code();
    }
    if (UNLIKELY(natives) && native_walk(&w, in, n, ndim, shape, out_dtype, d, out, &s)) {
        if (s != TL_OK)
            return s;
        coalesce(&w);
        s = run_walk(e, attrs, &w, d);
    } else {
        for (int i = 0; i < n; i++)
            if (UNLIKELY((s = tensor_canonical(in[i])) != TL_OK))
                return s;
        if (!*out) {
            if (!(*out = tensor_new(d, out_dtype, ndim, shape, false)))
                return tl_error_code();
        } else if (overlaps_badly(in, n, *out)) {
            tl_tensor *beside = NULL;
            s = pointwise_compute(e, attrs, in, n, out_dtype, &beside);
            if (s != TL_OK || (s = tensor_written(*out)) != TL_OK)
                return s;
            return copy_values(beside, *out);
        } else if ((s = tensor_written(*out)) != TL_OK) {
            return s;
        }
        if (!simple_walk(&w, in, n, *out)) {
            w.n = n;
            for (int i = 0; i < n; i++) {
                stretch(in[i], in[i]->strides, ndim, shape, &w.in[i]);
                w.in[i].mem = tensor_mem(in[i]);
            }
            stretch(*out, (*out)->strides, ndim, shape, &w.out);
            w.out.mem = tensor_mem(*out);
            coalesce(&w);
        }
        s = run_walk(e, attrs, &w, d);
    }
    if (LIKELY(s == TL_OK))
        return TL_OK;
    return tl_error_code() != TL_OK ? tl_error_code() : compute_elsewhere(e, attrs, in, n, out_dtype, *out);
}

/* ---- Calling ------------------------------------------------------------------------------------------------------------------ */

static tl_status bad_null(const struct op_entry *e, int i)
{
    return tl_fail(TL_ERR_ARGUMENT, "%s: input %d is NULL or TL_NONE, and no earlier call failed", e->op->name, i);
}

static tl_status check_rule(const struct op_entry *e, tl_dtype t)
{
    if (e->pointwise->rule == RULE_ARITH && t == TL_BOOL)
        return tl_fail(TL_ERR_DTYPE, "%s: not defined for bool; use the logical ops, or tl_cast() first", e->op->name);
    return TL_OK;
}

/* An integer that is not whole is none: bounds such as 0.5 make the operands floating, as they do in PyTorch. */
static bool is_whole(double number)
{
    return isinf(number) || number == trunc(number);
}

/* A tensor of exponents may hold negative ones (then 1 / a^n loses its fraction); the number -1 is a mistake. */
static tl_status check_exponent(const struct op_entry *e, tl_tensor *const *in, tl_dtype t)
{
    if (tl_dtype_is_float(t) || strcmp(e->op->name, "pow") != 0 || !(in[1]->flags & T_WRAPPED) || tl_item(in[1]) >= 0)
        return TL_OK;
    return tl_fail(TL_ERR_ARGUMENT, "pow: integers have no power %g; convert them with tl_cast() to a floating type first", tl_item(in[1]));
}

/* Inputs of one dtype, on one device. */
static tl_status promote_inputs(const struct op_entry *e, tl_tensor *const *in, int n, double p, double q, tl_tensor **to)
{
    int first = e->pointwise->rule == RULE_COND ? 1 : 0;
    tl_dtype dtype = result_dtype(in + first, n - first);
    tl_status s = check_rule(e, dtype);
    if (s == TL_OK)
        s = check_exponent(e, in, dtype);
    if (s != TL_OK)
        return s;
    if (!tl_dtype_is_float(dtype) && (e->pointwise->rule == RULE_FLOAT || !is_whole(p) || !is_whole(q)))
        dtype = TL_F32;
    return operands_as(e->op->name, in, n, dtype, first, to);
}

static tl_status check_into(const struct op_entry *e, tl_tensor *into, tl_tensor *const *in, int n, tl_dtype result)
{
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    if (broadcast(e->op->name, in, n, &ndim, shape) != TL_OK)
        return tl_error_code();
    if (ndim != into->ndim || memcmp(shape, into->shape, (size_t)ndim * sizeof *shape) != 0) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "%s in place: the result has shape %s, the tensor written %s", e->op->name,
                       shape_text(text[0], sizeof text[0], ndim, shape), shape_text(text[1], sizeof text[1], into->ndim, into->shape));
    }
    if (dtype_category(result) > dtype_category((tl_dtype)into->dtype))
        return tl_fail(TL_ERR_DTYPE, "%s in place: a result of %s does not fit a tensor of %s", e->op->name, tl_dtype_name(result),
                       tl_dtype_name((tl_dtype)into->dtype));
    return TL_OK;
}

tl_tensor *pointwise_call(struct op_entry *e, tl_tensor *const *in, int n, double p, double q, tl_tensor *into)
{
    tl_tensor *same[3], *kept[3], *out = NULL;
    tl_tensor *const *operands = in;
    for (int i = 0; i < n; i++)
        if (UNLIKELY(!in[i] || is_none(in[i]))) {
            bad_null(e, i);
            return NULL;
        }
    if (UNLIKELY(atomic_load_explicit(&process_forked, memory_order_relaxed))) {
        tl_fail(TL_ERR_STATE, "%s: this process was forked from one that used Telar; call exec() first", e->op->name);
        return NULL;
    }
    if (UNLIKELY(!operands_agree(in, n, true) || e->pointwise->rule == RULE_COND)) {
        if (promote_inputs(e, in, n, p, q, same) != TL_OK)
            return NULL;
        operands = same;
    }
    tl_dtype dtype = e->pointwise->rule == RULE_TEST ? TL_BOOL : (tl_dtype)operands[n - 1]->dtype;
    bool recording = !grad_mode_off && e->pointwise->rule != RULE_TEST && any_needs_grad(operands, n);
    if (UNLIKELY(into != NULL)) {
        if (check_into(e, into, in, n, dtype) != TL_OK || !inplace_allowed(e->op->name, into, recording))
            return NULL;
        if (recording && keep_overwritten(e, operands, n, &into, kept) != TL_OK)
            return NULL;
        if (into->dtype == (uint8_t)dtype)
            out = into;
    }
    struct tl_pointwise_attrs attrs = {.struct_size = sizeof attrs, .p = p, .q = q};
    if (UNLIKELY(pointwise_compute(e, &attrs, operands, n, dtype, &out) != TL_OK))
        return NULL;
    if (UNLIKELY(into && out != into)) {
        if (tensor_written(into) != TL_OK || copy_values(out, into) != TL_OK)
            return NULL;
        out = into;
    }
    if (UNLIKELY(check_reference_on()) && check_against_reference(e, &attrs, operands, n, &out) != TL_OK)
        return NULL;
    if (recording) {
        struct tl_meta meta = {.dtype = (tl_dtype)out->dtype, .ndim = out->ndim};
        memcpy(meta.shape, out->shape, sizeof meta.shape);
        if (record(e, &attrs, operands, n, &out, &meta, NULL, into ? &into : NULL, into ? kept : NULL) != TL_OK)
            return NULL;
    }
    return out;
}

/* ---- Gradients ------------------------------------------------------------------------------------------------------------------ */

static tl_status pointwise_grad(struct tl_grad_ctx *g)
{
    struct op_entry *e = grad_entry(g);
    const struct pointwise *pw = e->pointwise;
    const struct tl_pointwise_attrs *attrs = tl_grad_attrs(g);
    tl_tensor *arriving = tl_grad_arriving(g, 0);
    for (int i = 0; i < e->op->n_in; i++) {
        if (!tl_grad_wants(g, i) || !pw->gradient[i] || strcmp(pw->gradient[i], "none") == 0)
            continue;
        tl_tensor *operand[TL_PW_OPERANDS] = {arriving}, *used[TL_PW_OPERANDS], *result = NULL;
        int n = 0;
        for (int k = TL_PW_A; k <= TL_PW_Y; k++)
            if (pw->uses[i] & (1u << k)) {
                operand[k] = k == TL_PW_Y ? tl_grad_output(g, 0) : tl_grad_input(g, k - TL_PW_A);
                if (!operand[k])
                    return tl_error_code();
            }
        for (int k = TL_PW_G; k <= TL_PW_Y; k++)
            if (pw->uses[i] & (1u << k))
                used[n++] = operand[k];
        if (strcmp(pw->gradient[i], "g") == 0)
            result = arriving;
        else if (tl_grad_enabled() || n == 0)
            result = pw->differentiable[i](arriving, operand[TL_PW_A], operand[TL_PW_B], operand[TL_PW_C], operand[TL_PW_Y],
                                           tl_scalar(attrs->p), tl_scalar(attrs->q));
        else
            pointwise_compute(pw->kernel[i], attrs, used, n, (tl_dtype)used[0]->dtype, &result);
        if (tl_grad_set(g, i, result) != TL_OK)
            return tl_error_code();
    }
    return TL_OK;
}

/* The table, read as tensor ops: every verb, whether or not a gradient uses it today. */
#define add(a, b) tl_add(a, b)
#define sub(a, b) tl_sub(a, b)
#define mul(a, b) tl_mul(a, b)
#define div(a, b) tl_div(a, b)
#define neg(a) tl_neg(a)
#define abs_(a) tl_abs(a)
#define sign_(a) tl_sign(a)
#define min_(a, b) tl_minimum(a, b)
#define max_(a, b) tl_maximum(a, b)
#define pow_(a, b) tl_pow(a, b)
#define sqrt_(a) tl_sqrt(a)
#define rsqrt_(a) tl_rsqrt(a)
#define exp_(a) tl_exp(a)
#define expm1_(a) tl_expm1(a)
#define log_(a) tl_log(a)
#define log1p_(a) tl_log1p(a)
#define log2_(a) tl_log2(a)
#define sin_(a) tl_sin(a)
#define cos_(a) tl_cos(a)
#define tanh_(a) tl_tanh(a)
#define erf_(a) tl_erf(a)
#define floor_(a) tl_floor(a)
#define ceil_(a) tl_ceil(a)
#define trunc_(a) tl_trunc(a)
#define round_(a) tl_round(a)
#define fmod_(a, b) tl_fmod(a, b)
#define sigmoid_(a) tl_sigmoid(a)
#define lt(a, b) tl_lt(a, b)
#define le(a, b) tl_le(a, b)
#define gt(a, b) tl_gt(a, b)
#define ge(a, b) tl_ge(a, b)
#define eq(a, b) tl_eq(a, b)
#define ne(a, b) tl_ne(a, b)
#define and_(a, b) tl_logical_and(a, b)
#define or_(a, b) tl_logical_or(a, b)
#define not_(a) tl_logical_not(a)
#define isnan_(a) tl_isnan(a)
#define sel(c, a, b) tl_where(c, a, b)
#define K(x) tl_scalar(x)
#define none NULL
#define EXPRESSION(name, which, text)                                                                                             \
    static tl_tensor *name##_gradient_##which(tl_tensor *g, tl_tensor *a, tl_tensor *b, tl_tensor *c, tl_tensor *y, tl_tensor *p,  \
                                              tl_tensor *q)                                                                       \
    {                                                                                                                             \
        (void)g, (void)a, (void)b, (void)c, (void)y, (void)p, (void)q;                                                            \
        return text;                                                                                                              \
    }
#define TL_UNARY(name, rule, e, da, formula) EXPRESSION(name, 0, da)
#define TL_BINARY(name, rule, e, da, db, formula) EXPRESSION(name, 0, da) EXPRESSION(name, 1, db)
#define TL_TERNARY(name, rule, e, da, db, dc, formula) EXPRESSION(name, 0, da) EXPRESSION(name, 1, db) EXPRESSION(name, 2, dc)
#include <telar/pointwise.def>
#undef none

/* ---- The table, read as descriptors ----------------------------------------------------------------------------------------------- */

enum index {
#define TL_UNARY(name, rule, e, da, formula) PW_##name,
#define TL_BINARY(name, rule, e, da, db, formula) PW_##name,
#define TL_TERNARY(name, rule, e, da, db, dc, formula) PW_##name,
#define TL_TEST1(name, e, formula) PW_##name,
#define TL_TEST2(name, e, formula) PW_##name,
#include <telar/pointwise.def>
    PW_COUNT
};

static const struct line {
    const char *name, *formula, *expression, *gradient[3];
    int n_in, rule;
    tl_tensor *(*differentiable[3])(tl_tensor *g, tl_tensor *a, tl_tensor *b, tl_tensor *c, tl_tensor *y, tl_tensor *p, tl_tensor *q);
} lines[PW_COUNT] = {
#define TL_UNARY(name, rule, e, da, formula) {#name, formula, #e, {#da}, 1, RULE_##rule, {name##_gradient_0}},
#define TL_BINARY(name, rule, e, da, db, formula) \
    {#name, formula, #e, {#da, #db}, 2, RULE_##rule, {name##_gradient_0, name##_gradient_1}},
#define TL_TERNARY(name, rule, e, da, db, dc, formula) \
    {#name, formula, #e, {#da, #db, #dc}, 3, RULE_##rule, {name##_gradient_0, name##_gradient_1, name##_gradient_2}},
#define TL_TEST1(name, e, formula) {#name, formula, #e, {0}, 1, RULE_TEST, {0}},
#define TL_TEST2(name, e, formula) {#name, formula, #e, {0}, 2, RULE_TEST, {0}},
#include <telar/pointwise.def>
};

static const struct tl_attr_field pointwise_fields[] = {TL_ATTR_TABLE(pointwise)};
static tl_op ops[PW_COUNT], gradient_ops[PW_COUNT][3];
static char gradient_names[PW_COUNT][3][40];
static struct pointwise pointwise[PW_COUNT], gradient_pointwise;
static struct op_entry *entries[PW_COUNT];

static void fill_descriptor(tl_op *op, const char *name, const char *formula, int n_in)
{
    *op = (tl_op){.struct_size = sizeof *op, .name = name, .formula = formula, .flags = TL_OP_POINTWISE, .n_in = n_in, .n_out = 1,
                  .attrs = pointwise_fields, .attrs_size = sizeof(struct tl_pointwise_attrs)};
}

static tl_status register_gradient(int i, int k)
{
    struct pointwise *pw = &pointwise[i];
    const char *text = lines[i].gradient[k];
    pw->gradient[k] = text;
    pw->uses[k] = tl_pointwise_uses(text);
    pw->differentiable[k] = lines[i].differentiable[k];
    if (strcmp(text, "g") == 0 || strcmp(text, "none") == 0 || pw->uses[k] == 0)
        return TL_OK; /* nothing to compute: the gradient that arrives, none, or a constant */
    snprintf(gradient_names[i][k], sizeof gradient_names[i][k], "%s_d%c", lines[i].name, 'a' + k);
    fill_descriptor(&gradient_ops[i][k], gradient_names[i][k], text, __builtin_popcount(pw->uses[k]));
    gradient_ops[i][k].flags |= TL_OP_INTERNAL;
    return op_register_entry(&gradient_ops[i][k], &gradient_pointwise, &pw->kernel[k]);
}

static const char *torch_name(const char *name)
{
    static const char *const names[][2] = {{"hard_sigmoid", "HardsigmoidBackward0"}, {"relu6", "HardtanhBackward0"},
                                           {"squared_error", "MseLossBackward0"},    {"smooth_l1_error", "SmoothL1LossBackward0"},
                                           {"bce_error", "BinaryCrossEntropyBackward0"},
                                           {"bce_logits_error", "BinaryCrossEntropyWithLogitsBackward0"},
                                           {"pow", "PowBackward1"},                 {"clamp", "ClampBackward1"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], name) == 0)
            return names[i][1];
    return NULL;
}

tl_status pointwise_register_all(void)
{
    gradient_pointwise.rule = RULE_GRADIENT;
    for (int i = 0; i < PW_COUNT; i++) {
        const struct line *l = &lines[i];
        fill_descriptor(&ops[i], l->name, l->formula, l->n_in);
        ops[i].grad_name = torch_name(l->name);
        if (l->rule != RULE_TEST)
            ops[i].grad = pointwise_grad;
        pointwise[i] = (struct pointwise){.expression = l->expression, .rule = l->rule};
        tl_status s = op_register_entry(&ops[i], &pointwise[i], &entries[i]);
        for (int k = 0; k < l->n_in && l->rule != RULE_TEST && s == TL_OK; k++)
            s = register_gradient(i, k);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

/* ---- Public functions -------------------------------------------------------------------------------------------------------------- */

static inline struct op_entry *entry(enum index i)
{
    if (UNLIKELY(!entries[i]))
        registry_init();
    return entries[i];
}

#define TL_UNARY(name, rule, e, da, formula)                                           \
    tl_tensor *tl_##name(tl_tensor *x)                                                 \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, 0, 0, NULL);    \
    }
#define TL_UNARY_P(name, rule, e, da, formula)                                         \
    tl_tensor *tl_##name(tl_tensor *x, double p)                                       \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, p, 0, NULL);    \
    }
#define TL_UNARY_PQ(name, rule, e, da, formula)                                        \
    tl_tensor *tl_##name(tl_tensor *x, double p, double q)                             \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, p, q, NULL);    \
    }
#define TL_BINARY(name, rule, e, da, db, formula)                                      \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z)                                   \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z}, 2, 0, 0, NULL); \
    }
#define TL_BINARY_P(name, rule, e, da, db, formula)                                    \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z, double p)                         \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z}, 2, p, 0, NULL); \
    }
#define TL_TERNARY(name, rule, e, da, db, dc, formula)                                    \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z, tl_tensor *w)                        \
    {                                                                                     \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z, w}, 3, 0, 0, NULL); \
    }
#define TL_TEST1(name, e, formula)                                                     \
    tl_tensor *tl_##name(tl_tensor *x)                                                 \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, 0, 0, NULL);    \
    }
#define TL_TEST2(name, e, formula)                                                     \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z)                                   \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z}, 2, 0, 0, NULL); \
    }
#include <telar/pointwise.def>

tl_tensor *tl_add_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_add), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_sub_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_sub), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_mul_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_mul), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_div_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_div), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_relu_(tl_tensor *t)
{
    return pointwise_call(entry(PW_relu), (tl_tensor *[]){t}, 1, 0, 0, t);
}

tl_tensor *tl_clamp_(tl_tensor *t, double low, double high)
{
    return pointwise_call(entry(PW_clamp), (tl_tensor *[]){t}, 1, low, high, t);
}

tl_tensor *tl_axpy_(tl_tensor *t, double alpha, tl_tensor *other)
{
    return tl_add_(t, alpha == 1 ? other : tl_mul_s(other, alpha));
}
