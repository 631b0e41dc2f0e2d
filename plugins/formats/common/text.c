/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdlib.h>
#include <string.h>

void text_append(struct text *t, const void *bytes, size_t n)
{
    if (!t->failed && t->room - t->size < n) {
        size_t more = (t->room + n) * 2;
        char *grown = realloc(t->data, more);
        t->failed = !grown;
        if (grown) {
            t->data = grown;
            t->room = more;
        }
    }
    if (t->failed)
        return;
    memcpy(t->data + t->size, bytes, n);
    t->size += n;
}

void text_append_words(struct text *t, const char *words)
{
    text_append(t, words, strlen(words));
}

int utf8_length(const unsigned char *u, ptrdiff_t n)
{
    int length = u[0] < 0x80 ? 1 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : u[0] >= 0xe0 && u[0] < 0xf0 ? 3 : u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : 0;

    if (length == 0 || length > n)
        return 0;
    for (int i = 1; i < length; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return length;
}

bool text_is_utf8(const char *s)
{
    for (int n; *s; s += n)
        if ((n = utf8_length((const unsigned char *)s, (ptrdiff_t)strnlen(s, 4))) == 0)
            return false;
    return true;
}
