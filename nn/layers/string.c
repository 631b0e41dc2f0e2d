/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for the module tree: strings that grow (dotted names, printed trees), appending to fixed buffers, and numbers
 * as Python writes them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/layers/module.h"

static bool string_room(struct string *s, size_t more)
{
    if (s->failed)
        return false;
    if (s->length + more + 1 <= s->capacity)
        return true;
    size_t capacity = 2 * (s->length + more + 1);
    char *text = realloc(s->text, capacity);
    if (!text) {
        tl_fail(TL_ERR_NOMEM, "out of memory for a text of %zu bytes", capacity);
        s->failed = true;
        return false;
    }
    s->text = text;
    s->capacity = capacity;
    return true;
}

void string_add(struct string *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !string_room(s, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(s->text + s->length, s->capacity - s->length, format, args);
    va_end(args);
    s->length += (size_t)n;
}

void string_cut(struct string *s, size_t length)
{
    if (!s->text || length > s->length)
        return;
    s->length = length;
    s->text[length] = 0;
}

void string_free(struct string *s)
{
    free(s->text);
    *s = (struct string){0};
}

void layer_text(char *buffer, size_t size, const char *format, ...)
{
    size_t used = strlen(buffer);
    if (used >= size)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(buffer + used, size - used, format, args);
    va_end(args);
}

void layer_text_pair(char *buffer, size_t size, const char *name, struct pair p)
{
    if (p.v[0] == p.v[1])
        layer_text(buffer, size, "%s=%lld", name, (long long)p.v[0]);
    else
        layer_text(buffer, size, "%s=(%lld, %lld)", name, (long long)p.v[0], (long long)p.v[1]);
}

const char *layer_number(char buffer[NUMBER_SIZE], double value)
{
    if (isnan(value) || isinf(value)) {
        snprintf(buffer, NUMBER_SIZE, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return buffer;
    }
    /* The fewest digits that read back as the same number. */
    int digits = 1;
    do
        snprintf(buffer, NUMBER_SIZE, "%.*e", digits - 1, value);
    while (strtod(buffer, NULL) != value && ++digits <= 17);
    int exponent = atoi(strchr(buffer, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        int decimals = digits - 1 - exponent;
        snprintf(buffer, NUMBER_SIZE, "%.*f", decimals > 1 ? decimals : 1, value);
    }
    return buffer;
}
