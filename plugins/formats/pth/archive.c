/* SPDX-License-Identifier: Apache-2.0
 *
 * What torch.save() has written since PyTorch 1.6, and on demand since 1.4: an archive of
 *
 *     TOP/data.pkl, TOP/data/KEY (bytes of a storage; in 1.4 TOP/tensors/KEY), TOP/byteorder, TOP/version, …
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../common/notes.h"
#include "../common/zip.h"
#include "forms.h"
#include "tree.h"

struct archive {
    struct zip zip;
    char prefix[300]; /* "TOP/", or nothing */
    const struct zip_entry *entry;
    unsigned char *unpacked; /* data.pkl, if it was compressed */
};

static const struct zip_entry *part(const struct archive *a, const char *name, size_t length)
{
    char full[700];
    size_t prefix = strlen(a->prefix);

    if (length > sizeof full - prefix)
        return NULL;
    memcpy(full, a->prefix, prefix);
    memcpy(full + prefix, name, length);
    return zip_find(&a->zip, full, prefix + length);
}

/* The record "data.pkl", at the top or in the one folder that all are in. */
static tl_status find_pickle(struct archive *a, const char *path)
{
    static const char name[] = "data.pkl";
    size_t length = sizeof name - 1;

    for (size_t i = 0; i < a->zip.count; i++) {
        const struct zip_entry *e = &a->zip.entries[i];
        size_t top = e->name_length < length ? 0 : e->name_length - length;
        if (e->name_length < length || memcmp(e->name + top, name, length) != 0 || top >= sizeof a->prefix ||
            (top > 0 && memchr(e->name, '/', top) != e->name + top - 1))
            continue;
        memcpy(a->prefix, e->name, top);
        a->prefix[top] = '\0';
        a->entry = e;
        return TL_OK;
    }
    return tl_fail(TL_ERR_FORMAT, "\"%s\": an archive without a record data.pkl is none of torch.save()", path);
}

static tl_status check_order(struct archive *a)
{
    const struct zip_entry *e = part(a, "byteorder", 9);
    char order[8] = "";

    if (!e)
        return TL_OK;
    size_t n = e->size < sizeof order ? (size_t)e->size : 0;
    struct zip_stream *s = zip_begin(&a->zip, e);
    tl_status status = s ? zip_read(s, order, n) : tl_error_code();
    status = zip_end(s, status == TL_OK && n == e->size) == TL_OK ? status : tl_error_code();
    if (status == TL_OK && strncmp(order, "little", 6) != 0)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": record \"%sbyteorder\": its numbers are big endian", a->zip.path, a->prefix);
    return status;
}

/* The bytes of data.pkl. */
static tl_status open_archive(struct archive *a, const struct tl_map *map, const char *path, const unsigned char **pickle)
{
    tl_status s = zip_open(&a->zip, map, path);

    if (s == TL_OK)
        s = find_pickle(a, path);
    if (s == TL_OK)
        s = check_order(a);
    if (s != TL_OK)
        return s;
    *pickle = a->entry->data;
    if (!a->entry->deflated)
        return zip_check(&a->zip, a->entry);
    struct zip_stream *stream = zip_begin(&a->zip, a->entry);
    if (!stream)
        return tl_error_code();
    *pickle = a->unpacked = malloc((size_t)a->entry->size + 1); /* no more than zip_begin() allowed */
    s = a->unpacked ? zip_read(stream, a->unpacked, a->entry->size) : tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for its pickle", path);
    return zip_end(stream, s == TL_OK) == TL_OK ? s : tl_error_code();
}

static void close_archive(struct archive *a)
{
    zip_close(&a->zip);
    free(a->unpacked);
}

/* A compressed storage is unpacked into its tensor. */
static tl_tensor *unpack(struct archive *a, const struct zip_entry *e, const struct pickle_storage *s, int ndim, const int64_t *shape)
{
    struct zip_stream *stream = zip_begin(&a->zip, e);
    tl_tensor *t = stream ? tl_empty(ndim, shape, (struct tl_options){.dtype = (tl_dtype)s->dtype, .device = "cpu"}) : NULL;
    void *to = t ? tl_data_mut(t) : NULL;
    tl_status status = to || (t && e->size == 0) ? zip_read(stream, to, e->size) : tl_error_code();

    if (zip_end(stream, status == TL_OK) != TL_OK || status != TL_OK || check_bools(a->zip.path, s, to, (size_t)e->size, 0) != TL_OK)
        return NULL;
    return t;
}

/* The record of a storage's bytes; NULL if there is none. The folder was called "tensors" while archives were an experiment (PyTorch 1.4). */
static const struct zip_entry *bytes_of(const struct archive *a, const struct pickle_storage *s)
{
    static const char *const folders[] = {"data/", "tensors/"};
    const struct zip_entry *e = NULL;
    char name[400];

    for (size_t i = 0; !e && i < sizeof folders / sizeof *folders; i++) {
        size_t n = strlen(folders[i]);
        if (s->key_length >= sizeof name - n)
            return NULL;
        memcpy(name, folders[i], n);
        memcpy(name + n, s->key, s->key_length);
        e = part(a, name, n + s->key_length);
    }
    return e;
}

/* The same, if it is of the size that its tensors need. */
static const struct zip_entry *bytes_that_fit(const struct archive *a, const struct pickle_storage *s)
{
    const struct zip_entry *e = bytes_of(a, s);
    int shown = (int)(s->key_length < 100 ? s->key_length : 100);
    uint64_t bytes = (uint64_t)s->numel * tl_dtype_size((tl_dtype)s->dtype);

    if (!e)
        tl_fail(TL_ERR_FORMAT, "\"%s\": there is no record \"%sdata/%.*s\", which a tensor is made of", a->zip.path, a->prefix, shown, s->key);
    else if (e->size != bytes)
        tl_fail(TL_ERR_FORMAT, "\"%s\": record \"%.*s\" has %" PRIu64 " bytes; %" PRId64 " elements of %s need %" PRIu64, a->zip.path,
                (int)(e->name_length < 200 ? e->name_length : 200), e->name, e->size, s->numel, tl_dtype_name((tl_dtype)s->dtype), bytes);
    return e && e->size == bytes ? e : NULL;
}

struct looked {
    const char *path;
    const struct pickle_storage *storage;
};

static tl_status look_for_bools(void *ctx, const unsigned char *data, size_t n, uint64_t before)
{
    const struct looked *l = ctx;
    return check_bools(l->path, l->storage, data, n, before);
}

/* Is a storage's record whole? */
static tl_status check_record(void *ctx, const struct pickle *p, const struct pickle_storage *s)
{
    struct archive *a = ctx;
    struct looked looked = {p->path, s};
    const struct zip_entry *e = bytes_that_fit(a, s);

    if (!e)
        return tl_error_code();
    if (!e->deflated) {
        tl_status status = zip_check(&a->zip, e);
        return status == TL_OK ? check_bools(p->path, s, e->data, (size_t)e->size, 0) : status;
    }
    struct zip_stream *stream = zip_begin(&a->zip, e);
    tl_status status = stream ? zip_skim(stream, e->size, look_for_bools, &looked) : tl_error_code();
    tl_status ended = zip_end(stream, status == TL_OK);
    return status == TL_OK ? ended : status;
}

static tl_tensor *make_storage(void *ctx, const struct pickle *p, const struct pickle_storage *s, int ndim, const int64_t *shape)
{
    struct archive *a = ctx;
    const struct zip_entry *e = bytes_that_fit(a, s);

    if (e && e->deflated)
        return unpack(a, e, s, ndim, shape);
    if (!e || (!s->seen && check_record(ctx, p, s) != TL_OK))
        return NULL;
    return tl_from_map(a->zip.map, e->data, ndim, shape, (tl_dtype)s->dtype);
}

static tl_status read_notes(struct archive *a, tl_state *into)
{
    const struct zip_entry *notes = part(a, NOTES_NAME, strlen(NOTES_NAME));

    return notes ? notes_read(&a->zip, notes, into) : TL_OK;
}

/* What is compressed takes memory that the file does not have: nothing is unpacked before all of the file was looked at. */
static tl_status look(struct archive *a, struct pickle *p)
{
    tl_state *nothing = tl_state_new();
    uint64_t inflated = a->zip.inflated;
    tl_status s = nothing ? tree_check(p, check_record, a) : tl_error_code();

    if (s == TL_OK)
        s = read_notes(a, nothing);
    tl_state_free(nothing);
    a->zip.inflated = inflated;
    return s;
}

tl_status archive_read(const struct tl_map *map, const char *path, tl_state *into)
{
    struct archive a = {.entry = NULL};
    struct pickle p = {.path = NULL};
    const unsigned char *data = NULL;
    tl_status s = open_archive(&a, map, path, &data);

    if (s == TL_OK)
        s = pickle_run(&p, path, "data.pkl", data, (size_t)a.entry->size, PICKLE_FREE + 2 * map->size, NULL, NULL);
    if (s == TL_OK && p.at != p.end)
        s = pickle_fail(&p, TL_ERR_FORMAT, "something follows its end");
    if (s == TL_OK && a.zip.packed)
        s = look(&a, &p);
    if (s == TL_OK)
        s = tree_read(&p, make_storage, &a, into);
    if (s == TL_OK)
        s = read_notes(&a, into);
    pickle_free(&p);
    close_archive(&a);
    return s;
}

tl_status archive_globals(const struct tl_map *map, const char *path, tl_global_visit visit, void *ctx)
{
    struct archive a = {.entry = NULL};
    struct pickle p = {.path = NULL};
    const unsigned char *data = NULL;
    tl_status s = open_archive(&a, map, path, &data);

    if (s == TL_OK)
        s = pickle_run(&p, path, "data.pkl", data, (size_t)a.entry->size, PICKLE_FREE + 2 * map->size, visit, ctx);
    pickle_free(&p);
    close_archive(&a);
    return s;
}
