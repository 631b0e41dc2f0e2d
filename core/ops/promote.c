/* SPDX-License-Identifier: Apache-2.0
 *
 * Promotion to a common dtype, by the rules of torch.result_type: here for every op. Pointwise ops ask by their rule, others by
 * the flags TL_OP_PROMOTE and TL_OP_FLOATING of their descriptor.
 */
#include <telar/program.h>

#include "core/internal.h"

int dtype_category(tl_dtype t)
{
    return tl_dtype_is_float(t) ? 2 : t == TL_BOOL ? 0 : 1;
}

static tl_dtype promote(tl_dtype a, tl_dtype b)
{
    if (a == b || b == TL_DEFAULT)
        return a;
    if (a == TL_DEFAULT)
        return b;
    if (dtype_category(a) != dtype_category(b))
        return dtype_category(a) > dtype_category(b) ? a : b;
    if (dtype_category(a) == 2)
        return a == TL_F64 || b == TL_F64 ? TL_F64 : TL_F32; /* f16 with bf16, or either with f32 */
    if ((a == TL_I8 && b == TL_U8) || (a == TL_U8 && b == TL_I8))
        return TL_I32; /* the next type that holds both; there is no i16 */
    static const int rank[TL_DTYPE_COUNT] = {[TL_U8] = 1, [TL_I8] = 2, [TL_I32] = 3, [TL_I64] = 4};
    return rank[a] > rank[b] ? a : b;
}

/* A weaker operand (a 0-d tensor, a plain number) decides only if it is of a higher category. */
static tl_dtype combine(tl_dtype strong, tl_dtype weak)
{
    if (strong == TL_DEFAULT)
        return weak;
    if (weak == TL_DEFAULT)
        return strong;
    return dtype_category(weak) > dtype_category(strong) ? weak : strong;
}

tl_dtype result_dtype(tl_tensor *const *in, int n)
{
    tl_dtype full = TL_DEFAULT, zero = TL_DEFAULT, wrapped = TL_DEFAULT;
    for (int i = 0; i < n; i++) {
        tl_dtype t = (tl_dtype)in[i]->dtype;
        if (in[i]->flags & T_WRAPPED)
            wrapped = promote(wrapped, t == TL_F64 ? TL_F32 : t);
        else if (in[i]->ndim == 0)
            zero = promote(zero, t);
        else
            full = promote(full, t);
    }
    return combine(combine(full, zero), wrapped);
}

static tl_tensor *number_as(tl_tensor *t, tl_dtype dtype, device *d);

/* A number that was made while a program is recorded: it is brought to the device once, as a constant. */
static tl_tensor *constant_as(tl_tensor *t, tl_dtype dtype, device *d)
{
    uint32_t id = recording_id();
    bool was = tl_set_recording(false);
    tl_tensor *r = number_as(t, dtype, d);
    tl_set_recording(was);
    if (r)
        r->storage->made_in = id;
    return r;
}

/* A plain number, or a 0-d tensor of the host, as an operand of `dtype` on d. */
static tl_tensor *number_as(tl_tensor *t, tl_dtype dtype, device *d)
{
    if (t->flags & T_WRAPPED) {
        if (UNLIKELY(program_recorder != NULL) && t->storage->made_in == recording_id() && !(t->storage->recorded & RECORDED_VALUELESS))
            return constant_as(t, dtype, d);
        tl_tensor *r = tensor_new(d, dtype, 0, NULL, false);
        if (r && d->host && dtype == TL_F32 && t->dtype == TL_F64 && LIKELY(program_recorder == NULL)) {
            *(float *)tl_mem_ptr(r->storage->mem) = (float)*(const double *)tl_mem_ptr(tensor_mem(t));
            return r;
        }
        return r && copy_values(t, r) == TL_OK ? r : NULL;
    }
    t = t->storage->device == d ? t : tl_to_device(t, d->name);
    return tl_cast(t, dtype);
}

/* Where the result will be: with the first operand of a device other than the host, else with the first that is not a number. */
static device *common_device(tl_tensor *const *in, int n)
{
    device *d = NULL;
    for (int i = 0; i < n; i++)
        if (!d || (d->host && in[i]->ndim > 0 && !(in[i]->flags & T_WRAPPED)))
            d = in[i]->storage->device;
    for (int i = 0; i < n; i++)
        if (in[i]->storage->device != d && !in[i]->storage->device->host)
            d = in[i]->storage->device;
    return d;
}

tl_status operands_as(const char *op, tl_tensor *const *in, int n, tl_dtype dtype, int first, tl_tensor **to)
{
    device *d = common_device(in, n);
    for (int i = 0; i < n; i++) {
        tl_dtype want = i < first ? TL_BOOL : dtype;
        to[i] = in[i];
        if (in[i]->dtype == (uint8_t)want && in[i]->storage->device == d)
            continue;
        if (in[i]->ndim == 0 && in[i]->storage->device->host)
            to[i] = number_as(in[i], want, d);
        else if (in[i]->storage->device != d)
            return tl_fail(TL_ERR_DEVICE, "%s: input %d is on %s, another on %s; move one with tl_to_device()", op, i,
                           in[i]->storage->device->name, d->name);
        else
            to[i] = tl_cast(in[i], want);
        if (!to[i])
            return tl_error_code();
    }
    return TL_OK;
}

tl_status promote_operands(const char *op, tl_tensor *const *in, int n, bool floating, tl_tensor **to)
{
    tl_dtype dtype = result_dtype(in, n);
    return operands_as(op, in, n, floating && !tl_dtype_is_float(dtype) ? TL_F32 : dtype, 0, to);
}
