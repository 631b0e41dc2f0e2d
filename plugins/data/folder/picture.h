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

/** Decode a file's bytes; the first ones tell the kind. Grey becomes three equal channels; transparency is dropped; 16 bits a
 *  channel become 8; EXIF orientation is not applied. With `only_size`, pixels stays NULL. Errors name the path. */
tl_status picture_decode(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out);
tl_status picture_decode_jpeg(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out);
tl_status picture_decode_png(const char *path, const unsigned char *data, size_t size, bool only_size, struct picture *out);

/** Is a declared size one that a file of `size` bytes can have? */
tl_status picture_check(const char *path, size_t size, const struct picture *p);
/** Room for a declared size, if a file of `size` bytes can hold so much: pixels is allocated. */
tl_status picture_allocate(const char *path, size_t size, struct picture *p);

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
