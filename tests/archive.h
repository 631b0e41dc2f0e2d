/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives for tests, made and taken apart byte by byte, so that each field can lie.
 */
#ifndef TELAR_TESTS_ARCHIVE_H
#define TELAR_TESTS_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARCHIVE_MOST = 64 };

struct record {
    char name[200];
    unsigned char *data; /* as it lies in the file */
    uint64_t packed, size;
    uint32_t crc;
    unsigned method;
    uint64_t begin; /* of the local header, once it is written */
};

struct archive {
    struct record records[ARCHIVE_MOST];
    size_t count;
};

/** Bytes that grow. */
struct bytes {
    unsigned char *data;
    size_t n, room;
};

__attribute__((unused)) static void bytes_add(struct bytes *b, const void *data, size_t n)
{
    if (b->room - b->n < n) {
        b->room = (b->room + n) * 2;
        b->data = realloc(b->data, b->room);
        if (b->data == NULL) {
            abort();
        }
    }
    if (n > 0) {
        memcpy(b->data + b->n, data, n);
    }
    b->n += n;
}

/** A little-endian number of `width` bytes. */
__attribute__((unused)) static void bytes_number(struct bytes *b, uint64_t v, size_t width)
{
    unsigned char p[8];

    for (size_t i = 0; i < width; i++) {
        p[i] = (unsigned char)(v >> 8 * i);
    }
    bytes_add(b, p, width);
}

__attribute__((unused)) static uint64_t number_at(const unsigned char *p, size_t width)
{
    uint64_t v = 0;

    while (width-- > 0) {
        v = v << 8 | p[width];
    }
    return v;
}

__attribute__((unused)) static void set_number(unsigned char *p, uint64_t v, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        p[i] = (unsigned char)(v >> 8 * i);
    }
}

__attribute__((unused)) static uint32_t archive_crc(const unsigned char *data, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        uint32_t c = (crc ^ data[i]) & 255;
        for (int k = 0; k < 8; k++) {
            c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        }
        crc = crc >> 8 ^ c;
    }
    return ~crc;
}

/** A stored record, whose data are copied. */
__attribute__((unused)) static struct record *archive_add(struct archive *a, const char *name, const void *data, size_t n)
{
    struct record *r = &a->records[a->count++];

    *r = (struct record){.data = malloc(n + 1), .packed = n, .size = n, .crc = archive_crc(data, n)};
    snprintf(r->name, sizeof r->name, "%s", name);
    if (n > 0) {
        memcpy(r->data, data, n);
    }
    return r;
}

__attribute__((unused)) static void archive_free(struct archive *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->records[i].data);
    }
    a->count = 0;
}

/** The file. With `wide`, sizes and offsets are the 64-bit ones, everywhere. */
__attribute__((unused)) static struct bytes archive_bytes(struct archive *a, bool wide)
{
    struct bytes b = {0};
    uint64_t directory, end;

    for (size_t i = 0; i < a->count; i++) {
        struct record *r = &a->records[i];
        r->begin = b.n;
        bytes_number(&b, 0x04034b50, 4);
        bytes_number(&b, 20, 2);
        bytes_number(&b, 0, 2);
        bytes_number(&b, r->method, 2);
        bytes_number(&b, 0, 4);
        bytes_number(&b, r->crc, 4);
        bytes_number(&b, wide ? 0xffffffff : r->packed, 4);
        bytes_number(&b, wide ? 0xffffffff : r->size, 4);
        bytes_number(&b, strlen(r->name), 2);
        bytes_number(&b, wide ? 20 : 0, 2);
        bytes_add(&b, r->name, strlen(r->name));
        if (wide) {
            bytes_number(&b, 1, 2);
            bytes_number(&b, 16, 2);
            bytes_number(&b, r->size, 8);
            bytes_number(&b, r->packed, 8);
        }
        bytes_add(&b, r->data, r->packed);
    }
    directory = b.n;
    for (size_t i = 0; i < a->count; i++) {
        struct record *r = &a->records[i];
        bytes_number(&b, 0x02014b50, 4);
        bytes_number(&b, 20, 2);
        bytes_number(&b, 20, 2);
        bytes_number(&b, 0, 2);
        bytes_number(&b, r->method, 2);
        bytes_number(&b, 0, 4);
        bytes_number(&b, r->crc, 4);
        bytes_number(&b, wide ? 0xffffffff : r->packed, 4);
        bytes_number(&b, wide ? 0xffffffff : r->size, 4);
        bytes_number(&b, strlen(r->name), 2);
        bytes_number(&b, wide ? 28 : 0, 2);
        bytes_number(&b, 0, 6);
        bytes_number(&b, 0, 4);
        bytes_number(&b, wide ? 0xffffffff : r->begin, 4);
        bytes_add(&b, r->name, strlen(r->name));
        if (wide) {
            bytes_number(&b, 1, 2);
            bytes_number(&b, 24, 2);
            bytes_number(&b, r->size, 8);
            bytes_number(&b, r->packed, 8);
            bytes_number(&b, r->begin, 8);
        }
    }
    end = b.n;
    if (wide) {
        bytes_number(&b, 0x06064b50, 4);
        bytes_number(&b, 44, 8);
        bytes_number(&b, 45 | 45 << 16, 4);
        bytes_number(&b, 0, 8);
        bytes_number(&b, a->count, 8);
        bytes_number(&b, a->count, 8);
        bytes_number(&b, end - directory, 8);
        bytes_number(&b, directory, 8);
        bytes_number(&b, 0x07064b50, 4);
        bytes_number(&b, 0, 4);
        bytes_number(&b, end, 8);
        bytes_number(&b, 1, 4);
    }
    bytes_number(&b, 0x06054b50, 4);
    bytes_number(&b, 0, 4);
    bytes_number(&b, wide ? 0xffff : a->count, 2);
    bytes_number(&b, wide ? 0xffff : a->count, 2);
    bytes_number(&b, wide ? 0xffffffff : end - directory, 4);
    bytes_number(&b, wide ? 0xffffffff : directory, 4);
    bytes_number(&b, 0, 2);
    return b;
}

/** The records of a good archive without a comment. */
__attribute__((unused)) static void archive_parse(struct archive *a, const unsigned char *data, size_t n)
{
    const unsigned char *p = data + number_at(data + n - 6, 4);

    a->count = 0;
    for (size_t i = 0, count = number_at(data + n - 12, 2); i < count && i < ARCHIVE_MOST; i++) {
        struct record *r = &a->records[a->count++];
        size_t length = number_at(p + 28, 2);
        const unsigned char *local = data + number_at(p + 42, 4), *from = local + 30 + number_at(local + 26, 2) + number_at(local + 28, 2);
        *r = (struct record){.crc = (uint32_t)number_at(p + 16, 4), .packed = number_at(p + 20, 4), .size = number_at(p + 24, 4),
                             .method = (unsigned)number_at(p + 10, 2)};
        snprintf(r->name, sizeof r->name, "%.*s", (int)length, (const char *)p + 46);
        r->data = malloc(r->packed + 1);
        memcpy(r->data, from, r->packed);
        p += 46 + length + number_at(p + 30, 2) + number_at(p + 32, 2);
    }
}

#endif
