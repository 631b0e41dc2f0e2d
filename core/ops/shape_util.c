/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks on shapes, dimensions and dtypes that many ops share; see shape_util.h.
 */
#include <float.h>
#include <math.h>

#include "core/ops/shape_util.h"

bool operand_missing(const char *op, const tl_tensor *t)
{
    if (t && !is_none(t))
        return false;
    tl_fail(TL_ERR_ARGUMENT, "%s: an operand is %s", op, t ? "TL_NONE, but not optional" : "NULL, and no earlier call failed");
    return true;
}

bool take_dims(const char *op, int n, const int64_t *list, struct tl_dims *to)
{
    if (n < 0 || n > TL_MAX_DIMS || (n > 0 && !list)) {
        if (n >= 0 && n <= TL_MAX_DIMS)
            tl_fail(TL_ERR_ARGUMENT, "%s: the list of %d dimensions is NULL", op, n);
        else
            tl_fail(TL_ERR_ARGUMENT, "%s: %d dimensions; at most %d", op, n, TL_MAX_DIMS);
        return false;
    }
    to->n = n;
    if (n > 0)
        memcpy(to->v, list, (size_t)n * sizeof *list);
    return true;
}

tl_status resolve_dim(const char *op, int64_t *dim, int ndim)
{
    int64_t rank = ndim ? ndim : 1;
    if (*dim < -rank || *dim >= rank)
        return tl_fail(TL_ERR_SHAPE, "%s: dimension %lld is out of range for a tensor of rank %d (expected %lld to %lld)", op,
                       (long long)*dim, ndim, (long long)-rank, (long long)rank - 1);
    if (*dim < 0)
        *dim += rank;
    return TL_OK;
}

tl_status resolve_dims(const char *op, struct tl_dims *dims, int ndim)
{
    bool taken[TL_MAX_DIMS] = {false};
    if (dims->n < 0 || dims->n > TL_MAX_DIMS)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %lld dimensions given; at most %d", op, (long long)dims->n, TL_MAX_DIMS);
    for (int64_t i = 0; i < dims->n; i++) {
        int64_t given = dims->v[i];
        tl_status s = resolve_dim(op, &dims->v[i], ndim);
        if (s != TL_OK)
            return s;
        if (taken[dims->v[i]])
            return tl_fail(TL_ERR_ARGUMENT, "%s: dimension %lld is given twice", op, (long long)given);
        taken[dims->v[i]] = true;
    }
    dims->n = 0;
    for (int i = 0; i < ndim; i++)
        if (taken[i])
            dims->v[dims->n++] = i;
    for (int64_t i = dims->n; i < TL_MAX_DIMS; i++)
        dims->v[i] = 0; /* equal attributes are equal bytes */
    return TL_OK;
}

bool same_shape(const struct tl_meta *a, const struct tl_meta *b)
{
    return a->ndim == b->ndim && (a->ndim <= 0 || memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0);
}

int64_t count(const struct tl_meta *m, int first, int last)
{
    int64_t n = 1;
    for (int i = first; i < last; i++)
        n *= m->shape[i];
    return n;
}

int64_t sums_of(const struct tl_meta *m, int64_t terms)
{
    int64_t all;
    return __builtin_mul_overflow(count(m, 0, m->ndim), terms, &all) ? INT64_MAX : all;
}

bool broadcast_shapes(int *ndim, int64_t *shape, int other_ndim, const int64_t *other)
{
    int64_t joint[TL_MAX_DIMS];
    int n = *ndim > other_ndim ? *ndim : other_ndim;
    for (int i = 0; i < n; i++) {
        int a = i - (n - *ndim), b = i - (n - other_ndim);
        int64_t size_a = a < 0 ? 1 : shape[a], size_b = b < 0 ? 1 : other[b];
        if (size_a != size_b && size_a != 1 && size_b != 1)
            return false;
        joint[i] = size_a == 1 ? size_b : size_a;
    }
    *ndim = n;
    memcpy(shape, joint, (size_t)n * sizeof *joint);
    return true;
}

tl_status demand_floating(const char *op, const char *what, const struct tl_meta *m)
{
    if (tl_dtype_is_float(m->dtype))
        return TL_OK;
    return tl_fail(TL_ERR_DTYPE, "%s: %s is %s; floating numbers are expected (convert with tl_cast())", op, what,
                   tl_dtype_name(m->dtype));
}

tl_status demand_index(const char *op, const char *what, const struct tl_meta *m)
{
    if (m->dtype == TL_I64)
        return TL_OK;
    return tl_fail(TL_ERR_DTYPE, "%s: %s is %s; indices are i64 (convert with tl_cast())", op, what, tl_dtype_name(m->dtype));
}

tl_status demand_same_dtype(const char *op, const char *what_a, const struct tl_meta *a, const char *what_b, const struct tl_meta *b)
{
    if (a->dtype == b->dtype)
        return TL_OK;
    return tl_fail(TL_ERR_DTYPE, "%s: %s is %s and %s is %s; both must have one element type (convert with tl_cast())", op, what_a,
                   tl_dtype_name(a->dtype), what_b, tl_dtype_name(b->dtype));
}

tl_status demand_same_shape(const char *op, const char *what_a, const struct tl_meta *a, const char *what_b, const struct tl_meta *b)
{
    if (same_shape(a, b))
        return TL_OK;
    return tl_fail(TL_ERR_SHAPE, "%s: %s has shape %s, %s %s; the same shape is expected", op, what_a, META_TEXT(a), what_b,
                   META_TEXT(b));
}

tl_status demand_value(const char *op, double *value, tl_dtype t)
{
    static const double most[TL_DTYPE_COUNT] = {[TL_F32] = FLT_MAX, [TL_F64] = DBL_MAX, [TL_F16] = 65504, [TL_BF16] = 0x1.fep127};
    static const double range[TL_DTYPE_COUNT][2] = {
        [TL_I8] = {-128, 127}, [TL_U8] = {-255, 255}, [TL_I32] = {-0x1p31, 0x1p31 - 1}, [TL_I64] = {-0x1p63, 0x1.fffffffffffffp62}};
    double v = *value;
    bool fits = t == TL_BOOL                ? true
                : tl_dtype_is_float(t)      ? !isfinite(v) || fabs(v) <= most[t]
                                            : trunc(v) >= range[t][0] && trunc(v) <= range[t][1];
    if (!fits)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %g is not a number that %s holds", op, v, tl_dtype_name(t));
    if (t == TL_U8 && trunc(v) < 0)
        *value = trunc(v) + 256;
    return TL_OK;
}

void resolve_pair(int64_t pair[2], const int64_t fallback[2])
{
    if (pair[0] == 0 && pair[1] == 0) {
        pair[0] = fallback[0];
        pair[1] = fallback[1];
    } else if (pair[1] == 0) {
        pair[1] = pair[0];
    }
    for (int i = 0; i < 2; i++)
        if (pair[i] == TL_NONE_SIZE)
            pair[i] = 0;
}

void unresolve_pair(int64_t pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] == 0)
            pair[i] = TL_NONE_SIZE;
}

tl_tensor *zeros_for(const struct tl_meta *m, const tl_tensor *like)
{
    if (!like)
        return NULL;
    /* By device, not by its name: the one of TELAR_CHECK is on no list. */
    tl_tensor *t = tensor_new(like->storage->device, m->dtype, m->ndim, m->shape, false);
    return t ? tl_zero_(t) : NULL;
}

tl_tensor *as_index(const char *op, tl_tensor *index)
{
    if (!index || is_none(index) || index->dtype == TL_I64)
        return index;
    if (index->dtype == TL_I32)
        return tl_cast(index, TL_I64);
    tl_fail(TL_ERR_DTYPE, "%s: the indices are %s; expected i64 or i32", op, tl_dtype_name((tl_dtype)index->dtype));
    return NULL;
}
