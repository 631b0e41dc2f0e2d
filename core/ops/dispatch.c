/* SPDX-License-Identifier: Apache-2.0
 *
 * Calling an op: check, infer, compute, record. Every op of every kind comes through dispatch(), but for the pointwise ones,
 * whose shorter way is in pointwise.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

enum { MAX_ATTRS = 512, MAX_INPUTS = 16 };

/* May a view be written while gradients are recorded? */
static bool view_allowed(const char *op, const tl_tensor *t, bool recording)
{
    bool base_needs = needs_grad(t->base);
    if ((t->flags & T_QUIET_VIEW) && (recording || base_needs)) {
        tl_fail(TL_ERR_STATE, "%s in place: the view was made under TL_NO_GRAD but is written while gradients are recorded; make it outside, "
                              "or write it under TL_NO_GRAD { } as well",
                op);
        return false;
    }
    if (base_needs && (t->base->flags & T_REQUIRES_GRAD)) {
        tl_fail(TL_ERR_STATE, "%s in place: the tensor is a view of a leaf that requires gradients, which cannot be written; use the form without "
                              "underscore, or make the view and write it under TL_NO_GRAD { }",
                op);
        return false;
    }
    return true;
}

bool inplace_allowed(const char *op, tl_tensor *t, bool recording)
{
    if (!grad_mode_off && (t->flags & T_REQUIRES_GRAD)) {
        tl_fail(TL_ERR_STATE, "%s in place: a leaf that requires gradients cannot be written; use the form without underscore, or TL_NO_GRAD { }",
                op);
        return false;
    }
    if (t->base && t->base->storage != t->storage)
        history_forget_base(t); /* tl_set_data() gave the base another one */
    if (!grad_mode_off && t->base && !view_allowed(op, t, recording))
        return false;
    for (int i = 0; i < t->ndim; i++)
        if (t->strides[i] == 0 && t->shape[i] > 1) {
            tl_fail(TL_ERR_STATE, "%s in place: several elements of the expanded tensor share one place in memory; tl_clone() it first", op);
            return false;
        }
    return true;
}

/* *at becomes the device that the inputs are on; NULL without inputs. */
static tl_status check_inputs(const struct op_entry *e, tl_tensor *const *in, int n_in, device **at)
{
    const tl_op *op = e->op;
    if (UNLIKELY(forked(op->name)))
        return tl_error_code();
    if (op->n_in != TL_OP_VARIADIC && n_in != op->n_in)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %d inputs given, %d expected", op->name, n_in, op->n_in);
    device *d = NULL;
    for (int i = 0; i < n_in; i++) {
        if (!in[i])
            return tl_fail(TL_ERR_ARGUMENT, "%s: input %d is NULL, and no earlier call failed", op->name, i);
        if (is_none(in[i])) {
            if (i >= 32 || !(op->optional_in & (1u << i)))
                return tl_fail(TL_ERR_ARGUMENT, "%s: input %d is TL_NONE but not optional", op->name, i);
            continue;
        }
        if (d && in[i]->storage->device != d)
            return tl_fail(TL_ERR_DEVICE, "%s: input %d is on %s, another on %s; move one with tl_to_device()", op->name, i,
                           in[i]->storage->device->name, d->name);
        d = in[i]->storage->device;
    }
    *at = d;
    return TL_OK;
}

static void meta_of(const tl_tensor *t, struct tl_meta *m)
{
    m->dtype = (tl_dtype)t->dtype;
    m->ndim = is_none(t) ? -1 : t->ndim;
    if (m->ndim > 0)
        memcpy(m->shape, t->shape, (size_t)t->ndim * sizeof *t->shape);
}

static tl_status check_outputs(const tl_op *op, const device *d, const struct tl_meta *meta, tl_tensor *const *into, bool recording)
{
    for (int i = 0; i < op->n_out; i++) {
        int64_t n;
        char text[2][160];
        if (meta[i].ndim < 0)
            continue;
        if (meta[i].ndim > TL_MAX_DIMS || !shape_numel(meta[i].ndim, meta[i].shape, &n))
            return tl_fail(TL_ERR_LIMIT, "%s: the result would be too large, or have more than %d dimensions", op->name, TL_MAX_DIMS);
        tl_tensor *to = into ? into[i] : NULL;
        if (!to)
            continue;
        if (to->dtype != (uint8_t)meta[i].dtype || to->ndim != meta[i].ndim ||
            memcmp(to->shape, meta[i].shape, (size_t)to->ndim * sizeof *to->shape) != 0)
            return tl_fail(TL_ERR_SHAPE, "%s in place: the result is %s %s, the tensor written %s %s", op->name,
                           tl_dtype_name(meta[i].dtype), shape_text(text[0], sizeof text[0], meta[i].ndim, meta[i].shape),
                           tl_dtype_name((tl_dtype)to->dtype), shape_text(text[1], sizeof text[1], to->ndim, to->shape));
        if (d && to->storage->device != d)
            return tl_fail(TL_ERR_DEVICE, "%s in place: the inputs are on %s, the tensor written on %s", op->name, d->name,
                           to->storage->device->name);
        if (!inplace_allowed(op->name, to, recording))
            return tl_error_code();
        if (recording && to->base && op->n_out > 1)
            return tl_fail(TL_ERR_UNSUPPORTED, "%s in place: it has %d outputs, and only ops with one can be recorded while they write through a "
                                               "view; write a tensor of its own and tl_copy_() it",
                           op->name, op->n_out);
    }
    return TL_OK;
}

static void forget(tl_tensor **out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = NULL;
}

static tl_status dispatch_view(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    struct tl_meta meta[8];
    bool recording = !grad_mode_off && any_needs_grad(in, n_in);
    bool was = tl_set_grad_enabled(false);
    tl_status s = e->op->view(attrs, in, n_in, out);
    tl_set_grad_enabled(was);
    if (s != TL_OK)
        s = tl_fail(s, "%s: failed", e->op->name);
    for (int i = 0; i < e->op->n_out && s == TL_OK; i++) {
        if (!out[i]) {
            s = tl_fail(TL_ERR_ARGUMENT, "%s: no result", e->op->name);
            break;
        }
        /* A view that changes nothing may be its input: give it a face of its own, so that it can have a history. */
        if (out[i] == in[0]) {
            tl_tensor *alias = tensor_alias(in[0]);
            if (!alias || !scope_own(alias)) {
                s = tl_error_code();
                break;
            }
            out[i] = alias;
        }
        history_view(out[i], in[0]);
        meta_of(out[i], &meta[i]);
    }
    if (s == TL_OK && recording)
        s = record(e, attrs, in, n_in, out, meta, NULL, NULL, NULL);
    if (s != TL_OK)
        forget(out, e->op->n_out);
    return s;
}

static tl_status dispatch_ready(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into,
                                tl_tensor **out, struct residual *residual)
{
    const tl_op *op = e->op;
    _Alignas(16) unsigned char normal[MAX_ATTRS];
    forget(out, op->n_out);
    device *d;
    tl_status s = check_inputs(e, in, n_in, &d);
    if (s != TL_OK)
        return s;
    memset(normal, 0, op->attrs_size);
    if (attrs && op->attrs_size) {
        size_t theirs = *(const size_t *)attrs;
        memcpy(normal, attrs, theirs && theirs < op->attrs_size ? theirs : op->attrs_size);
    }
    if (op->attrs_size >= sizeof(size_t))
        memcpy(normal, &op->attrs_size, sizeof(size_t));
    if (op->flags & TL_OP_VIEW)
        return dispatch_view(e, normal, in, n_in, out);
    struct tl_meta few[MAX_INPUTS], *meta_in = n_in <= MAX_INPUTS ? few : malloc((size_t)n_in * sizeof *meta_in), meta_out[8];
    if (!meta_in)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory for %d inputs", op->name, n_in);
    for (int i = 0; i < n_in; i++)
        meta_of(in[i], &meta_in[i]);
    for (int i = 0; i < op->n_out; i++)
        meta_out[i] = (struct tl_meta){.ndim = -1};
    s = op->infer(meta_in, n_in, normal, meta_out);
    if (meta_in != few)
        free(meta_in);
    if (s != TL_OK)
        return tl_fail(s, "%s: its arguments do not fit", op->name);
    bool recording = !grad_mode_off && any_needs_grad(in, n_in);
    s = check_outputs(op, d, meta_out, into, recording);
    if (s != TL_OK)
        return s;
    tl_tensor *kept[MAX_INPUTS];
    if (recording && into && n_in <= MAX_INPUTS && (s = keep_overwritten(e, in, n_in, into, kept)) != TL_OK)
        return s;
    struct residual made = {0}, *r = residual ? residual : &made;
    for (int i = 0; i < op->n_out; i++)
        out[i] = into ? into[i] : NULL;
    s = compute(e, normal, in, n_in, meta_out, out, r, recording && !residual);
    if (s == TL_OK && UNLIKELY(check_reference_on()) && !program_recorder)
        s = check_against_reference(e, normal, in, n_in, out);
    /* Also without a gradient function: then backward says that there is none, instead of taking the result for a constant. */
    if (s == TL_OK && recording)
        s = record(e, normal, in, n_in, out, meta_out, residual ? NULL : &made, into, into && n_in <= MAX_INPUTS ? kept : NULL);
    if (made.storage)
        storage_release(made.storage);
    if (s != TL_OK)
        forget(out, op->n_out);
    return s;
}

static bool all_there(tl_tensor *const *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (!in[i] || is_none(in[i]))
            return false;
    return true;
}

/* Inputs of different dtypes: the same call with what they have in common. */
static tl_status dispatch_promoted(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into,
                                   tl_tensor **out)
{
    tl_tensor *few[MAX_INPUTS], **same = n_in <= MAX_INPUTS ? few : malloc((size_t)n_in * sizeof *same);
    if (!same)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory for %d inputs", e->op->name, n_in);
    tl_status s = promote_operands(e->op->name, in, n_in, (e->op->flags & TL_OP_FLOATING) != 0, same);
    if (s == TL_OK)
        s = dispatch(e, attrs, same, n_in, into, out, NULL);
    if (same != few)
        free(same);
    return s;
}

/* A single sample: the same call with a batch of one. */
static tl_status dispatch_sample(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into, tl_tensor **out)
{
    tl_tensor *batched[MAX_INPUTS];
    for (int i = 1; i < n_in; i++)
        batched[i] = in[i];
    batched[0] = tl_unsqueeze(in[0], 0);
    tl_status s = batched[0] ? dispatch(e, attrs, batched, n_in, into, out, NULL) : tl_error_code();
    return s == TL_OK && !(out[0] = tl_squeeze_dim(out[0], 0)) ? tl_error_code() : s;
}

tl_status dispatch(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into, tl_tensor **out,
                   struct residual *residual)
{
    unsigned flags = e->op->flags;
    if (UNLIKELY(flags & TL_OP_PROMOTE) && n_in > 0 && all_there(in, n_in) && !operands_agree(in, n_in, (flags & TL_OP_FLOATING) != 0))
        return dispatch_promoted(e, attrs, in, n_in, into, out);
    if (UNLIKELY(e->batched_rank) && n_in <= MAX_INPUTS && n_in > 0 && in[0] && !is_none(in[0]) && in[0]->ndim == e->batched_rank - 1)
        return dispatch_sample(e, attrs, in, n_in, into, out);
    return dispatch_ready(e, attrs, in, n_in, into, out, residual);
}

static struct op_entry *registered(const tl_op *op)
{
    if (!op) {
        tl_fail(TL_ERR_ARGUMENT, "op_call: the descriptor is NULL; is its name right?");
        return NULL;
    }
    registry_init();
    struct op_entry *e = op_entry_of(op);
    if (!e)
        tl_fail(TL_ERR_ARGUMENT, "%s: not registered; call tl_op_register() first", op->name ? op->name : "op_call");
    return e;
}

/* The fused gradients of pointwise ops have no descriptor's infer: their operands are what the core's own calls give them, and a
 * program's must be alike. */
static tl_status call_gradient(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    struct tl_pointwise_attrs zero = {0};
    device *d;
    tl_status s = check_inputs(e, in, n_in, &d);
    for (int i = 0; i < n_in && s == TL_OK; i++)
        if (in[i]->dtype != in[0]->dtype || !tl_dtype_is_float((tl_dtype)in[i]->dtype))
            s = tl_fail(TL_ERR_DTYPE, "%s: input %d is %s, input 0 %s; all must be of one floating type", e->op->name, i,
                        tl_dtype_name((tl_dtype)in[i]->dtype), tl_dtype_name((tl_dtype)in[0]->dtype));
    tl_tensor *made = NULL;
    if (s == TL_OK)
        s = pointwise_compute(e, attrs ? attrs : &zero, in, n_in, (tl_dtype)in[0]->dtype, &made);
    out[0] = s == TL_OK ? made : NULL;
    return s;
}

tl_status tl_op_call_into(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into, tl_tensor **out)
{
    struct op_entry *e = registered(op);
    if (op && out)
        forget(out, op->n_out);
    if (!e)
        return tl_error_code();
    if (!out || n_in < 0 || (n_in > 0 && !in))
        return tl_fail(TL_ERR_ARGUMENT, "%s: the list of %s is NULL, or the number of inputs, %d, negative", op->name, out ? "inputs" : "outputs",
                       n_in);
    if (!e->pointwise)
        return dispatch(e, attrs, in, n_in, into, out, NULL);
    const struct tl_pointwise_attrs *a = attrs;
    if (n_in != op->n_in)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %d inputs given, %d expected", op->name, n_in, op->n_in);
    if (e->pointwise->rule == RULE_GRADIENT && into && into[0])
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: a gradient is not written in place", op->name);
    if (e->pointwise->rule == RULE_GRADIENT)
        return call_gradient(e, a, in, n_in, out);
    out[0] = pointwise_call(e, in, n_in, a ? a->p : 0, a ? a->q : 0, into ? into[0] : NULL);
    return out[0] ? TL_OK : tl_error_code();
}

tl_status tl_op_call(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    return tl_op_call_into(op, attrs, in, n_in, NULL, out);
}

tl_tensor *tl_op_call1(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in)
{
    tl_tensor *out[8] = {0};
    return tl_op_call_into(op, attrs, in, n_in, NULL, out) == TL_OK ? out[0] : NULL;
}
