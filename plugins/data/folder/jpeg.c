/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG through libjpeg. Its errors come as a jump back into decode(); what was allocated before the jump is reachable through
 * the state that outlives it. Damage that libjpeg would paper over with grey (data that end too early) is an error here.
 */
#include "picture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

struct reader {
    struct jpeg_error_mgr errors; /* first: libjpeg hands back a pointer to it */
    struct jpeg_decompress_struct jpeg;
    jmp_buf back;
    char words[JMSG_LENGTH_MAX];
    bool cut_short;
    struct picture picture;
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

static tl_status read_rows(const char *path, size_t size, struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;

    jpeg->out_color_space = JCS_RGB;
    tl_status s = picture_allocate(path, size, &r->picture);
    if (s != TL_OK)
        return s;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = r->picture.pixels + (size_t)jpeg->output_scanline * (size_t)r->picture.width * 3;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (r->cut_short)
            return tl_fail(TL_ERR_TRUNCATED, "\"%s\": damaged JPEG picture in row %u of %u: %s", path, jpeg->output_scanline,
                           jpeg->output_height, r->words);
    }
    jpeg_finish_decompress(jpeg);
    if (r->cut_short)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": damaged JPEG picture: %s", path, r->words);
    return TL_OK;
}

/* All that can jump; nothing of this frame is needed after a jump. */
static tl_status decode(const char *path, const unsigned char *data, size_t size, bool only_size, struct reader *r)
{
    if (setjmp(r->back))
        return tl_fail(r->cut_short ? TL_ERR_TRUNCATED : TL_ERR_FORMAT, "\"%s\": damaged JPEG picture: %s", path, r->words);
    jpeg_create_decompress(&r->jpeg);
    jpeg_mem_src(&r->jpeg, data, size);
    jpeg_read_header(&r->jpeg, TRUE);
    r->picture.height = r->jpeg.image_height;
    r->picture.width = r->jpeg.image_width;
    if (r->jpeg.num_components != 1 && r->jpeg.num_components != 3)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": a JPEG picture of %d colour components (CMYK?); convert it to RGB", path,
                       r->jpeg.num_components);
    return only_size ? picture_check(path, size, &r->picture) : read_rows(path, size, r);
}

tl_status picture_decode_jpeg(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out)
{
    struct reader *r = calloc(1, sizeof *r);

    if (!r)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for its decoder", path);
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    tl_status s = decode(path, data, size, only_size, r);
    jpeg_destroy_decompress(&r->jpeg); /* also right after a failed create: it looks at what was made */
    if (s == TL_OK)
        *out = r->picture;
    else
        free(r->picture.pixels);
    free(r);
    return s;
}
