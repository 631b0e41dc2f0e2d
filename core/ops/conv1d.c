/* SPDX-License-Identifier: Apache-2.0
 *
 * conv1d: a conv2d of pictures with a single row. A sample without its batch is one here as there.
 */
#include "core/ops/shape_util.h"

static bool fits(const char *what, const tl_tensor *t, bool sample)
{
    if (operand_missing("conv1d", t))
        return false;
    if (t->ndim == 3 || (sample && t->ndim == 2))
        return true;
    tl_fail(TL_ERR_SHAPE, "conv1d: the %s must have 3 dimensions%s, not %s", what, sample ? ", or 2 without the batch" : "", TENSOR_TEXT(t));
    return false;
}

tl_tensor *tl_conv1d_with(tl_tensor *x, tl_tensor *weight, tl_tensor *bias, const struct tl_conv2d_attrs *o)
{
    struct tl_conv2d_attrs a = {.struct_size = sizeof a};
    if (!fits("input", x, true) || !fits("weight", weight, false))
        return NULL;
    if (o) {
        const int64_t padding = o->padding[0] ? o->padding[0] : TL_NONE_SIZE;
        a.stride[0] = a.dilation[0] = 1;
        a.stride[1] = o->stride[0] ? o->stride[0] : 1;
        a.dilation[1] = o->dilation[0] ? o->dilation[0] : 1;
        a.padding[0] = TL_NONE_SIZE;
        a.padding[1] = padding;
        a.groups = o->groups;
    }
    tl_tensor *rows = tl_unsqueeze(x, -2), *kernels = tl_unsqueeze(weight, 2);
    tl_tensor *y = rows && kernels ? tl_conv2d_with(rows, kernels, bias, &a) : NULL;
    return y ? tl_squeeze_dim(y, -2) : NULL;
}
