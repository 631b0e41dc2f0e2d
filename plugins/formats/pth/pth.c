/* SPDX-License-Identifier: Apache-2.0
 *
 * The format plugin for what torch.save() writes. Two containers hold the same pickle:
 *
 *     zip: TOP/data.pkl, TOP/data/KEY (bytes of a storage; in 1.4 TOP/tensors/KEY), TOP/byteorder, TOP/version, …
 *     legacy, until 1.5: pickles of a magic number, the protocol's version, facts of the system, the object itself, a list of keys of
 *     storages; then for each key its number of elements (8 bytes) and its bytes
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/format.h>

#include "../common/bytes.h"
#include "../common/notes.h"
#include "../common/zip.h"
#include "tree.h"
#include "write.h"

/* 0x1950a86a20f9469cfc6c as pickled by protocol 2, the only one that was ever used for it. */
static const unsigned char magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
enum { LEGACY_VERSION = 1001, SMALL_PICKLE = 1 << 20 };

static bool is_legacy(const unsigned char *data, size_t size)
{
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

static bool probe(const unsigned char *head, size_t size)
{
    size_t n;
    const char *name = zip_first_name(head, size, &n);

    if (name)
        return n > 0 && (n < 4 || memcmp(name + n - 4, ".npy", 4) != 0);
    return size >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;
}

static tl_status check_bools(const char *path, const struct pickle_storage *s, const unsigned char *data)
{
    uint64_t n = (uint64_t)s->numel, i = s->dtype == TL_BOOL ? find_no_bool(data, n) : n;

    return i == n ? TL_OK : tl_fail(TL_ERR_FORMAT, "\"%s\": storage \"%.*s\": element %" PRIu64 " is %u; a bool is 0 or 1", path,
                                    (int)(s->key_length < 100 ? s->key_length : 100), s->key, i, data[i]);
}

/* ---- Zip ---- */

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

    if (zip_end(stream, status == TL_OK) != TL_OK || status != TL_OK || check_bools(a->zip.path, s, to) != TL_OK)
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

static tl_tensor *archive_storage(void *ctx, const struct pickle *p, const struct pickle_storage *s, int ndim, const int64_t *shape)
{
    struct archive *a = ctx;
    int shown = (int)(s->key_length < 100 ? s->key_length : 100);
    const struct zip_entry *e = bytes_of(a, s);

    if (!e) {
        tl_fail(TL_ERR_FORMAT, "\"%s\": there is no record \"%sdata/%.*s\", which a tensor is made of", p->path, a->prefix, shown, s->key);
        return NULL;
    }
    if (e->size != (uint64_t)s->numel * tl_dtype_size((tl_dtype)s->dtype)) {
        tl_fail(TL_ERR_FORMAT, "\"%s\": record \"%.*s\" has %" PRIu64 " bytes; %" PRId64 " elements of %s need %" PRIu64, p->path,
                (int)(e->name_length < 200 ? e->name_length : 200), e->name, e->size, s->numel, tl_dtype_name((tl_dtype)s->dtype), (uint64_t)s->numel * tl_dtype_size((tl_dtype)s->dtype));
        return NULL;
    }
    if (e->deflated)
        return unpack(a, e, s, ndim, shape);
    if (zip_check(&a->zip, e) != TL_OK || check_bools(p->path, s, e->data) != TL_OK)
        return NULL;
    return tl_from_map(a->zip.map, e->data, ndim, shape, (tl_dtype)s->dtype);
}

static tl_status read_archive(const struct tl_map *map, const char *path, tl_state *into)
{
    struct archive a = {.entry = NULL};
    struct pickle p = {.path = NULL};
    const unsigned char *data = NULL;
    tl_status s = open_archive(&a, map, path, &data);

    if (s == TL_OK)
        s = pickle_run(&p, path, "data.pkl", data, (size_t)a.entry->size, PICKLE_FREE + 2 * map->size, NULL, NULL);
    if (s == TL_OK && p.at != p.end)
        s = pickle_fail(&p, TL_ERR_FORMAT, "something follows its end");
    if (s == TL_OK)
        s = tree_read(&p, archive_storage, &a, into);
    const struct zip_entry *notes = s == TL_OK ? part(&a, NOTES_NAME, strlen(NOTES_NAME)) : NULL;
    if (notes)
        s = notes_read(&a.zip, notes, into);
    pickle_free(&p);
    close_archive(&a);
    return s;
}

/* ---- Legacy ---- */

/* The pickle behind the magic number: what version, what byte order, the object, the keys. */
static tl_status run_next(struct pickle *p, const struct tl_map *map, const char *path, const char *part_name, size_t *at, size_t budget)
{
    tl_status s = pickle_run(p, path, part_name, map->data + *at, map->size - *at, budget, NULL, NULL);

    if (s == TL_OK)
        *at += (size_t)(p->at - p->start);
    return s;
}

static tl_status check_head(const struct tl_map *map, const char *path, size_t *at)
{
    struct pickle p;
    tl_status s = run_next(&p, map, path, "the version's pickle", at, SMALL_PICKLE);

    if (s == TL_OK && (p.result->kind != VALUE_INT || p.result->i != LEGACY_VERSION))
        s = tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": byte %zu: not version %d of the legacy format", path, sizeof magic, LEGACY_VERSION);
    pickle_free(&p);
    if (s != TL_OK)
        return s;
    s = run_next(&p, map, path, "the system's pickle", at, SMALL_PICKLE);
    for (uint32_t i = 0; s == TL_OK && p.result->kind == VALUE_DICT && i + 1 < p.result->n; i += 2)
        if (value_is_text(p.result->items[i], "little_endian") && p.result->items[i + 1]->kind == VALUE_BOOL && !p.result->items[i + 1]->i)
            s = tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": the system's pickle before byte %zu: its numbers are big endian", path, *at);
    pickle_free(&p);
    return s;
}

/* The bytes of one storage, which begin at *at. */
static tl_status place_storage(const struct tl_map *map, const char *path, const struct value *key, struct pickle *p, size_t *at)
{
    struct pickle_storage *s = key->kind == VALUE_TEXT ? pickle_storage_find(p, key->text, key->n) : NULL;
    int shown = key->kind == VALUE_TEXT ? (int)(key->n < 100 ? key->n : 100) : 0;
    uint64_t bytes = 0;

    if (!s || s->seen)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": storage \"%.*s\" is listed %s", path, shown, shown ? key->text : "", s ? "twice" : "and no tensor's");
    if (map->size - *at < 8)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": it ends at byte %zu, before storage \"%.*s\"", path, map->size, shown, key->text);
    if (load_le(map->data + *at, 8) != (uint64_t)s->numel)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": storage \"%.*s\" at byte %zu has %" PRIu64 " elements, expected %" PRId64, path, shown, key->text, *at,
                       load_le(map->data + *at, 8), s->numel);
    *at += 8;
    if (s->numel < 0 || !tl_size_mul((uint64_t)s->numel, s->element_size, &bytes))
        return tl_fail(TL_ERR_LIMIT, "\"%s\": storage \"%.*s\" has %" PRId64 " elements", path, shown, key->text, s->numel);
    if (bytes > map->size - *at)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": storage \"%.*s\" at byte %zu needs %" PRIu64 " bytes, %zu are left", path, shown, key->text, *at, bytes,
                       map->size - *at);
    s->seen = true;
    s->data = map->data + *at;
    *at += (size_t)bytes;
    return TL_OK;
}

static tl_status place_storages(const struct tl_map *map, const char *path, struct pickle *p, size_t *at)
{
    struct pickle keys;
    tl_status s = run_next(&keys, map, path, "the list of storages", at, PICKLE_FREE / 4 + map->size);

    if (s == TL_OK && keys.result->kind != VALUE_LIST)
        s = tl_fail(TL_ERR_FORMAT, "\"%s\": a list of storages is expected at byte %zu", path, *at);
    for (uint32_t i = 0; s == TL_OK && i < keys.result->n; i++)
        s = place_storage(map, path, keys.result->items[i], p, at);
    for (size_t i = 0; s == TL_OK && i < p->n_storages; i++)
        if (!p->storages[i].seen)
            s = tl_fail(TL_ERR_FORMAT, "\"%s\": storage \"%.*s\" is not in the list of storages", path,
                        (int)(p->storages[i].key_length < 100 ? p->storages[i].key_length : 100), p->storages[i].key);
    if (s == TL_OK && *at != map->size)
        s = tl_fail(TL_ERR_FORMAT, "\"%s\": %zu bytes follow the last storage", path, map->size - *at);
    pickle_free(&keys);
    return s;
}

static tl_tensor *legacy_storage(void *ctx, const struct pickle *p, const struct pickle_storage *s, int ndim, const int64_t *shape)
{
    return check_bools(p->path, s, s->data) == TL_OK ? tl_from_map(ctx, s->data, ndim, shape, (tl_dtype)s->dtype) : NULL;
}

static tl_status read_legacy(const struct tl_map *map, const char *path, tl_state *into)
{
    struct pickle p = {.path = NULL};
    size_t at = sizeof magic;
    tl_status s = check_head(map, path, &at);

    if (s == TL_OK)
        s = run_next(&p, map, path, "the pickle", &at, PICKLE_FREE / 2 + 2 * map->size);
    if (s == TL_OK)
        s = place_storages(map, path, &p, &at);
    if (s == TL_OK)
        s = tree_read(&p, legacy_storage, (void *)(uintptr_t)map, into);
    pickle_free(&p);
    return s;
}

/* ---- Both ---- */

static bool is_zip(const struct tl_map *map)
{
    return map->size >= 4 && memcmp(map->data, "PK", 2) == 0;
}

/* Neither form. If it is a pickle of something else, what it would call is the better reason. */
static tl_status read_other(const struct tl_map *map, const char *path)
{
    struct pickle p;
    bool clear = tl_error_code() == TL_OK;
    tl_status s = pickle_run(&p, path, "the pickle", map->data, map->size, PICKLE_FREE + 2 * map->size, NULL, NULL);

    pickle_free(&p);
    if (s == TL_ERR_UNSAFE)
        return s;
    if (clear)
        tl_error_clear();
    return tl_fail(TL_ERR_FORMAT, "\"%s\": byte 0: not a file of torch.save(): neither an archive nor its legacy form", path);
}

static tl_status read_file(const struct tl_map *map, const char *path, tl_state *into)
{
    if (is_zip(map))
        return read_archive(map, path, into);
    if (is_legacy(map->data, map->size))
        return read_legacy(map, path, into);
    if ((map->size < sizeof magic && memcmp(map->data, magic, map->size) == 0) || (map->size < 4 && memcmp(map->data, "PK\3\4", map->size) == 0))
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": it ends at byte %zu, within its first number", path, map->size);
    return read_other(map, path);
}

/* Visits each name once. */
struct once {
    tl_state *seen; /* by its notes */
    tl_global_visit visit;
    void *ctx;
};

static void visit_once(const char *name, bool known, void *ctx)
{
    struct once *o = ctx;

    if (tl_state_note(o->seen, name) || tl_state_set_note(o->seen, name, "") != TL_OK)
        return;
    o->visit(name, known, o->ctx);
}

static tl_status look_at_pickles(const struct tl_map *map, const char *path, struct once *o)
{
    size_t at = 0;
    tl_status s = TL_OK;

    for (int i = 0, n = is_legacy(map->data, map->size) ? 5 : 1; s == TL_OK && i < n; i++) {
        struct pickle p;
        s = pickle_run(&p, path, "the pickle", map->data + at, map->size - at, PICKLE_FREE / 2 + 2 * map->size, visit_once, o);
        at += (size_t)(p.at - p.start);
        pickle_free(&p);
    }
    return s;
}

static tl_status visit_globals(const struct tl_map *map, const char *path, tl_global_visit visit, void *ctx)
{
    struct once o = {.seen = tl_state_new(), .visit = visit, .ctx = ctx};
    struct archive a = {.entry = NULL};
    struct pickle p = {.path = NULL};
    const unsigned char *data = NULL;
    tl_status s = o.seen ? TL_OK : tl_error_code();

    if (s == TL_OK && !is_zip(map))
        s = look_at_pickles(map, path, &o);
    else if (s == TL_OK && (s = open_archive(&a, map, path, &data)) == TL_OK)
        s = pickle_run(&p, path, "data.pkl", data, (size_t)a.entry->size, PICKLE_FREE + 2 * map->size, visit_once, &o);
    pickle_free(&p);
    close_archive(&a);
    tl_state_free(o.seen);
    return s;
}

/* ---- The plugin ---- */

static const char *const suffixes[] = {".pth", ".pt", ".th", ".pth.tar", ".ckpt", NULL};

static const struct tl_format format = {
    .struct_size = sizeof(struct tl_format),
    .suffixes = suffixes,
    .probe = probe,
    .read = read_file,
    .write = write_pth,
    .globals = visit_globals,
};

TL_FORMAT_PLUGIN("pth", "1.0", "files of torch.save(), read and written", &format);
