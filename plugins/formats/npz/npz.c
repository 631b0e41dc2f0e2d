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

/* An array that is stored is used where it lies. */
static tl_tensor *stored(const struct zip *z, const struct zip_entry *e, const char *what)
{
    struct npy n;
    int64_t shape[TL_MAX_DIMS] = {0};
    uint64_t head = 0;

    if (zip_check(z, e) != TL_OK || npy_head_size(what, e->data, (size_t)e->size, &head) != TL_OK)
        return NULL;
    if (head > e->size) {
        tl_fail(TL_ERR_TRUNCATED, "%s: it has %" PRIu64 " bytes, its header alone %" PRIu64, what, e->size, head);
        return NULL;
    }
    if (npy_parse(what, e->data, (size_t)head, &n) != TL_OK)
        return NULL;
    if (n.bytes != e->size - head) {
        tl_fail(TL_ERR_FORMAT, "%s: its shape and type need %" PRIu64 " bytes, there are %" PRIu64, what, n.bytes, e->size - head);
        return NULL;
    }
    npy_file_shape(&n, shape);
    return npy_shaped(what, &n, tl_from_map(z->map, e->data + head, n.ndim, shape, n.dtype));
}

/* The header first, then the values into the tensor. */
static tl_tensor *unpack(struct zip_stream *stream, const struct zip_entry *e, const char *what)
{
    unsigned char *head_bytes = malloc(NPY_MOST_HEADER);
    uint64_t head = 0, prefix = e->size < NPY_PREFIX ? e->size : NPY_PREFIX;
    int64_t shape[TL_MAX_DIMS] = {0};
    tl_tensor *t = NULL;
    struct npy n = {0};

    tl_status s = head_bytes ? zip_read(stream, head_bytes, prefix) : tl_fail(TL_ERR_NOMEM, "%s: no memory", what);
    if (s == TL_OK)
        s = npy_head_size(what, head_bytes, (size_t)prefix, &head);
    if (s == TL_OK && head < prefix)
        s = tl_fail(TL_ERR_FORMAT, "%s: a header of %" PRIu64 " bytes", what, head);
    if (s == TL_OK)
        s = zip_read(stream, head_bytes + prefix, head - prefix);
    if (s == TL_OK)
        s = npy_parse(what, head_bytes, (size_t)head, &n);
    if (s == TL_OK && n.bytes != e->size - head)
        s = tl_fail(TL_ERR_FORMAT, "%s: its shape and type need %" PRIu64 " bytes, there are %" PRIu64, what, n.bytes, e->size - head);
    free(head_bytes);
    if (s != TL_OK)
        return NULL;
    npy_file_shape(&n, shape);
    t = tl_empty(n.ndim, shape, (struct tl_options){.dtype = n.dtype, .device = "cpu"});
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

static tl_status read_entry(struct zip *z, const struct zip_entry *e, tl_state *into)
{
    char what[600];
    tl_status s = TL_OK;

    if (e->name_length == strlen(NOTES_NAME) && memcmp(e->name, NOTES_NAME, e->name_length) == 0)
        return notes_read(z, e, into);
    snprintf(what, sizeof what, "\"%.250s\": record \"%.*s\"", z->path, (int)(e->name_length < 200 ? e->name_length : 200), e->name);
    if (!ends_npy(e->name, e->name_length))
        return tl_fail(TL_ERR_UNSUPPORTED, "%s is no array: its name does not end with .npy", what);
    char *name = strndup(e->name, e->name_length - 4);
    if (!name)
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for its name", what);
    TL_SCOPE
    {
        tl_tensor *t = e->deflated ? unpacked(z, e, what) : stored(z, e, what);
        s = t ? tl_state_add(into, name, t) : tl_error_code();
    }
    if (s != TL_OK && !strstr(tl_error_message(), z->path))
        tl_error_prefix("%s: ", what);
    free(name);
    return s;
}

static tl_status read_file(const struct tl_map *map, const char *path, tl_state *into)
{
    struct zip z;
    tl_status s = zip_open(&z, map, path);

    for (size_t i = 0; s == TL_OK && i < z.count; i++)
        s = read_entry(&z, &z.entries[i], into);
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
