/* SPDX-License-Identifier: Apache-2.0
 *
 * The characters of a text: Unicode's, numbered in the order of their code points.
 */
#ifndef PLUGINS_DATA_TEXT_CHARACTERS_H
#define PLUGINS_DATA_TEXT_CHARACTERS_H

#include <telar/dataset.h>

/** A text in numbers. free() the members with characters_free(). */
struct characters {
    int32_t *token; /**< of n characters */
    int64_t n;
    int64_t vocabulary;
    char **names;   /**< of `vocabulary` characters: UTF-8; control characters and the backslash as \n, \t, \\ or \xHH */
};

/** Read `size` bytes of UTF-8. `given`: the vocabulary as text, of which the order counts and whose escapes are those of names; a character
 *  that is not in it is an error. NULL: those that occur. Errors name `path` and the byte. */
tl_status characters_read(const char *path, const unsigned char *bytes, size_t size, const char *given, struct characters *out);
void characters_free(struct characters *c);

#endif
