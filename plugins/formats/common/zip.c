/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading zip archives. Own code and not a library's, because a tensor that is stored can only be used where it lies by one who knows where that is,
 * and because nothing that an archive says of itself is believed: the directory must end where the end record begins, every
 * record must lie before it, apart from all others, and bear the name, method and sizes that the directory gives. zlib unpacks.
 *
 *     local header, name, extra, data   (for each record)      the directory: a header, name, extra for each
 *     [zip64 end record, its locator]   end record, comment    the last thing in the file
 */
#include "zip.h"

#include "bytes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL = 0x04034b50,
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    END64 = 0x06064b50,
    LOCATOR64 = 0x07064b50,
    LOCAL_SIZE = 30,
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR64_SIZE = 20,
    ENCRYPTED = 1,
    SIZES_FOLLOW = 8,
    STORED = 0,
    DEFLATED = 8
};
#define ALL32 UINT64_C(0xffffffff)

const char *zip_first_name(const unsigned char *head, size_t size, size_t *length)
{
    *length = 0;
    if (size >= END_SIZE && load_le(head, 4) == END)
        return (const char *)head;
    if (size < LOCAL_SIZE || load_le(head, 4) != LOCAL)
        return NULL;
    *length = (size_t)load_le(head + 26, 2);
    if (*length > size - LOCAL_SIZE)
        *length = size - LOCAL_SIZE;
    return (const char *)head + LOCAL_SIZE;
}

static tl_status lie(const struct zip *z, uint64_t at, const char *what)
{
    return tl_fail(TL_ERR_FORMAT, "\"%s\": byte %" PRIu64 ": %s", z->path, at, what);
}

/* ---- The end ---- */

struct directory {
    uint64_t begin, size, count, end; /* end: where the directory must end */
};

static tl_status find_end(const struct zip *z, size_t *at)
{
    const unsigned char *data = z->map->data;
    size_t size = z->map->size;

    for (size_t comment = 0; comment <= 0xffff && comment + END_SIZE <= size; comment++) {
        *at = size - END_SIZE - comment;
        if (load_le(data + *at, 4) == END && load_le(data + *at + 20, 2) == comment)
            return TL_OK;
    }
    return tl_fail(TL_ERR_TRUNCATED, "\"%s\": no end record within the last of its %zu bytes: an archive that is cut, or none", z->path, size);
}

static tl_status several_parts(const struct zip *z, size_t at)
{
    return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": byte %zu: an archive of several parts", z->path, at);
}

/* The 64-bit end record, which stands before its locator. What the 32-bit one says must agree, or be all ones. */
static tl_status read_end64(const struct zip *z, size_t locator, struct directory *d)
{
    const unsigned char *data = z->map->data;
    uint64_t at = load_le(data + locator + 8, 8), size;

    if (load_le(data + locator + 4, 4) != 0 || load_le(data + locator + 16, 4) > 1)
        return several_parts(z, locator);
    if (locator < END64_SIZE || at > locator - END64_SIZE || load_le(data + at, 4) != END64)
        return lie(z, locator, "there is no 64-bit end record where its locator says");
    size = load_le(data + at + 4, 8);
    if (size != locator - at - 12)
        return lie(z, at, "the 64-bit end record has not the size that it says");
    struct directory wide = {load_le(data + at + 48, 8), load_le(data + at + 40, 8), load_le(data + at + 32, 8), at};
    if ((d->begin != ALL32 && d->begin != wide.begin) || (d->size != ALL32 && d->size != wide.size) ||
        (d->count != 0xffff && d->count != wide.count) || load_le(data + at + 24, 8) != wide.count)
        return lie(z, at, "the two end records differ");
    *d = wide;
    return TL_OK;
}

static tl_status read_end(const struct zip *z, struct directory *d)
{
    size_t at = 0;
    tl_status s = find_end(z, &at);
    if (s != TL_OK)
        return s;
    const unsigned char *end = z->map->data + at;
    *d = (struct directory){load_le(end + 16, 4), load_le(end + 12, 4), load_le(end + 10, 2), at};
    if (load_le(end + 4, 4) != 0 || load_le(end + 8, 2) != d->count)
        return several_parts(z, at);
    if (at >= LOCATOR64_SIZE && load_le(end - LOCATOR64_SIZE, 4) == LOCATOR64 && (s = read_end64(z, at - LOCATOR64_SIZE, d)) != TL_OK)
        return s;
    if (d->begin > d->end || d->size != d->end - d->begin)
        return lie(z, at, "the directory does not end where the end record begins");
    if (d->count > d->size / CENTRAL_SIZE)
        return lie(z, at, "the directory is too small for as many records");
    return TL_OK;
}

/* ---- Records ---- */

/* The 64-bit values of an extra field, for those that are all ones: size, packed size, offset, in this order. */
static tl_status widen(const struct zip *z, const unsigned char *extra, size_t length, uint64_t *const *values, size_t n)
{
    uint64_t at = (uint64_t)(extra - z->map->data);

    for (size_t size; length >= 4; extra += 4 + size, length -= 4 + size) {
        size = (size_t)load_le(extra + 2, 2);
        if (size > length - 4)
            return lie(z, at, "an extra field is longer than what is left of the record");
        if (load_le(extra, 2) != 1)
            continue;
        size_t used = 0;
        for (size_t i = 0; i < n; i++) {
            if (*values[i] != ALL32)
                continue;
            if (size - used < 8)
                return lie(z, at, "a 64-bit extra field lacks a value");
            *values[i] = load_le(extra + 4 + used, 8);
            used += 8;
        }
        return TL_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (*values[i] == ALL32)
            return lie(z, at, "a size of 64 bits is announced and not there");
    return TL_OK;
}

/* The header before the data: it must say what the directory says. */
static tl_status read_local(const struct zip *z, struct zip_entry *e, uint64_t directory, unsigned method)
{
    if (e->begin > directory || directory - e->begin < LOCAL_SIZE)
        return lie(z, e->begin, "a record's header lies in the directory or behind it");
    const unsigned char *p = z->map->data + e->begin;
    uint64_t head;
    if (load_le(p, 4) != LOCAL)
        return lie(z, e->begin, "there is no record where the directory says");
    head = LOCAL_SIZE + load_le(p + 26, 2) + load_le(p + 28, 2);
    if (directory - e->begin < head || directory - e->begin - head < e->packed)
        return lie(z, e->begin, "a record reaches into the directory");
    if (load_le(p + 26, 2) != e->name_length || memcmp(p + LOCAL_SIZE, e->name, e->name_length) != 0)
        return lie(z, e->begin, "a record's name is not that of the directory");
    uint64_t flags = load_le(p + 6, 2), packed = load_le(p + 18, 4), size = load_le(p + 22, 4);
    if (load_le(p + 8, 2) != method || (flags & ENCRYPTED) ||
        (!(flags & SIZES_FOLLOW) && (load_le(p + 14, 4) != e->crc || (packed != ALL32 && packed != e->packed) || (size != ALL32 && size != e->size))))
        return lie(z, e->begin, "a record's header and the directory differ");
    e->data = p + head;
    e->end = e->begin + head + e->packed;
    return TL_OK;
}

/* One header of the directory. `left` bytes of it are there; *used of them are taken. */
static tl_status read_central(const struct zip *z, const unsigned char *p, uint64_t left, uint64_t directory, struct zip_entry *e, uint64_t *used)
{
    uint64_t at = (uint64_t)(p - z->map->data);

    if (left < CENTRAL_SIZE || load_le(p, 4) != CENTRAL)
        return lie(z, at, "a header of the directory is expected");
    size_t name = (size_t)load_le(p + 28, 2), extra = (size_t)load_le(p + 30, 2), comment = (size_t)load_le(p + 32, 2);
    unsigned method = (unsigned)load_le(p + 10, 2);
    *used = CENTRAL_SIZE + (uint64_t)name + extra + comment;
    if (*used > left)
        return lie(z, at, "a header of the directory is longer than what is left of it");
    *e = (struct zip_entry){.name = (const char *)p + CENTRAL_SIZE, .name_length = name, .crc = (uint32_t)load_le(p + 16, 4),
                            .packed = load_le(p + 20, 4), .size = load_le(p + 24, 4), .begin = load_le(p + 42, 4), .deflated = method == DEFLATED};
    if (memchr(e->name, 0, name))
        return lie(z, at, "a record's name holds a NUL");
    if (load_le(p + 8, 2) & ENCRYPTED)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": record \"%.*s\" is encrypted", z->path, (int)(name < 200 ? name : 200), e->name);
    if (method != STORED && method != DEFLATED)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": record \"%.*s\" is compressed by method %u; 0 (stored) and 8 (deflate) are read", z->path,
                       (int)(name < 200 ? name : 200), e->name, method);
    tl_status s = widen(z, p + CENTRAL_SIZE + name, extra, (uint64_t *const[]){&e->size, &e->packed, &e->begin}, 3);
    if (s == TL_OK && method == STORED && e->size != e->packed)
        s = lie(z, at, "a stored record has two sizes");
    return s == TL_OK ? read_local(z, e, directory, method) : s;
}

static int by_place(const void *a, const void *b)
{
    const struct zip_entry *x = *(struct zip_entry *const *)a, *y = *(struct zip_entry *const *)b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int compare_names(const char *a, size_t n, const char *b, size_t m)
{
    int order = memcmp(a, b, n < m ? n : m);

    return order ? order : (n > m) - (n < m);
}

static int by_name(const void *a, const void *b)
{
    const struct zip_entry *x = *(struct zip_entry *const *)a, *y = *(struct zip_entry *const *)b;

    return compare_names(x->name, x->name_length, y->name, y->name_length);
}

/* No record reaches into the next, no name stands twice. Leaves the index sorted by name. */
static tl_status check_apart(struct zip *z)
{
    for (size_t i = 0; i < z->count; i++)
        z->by_name[i] = &z->entries[i];
    qsort(z->by_name, z->count, sizeof *z->by_name, by_place);
    for (size_t i = 1; i < z->count; i++)
        if (z->by_name[i]->begin < z->by_name[i - 1]->end)
            return lie(z, z->by_name[i]->begin, "a record overlaps another");
    qsort(z->by_name, z->count, sizeof *z->by_name, by_name);
    for (size_t i = 1; i < z->count; i++)
        if (by_name(&z->by_name[i], &z->by_name[i - 1]) == 0)
            return lie(z, z->by_name[i]->begin, "a record's name stands twice");
    return TL_OK;
}

tl_status zip_open(struct zip *z, const struct tl_map *map, const char *path)
{
    struct directory d;

    *z = (struct zip){.path = path, .map = map};
    tl_status s = read_end(z, &d);
    if (s != TL_OK)
        return s;
    z->entries = calloc((size_t)d.count + 1, sizeof *z->entries); /* each has 46 bytes of the directory or more: checked */
    z->by_name = calloc((size_t)d.count + 1, sizeof *z->by_name);
    if (!z->entries || !z->by_name)
        return tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %" PRIu64 " records", path, d.count);
    uint64_t at = d.begin, used = 0;
    for (; s == TL_OK && z->count < d.count; z->count++, at += used)
        s = read_central(z, map->data + at, d.end - at, d.begin, &z->entries[z->count], &used);
    for (size_t i = 0; i < z->count; i++)
        z->packed = z->packed || z->entries[i].deflated;
    if (s == TL_OK && at != d.end)
        s = lie(z, at, "the directory goes on after its last record");
    return s == TL_OK ? check_apart(z) : s;
}

void zip_close(struct zip *z)
{
    free(z->entries);
    free(z->by_name);
    *z = (struct zip){0};
}

const struct zip_entry *zip_find(const struct zip *z, const char *name, size_t length)
{
    size_t low = 0, high = z->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct zip_entry *e = z->by_name[middle];
        int order = compare_names(name, length, e->name, e->name_length);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- Data ---- */

uint32_t zip_crc(uint32_t crc, const void *data, uint64_t size)
{
    return (uint32_t)(size ? crc32_z(crc, data, (size_t)size) : crc);
}

static tl_status judge_sum(const struct zip *z, const struct zip_entry *e, uint32_t crc)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    crc = e->crc; /* a fuzzer, which cannot make the sums right, is to get at what is behind them */
#endif
    if (crc == e->crc)
        return TL_OK;
    return tl_fail(TL_ERR_FORMAT, "\"%s\": record \"%.*s\" at byte %" PRIu64 " is damaged: its checksum is %08" PRIx32 ", expected %08" PRIx32, z->path,
                   (int)(e->name_length < 200 ? e->name_length : 200), e->name, e->begin, crc, e->crc);
}

tl_status zip_check(const struct zip *z, const struct zip_entry *e)
{
    enum { STEP = 1 << 20, SMALL = 1 << 16 }; /* as much of the file as is in memory at a time; what is not worth the call */
    uint32_t crc = 0;

    for (uint64_t at = 0; at < e->size; at += STEP) {
        uint64_t n = e->size - at < STEP ? e->size - at : STEP;
        crc = zip_crc(crc, e->data + at, n);
        if (e->size >= SMALL)
            tl_map_forget(z->map, e->data + at, n);
    }
    return judge_sum(z, e, crc);
}

struct zip_stream {
    const struct zip *zip;
    const struct zip_entry *entry;
    uint64_t left_in, left_out; /* bytes that zlib was not given yet, and that are still to come */
    z_stream inflate;
    uint32_t crc;
    bool inflating;
};

static tl_status stream_fail(const struct zip_stream *s, tl_status code, const char *what)
{
    const struct zip_entry *e = s->entry;

    return tl_fail(code, "\"%s\": record \"%.*s\" at byte %" PRIu64 ": %s", s->zip->path, (int)(e->name_length < 200 ? e->name_length : 200), e->name,
                   e->begin, what);
}

/* Is the size that a deflated record declares one that it can have, and that is still allowed? */
static tl_status admit(struct zip *z, const struct zip_stream *s)
{
    const struct zip_entry *e = s->entry;
    uint64_t allowed = ZIP_INFLATE_FREE + ZIP_INFLATE_RATIO * (uint64_t)z->map->size;

    if (!e->deflated)
        return TL_OK;
    if (e->size / 1032 > e->packed)
        return stream_fail(s, TL_ERR_FORMAT, "it declares more bytes than its compressed ones can give");
    if (e->size > allowed || z->inflated > allowed - e->size)
        return stream_fail(s, TL_ERR_LIMIT, "the archive would unpack to more than 8 times its size and 32 MiB; store it without compression");
    z->inflated += e->size;
    return TL_OK;
}

struct zip_stream *zip_begin(struct zip *z, const struct zip_entry *e)
{
    struct zip_stream *s = calloc(1, sizeof *s);

    if (!s) {
        tl_fail(TL_ERR_NOMEM, "\"%s\": no memory to read a record", z->path);
        return NULL;
    }
    *s = (struct zip_stream){.zip = z, .entry = e, .left_in = e->packed, .left_out = e->size};
    if (admit(z, s) != TL_OK)
        goto failed;
    s->inflate.next_in = (Bytef *)(uintptr_t)e->data;
    if (e->deflated && inflateInit2(&s->inflate, -15) != Z_OK) {
        stream_fail(s, TL_ERR_NOMEM, "no memory to unpack it");
        goto failed;
    }
    s->inflating = e->deflated;
    return s;
failed:
    free(s);
    return NULL;
}

enum { PIECE = 1 << 30 }; /* zlib counts in unsigned int */

/* Let zlib give n bytes, which were taken off left_out. */
static tl_status unpack(struct zip_stream *s, unsigned char *to, uint64_t n)
{
    while (n > 0) {
        uInt in = s->left_in < PIECE ? (uInt)s->left_in : PIECE, out = n < PIECE ? (uInt)n : PIECE;
        s->inflate.avail_in = in;
        s->inflate.next_out = to;
        s->inflate.avail_out = out;
        int code = inflate(&s->inflate, Z_NO_FLUSH);
        uInt made = out - s->inflate.avail_out;
        s->left_in -= in - s->inflate.avail_in;
        to += made;
        n -= made;
        if (code == Z_MEM_ERROR)
            return stream_fail(s, TL_ERR_NOMEM, "no memory to unpack it");
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return stream_fail(s, TL_ERR_FORMAT, "its compressed data are damaged");
        if (n > 0 && (code == Z_STREAM_END || made == 0))
            return stream_fail(s, TL_ERR_FORMAT, "its compressed data end before the size that it declares");
    }
    return TL_OK;
}

tl_status zip_read(struct zip_stream *s, void *to, uint64_t n)
{
    tl_status status = TL_OK;

    if (n > s->left_out)
        return stream_fail(s, TL_ERR_TRUNCATED, "it ends too early");
    s->left_out -= n;
    if (n == 0)
        return TL_OK;
    if (s->inflating)
        status = unpack(s, to, n);
    else
        memcpy(to, s->entry->data + (s->entry->size - s->left_out - n), (size_t)n);
    if (status == TL_OK)
        s->crc = zip_crc(s->crc, to, n);
    return status;
}

tl_status zip_skim(struct zip_stream *s, uint64_t n, zip_see *see, void *ctx)
{
    enum { STEP = 1 << 16 };
    unsigned char *piece = malloc(STEP);
    tl_status status = piece ? TL_OK : stream_fail(s, TL_ERR_NOMEM, "no memory to look at it");

    for (uint64_t at = 0; status == TL_OK && at < n;) {
        size_t step = n - at < STEP ? (size_t)(n - at) : STEP;
        status = zip_read(s, piece, step);
        if (status == TL_OK && see)
            status = see(ctx, piece, step, at);
        at += step;
    }
    free(piece);
    return status;
}

/* After the last byte nothing may follow: neither of the declared size nor of the compressed data. */
static tl_status judge_end(struct zip_stream *s)
{
    unsigned char more;

    if (s->left_out > 0)
        return stream_fail(s, TL_ERR_FORMAT, "bytes follow its end");
    if (s->inflating) {
        s->inflate.avail_in = s->left_in < PIECE ? (uInt)s->left_in : PIECE;
        s->inflate.next_out = &more;
        s->inflate.avail_out = 1;
        uInt in = s->inflate.avail_in;
        int code = inflate(&s->inflate, Z_FINISH);
        if (code != Z_STREAM_END || s->inflate.avail_out == 0 || s->left_in - (in - s->inflate.avail_in) != 0)
            return stream_fail(s, TL_ERR_FORMAT, "its compressed data do not end with the size that it declares");
    }
    return judge_sum(s->zip, s->entry, s->crc);
}

tl_status zip_end(struct zip_stream *s, bool good)
{
    if (!s)
        return tl_error_code();
    tl_status status = good ? judge_end(s) : TL_OK;
    if (s->inflating)
        inflateEnd(&s->inflate);
    free(s);
    return status;
}
