/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG through libpng, with its errors caught the same way as libjpeg's.
 */
#include "picture.h"

#include <inttypes.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct reader {
    png_structp png;
    png_infop info;
    const unsigned char *at;
    size_t left;
    jmp_buf back;
    char words[200];
    bool cut_short;
    struct picture picture;
    png_bytep *rows;
};

static _Noreturn void on_error(png_structp png, png_const_charp words)
{
    struct reader *r = png_get_error_ptr(png);

    snprintf(r->words, sizeof r->words, "%s", words);
    longjmp(r->back, 1);
}

static void on_warning(png_structp png, png_const_charp words)
{
    (void)png;
    (void)words; /* nothing is printed unasked */
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct reader *r = png_get_io_ptr(png);

    if (n > r->left) {
        r->cut_short = true;
        png_error(png, "the file ends too early");
    }
    memcpy(to, r->at, n);
    r->at += n;
    r->left -= n;
}

/* Texts, profiles and palettes for other programs may unpack to a thousand times their size, and are of no use here. */
static void leave_out_the_rest(png_structp png)
{
    static const png_byte names[] = "iCCP\0sPLT\0iTXt\0tEXt\0zTXt\0eXIf";

    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, sizeof names / 5);
}

/* Whatever is in the file, rows of 8-bit red, green, blue come out. */
static void ask_for_rgb(struct reader *r)
{
    png_set_expand(r->png); /* palettes, less than 8 bits, transparent colours */
    png_set_strip_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

/* Deflate reaches 1032 to 1. */
static uint64_t most_pixels_in_a_byte(const struct reader *r)
{
    unsigned bits = (unsigned)png_get_bit_depth(r->png, r->info) * png_get_channels(r->png, r->info);
    return 1032 * 8 / (bits ? bits : 1);
}

static tl_status read_rows(const char *path, struct reader *r)
{
    tl_status s = picture_allocate(path, &r->picture);

    if (s != TL_OK)
        return s;
    ask_for_rgb(r);
    if (png_get_rowbytes(r->png, r->info) != (size_t)r->picture.width * 3)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": a PNG picture that does not convert to RGB", path);
    r->rows = calloc((size_t)r->picture.height, sizeof *r->rows);
    if (!r->rows)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %" PRId64 " rows", path, r->picture.height);
    for (int64_t y = 0; y < r->picture.height; y++)
        r->rows[y] = r->picture.pixels + y * r->picture.width * 3;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    return TL_OK;
}

/* All that can jump; nothing of this frame is needed after a jump. */
static tl_status decode(const char *path, size_t size, bool only_size, struct reader *r)
{
    if (setjmp(r->back))
        return tl_fail(r->cut_short ? TL_ERR_TRUNCATED : TL_ERR_FORMAT, "\"%s\": damaged PNG picture: %s", path, r->words);
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for its decoder", path);
    png_set_read_fn(r->png, r, on_read);
    leave_out_the_rest(r->png);
    png_read_info(r->png, r->info);
    r->picture.height = png_get_image_height(r->png, r->info);
    r->picture.width = png_get_image_width(r->png, r->info);
    tl_status s = picture_check(path, size, most_pixels_in_a_byte(r), &r->picture);
    return only_size || s != TL_OK ? s : read_rows(path, r);
}

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The chunk eXIf may stand before the pixels or after them, so the file is gone through apart from libpng: chunks are length, name, content and
 * checksum. What is wrong with the others is libpng's affair. */
static tl_status find_orientation(const char *path, const unsigned char *data, size_t size, int *orientation)
{
    for (size_t at = 8; size - at >= 12;) {
        size_t length = big_endian(data + at);
        if (length > size - at - 12)
            break;
        const unsigned char *content = data + at + 8;
        if (memcmp(data + at + 4, "eXIf", 4) == 0) {
            if (crc32(crc32(0, NULL, 0), data + at + 4, (uInt)length + 4) != big_endian(content + length))
                return tl_fail(TL_ERR_FORMAT, "\"%s\": damaged PNG picture: the checksum of its chunk eXIf at byte %zu is wrong", path, at);
            *orientation = exif_orientation(content, length);
            break;
        }
        at += 12 + length;
    }
    return TL_OK;
}

tl_status picture_decode_png(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out, int *orientation)
{
    struct reader *r = calloc(1, sizeof *r);

    if (!r)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for its decoder", path);
    r->at = data;
    r->left = size;
    tl_status s = decode(path, size, only_size, r);
    if (s == TL_OK)
        s = find_orientation(path, data, size, orientation);
    png_destroy_read_struct(r->png ? &r->png : NULL, r->info ? &r->info : NULL, NULL);
    if (s == TL_OK)
        *out = r->picture;
    else
        free(r->picture.pixels);
    free(r->rows);
    free(r);
    return s;
}
