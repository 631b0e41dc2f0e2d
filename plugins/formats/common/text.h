/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that grow, for headers that are written; and UTF-8.
 */
#ifndef TELAR_PLUGINS_FORMATS_TEXT_H
#define TELAR_PLUGINS_FORMATS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** Free `data`. `failed` remembers that memory ran out. */
struct text {
    char *data;
    size_t size, room;
    bool failed;
};
void text_append(struct text *t, const void *bytes, size_t n);
void text_append_words(struct text *t, const char *words);

/** Length of the UTF-8 sequence at u, of at most n bytes; 0 if it is none. */
int utf8_length(const unsigned char *u, ptrdiff_t n);
bool text_is_utf8(const char *s);

#endif
