/* SPDX-License-Identifier: Apache-2.0
 *
 * The format plugin for safetensors: 8 bytes of header length (little endian), the header (JSON, see header.c), the data. What is
 * written keeps the order of names in the header, and lays the data out by element size, largest first, behind a header padded
 * to a multiple of 8, so that every tensor is aligned to its elements. Notes travel as __metadata__.
 */
#include "header.h"

#include "../common/bytes.h"
#include "../common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/format.h>

static bool probe(const unsigned char *head, size_t size)
{
    if (size < 9 || head[8] != '{')
        return false;
    uint64_t length = load_le(head, 8);
    return length >= 2 && length <= SAFETENSORS_MAX_HEADER;
}

/* ---- Reading ---- */

static tl_status check_bools(const char *path, const struct header_entry *e, const unsigned char *data)
{
    uint64_t n = e->end - e->begin, i = find_no_bool(data, n);

    return i == n ? TL_OK : tl_fail(TL_ERR_FORMAT, "\"%s\": tensor \"%.200s\": element %" PRIu64 " is %u; a BOOL is 0 or 1", path, e->name, i, data[i]);
}

static tl_status read_tensors(const char *path, const struct tl_map *map, const struct header *h, const unsigned char *data, tl_state *into)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct header_entry *e = &h->entries[i];
        if (tl_state_get(into, e->name))
            return tl_fail(TL_ERR_FORMAT, "\"%s\": tensor \"%.200s\" stands twice", path, e->name);
        tl_status s = e->dtype == TL_BOOL ? check_bools(path, e, data + e->begin) : TL_OK;
        if (s != TL_OK)
            return s;
        TL_SCOPE
        {
            tl_tensor *t = tl_from_map(map, data + e->begin, e->ndim, e->shape, e->dtype);
            if (!t || (s = tl_state_add(into, e->name, t)) != TL_OK) {
                tl_error_prefix("\"%s\": tensor \"%.200s\": ", path, e->name);
                return tl_error_code();
            }
        }
    }
    return TL_OK;
}

static tl_status read_notes(const char *path, const struct header *h, tl_state *into)
{
    for (size_t i = 0; i + 1 < h->n_notes; i += 2) {
        if (tl_state_note(into, h->notes[i]))
            return tl_fail(TL_ERR_FORMAT, "\"%s\": the metadata's key \"%.200s\" stands twice", path, h->notes[i]);
        tl_status s = tl_state_set_note(into, h->notes[i], h->notes[i + 1]);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

static tl_status read_file(const struct tl_map *map, const char *path, tl_state *into)
{
    struct header h;

    if (map->size < 8)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": %zu bytes; the length of a safetensors header alone takes 8", path, map->size);
    uint64_t length = load_le(map->data, 8);
    if (length > SAFETENSORS_MAX_HEADER)
        return tl_fail(TL_ERR_LIMIT, "\"%s\": a header of %" PRIu64 " bytes; %" PRIu64 " is the most that safetensors allow", path, length,
                       SAFETENSORS_MAX_HEADER);
    if (length > map->size - 8)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": the header has %" PRIu64 " bytes, the file only %zu after its length", path, length,
                       map->size - 8);
    tl_status s = header_parse(path, (const char *)map->data + 8, (size_t)length, 8, &h);
    if (s != TL_OK)
        return s;
    s = header_check_cover(path, &h, map->size - 8 - length);
    if (s == TL_OK)
        s = read_notes(path, &h, into);
    if (s == TL_OK)
        s = read_tensors(path, map, &h, map->data + 8 + length, into);
    header_clear(&h);
    return s;
}

/* ---- Writing ---- */

static void append_number(struct text *t, uint64_t v)
{
    char digits[24];

    text_append(t, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, v));
}

static void append_string(struct text *t, const char *s)
{
    char escape[8];

    text_append_words(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_append(t, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", c));
        else if (c < 0x20)
            text_append(t, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c));
        else
            text_append(t, s, 1);
    }
    text_append_words(t, "\"");
}

static void append_entry(struct text *t, const char *name, tl_tensor *tensor, uint64_t begin, uint64_t end)
{
    append_string(t, name);
    text_append_words(t, ":{\"dtype\":");
    append_string(t, safetensors_dtype_name(tl_dtype_of(tensor)));
    text_append_words(t, ",\"shape\":[");
    for (int d = 0; d < tl_ndim(tensor); d++) {
        text_append_words(t, d ? "," : "");
        append_number(t, (uint64_t)tl_shape(tensor)[d]);
    }
    text_append_words(t, "],\"data_offsets\":[");
    append_number(t, begin);
    text_append_words(t, ",");
    append_number(t, end);
    text_append_words(t, "]}");
}

struct place {
    uint64_t begin, bytes;
};

/* Where each tensor's data go: by element size, 8, 4, 2, 1, in order of names within. `order` gets the order of writing. */
static tl_status lay_out(const tl_state *from, struct place *places, size_t *order)
{
    size_t count = tl_state_count(from), n = 0;
    uint64_t at = 0;

    for (size_t size = 8; size > 0; size /= 2)
        for (size_t i = 0; i < count; i++) {
            tl_tensor *t = tl_state_at(from, i);
            if (tl_dtype_size(tl_dtype_of(t)) != size)
                continue;
            places[i] = (struct place){.begin = at, .bytes = size};
            if (!tl_size_mul(size, (uint64_t)tl_numel(t), &places[i].bytes) || !tl_size_add(at, places[i].bytes, &at))
                return tl_fail(TL_ERR_LIMIT, "the tensors' sizes overflow at \"%.200s\"", tl_state_name(from, i));
            order[n++] = i;
        }
    if (n != count)
        return tl_fail(TL_ERR_DTYPE, "a tensor has an element type that safetensors do not know");
    return TL_OK;
}

static tl_status check_names(const tl_state *from)
{
    for (size_t i = 0; i < tl_state_count(from); i++)
        if (strcmp(tl_state_name(from, i), "__metadata__") == 0 || !text_is_utf8(tl_state_name(from, i)))
            return tl_fail(TL_ERR_ARGUMENT, "tensor %zu cannot be named \"%.200s\" in safetensors: names are UTF-8, and __metadata__ is taken",
                           i, tl_state_name(from, i));
    for (size_t i = 0; i < tl_state_note_count(from); i++)
        if (!text_is_utf8(tl_state_note_key(from, i)) || !text_is_utf8(tl_state_note(from, tl_state_note_key(from, i))))
            return tl_fail(TL_ERR_ARGUMENT, "note \"%.200s\" is not UTF-8", tl_state_note_key(from, i));
    return TL_OK;
}

static tl_status write_header(const tl_state *from, const struct place *places, FILE *to)
{
    struct text t = {0};
    unsigned char length[8];

    text_append_words(&t, "{");
    for (size_t i = 0; i < tl_state_note_count(from); i++) {
        const char *key = tl_state_note_key(from, i);
        text_append_words(&t, i ? "," : "\"__metadata__\":{");
        append_string(&t, key);
        text_append_words(&t, ":");
        append_string(&t, tl_state_note(from, key));
    }
    if (tl_state_note_count(from) > 0)
        text_append_words(&t, tl_state_count(from) > 0 ? "}," : "}");
    for (size_t i = 0; i < tl_state_count(from); i++) {
        text_append_words(&t, i ? "," : "");
        append_entry(&t, tl_state_name(from, i), tl_state_at(from, i), places[i].begin, places[i].begin + places[i].bytes);
    }
    text_append_words(&t, "}");
    while (!t.failed && t.size % 8)
        text_append_words(&t, " ");
    tl_status s = TL_OK;
    if (t.failed)
        s = tl_fail(TL_ERR_NOMEM, "no memory for a header of %zu tensors", tl_state_count(from));
    else if (t.size > SAFETENSORS_MAX_HEADER)
        s = tl_fail(TL_ERR_LIMIT, "the header would take %zu bytes; safetensors allow %" PRIu64, t.size, SAFETENSORS_MAX_HEADER);
    store_le(length, t.size, 8);
    if (s == TL_OK && (fwrite(length, 1, 8, to) != 8 || fwrite(t.data, 1, t.size, to) != t.size))
        s = tl_fail(TL_ERR_IO, "%s", strerror(errno));
    free(t.data);
    return s;
}

static tl_status write_tensor(const char *name, tl_tensor *t, size_t bytes, FILE *to)
{
    void *copy = NULL;
    const void *data = NULL;
    tl_status s = TL_OK;

    if (bytes == 0)
        return TL_OK;
    if (strcmp(tl_device_of(t), "cpu") == 0 && tl_is_contiguous(t))
        data = tl_data(t);
    else if (!(data = copy = malloc(bytes)))
        s = tl_fail(TL_ERR_NOMEM, "tensor \"%.200s\": no memory for %zu bytes", name, bytes);
    else if ((s = tl_copy_out(t, tl_dtype_of(t), copy, bytes)) != TL_OK)
        tl_error_prefix("tensor \"%.200s\": ", name);
    if (s == TL_OK && !data)
        s = tl_error_code();
    if (s == TL_OK && fwrite(data, 1, bytes, to) != bytes)
        s = tl_fail(TL_ERR_IO, "tensor \"%.200s\": %s", name, strerror(errno));
    free(copy);
    return s;
}

static tl_status write_file(const tl_state *from, FILE *to)
{
    size_t count = tl_state_count(from);
    struct place *places = calloc(count + 1, sizeof *places);
    size_t *order = calloc(count + 1, sizeof *order);
    tl_status s = places && order ? check_names(from) : tl_fail(TL_ERR_NOMEM, "no memory to lay out %zu tensors", count);

    if (s == TL_OK)
        s = lay_out(from, places, order);
    if (s == TL_OK)
        s = write_header(from, places, to);
    for (size_t i = 0; s == TL_OK && i < count; i++)
        s = write_tensor(tl_state_name(from, order[i]), tl_state_at(from, order[i]), (size_t)places[order[i]].bytes, to);
    free(order);
    free(places);
    return s;
}

/* ---- The plugin ---- */

static const char *const suffixes[] = {".safetensors", NULL};

static const struct tl_format format = {
    .struct_size = sizeof(struct tl_format),
    .suffixes = suffixes,
    .probe = probe,
    .read = read_file,
    .write = write_file,
};

TL_FORMAT_PLUGIN("safetensors", "1.0", "safetensors files, read and written", &format);
