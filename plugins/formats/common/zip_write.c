/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing zip archives: stored records only, since weights hardly compress and are best used where they lie. Each begins at a multiple
 * of ZIP_ALIGNMENT, by an extra field of blanks, as PyTorch does it. Sizes over 32 bits, and more than 65,534 records,
 * get the 64-bit forms. Records bear the first date that there is, so that equal weights are equal files.
 */
#include "zip.h"

#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALL32 UINT64_C(0xffffffff)
enum { VERSION = 20, VERSION64 = 45, UTF8 = 0x800, DATE = 0x21, PADDING_TAG = 0x4246 };

static tl_status put_bytes(struct zip_writer *w, const void *data, uint64_t n)
{
    if (n > 0 && fwrite(data, 1, (size_t)n, w->to) != n)
        return tl_fail(TL_ERR_IO, "%s", strerror(errno));
    w->at += n;
    return TL_OK;
}

/* Room for n more bytes of the directory; NULL and an error. */
static unsigned char *directory_room(struct zip_writer *w, size_t n)
{
    if (w->room - w->used < n) {
        size_t more = (w->room + n) * 2;
        unsigned char *grown = realloc(w->directory, more);
        if (!grown) {
            tl_fail(TL_ERR_NOMEM, "no memory for a directory of %zu records", w->count);
            return NULL;
        }
        w->directory = grown;
        w->room = more;
    }
    unsigned char *p = w->directory + w->used;
    memset(p, 0, n);
    w->used += n;
    return p;
}

static tl_status note(struct zip_writer *w, const char *name, size_t length, uint64_t size, uint32_t crc)
{
    bool wide_size = size >= ALL32, wide_offset = w->at >= ALL32;
    size_t extra = wide_size || wide_offset ? 4u + (wide_size ? 16u : 0u) + (wide_offset ? 8u : 0u) : 0;
    unsigned char *p = directory_room(w, 46 + length + extra);

    if (!p)
        return tl_error_code();
    store_le(p, 0x02014b50, 4);
    store_le(p + 4, extra ? VERSION64 : VERSION, 2);
    store_le(p + 6, extra ? VERSION64 : VERSION, 2);
    store_le(p + 8, UTF8, 2);
    store_le(p + 14, DATE, 2);
    store_le(p + 16, crc, 4);
    store_le(p + 20, wide_size ? ALL32 : size, 4);
    store_le(p + 24, wide_size ? ALL32 : size, 4);
    store_le(p + 28, length, 2);
    store_le(p + 30, extra, 2);
    store_le(p + 42, wide_offset ? ALL32 : w->at, 4);
    memcpy(p + 46, name, length);
    if (!extra)
        return TL_OK;
    p += 46 + length;
    store_le(p, 1, 2);
    store_le(p + 2, extra - 4, 2);
    p += 4;
    if (wide_size) {
        store_le(p, size, 8);
        store_le(p + 8, size, 8);
        p += 16;
    }
    if (wide_offset)
        store_le(p, w->at, 8);
    return TL_OK;
}

tl_status zip_put_head(struct zip_writer *w, const char *name, uint64_t size, uint32_t crc)
{
    unsigned char head[30 + 20 + 4 + ZIP_ALIGNMENT] = {0};
    size_t length = strlen(name), wide = size >= ALL32 ? 20 : 0;

    if (length > 0xffff)
        return tl_fail(TL_ERR_LIMIT, "a name of %zu bytes; 65535 is the most that a record of an archive can have", length);
    tl_status s = note(w, name, length, size, crc);
    size_t padding = (size_t)((ZIP_ALIGNMENT - (w->at + 30 + length + wide + 4) % ZIP_ALIGNMENT) % ZIP_ALIGNMENT);
    store_le(head, 0x04034b50, 4);
    store_le(head + 4, wide ? VERSION64 : VERSION, 2);
    store_le(head + 6, UTF8, 2);
    store_le(head + 12, DATE, 2);
    store_le(head + 14, crc, 4);
    store_le(head + 18, wide ? ALL32 : size, 4);
    store_le(head + 22, wide ? ALL32 : size, 4);
    store_le(head + 26, length, 2);
    store_le(head + 28, wide + 4 + padding, 2);
    unsigned char *p = head + 30;
    if (wide) {
        store_le(p, 1, 2);
        store_le(p + 2, 16, 2);
        store_le(p + 4, size, 8);
        store_le(p + 12, size, 8);
        p += 20;
    }
    store_le(p, PADDING_TAG, 2);
    store_le(p + 2, padding, 2);
    memset(p + 4, 'Z', padding);
    if (s == TL_OK)
        s = put_bytes(w, head, 30);
    if (s == TL_OK)
        s = put_bytes(w, name, length);
    if (s == TL_OK)
        s = put_bytes(w, head + 30, wide + 4 + padding);
    w->at += size; /* which the caller writes */
    w->count++;
    return s;
}

tl_status zip_put(struct zip_writer *w, const char *name, const void *data, uint64_t size)
{
    tl_status s = zip_put_head(w, name, size, zip_crc(0, data, size));

    if (s == TL_OK && size > 0 && fwrite(data, 1, (size_t)size, w->to) != size)
        s = tl_fail(TL_ERR_IO, "record \"%.200s\": %s", name, strerror(errno));
    return s;
}

static tl_status put_end(struct zip_writer *w)
{
    uint64_t begin = w->at, size = w->used;
    bool wide = begin >= ALL32 || size >= ALL32 || w->count >= 0xffff;
    unsigned char end64[56 + 20] = {0}, end[22] = {0};

    tl_status s = put_bytes(w, w->directory, w->used);
    store_le(end64, 0x06064b50, 4);
    store_le(end64 + 4, 44, 8);
    store_le(end64 + 12, VERSION64, 2);
    store_le(end64 + 14, VERSION64, 2);
    store_le(end64 + 24, w->count, 8);
    store_le(end64 + 32, w->count, 8);
    store_le(end64 + 40, size, 8);
    store_le(end64 + 48, begin, 8);
    store_le(end64 + 56, 0x07064b50, 4);
    store_le(end64 + 64, begin + size, 8);
    store_le(end64 + 72, 1, 4);
    if (s == TL_OK && wide)
        s = put_bytes(w, end64, sizeof end64);
    store_le(end, 0x06054b50, 4);
    store_le(end + 8, w->count < 0xffff ? w->count : 0xffff, 2);
    store_le(end + 10, w->count < 0xffff ? w->count : 0xffff, 2);
    store_le(end + 12, size < ALL32 ? size : ALL32, 4);
    store_le(end + 16, begin < ALL32 ? begin : ALL32, 4);
    return s == TL_OK ? put_bytes(w, end, sizeof end) : s;
}

tl_status zip_finish(struct zip_writer *w, bool good)
{
    tl_status s = good ? put_end(w) : TL_OK;

    free(w->directory);
    *w = (struct zip_writer){0};
    return s;
}
