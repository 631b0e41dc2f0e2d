/* SPDX-License-Identifier: Apache-2.0
 *
 * Resizing pictures as tensors, on any device. The resize is separable, and each direction is a matrix: new rows are weighted means of old ones. So
 * it is two matrix products, of which backends do the most that they can.
 *
 * The weights are those of Pillow's bilinear filter, which torchvision's Resize has: a triangle about the new pixel's centre, as wide as a step in
 * the old picture when it is made smaller (so that nothing is skipped), and of one pixel when it is made larger; cut off at the edges.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include <telar/data.h>
#include <telar/ops.h>

#include "nn/data/internal.h"

enum { MOST = 1 << 16 };

/* The [to, from] matrix, scope-owned, in x's dtype on its device. */
static tl_tensor *weights(int64_t from, int64_t to, tl_tensor *x)
{
    tl_tensor *w = tl_zeros(TL_SHAPE(to, from), (struct tl_options){.device = "cpu"});
    float *rows = w ? tl_data_mut(w) : NULL;
    if (!rows)
        return NULL;
    double step = (double)from / (double)to, reach = step > 1 ? step : 1;
    for (int64_t i = 0; i < to; i++) {
        double centre = ((double)i + 0.5) * step, sum = 0;
        int64_t first = (int64_t)fmax(0, floor(centre - reach + 0.5)), end = (int64_t)fmin((double)from, floor(centre + reach + 0.5));
        for (int64_t k = first; k < end; k++)
            sum += fmax(0, 1 - fabs((double)k + 0.5 - centre) / reach);
        for (int64_t k = first; k < end; k++)
            rows[i * from + k] = (float)(fmax(0, 1 - fabs((double)k + 0.5 - centre) / reach) / sum);
    }
    return tl_to_device(tl_cast(w, tl_dtype_of(x)), tl_device_of(x));
}

tl_tensor *tl_image_resize(tl_tensor *x, int64_t height, int64_t width)
{
    if (!x) {
        tl_fail(TL_ERR_ARGUMENT, "image_resize: the picture is NULL, and no earlier call failed");
        return NULL;
    }
    if (tl_is_none(x) || tl_ndim(x) < 2 || tl_size(x, -2) < 1 || tl_size(x, -1) < 1) {
        tl_fail(TL_ERR_SHAPE, "image_resize: expected pictures, [… x height x width], got %d dimensions", tl_is_none(x) ? 0 : tl_ndim(x));
        return NULL;
    }
    if (height < 1 || width < 1 || height > MOST || width > MOST) {
        tl_fail(TL_ERR_ARGUMENT, "image_resize: to %" PRId64 " x %" PRId64 "; both must be from 1 to %d", height, width, (int)MOST);
        return NULL;
    }
    if (!tl_dtype_is_float(tl_dtype_of(x)))
        x = tl_cast(x, TL_F32);
    int64_t h = x ? tl_size(x, -2) : 0, w = x ? tl_size(x, -1) : 0;
    /* Across first, as Pillow does. */
    if (x && w != width)
        x = tl_matmul(x, tl_t(weights(w, width, x)));
    if (x && h != height)
        x = tl_matmul(weights(h, height, x), x);
    return x;
}
