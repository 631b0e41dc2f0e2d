/* SPDX-License-Identifier: Apache-2.0
 *
 * equal and allclose: two tensors compared as a whole, with a plain bool for an answer.
 */
#include "core/ops/shape_util.h"

static bool truth(tl_tensor *t)
{
    return t && tl_item(t) != 0; /* which is 0 after an error */
}

bool tl_equal(tl_tensor *a, tl_tensor *b)
{
    bool answer = false;
    if (operand_missing("equal", a) || operand_missing("equal", b))
        return false;
    if (values_missing("equal", a) || values_missing("equal", b))
        return false;
    if (a->ndim != b->ndim || memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0)
        return false;
    TL_SCOPE
    {
        TL_NO_GRAD
        {
            answer = truth(tl_all(tl_eq(a, b)));
        }
    }
    return answer;
}

bool tl_allclose(tl_tensor *a, tl_tensor *b, double rtol, double atol)
{
    bool answer = false;
    if (operand_missing("allclose", a) || operand_missing("allclose", b) || values_missing("allclose", a) || values_missing("allclose", b))
        return false;
    TL_SCOPE
    {
        TL_NO_GRAD
        {
            /* Infinities are close to themselves only. */
            tl_tensor *error = tl_abs(tl_sub(tl_cast(a, TL_F64), tl_cast(b, TL_F64)));
            tl_tensor *allowed = tl_add_s(tl_mul_s(tl_abs(tl_cast(b, TL_F64)), rtol), atol);
            tl_tensor *near = tl_logical_and(tl_isfinite(error), tl_le(error, allowed));
            answer = truth(tl_all(tl_logical_or(tl_eq(a, b), near)));
        }
    }
    return answer;
}
