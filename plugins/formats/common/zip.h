/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives as weight files use them: read from a mapped file, so that tensors can lie in it, and written to a stream.
 */
#ifndef TELAR_PLUGINS_FORMATS_ZIP_H
#define TELAR_PLUGINS_FORMATS_ZIP_H

#include <telar/state.h>

/* What is written begins at multiples of this, so that it can be used where it lies. */
#define ZIP_ALIGNMENT 64

/* ---- Reading ---- */

struct zip_entry {
    const char *name; /* in the map, no NUL behind it */
    size_t name_length;
    const unsigned char *data;
    uint64_t packed, size; /* bytes in the file, and unpacked */
    uint64_t begin, end;   /* in the file, with the local header */
    uint32_t crc;
    bool deflated;
};

struct zip {
    const char *path;
    const struct tl_map *map;
    struct zip_entry *entries; /* in the order of the directory */
    struct zip_entry **by_name;
    size_t count;
    bool packed;       /* some record is compressed */
    uint64_t inflated; /* bytes that were unpacked so far, against ZIP_INFLATE_…; who only looked sets it back */
};

/* Of a file of n bytes at most ZIP_INFLATE_FREE + ZIP_INFLATE_RATIO n bytes are unpacked in all: networks with many zeros
 * compress well, bombs a thousandfold. */
#define ZIP_INFLATE_FREE ((uint64_t)32 << 20)
#define ZIP_INFLATE_RATIO 8

/** Does a file that begins so look like an archive, and what is its first record called? NULL: it does not. */
const char *zip_first_name(const unsigned char *head, size_t size, size_t *length);

/** Read the directory and compare it with the records: each lies where it says, alone, under its own name. Free with zip_close(), also
 *  after a failure. */
tl_status zip_open(struct zip *z, const struct tl_map *map, const char *path);
void zip_close(struct zip *z);
/** NULL if there is none. */
const struct zip_entry *zip_find(const struct zip *z, const char *name, size_t length);

/** A stored record's checksum. Its bytes are e->data. */
tl_status zip_check(const struct zip *z, const struct zip_entry *e);

/** Unpack a record piece by piece: exactly e->size bytes in all, then the checksum, which ending without leave checks. */
struct zip_stream;
struct zip_stream *zip_begin(struct zip *z, const struct zip_entry *e);
tl_status zip_read(struct zip_stream *s, void *to, uint64_t n);
/** The same n bytes, and none is kept: `see` (NULL: nobody) gets them piece by piece, and how many came before. */
typedef tl_status zip_see(void *ctx, const unsigned char *data, size_t n, uint64_t before);
tl_status zip_skim(struct zip_stream *s, uint64_t n, zip_see *see, void *ctx);
/** `good`: everything was read, so judge it; else only free. NULL is allowed. */
tl_status zip_end(struct zip_stream *s, bool good);

/* ---- Writing ---- */

struct zip_writer {
    FILE *to;
    uint64_t at;
    unsigned char *directory;
    size_t used, room, count;
};

/** Write one stored record. The data may be NULL if size is 0. */
tl_status zip_put(struct zip_writer *w, const char *name, const void *data, uint64_t size);
/** Begin a record whose data, of this checksum, the caller writes to w->to himself. */
tl_status zip_put_head(struct zip_writer *w, const char *name, uint64_t size, uint32_t crc);
uint32_t zip_crc(uint32_t crc, const void *data, uint64_t size);
/** The directory and the end, if `good`; frees in any case. */
tl_status zip_finish(struct zip_writer *w, bool good);

#endif
