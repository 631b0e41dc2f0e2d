/* SPDX-License-Identifier: Apache-2.0
 *
 * The windows of max_pool2d and avg_pool2d; see pool2d.h.
 */
#include "core/ops/pool2d.h"

tl_status pool2d_demand_pictures(const char *op, const char *what, const struct tl_meta *m)
{
    if (m->ndim != 4)
        return tl_fail(TL_ERR_SHAPE, "%s: %s must have 4 dimensions (batch, channels, rows, columns), or 3 without the batch, not %s", op, what,
                       META_TEXT(m));
    if (m->shape[1] == 0 || m->shape[2] == 0 || m->shape[3] == 0)
        return tl_fail(TL_ERR_SHAPE, "%s: %s %s has no elements; only the batch may be empty", op, what, META_TEXT(m));
    return demand_floating(op, what, m);
}

tl_status pool2d_resolve(const char *op, struct tl_pool2d_attrs *a)
{
    static const int64_t zero[2] = {0, 0}, one[2] = {1, 1};
    const int64_t most = 1 << 24;
    resolve_pair(a->kernel, zero);
    resolve_pair(a->stride, a->kernel);
    resolve_pair(a->padding, zero);
    resolve_pair(a->dilation, one);
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1 || a->stride[i] < 1 || a->dilation[i] < 1 || a->kernel[i] > most || a->stride[i] > most || a->dilation[i] > most)
            return tl_fail(TL_ERR_ARGUMENT, "%s: kernel %lld, stride %lld and dilation %lld must be from 1 to %lld", op, (long long)a->kernel[i],
                           (long long)a->stride[i], (long long)a->dilation[i], (long long)most);
        if (a->padding[i] < 0 || a->padding[i] > a->kernel[i] / 2)
            return tl_fail(TL_ERR_ARGUMENT, "%s: padding %lld must be from 0 to half the kernel of %lld", op, (long long)a->padding[i],
                           (long long)a->kernel[i]);
    }
    return TL_OK;
}

tl_status pool2d_windows(const char *op, const struct tl_pool2d_attrs *a, const int64_t size[2], int64_t n[2])
{
    for (int i = 0; i < 2; i++) {
        int64_t window = a->dilation[i] * (a->kernel[i] - 1) + 1, stride = a->stride[i];
        if (size[i] < 0 || size[i] > INT64_MAX / 4)
            return tl_fail(TL_ERR_LIMIT, "%s: an input of %lld x %lld", op, (long long)size[0], (long long)size[1]);
        int64_t room = size[i] + 2 * a->padding[i] - window + (a->ceil_mode ? stride - 1 : 0);
        n[i] = room < 0 ? 0 : room / stride + 1;
        if (a->ceil_mode && n[i] > 0 && (n[i] - 1) * stride >= size[i] + a->padding[i])
            n[i]--;
        if (n[i] < 1)
            return tl_fail(TL_ERR_SHAPE, "%s: a window of %lld x %lld is larger than the padded input of %lld x %lld", op,
                           (long long)(a->dilation[0] * (a->kernel[0] - 1) + 1), (long long)(a->dilation[1] * (a->kernel[1] - 1) + 1),
                           (long long)(size[0] + 2 * a->padding[0]), (long long)(size[1] + 2 * a->padding[1]));
    }
    return TL_OK;
}

struct tl_pool2d_attrs pool2d_again(const struct tl_pool2d_attrs *a)
{
    struct tl_pool2d_attrs copy = *a;
    unresolve_pair(copy.padding);
    return copy;
}
