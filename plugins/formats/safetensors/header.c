/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a safetensors file is JSON of one fixed shape:
 *
 *     {"__metadata__": {"key": "text", …},
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * This parser accepts that shape and nothing else, without recursion, so that no nesting can exhaust the stack and every
 * message can give the byte's position in the file. Keys that are unknown, missing or doubled are errors.
 */
#include "header.h"

#include "../common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const char *path;
    const char *start, *at, *end;
    uint64_t offset; /* of `start` in the file */
};

static const struct {
    const char *name;
    tl_dtype dtype;
} dtypes[] = {
    {"F32", TL_F32}, {"F64", TL_F64}, {"F16", TL_F16}, {"BF16", TL_BF16}, {"I8", TL_I8},
    {"U8", TL_U8},   {"I32", TL_I32}, {"I64", TL_I64}, {"BOOL", TL_BOOL},
};

const char *safetensors_dtype_name(tl_dtype t)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].dtype == t)
            return dtypes[i].name;
    return NULL;
}

tl_dtype safetensors_dtype(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].dtype;
    return TL_DEFAULT;
}

static bool complain(const struct parser *p, tl_status code, const char *what)
{
    tl_fail(code, "\"%s\": byte %" PRIu64 " of the header: %s", p->path, p->offset + (uint64_t)(p->at - p->start), what);
    return false;
}

/* ---- Tokens ---- */

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

/* Is c next? Then take it. */
static bool accept(struct parser *p, char c)
{
    skip_blanks(p);
    if (p->at >= p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool expect(struct parser *p, char c)
{
    char what[64];

    if (accept(p, c))
        return true;
    if (p->at >= p->end)
        snprintf(what, sizeof what, "it ends where '%c' is expected", c);
    else
        snprintf(what, sizeof what, "'%c' is expected", c);
    return complain(p, TL_ERR_FORMAT, what);
}

static bool hex4(struct parser *p, uint32_t *value)
{
    *value = 0;
    if (p->end - p->at < 4)
        return complain(p, TL_ERR_FORMAT, "it ends inside \\u");
    for (int i = 0; i < 4; i++) {
        char c = *p->at++;
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit > 15)
            return complain(p, TL_ERR_FORMAT, "\\u needs four hexadecimal digits");
        *value = *value * 16 + digit;
    }
    return true;
}

/* \uXXXX, a pair of them for what lies beyond 16 bits, to UTF-8: at most as long as its escape. */
static bool unescape_unicode(struct parser *p, char **to)
{
    uint32_t c, low;
    unsigned char *u = (unsigned char *)*to;

    if (!hex4(p, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return complain(p, TL_ERR_FORMAT, "half a surrogate pair");
        p->at += 2;
        if (!hex4(p, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return complain(p, TL_ERR_FORMAT, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000)
        return complain(p, TL_ERR_FORMAT, "half a surrogate pair");
    if (c == 0)
        return complain(p, TL_ERR_FORMAT, "a name or text may not contain a NUL character");
    if (c < 0x80)
        *u++ = (unsigned char)c;
    else if (c < 0x800) {
        *u++ = (unsigned char)(0xc0 | c >> 6);
        *u++ = (unsigned char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *u++ = (unsigned char)(0xe0 | c >> 12);
        *u++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        *u++ = (unsigned char)(0x80 | (c & 0x3f));
    } else {
        *u++ = (unsigned char)(0xf0 | c >> 18);
        *u++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        *u++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        *u++ = (unsigned char)(0x80 | (c & 0x3f));
    }
    *to = (char *)u;
    return true;
}

static bool unescape(struct parser *p, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";

    if (p->at >= p->end)
        return complain(p, TL_ERR_FORMAT, "it ends inside a string");
    if (*p->at == 'u') {
        p->at++;
        return unescape_unicode(p, to);
    }
    const char *found = *p->at ? strchr(from, *p->at) : NULL;
    if (!found)
        return complain(p, TL_ERR_FORMAT, "an unknown escape");
    p->at++;
    *(*to)++ = into[found - from];
    return true;
}

/* A string's length between its quotes as it stands: what it unescapes to is no longer. */
static bool measure_string(struct parser *p, size_t *length)
{
    const char *q = p->at;

    while (q < p->end && *q != '"')
        q += *q == '\\' ? 2 : 1;
    if (q >= p->end)
        return complain(p, TL_ERR_FORMAT, "a string is not closed");
    *length = (size_t)(q - p->at);
    return true;
}

/* A string, malloc()ed; NULL and an error. */
static char *parse_string(struct parser *p)
{
    size_t length = 0;

    if (!expect(p, '"') || !measure_string(p, &length))
        return NULL;
    char *s = malloc(length + 1), *to = s;
    bool good = s != NULL || complain(p, TL_ERR_NOMEM, "no memory for a string");
    while (good && p->at < p->end && *p->at != '"') {
        int n = utf8_length((const unsigned char *)p->at, p->end - p->at);
        if (n == 0)
            good = complain(p, TL_ERR_FORMAT, "not UTF-8");
        else if ((unsigned char)*p->at < 0x20)
            good = complain(p, TL_ERR_FORMAT, "a control character in a string");
        else if (*p->at == '\\') {
            p->at++;
            good = unescape(p, &to);
        } else {
            memcpy(to, p->at, (size_t)n);
            to += n;
            p->at += n;
        }
    }
    if (good)
        good = expect(p, '"');
    if (!good) {
        free(s);
        return NULL;
    }
    *to = '\0';
    return s;
}

/* A whole number, not negative, written with digits only. */
static bool parse_number(struct parser *p, uint64_t *value)
{
    uint64_t v = 0;

    skip_blanks(p);
    if (p->at < p->end && *p->at == '-')
        return complain(p, TL_ERR_FORMAT, "a negative number; sizes and offsets are not");
    if (p->at >= p->end || *p->at < '0' || *p->at > '9')
        return complain(p, TL_ERR_FORMAT, "a whole number is expected");
    bool leading_zero = *p->at == '0';
    const char *first = p->at;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
        if (!tl_size_mul(v, 10, &v) || !tl_size_add(v, (uint64_t)(*p->at - '0'), &v))
            return complain(p, TL_ERR_LIMIT, "a number over 64 bits");
    if ((leading_zero && p->at - first > 1) || (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E')))
        return complain(p, TL_ERR_FORMAT, "a whole number is expected");
    *value = v;
    return true;
}

/* ---- One tensor ---- */

static bool entry_complain(const struct parser *p, const struct header_entry *e, tl_status code, const char *what)
{
    tl_fail(code, "\"%s\": tensor \"%.200s\" (byte %" PRIu64 "): %s", p->path, e->name, p->offset + (uint64_t)(p->at - p->start), what);
    return false;
}

static bool parse_dtype(struct parser *p, struct header_entry *e)
{
    char *name = parse_string(p);
    char what[100];

    if (!name)
        return false;
    e->dtype = safetensors_dtype(name);
    snprintf(what, sizeof what, "element type \"%.40s\" is not one of those that are read here", name);
    free(name);
    return e->dtype != TL_DEFAULT || entry_complain(p, e, TL_ERR_UNSUPPORTED, what);
}

static bool parse_shape(struct parser *p, struct header_entry *e)
{
    uint64_t v;

    if (!expect(p, '['))
        return false;
    if (accept(p, ']'))
        return true;
    do {
        if (e->ndim == TL_MAX_DIMS)
            return entry_complain(p, e, TL_ERR_LIMIT, "more than 8 dimensions");
        if (!parse_number(p, &v))
            return false;
        if (v > INT64_MAX)
            return entry_complain(p, e, TL_ERR_LIMIT, "a dimension over 63 bits");
        e->shape[e->ndim++] = (int64_t)v;
    } while (accept(p, ','));
    return expect(p, ']');
}

static bool parse_field(struct parser *p, struct header_entry *e)
{
    char *key = parse_string(p);
    bool good = false, *seen = NULL;

    if (!key)
        return false;
    if (strcmp(key, "dtype") == 0)
        seen = &e->has_dtype;
    else if (strcmp(key, "shape") == 0)
        seen = &e->has_shape;
    else if (strcmp(key, "data_offsets") == 0)
        seen = &e->has_offsets;
    if (!seen)
        entry_complain(p, e, TL_ERR_FORMAT, "a key other than dtype, shape and data_offsets");
    else if (*seen)
        entry_complain(p, e, TL_ERR_FORMAT, "a key stands twice");
    else if (expect(p, ':')) {
        *seen = true;
        if (seen == &e->has_dtype)
            good = parse_dtype(p, e);
        else if (seen == &e->has_shape)
            good = parse_shape(p, e);
        else
            good = expect(p, '[') && parse_number(p, &e->begin) && expect(p, ',') && parse_number(p, &e->end) && expect(p, ']');
    }
    free(key);
    return good;
}

/* Does the stretch of data have the size that shape and type ask for? */
static bool check_size(const struct parser *p, const struct header_entry *e)
{
    uint64_t bytes = tl_dtype_size(e->dtype);
    bool empty = false;
    char what[160];

    for (int i = 0; i < e->ndim; i++)
        empty = empty || e->shape[i] == 0;
    for (int i = 0; !empty && i < e->ndim; i++)
        if (!tl_size_mul(bytes, (uint64_t)e->shape[i], &bytes) || bytes > INT64_MAX)
            return entry_complain(p, e, TL_ERR_LIMIT, "its size overflows");
    if (empty)
        bytes = 0;
    if (e->end < e->begin)
        return entry_complain(p, e, TL_ERR_FORMAT, "its data end before they begin");
    if (e->end - e->begin == bytes)
        return true;
    snprintf(what, sizeof what, "its shape and type need %" PRIu64 " bytes, its data_offsets give %" PRIu64, bytes, e->end - e->begin);
    return entry_complain(p, e, TL_ERR_FORMAT, what);
}

static bool parse_entry(struct parser *p, struct header *h, char *name)
{
    struct header_entry e = {.name = name};

    if (!expect(p, '{'))
        return false;
    if (!accept(p, '}')) {
        do
            if (!parse_field(p, &e))
                return false;
        while (accept(p, ','));
        if (!expect(p, '}'))
            return false;
    }
    if (!e.has_dtype || !e.has_shape || !e.has_offsets)
        return entry_complain(p, &e, TL_ERR_FORMAT, "dtype, shape and data_offsets are all needed");
    if (!check_size(p, &e))
        return false;
    if (h->count == h->room) {
        size_t more = h->room ? h->room * 2 : 64;
        struct header_entry *grown = realloc(h->entries, more * sizeof *grown); /* each cost 40 bytes of the header or more */
        if (!grown)
            return complain(p, TL_ERR_NOMEM, "no memory for the list of tensors");
        h->entries = grown;
        h->room = more;
    }
    h->entries[h->count++] = e;
    return true;
}

/* ---- The whole ---- */

static bool add_note(struct parser *p, struct header *h, char *text)
{
    if (h->n_notes == h->notes_room) {
        size_t more = h->notes_room ? h->notes_room * 2 : 16;
        char **grown = realloc(h->notes, more * sizeof *grown);
        if (!grown) {
            free(text);
            return complain(p, TL_ERR_NOMEM, "no memory for the metadata");
        }
        h->notes = grown;
        h->notes_room = more;
    }
    h->notes[h->n_notes++] = text;
    return true;
}

static bool parse_notes(struct parser *p, struct header *h)
{
    char *s;

    if (!expect(p, '{'))
        return false;
    if (accept(p, '}'))
        return true;
    do {
        if (!(s = parse_string(p)) || !add_note(p, h, s) || !expect(p, ':') || !(s = parse_string(p)) || !add_note(p, h, s))
            return false;
    } while (accept(p, ','));
    return expect(p, '}');
}

static bool parse_member(struct parser *p, struct header *h, bool *seen_notes)
{
    char *name = parse_string(p);

    if (!name || !expect(p, ':')) {
        free(name);
        return false;
    }
    if (strcmp(name, "__metadata__") == 0) {
        free(name);
        if (*seen_notes)
            return complain(p, TL_ERR_FORMAT, "__metadata__ stands twice");
        *seen_notes = true;
        return parse_notes(p, h);
    }
    if (parse_entry(p, h, name))
        return true;
    free(name);
    return false;
}

tl_status header_parse(const char *path, const char *json, size_t size, uint64_t offset, struct header *h)
{
    struct parser p = {.path = path, .start = json, .at = json, .end = json + size, .offset = offset};
    bool seen_notes = false, good = true;

    *h = (struct header){0};
    if (size == 0 || json[0] != '{')
        good = complain(&p, TL_ERR_FORMAT, "'{' is expected");
    if (good) {
        p.at++;
        if (!accept(&p, '}')) {
            do
                good = parse_member(&p, h, &seen_notes);
            while (good && accept(&p, ','));
            good = good && expect(&p, '}');
        }
        skip_blanks(&p);
        if (good && p.at < p.end)
            good = complain(&p, TL_ERR_FORMAT, "something follows its end");
    }
    if (good)
        return TL_OK;
    header_clear(h);
    return tl_error_code();
}

static int by_begin(const void *a, const void *b)
{
    const struct header_entry *x = *(struct header_entry *const *)a, *y = *(struct header_entry *const *)b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

tl_status header_check_cover(const char *path, const struct header *h, uint64_t available)
{
    struct header_entry **sorted = calloc(h->count + 1, sizeof *sorted);
    uint64_t at = 0;
    tl_status s = sorted ? TL_OK : tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %zu tensors", path, h->count);

    for (size_t i = 0; s == TL_OK && i < h->count; i++)
        sorted[i] = &h->entries[i];
    if (s == TL_OK)
        qsort(sorted, h->count, sizeof(struct header_entry *), by_begin);
    for (size_t i = 0; s == TL_OK && i < h->count; i++) {
        const struct header_entry *e = sorted[i];
        if (e->end > available)
            s = tl_fail(TL_ERR_TRUNCATED, "\"%s\": tensor \"%.200s\" needs data up to byte %" PRIu64 " after the header, the file has %"
                        PRIu64, path, e->name, e->end, available);
        else if (e->begin != at)
            s = tl_fail(TL_ERR_FORMAT, "\"%s\": tensor \"%.200s\" begins at data byte %" PRIu64 ", %s %" PRIu64, path, e->name, e->begin,
                        e->begin < at ? "overlapping what ends at" : "leaving a gap after", at);
        at = e->end;
    }
    if (s == TL_OK && at != available)
        s = tl_fail(TL_ERR_FORMAT, "\"%s\": %" PRIu64 " bytes follow the last tensor's data", path, available - at);
    free(sorted);
    return s;
}

void header_clear(struct header *h)
{
    for (size_t i = 0; i < h->count; i++)
        free(h->entries[i].name);
    for (size_t i = 0; i < h->n_notes; i++)
        free(h->notes[i]);
    free(h->entries);
    free(h->notes);
    *h = (struct header){0};
}
