/* SPDX-License-Identifier: Apache-2.0
 *
 * The format plugin for .npz: a zip archive of arrays, NAME.npy each, stored or deflated.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/format.h>

#include "../common/notes.h"
#include "../common/npy.h"

static bool ends_npy(const char *name, size_t n)
{
    return n >= 4 && memcmp(name + n - 4, ".npy", 4) == 0;
}

static bool probe(const unsigned char *head, size_t size)
{
    size_t n;
    const char *name = zip_first_name(head, size, &n);

    return name && (n == 0 || ends_npy(name, n) || (n == strlen(NOTES_NAME) && memcmp(name, NOTES_NAME, n) == 0));
}

/* ---- Reading ---- */

/* The header of an array that is stored, when its checksum is right. */
static tl_status stored_head(const struct zip *z, const struct zip_entry *e, const char *what, struct npy *n)
{
    uint64_t head = 0;
    tl_status s = zip_check(z, e);

    if (s == TL_OK)
        s = npy_head_size(what, e->data, (size_t)e->size, &head);
    if (s == TL_OK && head > e->size)
        s = tl_fail(TL_ERR_TRUNCATED, "%s: it has %" PRIu64 " bytes, its header alone %" PRIu64, what, e->size, head);
    if (s == TL_OK)
        s = npy_parse(what, e->data, (size_t)head, n);
    if (s == TL_OK && n->bytes != e->size - head)
        s = tl_fail(TL_ERR_FORMAT, "%s: its shape and type need %" PRIu64 " bytes, there are %" PRIu64, what, n->bytes, e->size - head);
    return s;
}

/* It is used where it lies. */
static tl_tensor *stored(const struct zip *z, const struct zip_entry *e, const char *what)
{
    struct npy n;
    int64_t shape[TL_MAX_DIMS] = {0};

    if (stored_head(z, e, what, &n) != TL_OK)
        return NULL;
    npy_file_shape(&n, shape);
    return npy_shaped(what, &n, tl_from_map(z->map, e->data + (e->size - n.bytes), n.ndim, shape, n.dtype));
}

/* The header of one that is compressed, which is read off the stream. */
static tl_status packed_head(struct zip_stream *stream, const struct zip_entry *e, const char *what, struct npy *n)
{
    unsigned char *bytes = malloc(NPY_MOST_HEADER);
    uint64_t head = 0, prefix = e->size < NPY_PREFIX ? e->size : NPY_PREFIX;
    tl_status s = bytes ? zip_read(stream, bytes, prefix) : tl_fail(TL_ERR_NOMEM, "%s: no memory", what);

    if (s == TL_OK)
        s = npy_head_size(what, bytes, (size_t)prefix, &head);
    if (s == TL_OK && head < prefix)
        s = tl_fail(TL_ERR_FORMAT, "%s: a header of %" PRIu64 " bytes", what, head);
    if (s == TL_OK)
        s = zip_read(stream, bytes + prefix, head - prefix);
    if (s == TL_OK)
        s = npy_parse(what, bytes, (size_t)head, n);
    if (s == TL_OK && n->bytes != e->size - head)
        s = tl_fail(TL_ERR_FORMAT, "%s: its shape and type need %" PRIu64 " bytes, there are %" PRIu64, what, n->bytes, e->size - head);
    free(bytes);
    return s;
}

/* Then the values, into the tensor. */
static tl_tensor *unpack(struct zip_stream *stream, const struct zip_entry *e, const char *what)
{
    int64_t shape[TL_MAX_DIMS] = {0};
    struct npy n = {0};

    if (packed_head(stream, e, what, &n) != TL_OK)
        return NULL;
    npy_file_shape(&n, shape);
    tl_tensor *t = tl_empty(n.ndim, shape, (struct tl_options){.dtype = n.dtype, .device = "cpu"});
    void *to = t && n.bytes > 0 ? tl_data_mut(t) : NULL;
    if (!t || (n.bytes > 0 && (!to || zip_read(stream, to, n.bytes) != TL_OK)))
        return NULL;
    return npy_shaped(what, &n, t);
}

static tl_tensor *unpacked(struct zip *z, const struct zip_entry *e, const char *what)
{
    struct zip_stream *stream = zip_begin(z, e);
    tl_tensor *t = stream ? unpack(stream, e, what) : NULL;

    return zip_end(stream, t != NULL) == TL_OK ? t : NULL;
}

static tl_status look_for_bools(void *ctx, const unsigned char *data, size_t n, uint64_t before)
{
    return npy_check_bools(ctx, data, n, before);
}

/* Is an array whole? Nothing is made of it. */
static tl_status look(struct zip *z, const struct zip_entry *e, char *what)
{
    struct npy n = {0};

    if (!e->deflated) {
        tl_status s = stored_head(z, e, what, &n);
        return s == TL_OK && n.dtype == TL_BOOL ? npy_check_bools(what, e->data + (e->size - n.bytes), (size_t)n.bytes, 0) : s;
    }
    struct zip_stream *stream = zip_begin(z, e);
    tl_status s = stream ? packed_head(stream, e, what, &n) : tl_error_code();
    if (s == TL_OK)
        s = zip_skim(stream, n.bytes, n.dtype == TL_BOOL ? look_for_bools : NULL, what);
    tl_status ended = zip_end(stream, s == TL_OK);
    return s == TL_OK ? ended : s;
}

static tl_status add_array(struct zip *z, const struct zip_entry *e, const char *what, tl_state *into)
{
    char *name = strndup(e->name, e->name_length - 4);
    tl_status s = name ? TL_OK : tl_fail(TL_ERR_NOMEM, "%s: no memory for its name", what);

    TL_SCOPE
    {
        tl_tensor *t = s != TL_OK ? NULL : e->deflated ? unpacked(z, e, what) : stored(z, e, what);
        s = t ? tl_state_add(into, name, t) : tl_error_code();
    }
    free(name);
    return s;
}

/* An array into the state, or only looked at. */
static tl_status read_entry(struct zip *z, const struct zip_entry *e, bool only_look, tl_state *into)
{
    char what[600];

    if (e->name_length == strlen(NOTES_NAME) && memcmp(e->name, NOTES_NAME, e->name_length) == 0)
        return notes_read(z, e, into);
    snprintf(what, sizeof what, "\"%.250s\": record \"%.*s\"", z->path, (int)(e->name_length < 200 ? e->name_length : 200), e->name);
    if (!ends_npy(e->name, e->name_length))
        return tl_fail(TL_ERR_UNSUPPORTED, "%s is no array: its name does not end with .npy", what);
    tl_status s = only_look ? look(z, e, what) : add_array(z, e, what, into);
    if (s != TL_OK && !strstr(tl_error_message(), z->path))
        tl_error_prefix("%s: ", what);
    return s;
}

static tl_status read_entries(struct zip *z, bool only_look, tl_state *into)
{
    tl_status s = TL_OK;

    for (size_t i = 0; s == TL_OK && i < z->count; i++)
        s = read_entry(z, &z->entries[i], only_look, into);
    z->inflated = 0;
    return s;
}

/* What is compressed takes memory that the file does not have: nothing is unpacked before all of the file was looked at. */
static tl_status look_at_all(struct zip *z)
{
    tl_state *notes = tl_state_new();
    tl_status s = notes ? read_entries(z, true, notes) : tl_error_code();

    tl_state_free(notes);
    return s;
}

static tl_status read_file(const struct tl_map *map, const char *path, tl_state *into)
{
    struct zip z;
    tl_status s = zip_open(&z, map, path);

    if (s == TL_OK && z.packed)
        s = look_at_all(&z);
    if (s == TL_OK)
        s = read_entries(&z, false, into);
    zip_close(&z);
    return s;
}

/* ---- Writing ---- */

static tl_status write_tensor(struct zip_writer *w, const char *name, tl_tensor *t)
{
    struct text head = {0}, record = {0};
    tl_status s = text_is_utf8(name) ? npy_header(t, &head) : tl_fail(TL_ERR_ARGUMENT, "names in an archive are UTF-8");

    text_append_words(&record, name);
    text_append(&record, ".npy", sizeof ".npy");
    if (s == TL_OK && record.failed)
        s = tl_fail(TL_ERR_NOMEM, "no memory for its name");
    if (s == TL_OK)
        s = tensor_put(w, record.data, head.data, head.size, t);
    free(record.data);
    free(head.data);
    if (s != TL_OK)
        tl_error_prefix("tensor \"%.200s\": ", name);
    return s;
}

static tl_status write_file(const tl_state *from, FILE *to)
{
    struct zip_writer w = {.to = to};
    tl_status s = TL_OK;

    for (size_t i = 0; s == TL_OK && i < tl_state_count(from); i++)
        s = write_tensor(&w, tl_state_name(from, i), tl_state_at(from, i));
    if (s == TL_OK)
        s = notes_write(&w, NOTES_NAME, from);
    return zip_finish(&w, s == TL_OK) == TL_OK ? s : tl_error_code();
}

static const char *const suffixes[] = {".npz", NULL};

static const struct tl_format format = {
    .struct_size = sizeof(struct tl_format),
    .suffixes = suffixes,
    .probe = probe,
    .read = read_file,
    .write = write_file,
};

TL_FORMAT_PLUGIN("npz", "1.0", "arrays of NumPy (.npz), read and written", &format);
