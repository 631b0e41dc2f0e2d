/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures: decoding JPEG and PNG from memory into bytes of red, green, blue, and resizing.
 */
#ifndef TELAR_PLUGINS_DATA_PICTURE_H
#define TELAR_PLUGINS_DATA_PICTURE_H

#include <telar/state.h>

/** height x width x 3 bytes; free(pixels). */
struct picture {
    unsigned char *pixels;
    int64_t height, width;
};

/** Decode a file's bytes; the first ones tell the kind. What comes out is what Pillow makes by ImageOps.exif_transpose() and
 *  convert("RGB"): the picture is turned as its EXIF data say, grey becomes three equal channels, palettes their colours, transparency is
 *  dropped, of 16 bits a channel the upper 8 are kept (Pillow does so with colours; in grey pictures it makes everything over 255
 *  white), CMYK, taken to be inverted as Adobe writes it, becomes (255 - C)(255 - K) / 255 and so on. With `only_size`, pixels stays NULL.
 *  Errors name the path. */
tl_status picture_decode(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out);
/** The same for each kind, not yet turned; *orientation is as EXIF numbers it, 1 for upright. */
tl_status picture_decode_jpeg(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out, int *orientation);
tl_status picture_decode_png(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out, int *orientation);

/** Can a file of `size` bytes hold what p's height and width declare, with at most `most` pixels in a byte? Before anything is made of these
 *  sizes, here or by who asks for them. */
tl_status picture_check(const char *path, size_t size, uint64_t most, const struct picture *p);
/** Room for a size that was judged. */
tl_status picture_allocate(const char *path, struct picture *p);

/** The orientation, 1 to 8, that EXIF data tell, which begin with the TIFF header; 1 where they do not, or cannot be read: a picture
 *  is no worse for what a program could not write beside it. */
int exif_orientation(const unsigned char *data, size_t size);
/** Turn a picture of this orientation upright; without pixels, its sizes. */
tl_status picture_turn(const char *path, struct picture *p, int orientation);

/** Make all channels the luminance, with the weights and the rounding of Pillow's convert("L"). */
void picture_to_grey(struct picture *p);

/** Replace p's pixels by height x width ones: bilinear with antialiasing, the same bytes as Pillow's BILINEAR (as torchvision's
 *  Resize gives them for Pillow images). */
tl_status picture_resize(const char *path, struct picture *p, int64_t height, int64_t width);
/** The same with the shorter side `side` pixels long and the other in proportion, rounded down; and the middle `side` x `side` pixels, which
 *  must be there. The bytes of torchvision's Resize(side) and CenterCrop(side). */
tl_status picture_resize_shorter(const char *path, struct picture *p, int64_t side);
tl_status picture_crop(const char *path, struct picture *p, int64_t side);

#endif
