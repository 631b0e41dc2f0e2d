/* SPDX-License-Identifier: Apache-2.0
 *
 * A writer of JSON: one value after another on one line. Numbers are written with as many digits as bring them back.
 */
#include <math.h>
#include <string.h>

#include "cli/cli.h"

struct json json_new(FILE *to)
{
    return (struct json){.to = to};
}

static void separate(struct json *j)
{
    if (j->after_key)
        j->after_key = false;
    else if (j->some[j->depth])
        fputc(',', j->to);
    j->some[j->depth] = true;
}

void json_open(struct json *j, char bracket)
{
    separate(j);
    fputc(bracket, j->to);
    if (j->depth + 1 < sizeof j->some)
        j->depth++;
    j->some[j->depth] = false;
}

void json_close(struct json *j, char bracket)
{
    fputc(bracket, j->to);
    if (j->depth)
        j->depth--;
}

int utf8_sequence(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void put_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int n = utf8_sequence((const char *)s);
        if (n == 0) {
            fputs("\\ufffd", to);
            s++;
        } else if (n > 1) {
            fwrite(s, 1, (size_t)n, to);
            s += n;
        } else {
            if (*s == '"' || *s == '\\')
                fprintf(to, "\\%c", *s);
            else if (*s < 32 || *s == 127)
                fprintf(to, "\\u%04x", *s);
            else
                fputc(*s, to);
            s++;
        }
    }
    fputc('"', to);
}

void json_key(struct json *j, const char *key)
{
    separate(j);
    put_text(j->to, key);
    fputc(':', j->to);
    j->after_key = true;
}

void json_text(struct json *j, const char *text)
{
    separate(j);
    if (text)
        put_text(j->to, text);
    else
        fputs("null", j->to);
}

void json_integer(struct json *j, int64_t n)
{
    separate(j);
    fprintf(j->to, "%lld", (long long)n);
}

void json_number(struct json *j, double x)
{
    separate(j);
    if (isfinite(x))
        fprintf(j->to, "%.9g", x);
    else
        fputs("null", j->to);
}

void json_bool(struct json *j, bool b)
{
    separate(j);
    fputs(b ? "true" : "false", j->to);
}

void json_text_of(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text);
}

void json_integer_of(struct json *j, const char *key, int64_t n)
{
    json_key(j, key);
    json_integer(j, n);
}

void json_number_of(struct json *j, const char *key, double x)
{
    json_key(j, key);
    json_number(j, x);
}

void json_bool_of(struct json *j, const char *key, bool b)
{
    json_key(j, key);
    json_bool(j, b);
}

void json_shape_of(struct json *j, const char *key, int ndim, const int64_t *shape)
{
    json_key(j, key);
    json_open(j, '[');
    for (int i = 0; i < ndim; i++)
        json_integer(j, shape[i]);
    json_close(j, ']');
}

void json_end(struct json *j)
{
    fputc('\n', j->to);
    fflush(j->to);
    *j = json_new(j->to);
}
