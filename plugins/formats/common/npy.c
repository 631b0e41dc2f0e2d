/* SPDX-License-Identifier: Apache-2.0
 *
 *     "\x93NUMPY" major minor length {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } blanks newline   data
 *
 * Of Python's language only this dictionary is understood: three keys, each once, in any order.
 */
#include "npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/autograd.h>
#include <telar/ops.h>

#include "bytes.h"

static const char magic[] = "\x93NUMPY";
enum { MAGIC = sizeof magic - 1 };

bool npy_probe(const unsigned char *head, size_t size)
{
    return size >= MAGIC && memcmp(head, magic, MAGIC) == 0;
}

tl_status npy_head_size(const char *what, const unsigned char *data, size_t size, uint64_t *head)
{
    if (size < MAGIC + 4 || (npy_probe(data, size) && data[6] > 1 && size < NPY_PREFIX))
        return tl_fail(TL_ERR_TRUNCATED, "%s: it ends at byte %zu, before the header", what, size);
    if (!npy_probe(data, size))
        return tl_fail(TL_ERR_FORMAT, "%s: byte 0: it does not begin as an array of NumPy does", what);
    if (data[6] < 1 || data[6] > 3)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: byte 6: version %u.%u of the array format; 1 to 3 are read", what, data[6], data[7]);
    size_t width = data[6] == 1 ? 2 : 4;
    *head = 8 + width + load_le(data + 8, width);
    if (*head > NPY_MOST_HEADER)
        return tl_fail(TL_ERR_LIMIT, "%s: byte 8: a header of %" PRIu64 " bytes; %d are the most", what, *head, NPY_MOST_HEADER);
    return TL_OK;
}

/* ---- The dictionary ---- */

struct parser {
    const char *what;
    const char *start, *at, *end;
    struct npy *npy;
};

static tl_status complain(const struct parser *p, tl_status code, const char *words)
{
    return tl_fail(code, "%s: byte %zu of its header: %s", p->what, (size_t)(p->at - p->start), words);
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n'))
        p->at++;
}

static bool accept(struct parser *p, char c)
{
    skip_blanks(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static tl_status expect(struct parser *p, char c)
{
    char words[40];

    snprintf(words, sizeof words, "'%c' is expected", c);
    return accept(p, c) ? TL_OK : complain(p, TL_ERR_FORMAT, words);
}

/* A short text in quotes. */
static tl_status parse_text(struct parser *p, char text[40])
{
    char quote = accept(p, '\'') ? '\'' : '"';

    if (quote == '"' && !accept(p, '"'))
        return complain(p, p->at < p->end && *p->at == '[' ? TL_ERR_UNSUPPORTED : TL_ERR_FORMAT,
                        p->at < p->end && *p->at == '[' ? "an array of records" : "a text is expected");
    const char *stop = memchr(p->at, quote, (size_t)(p->end - p->at));
    if (!stop || stop - p->at >= 40 || memchr(p->at, '\\', (size_t)(stop - p->at)))
        return complain(p, TL_ERR_FORMAT, "a text that does not end");
    memcpy(text, p->at, (size_t)(stop - p->at));
    text[stop - p->at] = '\0';
    p->at = stop + 1;
    return TL_OK;
}

static tl_status parse_bool(struct parser *p, bool *value)
{
    skip_blanks(p);
    size_t left = (size_t)(p->end - p->at);
    *value = left >= 4 && memcmp(p->at, "True", 4) == 0;
    if (!*value && (left < 5 || memcmp(p->at, "False", 5) != 0))
        return complain(p, TL_ERR_FORMAT, "True or False is expected");
    p->at += *value ? 4 : 5;
    return TL_OK;
}

/* (), (2,), (2, 3), of Python 2 (2L, 3L). */
static tl_status parse_shape(struct parser *p)
{
    tl_status s = expect(p, '(');

    while (s == TL_OK && !accept(p, ')')) {
        uint64_t v = 0;
        const char *first = p->at;
        if (p->npy->ndim == TL_MAX_DIMS)
            return complain(p, TL_ERR_LIMIT, "more than 8 dimensions");
        for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
            if (!tl_size_mul(v, 10, &v) || !tl_size_add(v, (uint64_t)(*p->at - '0'), &v) || v > INT64_MAX)
                return complain(p, TL_ERR_LIMIT, "a size over 63 bits");
        if (p->at == first)
            return complain(p, TL_ERR_FORMAT, "a size is expected");
        accept(p, 'L');
        p->npy->shape[p->npy->ndim++] = (int64_t)v;
        if (!accept(p, ',') && p->at < p->end && *p->at != ')')
            return complain(p, TL_ERR_FORMAT, "',' or ')' is expected");
        if (p->at == p->end)
            return complain(p, TL_ERR_FORMAT, "it ends within the shape");
    }
    return s;
}

static const struct {
    const char *name; /* without the order of bytes */
    tl_dtype dtype;
} types[] = {{"f4", TL_F32}, {"f8", TL_F64}, {"f2", TL_F16}, {"i1", TL_I8}, {"u1", TL_U8}, {"i4", TL_I32}, {"i8", TL_I64}, {"b1", TL_BOOL}};

static tl_status parse_type(struct parser *p)
{
    char text[40] = "", words[160];
    tl_status s = parse_text(p, text);

    if (s != TL_OK)
        return s;
    if (strchr(text, 'O'))
        return complain(p, TL_ERR_UNSAFE, "an array of Python's objects, which are pickled; they are never made");
    bool ordered = text[0] == '<' || text[0] == '>' || text[0] == '|' || text[0] == '=';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(text + ordered, types[i].name) == 0) {
            p->npy->dtype = types[i].dtype;
            p->npy->swap = text[0] == '>' && tl_dtype_size(types[i].dtype) > 1;
            return TL_OK;
        }
    snprintf(words, sizeof words, "element type '%s' is not one of those that are read here: f2, f4, f8, i1, i4, i8, u1 and b1", text);
    return complain(p, TL_ERR_UNSUPPORTED, words);
}

static tl_status parse_member(struct parser *p, unsigned *seen)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[40];
    tl_status s = parse_text(p, key);
    unsigned k = 0;

    while (s == TL_OK && k < 3 && strcmp(key, keys[k]) != 0)
        k++;
    if (s == TL_OK && (k == 3 || (*seen & 1u << k)))
        s = complain(p, TL_ERR_FORMAT, "the keys are descr, fortran_order and shape, each once");
    if (s == TL_OK)
        s = expect(p, ':');
    if (s != TL_OK)
        return s;
    *seen |= 1u << k;
    return k == 0 ? parse_type(p) : k == 1 ? parse_bool(p, &p->npy->fortran) : parse_shape(p);
}

tl_status npy_parse(const char *what, const unsigned char *data, size_t size, struct npy *n)
{
    *n = (struct npy){.head = size};
    size_t skip = 8 + (data[6] == 1 ? 2 : 4);
    struct parser p = {what, (const char *)data, (const char *)data + skip, (const char *)data + size, n};
    unsigned seen = 0;
    tl_status s = expect(&p, '{');

    while (s == TL_OK && !accept(&p, '}')) {
        s = parse_member(&p, &seen);
        if (s == TL_OK && !accept(&p, ',') && (p.at == p.end || *p.at != '}'))
            s = complain(&p, TL_ERR_FORMAT, "',' or '}' is expected");
    }
    if (s == TL_OK && seen != 7)
        s = complain(&p, TL_ERR_FORMAT, "descr, fortran_order and shape are all needed");
    skip_blanks(&p);
    if (s == TL_OK && p.at != p.end)
        s = complain(&p, TL_ERR_FORMAT, "something follows its end");
    bool empty = false;
    n->bytes = tl_dtype_size(n->dtype);
    for (int i = 0; i < n->ndim; i++)
        empty = empty || n->shape[i] == 0;
    for (int i = 0; s == TL_OK && !empty && i < n->ndim; i++)
        if (!tl_size_mul(n->bytes, (uint64_t)n->shape[i], &n->bytes) || n->bytes > INT64_MAX)
            s = complain(&p, TL_ERR_LIMIT, "its size overflows");
    n->bytes = empty ? 0 : n->bytes;
    return s;
}

/* ---- Values ---- */

void npy_file_shape(const struct npy *n, int64_t shape[TL_MAX_DIMS])
{
    for (int i = 0; i < n->ndim; i++)
        shape[i] = n->shape[n->fortran ? n->ndim - 1 - i : i];
}

static void swap_bytes(unsigned char *data, uint64_t n, size_t size)
{
    for (uint64_t at = 0; at < n; at += size)
        for (size_t i = 0; i < size / 2; i++) {
            unsigned char held = data[at + i];
            data[at + i] = data[at + size - 1 - i];
            data[at + size - 1 - i] = held;
        }
}

tl_status npy_check_bools(const char *what, const unsigned char *data, size_t n, uint64_t before)
{
    uint64_t i = find_no_bool(data, n);

    return i == n ? TL_OK : tl_fail(TL_ERR_FORMAT, "%s: element %" PRIu64 " is %u; a bool is 0 or 1", what, before + i, data[i]);
}

tl_tensor *npy_shaped(const char *what, const struct npy *n, tl_tensor *flat)
{
    int64_t axes[TL_MAX_DIMS];

    if (flat && n->swap && n->bytes > 0) {
        unsigned char *data = tl_data_mut(flat);
        if (!data)
            return NULL;
        swap_bytes(data, n->bytes, tl_dtype_size(n->dtype));
    }
    if (flat && n->dtype == TL_BOOL && n->bytes > 0) {
        const unsigned char *data = tl_data(flat);
        if (!data || npy_check_bools(what, data, (size_t)n->bytes, 0) != TL_OK)
            return NULL;
    }
    if (!flat || !n->fortran || n->ndim < 2)
        return flat;
    for (int i = 0; i < n->ndim; i++)
        axes[i] = n->ndim - 1 - i;
    tl_tensor *t = NULL;
    TL_NO_GRAD t = tl_permute(flat, n->ndim, axes);
    return t;
}

/* ---- Writing ---- */

tl_status npy_header(tl_tensor *t, struct text *to)
{
    const char *type = NULL;
    char digits[40];
    const unsigned char prefix[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == tl_dtype_of(t))
            type = types[i].name;
    if (!type)
        return tl_fail(TL_ERR_UNSUPPORTED, "NumPy has no %s; write .safetensors or .pth", tl_dtype_name(tl_dtype_of(t)));
    text_append(to, prefix, sizeof prefix);
    text_append_words(to, "{'descr': '");
    text_append_words(to, tl_dtype_size(tl_dtype_of(t)) == 1 ? "|" : "<");
    text_append_words(to, type);
    text_append_words(to, "', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < tl_ndim(t); i++) {
        text_append(to, digits, (size_t)snprintf(digits, sizeof digits, "%s%" PRId64, i ? ", " : "", tl_shape(t)[i]));
    }
    text_append_words(to, tl_ndim(t) == 1 ? ",), }" : "), }");
    while (!to->failed && (to->size + 1) % 64)
        text_append_words(to, " ");
    text_append_words(to, "\n");
    if (to->failed)
        return tl_fail(TL_ERR_NOMEM, "no memory for a header");
    store_le((unsigned char *)to->data + 8, to->size - 10, 2);
    return TL_OK;
}
