/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls on operands that have no values. Everything was checked and inferred before; what is left is to make outputs that have none
 * either, and to keep account, for the calling thread, of the memory and the work that the real call would have taken.
 */
#include "core/run/run.h"

static _Thread_local struct {
    int64_t bytes, peak; /* below 0 where tensors of another thread were released here */
    uint64_t multiply_adds;
} account;

void walk_count_bytes(int64_t bytes)
{
    account.bytes += bytes;
    if (account.bytes > account.peak)
        account.peak = account.bytes;
}

void walk_count_multiply_adds(int64_t n)
{
    account.multiply_adds += (uint64_t)n;
}

struct tl_walk_cost tl_walk_cost(void)
{
    return (struct tl_walk_cost){.bytes = account.bytes, .peak = account.peak, .multiply_adds = account.multiply_adds};
}

void tl_walk_reset_peak(void)
{
    account.peak = account.bytes;
}

static void count_work(const struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *out)
{
    struct tl_meta metas[MAX_OPERANDS];
    if (!e->multiply_adds || n_in > MAX_OPERANDS)
        return;
    for (int i = 0; i < n_in; i++) {
        metas[i] = (struct tl_meta){.dtype = (tl_dtype)in[i]->dtype, .ndim = is_none(in[i]) ? -1 : in[i]->ndim};
        memcpy(metas[i].shape, in[i]->shape, sizeof metas[i].shape);
    }
    walk_count_multiply_adds(e->multiply_adds(metas, n_in, attrs, out));
}

tl_status compute_valueless(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, device *d,
                            tl_tensor **out)
{
    for (int i = 0; i < e->op->n_out; i++) {
        const struct tl_meta *m = &meta[i];
        if (m->ndim < 0)
            continue;
        if (!out[i])
            out[i] = tensor_new_valueless(d, m->dtype, m->ndim, m->shape);
        else if (!out[i]->storage->valueless)
            return tl_fail(TL_ERR_STATE, "%s in place: an operand has no values, but the tensor written has, and would lose them", e->op->name);
        else
            tensor_written(out[i]);
        if (!out[i])
            return tl_error_code();
    }
    count_work(e, attrs, in, n_in, meta);
    return TL_OK;
}
