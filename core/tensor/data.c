/* SPDX-License-Identifier: Apache-2.0
 *
 * Replacing what a tensor stands for, while everybody who holds it keeps holding it: how a module's parameters move to
 * another device or dtype.
 */
#include "core/internal.h"

tl_status tl_set_data(tl_tensor *t, tl_tensor *source)
{
    if (!t || !source || is_none(t) || is_none(source))
        return tl_fail(TL_ERR_ARGUMENT, "set_data: a tensor is NULL or TL_NONE, and no earlier call failed");
    if (UNLIKELY(program_recorder != NULL) && t->storage->made_in != recording_id())
        return tl_fail(TL_ERR_STATE, "set_data: while recording, a tensor from outside cannot be given other data, which would happen once and not at "
                                     "each run; tl_copy_() the values");
    if (history_of(t))
        return tl_fail(TL_ERR_STATE, "set_data: the tensor is the result of an operation; only leaves can be replaced");
    if ((t->flags & T_REQUIRES_GRAD) && !tl_dtype_is_float((tl_dtype)source->dtype))
        return tl_fail(TL_ERR_DTYPE, "set_data: the tensor requires a gradient, which %s values cannot have",
                       tl_dtype_name((tl_dtype)source->dtype));
    bool fits = t->ndim == source->ndim && t->dtype == source->dtype && t->storage->device == source->storage->device &&
                memcmp(t->shape, source->shape, (size_t)t->ndim * sizeof *t->shape) == 0;
    storage *old = t->storage;
    storage_keep(source->storage);
    t->storage = source->storage;
    t->offset = source->offset;
    t->dtype = source->dtype;
    t->ndim = source->ndim;
    t->numel = source->numel;
    memcpy(t->shape, source->shape, sizeof t->shape);
    memcpy(t->strides, source->strides, sizeof t->strides);
    t->flags = (uint16_t)((t->flags & ~T_CONTIGUOUS) | (source->flags & T_CONTIGUOUS));
    storage_release(old);
    history_forget_base(t);
    return fits ? TL_OK : tl_set_grad(t, TL_NONE);
}
