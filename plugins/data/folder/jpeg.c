/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG through libjpeg. Its errors come as a jump back into decode(); what was allocated before the jump is reachable through
 * the state that outlives it. Damage that libjpeg would paper over with grey (data that end too early) is an error here, and so are
 * thousands of passes over one picture, each of which costs a file a few bytes and the reader all pixels.
 */
#include "picture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

enum { MAX_SCANS = 200, EXIF = JPEG_APP0 + 1 };

struct reader {
    struct jpeg_error_mgr errors; /* first: libjpeg hands back a pointer to it */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf back;
    char words[JMSG_LENGTH_MAX];
    bool cut_short, too_much;
    struct picture picture;
    unsigned char *inks; /* a row of CMYK */
    int orientation;
};

static _Noreturn void on_error(j_common_ptr info)
{
    struct reader *r = (struct reader *)info->err;

    r->errors.format_message(info, r->words);
    longjmp(r->back, 1);
}

/* Warnings (level -1): remember those that mean missing data. */
static void on_message(j_common_ptr info, int level)
{
    struct reader *r = (struct reader *)info->err;

    if (level >= 0)
        return;
    r->errors.num_warnings++;
    if (info->err->msg_code == JWRN_JPEG_EOF || info->err->msg_code == JWRN_HIT_MARKER || info->err->msg_code == JWRN_HUFF_BAD_CODE) {
        if (!r->cut_short)
            r->errors.format_message(info, r->words);
        r->cut_short = true;
    }
}

static void on_output(j_common_ptr info)
{
    (void)info; /* nothing is printed unasked */
}

static void on_progress(j_common_ptr info)
{
    struct reader *r = (struct reader *)info->err;

    if (r->jpeg.input_scan_number <= MAX_SCANS)
        return;
    r->too_much = true;
    snprintf(r->words, sizeof r->words, "more than %d passes over the picture", MAX_SCANS);
    longjmp(r->back, 1);
}

/* A coded block of 8 x 8 takes a bit at least, and where one component has four times the columns and another four times the rows,
 * 32 x 32 pixels have eight blocks. Arithmetic coding has no such bound; what deflate reaches is more than pictures do. */
static uint64_t most_pixels_in_a_byte(const struct jpeg_decompress_struct *jpeg)
{
    return jpeg->arith_code ? 8256 : 1024;
}

/* Ink and key are inverted: full is none. The product of two bytes over 255, rounded, without a division. */
static void inks_to_rgb(const unsigned char *inks, size_t n, unsigned char *rgb)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            unsigned key = inks[i * 4 + 3], product = (255u - inks[i * 4 + c]) * key + 128;
            unsigned taken = ((product >> 8) + product) >> 8;
            rgb[i * 3 + c] = (unsigned char)(key > taken ? key - taken : 0);
        }
}

static void read_row(struct reader *r, unsigned char *rgb)
{
    JSAMPROW row = r->inks ? r->inks : rgb;

    jpeg_read_scanlines(&r->jpeg, &row, 1);
    if (r->inks)
        inks_to_rgb(r->inks, (size_t)r->picture.width, rgb);
}

static tl_status read_rows(const char *path, struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;

    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
    tl_status s = picture_allocate(path, &r->picture);
    if (s != TL_OK)
        return s;
    if (jpeg->num_components == 4 && !(r->inks = malloc((size_t)r->picture.width * 4)))
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for a row", path);
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        read_row(r, r->picture.pixels + (size_t)jpeg->output_scanline * (size_t)r->picture.width * 3);
        if (r->cut_short)
            return tl_fail(TL_ERR_TRUNCATED, "\"%s\": damaged JPEG picture in row %u of %u: %s", path, jpeg->output_scanline,
                           jpeg->output_height, r->words);
    }
    jpeg_finish_decompress(jpeg);
    if (r->cut_short)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": damaged JPEG picture: %s", path, r->words);
    return TL_OK;
}

/* The first marker APP1 that holds EXIF data; others hold other things. */
static int find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    static const unsigned char begin[6] = "Exif\0";

    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->marker == EXIF && m->data_length >= sizeof begin && memcmp(m->data, begin, sizeof begin) == 0)
            return exif_orientation(m->data + sizeof begin, m->data_length - sizeof begin);
    return 1;
}

/* All that can jump; nothing of this frame is needed after a jump. */
static tl_status decode(const char *path, const unsigned char *data, size_t size, bool only_size, struct reader *r)
{
    if (setjmp(r->back))
        return tl_fail(r->too_much ? TL_ERR_LIMIT : r->cut_short ? TL_ERR_TRUNCATED : TL_ERR_FORMAT, "\"%s\": damaged JPEG picture: %s", path,
                       r->words);
    jpeg_create_decompress(&r->jpeg);
    jpeg_mem_src(&r->jpeg, data, size);
    jpeg_save_markers(&r->jpeg, EXIF, 0xffff);
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    jpeg_read_header(&r->jpeg, TRUE);
    r->orientation = find_orientation(&r->jpeg); /* the markers go when the picture is finished */
    r->picture.height = r->jpeg.image_height;
    r->picture.width = r->jpeg.image_width;
    if (r->jpeg.num_components != 1 && r->jpeg.num_components != 3 && r->jpeg.num_components != 4)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": a JPEG picture of %d colour components; 1, 3 and 4 are understood", path,
                       r->jpeg.num_components);
    tl_status s = picture_check(path, size, most_pixels_in_a_byte(&r->jpeg), &r->picture);
    return only_size || s != TL_OK ? s : read_rows(path, r);
}

tl_status picture_decode_jpeg(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out, int *orientation)
{
    struct reader *r = calloc(1, sizeof *r);

    if (!r)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for its decoder", path);
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    tl_status s = decode(path, data, size, only_size, r);
    *orientation = r->orientation;
    jpeg_destroy_decompress(&r->jpeg); /* also right after a failed create: it looks at what was made */
    if (s == TL_OK)
        *out = r->picture;
    else
        free(r->picture.pixels);
    free(r->inks);
    free(r);
    return s;
}
