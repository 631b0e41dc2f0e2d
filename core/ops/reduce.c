/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reductions share; see reduce.h. Backends always see the reduced dimensions with size 1: the dispatcher takes care
 * of keepdim.
 */
#include "core/ops/reduce.h"

tl_status reduce_infer(const char *op, const struct tl_meta *x, struct tl_reduce_attrs *a, struct tl_meta *out)
{
    bool all = a->dims.n == 0;
    if (all) {
        a->dims.n = x->ndim;
        for (int i = 0; i < x->ndim; i++)
            a->dims.v[i] = i;
    }
    tl_status s = resolve_dims(op, &a->dims, x->ndim);
    if (s != TL_OK)
        return s;
    out->dtype = x->dtype;
    out->ndim = 0;
    int64_t next = 0;
    for (int i = 0; i < x->ndim; i++) {
        bool reduced = next < a->dims.n && a->dims.v[next] == i;
        next += reduced;
        if (!reduced || a->keepdim)
            out->shape[out->ndim++] = reduced ? 1 : x->shape[i];
    }
    return TL_OK;
}

tl_status reduce_demand_elements(const char *op, const struct tl_meta *x, const struct tl_reduce_attrs *a)
{
    for (int64_t i = 0; i < a->dims.n; i++)
        if (x->shape[a->dims.v[i]] == 0)
            return tl_fail(TL_ERR_SHAPE, "%s: dimension %lld of %s has no elements to choose from", op, (long long)a->dims.v[i],
                           META_TEXT(x));
    return TL_OK;
}

int64_t reduce_count(const struct tl_meta *x, const struct tl_reduce_attrs *a)
{
    int64_t n = 1;
    for (int64_t i = 0; i < a->dims.n; i++)
        n *= x->shape[a->dims.v[i]];
    return n;
}

tl_tensor *reduce_keep(tl_tensor *t, const struct tl_meta *x, const struct tl_reduce_attrs *a)
{
    int64_t shape[TL_MAX_DIMS];
    if (!t || a->keepdim || t->ndim == x->ndim)
        return t;
    memcpy(shape, x->shape, (size_t)x->ndim * sizeof *shape);
    for (int64_t i = 0; i < a->dims.n; i++)
        shape[a->dims.v[i]] = 1;
    return tl_reshape(t, x->ndim, shape);
}

tl_tensor *reduce_stretch(tl_tensor *t, const struct tl_meta *x, const struct tl_reduce_attrs *a)
{
    tl_tensor *kept = reduce_keep(t, x, a);
    return kept ? tl_expand(kept, x->ndim, x->shape) : NULL;
}

struct tl_reduce_attrs reduce_keeping(const struct tl_reduce_attrs *a)
{
    return (struct tl_reduce_attrs){.struct_size = sizeof *a, .dims = a->dims, .keepdim = true, .biased = a->biased};
}
