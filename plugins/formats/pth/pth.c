/* SPDX-License-Identifier: Apache-2.0
 *
 * The format plugin for what torch.save() writes: an archive (archive.c), or the form of PyTorch before 1.6 (legacy.c).
 */
#include <inttypes.h>
#include <string.h>
#include <telar/format.h>

#include "../common/bytes.h"
#include "../common/zip.h"
#include "forms.h"
#include "write.h"

static bool probe(const unsigned char *head, size_t size)
{
    size_t n;
    const char *name = zip_first_name(head, size, &n);

    if (name)
        return n > 0 && (n < 4 || memcmp(name + n - 4, ".npy", 4) != 0);
    return size >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;
}

tl_status check_bools(const char *path, const struct pickle_storage *s, const unsigned char *data, size_t n, uint64_t before)
{
    uint64_t i = s->dtype == TL_BOOL ? find_no_bool(data, n) : n;

    return i == n ? TL_OK : tl_fail(TL_ERR_FORMAT, "\"%s\": storage \"%.*s\": element %" PRIu64 " is %u; a bool is 0 or 1", path,
                                    (int)(s->key_length < 100 ? s->key_length : 100), s->key, before + i, data[i]);
}

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
        return archive_read(map, path, into);
    if (legacy_is(map->data, map->size))
        return legacy_read(map, path, into);
    if (legacy_begins(map->data, map->size) || (map->size < 4 && memcmp(map->data, "PK\3\4", map->size) == 0))
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

    for (int i = 0, n = legacy_is(map->data, map->size) ? LEGACY_PICKLES : 1; s == TL_OK && i < n; i++) {
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
    tl_status s = o.seen ? TL_OK : tl_error_code();

    if (s == TL_OK)
        s = is_zip(map) ? archive_globals(map, path, visit_once, &o) : look_at_pickles(map, path, &o);
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
