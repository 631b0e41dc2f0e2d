/* SPDX-License-Identifier: Apache-2.0
 *
 * What both kinds of picture share: telling them apart, bounds on their size, resizing and cropping. The resize is separable, across
 * and then down, each output pixel a weighted mean under a triangle that is as wide as the reduction (so that shrinking does not
 * alias); weights are rounded to 22 binary places and each pass to bytes, as Pillow does.
 */
#include "picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* large pictures are slow, and no news */
#define MAX_PIXELS ((uint64_t)1 << 20)
#else
#define MAX_PIXELS ((uint64_t)1 << 28)
#endif
#define WEIGHT_BITS 22

tl_status picture_decode(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out)
{
    static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    int orientation = 1;
    tl_status s;
    if (size >= 8 && memcmp(data, png, 8) == 0)
        s = picture_decode_png(path, data, size, only_size, out, &orientation);
    else if (size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff)
        s = picture_decode_jpeg(path, data, size, only_size, out, &orientation);
    else if (size == 0)
        s = tl_fail(TL_ERR_TRUNCATED, "\"%s\": the file is empty", path);
    else
        s = tl_fail(TL_ERR_FORMAT, "\"%s\": neither JPEG nor PNG by its first bytes", path);
    if (s != TL_OK)
        return s;
    s = picture_turn(path, out, orientation);
    if (s != TL_OK) {
        free(out->pixels);
        out->pixels = NULL;
    }
    return s;
}

tl_status picture_check(const char *path, size_t size, uint64_t most, const struct picture *p)
{
    uint64_t pixels;

    if (p->height < 1 || p->width < 1 || !tl_size_mul((uint64_t)p->height, (uint64_t)p->width, &pixels) || pixels > MAX_PIXELS)
        return tl_fail(TL_ERR_LIMIT, "\"%s\": a picture of %" PRId64 " x %" PRId64 " pixels; 1 to %" PRIu64 " in all are possible", path,
                       p->height, p->width, MAX_PIXELS);
    if (pixels / most > size)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": %" PRId64 " x %" PRId64 " pixels are declared, more than its %zu bytes can hold", path,
                       p->height, p->width, size);
    return TL_OK;
}

tl_status picture_allocate(const char *path, struct picture *p)
{
    p->pixels = malloc((size_t)(p->height * p->width) * 3);
    return p->pixels ? TL_OK : tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %" PRId64 " x %" PRId64 " pixels", path, p->height, p->width);
}

/* ITU-R BT.601's luminance: 0.299 R + 0.587 G + 0.114 B in 16 binary places, whose sum is 1. */
void picture_to_grey(struct picture *p)
{
    size_t n = (size_t)(p->height * p->width);

    for (unsigned char *at = p->pixels; n > 0; n--, at += 3)
        at[0] = at[1] = at[2] = (unsigned char)((at[0] * 19595u + at[1] * 38470u + at[2] * 7471u + 0x8000u) >> 16);
}

/* ---- Resizing ---- */

/* Weights of one axis: output i is the sum over k of weight[i * most + k] times input first[i] + k. */
struct filter {
    int64_t most;
    int64_t *first, *count;
    int32_t *weight;
};

static void filter_free(struct filter *f)
{
    free(f->first);
    free(f->count);
    free(f->weight);
}

static bool filter_make(int64_t from, int64_t to, struct filter *f)
{
    double scale = (double)from / (double)to, wide = scale > 1 ? scale : 1;
    int64_t most = (int64_t)ceil(wide) * 2 + 1;
    double *w = calloc((size_t)most, sizeof *w);

    *f = (struct filter){.most = most, .first = calloc((size_t)to, sizeof *f->first), .count = calloc((size_t)to, sizeof *f->count),
                         .weight = calloc((size_t)to, (size_t)most * sizeof *f->weight)};
    if (!w || !f->first || !f->count || !f->weight) {
        filter_free(f);
        free(w);
        return false;
    }
    for (int64_t i = 0; i < to; i++) {
        double centre = ((double)i + 0.5) * scale, sum = 0;
        int64_t low = (int64_t)(centre - wide + 0.5), high = (int64_t)(centre + wide + 0.5);
        low = low < 0 ? 0 : low;
        high = high > from ? from : high;
        for (int64_t k = 0; k < high - low; k++) {
            double away = fabs(((double)(k + low) - centre + 0.5) / wide);
            w[k] = away < 1 ? 1 - away : 0;
            sum += w[k];
        }
        for (int64_t k = 0; k < high - low; k++)
            f->weight[i * most + k] = (int32_t)(w[k] / sum * (1 << WEIGHT_BITS) + 0.5);
        f->first[i] = low;
        f->count[i] = high - low;
    }
    free(w);
    return true;
}

/* One output pixel from inputs `step` bytes apart. */
static void weigh(const unsigned char *in, int64_t step, const int32_t *weight, int64_t count, unsigned char *out)
{
    for (int c = 0; c < 3; c++) {
        int64_t sum = 1 << (WEIGHT_BITS - 1);
        for (int64_t k = 0; k < count; k++)
            sum += (int64_t)in[k * step + c] * weight[k];
        sum >>= WEIGHT_BITS;
        out[c] = (unsigned char)(sum > 255 ? 255 : sum);
    }
}

static bool resize_width(struct picture *p, int64_t width)
{
    struct filter f;
    unsigned char *made = malloc((size_t)(p->height * width) * 3);

    if (!made || !filter_make(p->width, width, &f)) {
        free(made);
        return false;
    }
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < width; x++)
            weigh(p->pixels + (y * p->width + f.first[x]) * 3, 3, f.weight + x * f.most, f.count[x], made + (y * width + x) * 3);
    filter_free(&f);
    free(p->pixels);
    p->pixels = made;
    p->width = width;
    return true;
}

static bool resize_height(struct picture *p, int64_t height)
{
    struct filter f;
    unsigned char *made = malloc((size_t)(height * p->width) * 3);

    if (!made || !filter_make(p->height, height, &f)) {
        free(made);
        return false;
    }
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < p->width; x++)
            weigh(p->pixels + (f.first[y] * p->width + x) * 3, p->width * 3, f.weight + y * f.most, f.count[y],
                  made + (y * p->width + x) * 3);
    filter_free(&f);
    free(p->pixels);
    p->pixels = made;
    p->height = height;
    return true;
}

tl_status picture_resize(const char *path, struct picture *p, int64_t height, int64_t width)
{
    uint64_t most, rows = (uint64_t)(p->height > height ? p->height : height);

    if (height < 1 || width < 1 || !tl_size_mul(rows, (uint64_t)width, &most) || most > MAX_PIXELS)
        return tl_fail(TL_ERR_LIMIT, "\"%s\": %" PRId64 " x %" PRId64 " pixels, resized to %" PRId64 " x %" PRId64 ", are more than %" PRIu64 "; cut it to a less extreme shape", path,
                       p->height, p->width, height, width, MAX_PIXELS);
    if ((width != p->width && !resize_width(p, width)) || (height != p->height && !resize_height(p, height)))
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory to resize it", path);
    return TL_OK;
}

tl_status picture_resize_shorter(const char *path, struct picture *p, int64_t side)
{
    int64_t shorter = p->height < p->width ? p->height : p->width, height, width;

    if (__builtin_mul_overflow(side, p->height, &height) || __builtin_mul_overflow(side, p->width, &width))
        return tl_fail(TL_ERR_LIMIT, "\"%s\": cannot resize %" PRId64 " pixels to %" PRId64, path, shorter, side);
    return picture_resize(path, p, height / shorter, width / shorter);
}

/* Where the middle begins; of two pixels that are equally near, the even one, as Python rounds. */
static int64_t middle(int64_t whole, int64_t part)
{
    int64_t begin = (whole - part) / 2;
    return begin + ((whole - part) % 2 == 1 && begin % 2 == 1);
}

tl_status picture_crop(const char *path, struct picture *p, int64_t side)
{
    if (p->height < side || p->width < side)
        return tl_fail(TL_ERR_SHAPE, "\"%s\": cannot cut %" PRId64 " x %" PRId64 " pixels out of %" PRId64 " x %" PRId64 "; resize to more", path, side,
                       side, p->height, p->width);
    int64_t top = middle(p->height, side), left = middle(p->width, side);
    for (int64_t y = 0; y < side; y++)
        memmove(p->pixels + y * side * 3, p->pixels + ((top + y) * p->width + left) * 3, (size_t)side * 3);
    p->height = p->width = side;
    return TL_OK;
}
