/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways of a call that no kernel of its device takes: half precision is widened, ops are decomposed, and what is left may go to the
 * host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/run/run.h"

static bool is_half(const tl_tensor *t)
{
    return !is_none(t) && (t->dtype == TL_F16 || t->dtype == TL_BF16);
}

bool any_half(const struct frame *f)
{
    for (int i = 0; i < f->n_in; i++)
        if (is_half(f->in[i]))
            return true;
    return false;
}

/* Is r a tensor of its own, as a kernel would have made it: contiguous, and not the memory of an input? */
static bool stands_alone(const struct frame *f, const tl_tensor *r)
{
    for (int i = 0; i < f->n_in; i++)
        if (!is_none(f->in[i]) && f->in[i]->storage == r->storage)
            return false;
    return (r->flags & T_CONTIGUOUS) != 0;
}

/* Results of another route into the outputs that were asked for. */
static tl_status deliver(struct frame *f, tl_tensor *const *results)
{
    for (int i = 0; i < f->n_out; i++) {
        if (f->meta[i].ndim < 0)
            continue;
        tl_tensor *r = results[i];
        if (!r)
            return tl_error_code() != TL_OK ? tl_error_code()
                                            : tl_fail(TL_ERR_PLUGIN, "%s: its decomposition gave no output %d", f->entry->op->name, i);
        bool fits = r->dtype == (uint8_t)f->meta[i].dtype && r->ndim == f->meta[i].ndim && r->storage->device == f->device &&
                    memcmp(r->shape, f->meta[i].shape, (size_t)r->ndim * sizeof *r->shape) == 0;
        if (!f->out[i] && fits && stands_alone(f, r)) {
            history_forget_base(r); /* which nobody else has */
            f->out[i] = r;
            continue;
        }
        if (!f->out[i])
            f->out[i] = tensor_new(f->device, f->meta[i].dtype, f->meta[i].ndim, f->meta[i].shape, false);
        if (!f->out[i] || tensor_written(f->out[i]) != TL_OK)
            return tl_error_code();
        if (r->numel != f->out[i]->numel)
            return tl_fail(TL_ERR_PLUGIN, "%s: its decomposition gave output %d another shape than infer", f->entry->op->name, i);
        tl_tensor *same = tl_reshape(r, f->out[i]->ndim, f->out[i]->shape);
        if (!same || copy_values(same, f->out[i]) != TL_OK)
            return tl_error_code();
    }
    return TL_OK;
}

tl_status compute_widened(struct frame *f, const char *why)
{
    tl_tensor *wide[MAX_OPERANDS], *results[8] = {0};
    struct tl_meta meta[8];
    if (f->n_in > MAX_OPERANDS)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: more than %d half-precision inputs", f->entry->op->name, MAX_OPERANDS);
    for (int i = 0; i < f->n_in; i++) {
        wide[i] = is_half(f->in[i]) ? tl_cast(f->in[i], TL_F32) : f->in[i];
        if (!wide[i])
            return tl_error_code();
    }
    for (int i = 0; i < f->n_out; i++) {
        meta[i] = f->meta[i];
        if (meta[i].dtype == TL_F16 || meta[i].dtype == TL_BF16)
            meta[i].dtype = TL_F32;
    }
    fallback_note(f->entry->op->name, f->device->name, "widened to f32", why, 0);
    tl_status s = compute(f->entry, f->attrs, wide, f->n_in, meta, results, f->residual, f->want_residual);
    return s == TL_OK ? deliver(f, results) : s;
}

tl_status compute_decomposed(struct frame *f, const char *why)
{
    tl_tensor *results[8] = {0};
    if (why)
        fallback_note(f->entry->op->name, f->device->name, "decomposed", why, 0);
    tl_tensor *given[8];
    memcpy(given, f->out, (size_t)f->n_out * sizeof *given);
    /* What is made on the way goes at once. */
    tl_scope scope = tl_scope_begin();
    tl_status s = f->entry->op->decompose(f->attrs, f->in, f->n_in, results);
    if (s == TL_OK)
        s = deliver(f, results);
    for (int i = 0; i < f->n_out && s == TL_OK; i++)
        if (f->out[i] && f->out[i] != given[i] && !tl_scope_return(f->out[i]))
            s = tl_error_code();
    tl_scope_end(&scope);
    return s;
}

tl_status compute_on_host(struct frame *f, const char *why)
{
    const char *allowed = env_get("TELAR_FALLBACK", false);
    if (allowed && strcmp(allowed, "error") == 0)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: no kernel on %s (%s), and TELAR_FALLBACK=error forbids the host's", f->entry->op->name,
                       f->device->name, why);
    tl_tensor **moved = calloc((size_t)f->n_in + 1, sizeof *moved), *results[8] = {0};
    if (!moved)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", f->entry->op->name);
    uint64_t bytes = 0;
    tl_status s = TL_OK;
    for (int i = 0; i < f->n_in && s == TL_OK; i++) {
        moved[i] = f->in[i];
        if (is_none(f->in[i]))
            continue;
        moved[i] = tensor_new(device_host(), (tl_dtype)f->in[i]->dtype, f->in[i]->ndim, f->in[i]->shape, false);
        s = moved[i] ? copy_values(f->in[i], moved[i]) : tl_error_code();
        bytes += (uint64_t)f->in[i]->numel * tl_dtype_size((tl_dtype)f->in[i]->dtype);
    }
    if (s == TL_OK)
        s = compute(f->entry, f->attrs, moved, f->n_in, f->meta, results, NULL, false);
    for (int i = 0; i < f->n_out && s == TL_OK; i++)
        if (results[i])
            bytes += (uint64_t)results[i]->numel * tl_dtype_size((tl_dtype)results[i]->dtype);
    if (s == TL_OK)
        s = deliver(f, results);
    free(moved);
    fallback_note(f->entry->op->name, f->device->name, "host", why, bytes);
    return s;
}

