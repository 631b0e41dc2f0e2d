/* SPDX-License-Identifier: Apache-2.0
 *
 * Pickles for tests, opcode by opcode.
 */
#ifndef TELAR_TESTS_PICKLES_H
#define TELAR_TESTS_PICKLES_H

#include "archive.h"

__attribute__((unused)) static void words(struct bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

__attribute__((unused)) static void repeat(struct bytes *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        words(b, text);
    }
}

__attribute__((unused)) static void long_number(struct bytes *b, int64_t v)
{
    words(b, "\x8a\x08");
    bytes_number(b, (uint64_t)v, 8);
}

/** {"w": _rebuild_tensor_v2(storage "0" of `numel` elements, offset, sizes, strides)}, a whole pickle. */
__attribute__((unused)) static void tensor_pickle(struct bytes *b, const char *type, int64_t numel, int64_t offset, const int64_t *sizes, int n_sizes,
                                                  const int64_t *strides, int n_strides)
{
    bytes_add(b, "\x80\x02}(X\x01\0\0\0w", 10);
    words(b, "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n");
    words(b, type);
    words(b, "\nU\x01" "0U\x03" "cpu");
    long_number(b, numel);
    words(b, "tQ");
    long_number(b, offset);
    words(b, "(");
    for (int i = 0; i < n_sizes; i++) {
        long_number(b, sizes[i]);
    }
    words(b, "t(");
    for (int i = 0; i < n_strides; i++) {
        long_number(b, strides[i]);
    }
    words(b, "t\x89}tRu.");
}

/** The parts of a file in the form of PyTorch before 1.6; those that are empty are the usual ones. */
struct legacy {
    struct bytes version, system, object, keys;
    uint64_t count;      /* elements of storage "0", as it is said before its bytes */
    const void *data;
    size_t n;
};

__attribute__((unused)) static struct bytes legacy_bytes(const struct legacy *l)
{
    struct bytes b = {0};

    words(&b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
    if (l->version.n) {
        bytes_add(&b, l->version.data, l->version.n);
    } else {
        words(&b, "\x80\x02M\xe9\x03.");
    }
    if (l->system.n) {
        bytes_add(&b, l->system.data, l->system.n);
    } else {
        words(&b, "\x80\x02}U\x0dlittle_endian\x88s.");
    }
    bytes_add(&b, l->object.data, l->object.n);
    if (l->keys.n) {
        bytes_add(&b, l->keys.data, l->keys.n);
    } else {
        words(&b, "\x80\x02]U\x01" "0a.");
    }
    bytes_number(&b, l->count, 8);
    bytes_add(&b, l->data, l->n);
    return b;
}

#endif
