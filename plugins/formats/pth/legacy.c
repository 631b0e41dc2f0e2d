/* SPDX-License-Identifier: Apache-2.0
 *
 * What torch.save() wrote until PyTorch 1.5, and still does on demand: pickles of a magic number, the protocol's version, facts of the system, the
 * object itself, a list of keys of storages; then for each key its number of elements (8 bytes) and its bytes.
 */
#include <inttypes.h>
#include <string.h>

#include "../common/bytes.h"
#include "forms.h"
#include "tree.h"

/* 0x1950a86a20f9469cfc6c as pickled by protocol 2, the only one that was ever used for it. */
static const unsigned char magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
enum { LEGACY_VERSION = 1001, SMALL_PICKLE = 1 << 20 };

bool legacy_begins(const unsigned char *data, size_t size)
{
    return memcmp(data, magic, size < sizeof magic ? size : sizeof magic) == 0;
}

bool legacy_is(const unsigned char *data, size_t size)
{
    return size >= sizeof magic && legacy_begins(data, size);
}

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
    return check_bools(p->path, s, s->data, (size_t)s->numel, 0) == TL_OK ? tl_from_map(ctx, s->data, ndim, shape, (tl_dtype)s->dtype) : NULL;
}

tl_status legacy_read(const struct tl_map *map, const char *path, tl_state *into)
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
