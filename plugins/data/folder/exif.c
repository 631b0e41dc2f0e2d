/* SPDX-License-Identifier: Apache-2.0
 *
 * How a camera was held: the orientation in a picture's EXIF data, and turning pixels by it. EXIF data are a TIFF file in small: a
 * header with the order of bytes, then directories of entries of twelve bytes, of which the first directory matters here. Every
 * place is compared with the size before it is read, and each entry is looked at once.
 */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

enum { ORIENTATION = 0x0112, SHORT = 3, LONG = 4, ENTRY = 12 };

struct tiff {
    const unsigned char *data;
    size_t size;
    bool big; /* most significant byte first */
};

/* A number of n bytes, which must be there. */
static uint32_t number(const struct tiff *t, size_t at, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | t->data[t->big ? at + i : at + n - 1 - i];
    return value;
}

static int entry_orientation(const struct tiff *t, size_t at)
{
    uint32_t type = number(t, at + 2, 2), count = number(t, at + 4, 4);
    if (number(t, at, 2) != ORIENTATION || count != 1 || (type != SHORT && type != LONG))
        return 0;
    uint32_t value = number(t, at + 8, type == SHORT ? 2 : 4);
    return value >= 1 && value <= 8 ? (int)value : 0;
}

int exif_orientation(const unsigned char *data, size_t size)
{
    struct tiff t = {.data = data, .size = size};
    if (size < 8 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0))
        return 1;
    t.big = data[0] == 'M';
    size_t directory = number(&t, 4, 4);
    if (number(&t, 2, 2) != 42 || directory > size - 2)
        return 1;
    size_t entries = number(&t, directory, 2), room = (size - directory - 2) / ENTRY;
    for (size_t i = 0; i < entries && i < room; i++) {
        int found = entry_orientation(&t, directory + 2 + i * ENTRY);
        if (found)
            return found;
    }
    return 1;
}

/* ---- Turning ------------------------------------------------------------------------------------------------------ */

static void swap_pixels(unsigned char *a, unsigned char *b)
{
    unsigned char c[3];
    memcpy(c, a, 3);
    memcpy(a, b, 3);
    memcpy(b, c, 3);
}

static void mirror_columns(struct picture *p)
{
    for (int64_t y = 0; y < p->height; y++) {
        unsigned char *row = p->pixels + y * p->width * 3;
        for (int64_t x = 0; x < p->width / 2; x++)
            swap_pixels(row + x * 3, row + (p->width - 1 - x) * 3);
    }
}

static void mirror_rows(struct picture *p)
{
    for (int64_t y = 0; y < p->height / 2; y++)
        for (int64_t x = 0; x < p->width; x++)
            swap_pixels(p->pixels + (y * p->width + x) * 3, p->pixels + ((p->height - 1 - y) * p->width + x) * 3);
}

/* Rows become columns. */
static tl_status transpose(const char *path, struct picture *p)
{
    unsigned char *made = malloc((size_t)(p->height * p->width) * 3);
    if (!made)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory to turn it", path);
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++)
            memcpy(made + (x * p->height + y) * 3, p->pixels + (y * p->width + x) * 3, 3);
    free(p->pixels);
    p->pixels = made;
    return TL_OK;
}

/* The eight orientations are what a transposition and two mirrorings make; 5 to 8 are those with the transposition. */
tl_status picture_turn(const char *path, struct picture *p, int orientation)
{
    bool turned = orientation >= 5;
    tl_status s = turned && p->pixels ? transpose(path, p) : TL_OK;
    if (s != TL_OK)
        return s;
    if (turned) {
        int64_t height = p->height;
        p->height = p->width;
        p->width = height;
    }
    if (p->pixels && (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7))
        mirror_columns(p);
    if (p->pixels && (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8))
        mirror_rows(p);
    return TL_OK;
}
