/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 to numbers. Surrogates, overlong forms and code points beyond U+10FFFF are errors, as is a character cut off at the end.
 */
#include "characters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000, NONE = -1 };

/* The character at bytes, *length its bytes; NONE if there is none. `left` is at least 1. */
static int32_t decode(const unsigned char *bytes, size_t left, size_t *length)
{
    static const int32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = bytes[0];
    size_t n = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return NONE;
    int32_t c = n == 1 ? first : first & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return NONE;
        c = c << 6 | (bytes[i] & 0x3f);
    }
    if (c < least[n] || c >= CODE_POINTS || (c >= 0xd800 && c < 0xe000))
        return NONE;
    *length = n;
    return c;
}

/* Its name: what it is, or an escape. */
static char *name_of(int32_t c)
{
    char name[24];
    if (c == '\n' || c == '\t' || c == '\r' || c == '\\')
        snprintf(name, sizeof name, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : '\\');
    else if (c < 0x20 || c == 0x7f)
        snprintf(name, sizeof name, "\\x%02x", (unsigned)c);
    else if (c < 0x80)
        snprintf(name, sizeof name, "%c", (char)c);
    else if (c < 0x800)
        snprintf(name, sizeof name, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    else if (c < 0x10000)
        snprintf(name, sizeof name, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
    else
        snprintf(name, sizeof name, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f), 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
    return strdup(name);
}

/* The next character of a vocabulary, escapes undone; NONE if it is none. */
static int32_t next_given(const char **text)
{
    const char *at = *text;
    char *end;
    size_t length;
    if (*at != '\\') {
        int32_t c = decode((const unsigned char *)at, strlen(at), &length);
        *text = c == NONE ? at : at + length;
        return c;
    }
    *text = at + 2;
    switch (at[1]) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '\\': return '\\';
    case 'x':
        *text = at + 4;
        char digits[3] = {at[2], at[2] ? at[3] : 0, 0};
        long c = strtol(digits, &end, 16);
        return end == digits + 2 ? (int32_t)c : NONE;
    default: return NONE;
    }
}

/* number[c] becomes the place of c; the vocabulary's size, or -1 and an error. */
static int64_t number_given(const char *given, int32_t *number)
{
    int64_t n = 0;
    for (const char *at = given; *at;) {
        const char *begun = at;
        int32_t c = next_given(&at);
        if (c == NONE) {
            tl_fail(TL_ERR_ARGUMENT, "text: the vocabulary has no character at \"%.12s\": expected UTF-8, with \\n, \\t, \\r, \\\\ and \\xHH for what cannot be "
                                     "written", begun);
            return -1;
        }
        if (number[c] != NONE) {
            tl_fail(TL_ERR_ARGUMENT, "text: the vocabulary has a character twice, again at \"%.12s\"", begun);
            return -1;
        }
        number[c] = (int32_t)n++;
    }
    if (n == 0)
        tl_fail(TL_ERR_ARGUMENT, "text: the vocabulary is empty");
    return n ? n : -1;
}

static tl_status read_all(const char *path, const unsigned char *bytes, size_t size, const int32_t *number, bool known, struct characters *out)
{
    for (size_t at = 0, length; at < size; at += length) {
        int32_t c = decode(bytes + at, size - at, &length);
        if (c == NONE)
            return tl_fail(TL_ERR_FORMAT, "\"%s\": byte %zu, 0x%02x, does not begin a character of UTF-8", path, at, bytes[at]);
        if (known && number[c] == NONE)
            return tl_fail(TL_ERR_INDEX, "\"%s\": byte %zu: the character U+%04X is not in the vocabulary", path, at, (unsigned)c);
        out->token[out->n++] = c;
    }
    return TL_OK;
}

static tl_status name_all(const int32_t *number, struct characters *out)
{
    out->names = calloc((size_t)out->vocabulary + 1, sizeof *out->names);
    for (int32_t c = 0; out->names && c < CODE_POINTS; c++)
        if (number[c] != NONE && !(out->names[number[c]] = name_of(c)))
            return tl_fail(TL_ERR_NOMEM, "text: out of memory");
    for (int64_t i = 0; i < out->n; i++)
        out->token[i] = number[out->token[i]];
    return out->names ? TL_OK : tl_fail(TL_ERR_NOMEM, "text: out of memory");
}

tl_status characters_read(const char *path, const unsigned char *bytes, size_t size, const char *given, struct characters *out)
{
    *out = (struct characters){0};
    int32_t *number = malloc(CODE_POINTS * sizeof *number);
    out->token = number ? malloc((size + 1) * sizeof *out->token) : NULL;
    tl_status s = out->token ? TL_OK : tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %zu characters", path, size);
    for (int32_t c = 0; s == TL_OK && c < CODE_POINTS; c++)
        number[c] = NONE;
    if (s == TL_OK && given && (out->vocabulary = number_given(given, number)) < 0)
        s = tl_error_code();
    if (s == TL_OK)
        s = read_all(path, bytes, size, number, given != NULL, out);
    if (s == TL_OK && !given) {
        for (int64_t i = 0; i < out->n; i++)
            number[out->token[i]] = 0;
        for (int32_t c = 0; c < CODE_POINTS; c++)
            if (number[c] != NONE)
                number[c] = (int32_t)out->vocabulary++;
    }
    if (s == TL_OK)
        s = name_all(number, out);
    free(number);
    if (s != TL_OK)
        characters_free(out);
    return s;
}

void characters_free(struct characters *c)
{
    for (int64_t i = 0; c->names && i < c->vocabulary; i++)
        free(c->names[i]);
    free(c->names);
    free(c->token);
    *c = (struct characters){0};
}
