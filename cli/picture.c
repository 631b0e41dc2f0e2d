/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures in the terminal, two columns a pixel.
 */
#include <math.h>

#include "cli/cli.h"

enum { LARGEST_PICTURE = 40 };

/* Pictures are [1, h, w] or [h, w], and small enough for a terminal. */
static bool picture_size(const struct tl_dataset_info *info, int64_t *h, int64_t *w)
{
    int n = info->ndim;
    if (!(n == 2 || (n == 3 && info->shape[0] == 1)))
        return false;
    *h = info->shape[n - 2];
    *w = info->shape[n - 1];
    return *h <= LARGEST_PICTURE && *w <= LARGEST_PICTURE && *h * *w > 0;
}

static void draw_row(const float *pixels, int64_t w, float low, float high)
{
    static const char *const shades[] = {"  ", "░░", "▒▒", "▓▓", "██"};
    fputs("    ", stdout);
    for (int64_t x = 0; x < w; x++) {
        float share = high > low ? (pixels[x] - low) / (high - low) : 0;
        int shade = share > 0 ? share < 1 ? (int)lroundf(share * 4) : 4 : 0; /* NaN is 0 as well */
        fputs(shades[shade], stdout);
    }
}

tl_status draw_pictures(tl_tensor *left, tl_tensor *right, const struct tl_dataset_info *info)
{
    enum { PIXELS = LARGEST_PICTURE * LARGEST_PICTURE };
    int64_t h, w;
    float pixels[2 * PIXELS], low = INFINITY, high = -INFINITY;
    if (!picture_size(info, &h, &w) || tl_numel(left) != h * w || (right && tl_numel(right) != h * w))
        return TL_OK;
    tl_status s = tl_copy_out(left, TL_F32, pixels, (size_t)(h * w) * sizeof *pixels);
    if (s == TL_OK && right)
        s = tl_copy_out(right, TL_F32, pixels + PIXELS, (size_t)(h * w) * sizeof *pixels);
    if (s != TL_OK)
        return s;
    for (int64_t i = 0; i < h * w; i++) {
        low = fminf(low, pixels[i]);
        high = fmaxf(high, pixels[i]);
    }
    for (int64_t y = 0; y < h; y++) {
        draw_row(pixels + y * w, w, low, high);
        if (right)
            draw_row(pixels + PIXELS + y * w, w, low, high);
        fputc('\n', stdout);
    }
    return TL_OK;
}
