/* SPDX-License-Identifier: Apache-2.0
 *
 * argmax and argmin: where the extreme is, the first of equals, NaN being the extreme of all. Over one dimension, or over
 * everything, counting in row-major order. Not differentiable.
 */
#include "core/ops/reduce.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(reduce)};

static tl_status infer(const char *op, const struct tl_meta *in, struct tl_reduce_attrs *a, struct tl_meta *out)
{
    tl_status s = reduce_infer(op, &in[0], a, out);
    if (s != TL_OK)
        return s;
    if (a->dims.n > 1 && a->dims.n < in[0].ndim)
        return tl_fail(TL_ERR_ARGUMENT, "%s: over one dimension or over all, not over %lld of %d", op, (long long)a->dims.n,
                       (int)in[0].ndim);
    a->dtype = out[0].dtype = TL_I64;
    return reduce_demand_elements(op, &in[0], a);
}

#define WHERE(op, text)                                                                               \
    static tl_status infer_##op(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out) \
    {                                                                                                 \
        (void)n_in;                                                                                   \
        return infer(#op, in, attrs, out);                                                            \
    }                                                                                                 \
    const tl_op tl_op_##op = {                                                                        \
        .struct_size = sizeof(tl_op),                                                                 \
        .name = #op,                                                                                  \
        .formula = text,                                                                              \
        .flags = TL_OP_REDUCTION,                                                                     \
        .n_in = 1,                                                                                    \
        .n_out = 1,                                                                                   \
        .attrs = fields,                                                                              \
        .attrs_size = sizeof(struct tl_reduce_attrs),                                                 \
        .infer = infer_##op,                                                                          \
    };                                                                                                \
    tl_tensor *tl_##op##_with(tl_tensor *t, const struct tl_reduce_attrs *o)                          \
    {                                                                                                 \
        return tl_op_call1(&tl_op_##op, o, &t, 1);                                                    \
    }

WHERE(argmax, "y = index of the largest of x")
WHERE(argmin, "y = index of the smallest of x")
