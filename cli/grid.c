/* SPDX-License-Identifier: Apache-2.0
 *
 * Grids of pictures, written as PNG through libpng or as PNM, which needs no library.
 */
#include "config.h"

#include "cli/grid.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <telar/state.h>
#ifdef HAVE_PNG
#include <png.h>
#include <setjmp.h>
#endif

enum { LARGEST_SIDE = 65535 }; /* of the file's picture */

/* ---- Collecting ------------------------------------------------------------------------------------------------------------ */

static int64_t root_of(int64_t n)
{
    int64_t r = (int64_t)llround(sqrt((double)n));
    return r * r == n ? r : 0;
}

static bool picture_shape(struct grid *g, int ndim, const int64_t *shape)
{
    if (ndim == 1) {
        g->channels = root_of(shape[0]) ? 1 : 3;
        g->height = g->width = root_of(shape[0] / g->channels);
        return g->channels * g->height * g->width == shape[0];
    }
    g->channels = ndim == 3 ? shape[0] : 1;
    g->height = ndim >= 2 ? shape[ndim - 2] : 0;
    g->width = ndim >= 2 ? shape[ndim - 1] : 0;
    return (ndim == 2 || ndim == 3) && (g->channels == 1 || g->channels == 3);
}

tl_status grid_begin(struct grid *g, int ndim, const int64_t *shape, int64_t capacity, int64_t columns)
{
    char text[160] = "";
    size_t used = 0;
    for (int i = 0; i < ndim && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i ? " x " : "", (long long)shape[i]);
    if (!picture_shape(g, ndim, shape) || g->height < 1 || g->width < 1)
        return tl_fail(TL_ERR_UNSUPPORTED, "samples of [%s] are no pictures of one or three channels, [channels x height x width]", text);
    g->capacity = capacity;
    g->columns = columns < capacity ? columns : capacity;
    int64_t rows = (capacity + g->columns - 1) / g->columns, values;
    if (g->height > LARGEST_SIDE || g->width > LARGEST_SIDE || rows * (g->height + GRID_BORDER) + GRID_BORDER > LARGEST_SIDE ||
        g->columns * (g->width + GRID_BORDER) + GRID_BORDER > LARGEST_SIDE)
        return tl_fail(TL_ERR_LIMIT, "%lld pictures of [%s] in %lld columns are larger than %d pixels", (long long)capacity, text, (long long)g->columns,
                       (int)LARGEST_SIDE);
    if (__builtin_mul_overflow(capacity, g->channels * g->height * g->width, &values) || !(g->pixels = calloc((size_t)values, sizeof *g->pixels)))
        return tl_fail(TL_ERR_NOMEM, "no memory for %lld pictures of [%s]", (long long)capacity, text);
    return TL_OK;
}

tl_status grid_add(struct grid *g, tl_tensor *t)
{
    int64_t size = g->channels * g->height * g->width, n = t ? tl_numel(t) / size : 0;
    if (!t)
        return tl_error_code();
    if (n * size != tl_numel(t) || n > g->capacity - g->count)
        return tl_fail(TL_ERR_SHAPE, "%lld values do not make pictures of %lld x %lld x %lld, at most %lld of them", (long long)tl_numel(t),
                       (long long)g->channels, (long long)g->height, (long long)g->width, (long long)(g->capacity - g->count));
    tl_status s = tl_copy_out(t, TL_F32, g->pixels + g->count * size, (size_t)(n * size) * sizeof *g->pixels);
    g->count += s == TL_OK ? n : 0;
    return s;
}

void grid_free(struct grid *g)
{
    free(g->pixels);
    g->pixels = NULL;
}

/* ---- The canvas ------------------------------------------------------------------------------------------------------------ */

/* Rows of bytes, channels last. */
struct canvas {
    int64_t height, width, channels;
    unsigned char *bytes;
};

static unsigned char to_byte(float x)
{
    return x > 0 ? x < 1 ? (unsigned char)lroundf(x * 255) : 255 : 0; /* NaN is black */
}

static void place(struct canvas *c, const struct grid *g, int64_t i)
{
    int64_t top = GRID_BORDER + i / g->columns * (g->height + GRID_BORDER), left = GRID_BORDER + i % g->columns * (g->width + GRID_BORDER);
    const float *from = g->pixels + i * g->channels * g->height * g->width;
    for (int64_t k = 0; k < g->channels; k++)
        for (int64_t y = 0; y < g->height; y++)
            for (int64_t x = 0; x < g->width; x++)
                c->bytes[((top + y) * c->width + left + x) * g->channels + k] = to_byte(*from++);
}

static tl_status paint(struct canvas *c, const struct grid *g)
{
    int64_t rows = (g->count + g->columns - 1) / g->columns;
    c->channels = g->channels;
    c->height = rows * (g->height + GRID_BORDER) + GRID_BORDER;
    c->width = g->columns * (g->width + GRID_BORDER) + GRID_BORDER;
    c->bytes = calloc((size_t)(c->height * c->width), (size_t)c->channels);
    if (!c->bytes)
        return tl_fail(TL_ERR_NOMEM, "no memory for a picture of %lld x %lld pixels", (long long)c->width, (long long)c->height);
    for (int64_t i = 0; i < g->count; i++)
        place(c, g, i);
    return TL_OK;
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcasecmp(path + n - m, ending) == 0;
}

#ifdef HAVE_PNG
struct png_words {
    char words[200];
};

static _Noreturn void on_png_error(png_structp png, png_const_charp words)
{
    struct png_words *w = png_get_error_ptr(png);
    snprintf(w->words, sizeof w->words, "%s", words);
    png_longjmp(png, 1);
}

static void on_png_warning(png_structp png, png_const_charp words)
{
    (void)png, (void)words;
}

/* All that can jump; nothing of this frame is needed after a jump. */
static tl_status encode_png(const struct canvas *c, FILE *to, png_structp png, png_infop info, const struct png_words *w)
{
    if (setjmp(png_jmpbuf(png)))
        return tl_fail(TL_ERR_IO, "cannot write a PNG picture: %s", w->words);
    png_init_io(png, to);
    png_set_IHDR(png, info, (png_uint_32)c->width, (png_uint_32)c->height, 8, c->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int64_t y = 0; y < c->height; y++)
        png_write_row(png, c->bytes + y * c->width * c->channels);
    png_write_end(png, NULL);
    return TL_OK;
}

static tl_status write_png(const struct canvas *c, FILE *to)
{
    struct png_words w = {""};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_png_error, on_png_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    tl_status s = info ? encode_png(c, to, png, info, &w) : tl_fail(TL_ERR_NOMEM, "no memory for a PNG encoder");
    png_destroy_write_struct(png ? &png : NULL, info ? &info : NULL);
    return s;
}
#endif

/* Told here, where errno still says why; the last buffer's errors are found when the file is committed. */
static tl_status write_pnm(const struct canvas *c, FILE *to)
{
    size_t pixels = (size_t)(c->width * c->height);
    if (fprintf(to, "P%c\n%lld %lld\n255\n", c->channels == 3 ? '6' : '5', (long long)c->width, (long long)c->height) > 0 &&
        fwrite(c->bytes, (size_t)c->channels, pixels, to) == pixels)
        return TL_OK;
    return tl_fail(TL_ERR_IO, "cannot write a picture of %lld x %lld pixels: %s", (long long)c->width, (long long)c->height, strerror(errno));
}

tl_status grid_can_write(const char *path)
{
#ifdef HAVE_PNG
    if (ends_with(path, ".png") || ends_with(path, ".pgm") || ends_with(path, ".ppm"))
        return tl_atomic_try(path);
    return tl_fail(TL_ERR_ARGUMENT, "\"%s\": expected a name ending in .png, .pgm or .ppm", path);
#else
    if (ends_with(path, ".pgm") || ends_with(path, ".ppm"))
        return tl_atomic_try(path);
    return tl_fail(TL_ERR_ARGUMENT, "\"%s\": expected a name ending in .pgm or .ppm (.png needs a Telar that was built with libpng)", path);
#endif
}

tl_status grid_write(const struct grid *g, const char *path)
{
    struct canvas c = {0};
    struct tl_atomic_file f;
    tl_status s = grid_can_write(path);
    if (s == TL_OK && !ends_with(path, ".png") && ends_with(path, g->channels == 3 ? ".pgm" : ".ppm"))
        return tl_fail(TL_ERR_ARGUMENT, "\"%s\": pictures of %d channel%s: expected a name ending in %s", path, (int)g->channels,
                       g->channels == 3 ? "s" : "", g->channels == 3 ? ".ppm" : ".pgm");
    if (s == TL_OK)
        s = paint(&c, g);
    if (s == TL_OK && (s = tl_atomic_begin(&f, path)) == TL_OK) {
#ifdef HAVE_PNG
        s = ends_with(path, ".png") ? write_png(&c, f.file) : write_pnm(&c, f.file);
#else
        s = write_pnm(&c, f.file);
#endif
        if (s == TL_OK)
            s = tl_atomic_commit(&f);
        else {
            tl_error_prefix("\"%s\": ", path);
            tl_atomic_abort(&f);
        }
    }
    free(c.bytes);
    return s;
}
