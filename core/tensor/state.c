/* SPDX-License-Identifier: Apache-2.0
 *
 * State dictionaries: two ordered tables (tensors and notes) with a hash index over their keys, so that a
 * file with a million names does not cost a million times a million comparisons. Below, reading and writing them through format
 * plugins.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <telar/autograd.h>
#include <telar/format.h>
#include <telar/ops.h>
#include <telar/registry.h>
#include <telar/state.h>

#include "core/plugin/loader.h"

/* An ordered table: entries in the order of adding, and an open-addressing index of entry numbers plus one. */
struct entry {
    char *key;
    tl_tensor *tensor; /* kept; of the table of tensors */
    char *text;        /* of the table of notes */
    uint64_t hash;
};

struct table {
    struct entry *entries;
    size_t count, room;
    size_t *index;
    size_t index_size; /* a power of two, or 0 */
};

struct tl_state {
    struct table tensors, notes;
};

/* FNV-1a, with the high bits folded in. */
static uint64_t hash_key(const char *key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        h = (h ^ *p) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static struct entry *table_find(const struct table *t, const char *key, uint64_t hash)
{
    if (t->index_size == 0)
        return NULL;
    for (size_t i = (size_t)hash & (t->index_size - 1); t->index[i]; i = (i + 1) & (t->index_size - 1)) {
        struct entry *e = &t->entries[t->index[i] - 1];
        if (e->hash == hash && strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

static void index_entry(struct table *t, size_t number)
{
    size_t i = (size_t)t->entries[number].hash & (t->index_size - 1);

    while (t->index[i])
        i = (i + 1) & (t->index_size - 1);
    t->index[i] = number + 1;
}

/* Room for one more, with an index at most half full. */
static bool table_reserve(struct table *t)
{
    if (t->count == t->room) {
        size_t more = t->room ? t->room * 2 : 16;
        struct entry *grown = more > SIZE_MAX / sizeof *grown ? NULL : realloc(t->entries, more * sizeof *grown);
        if (!grown)
            return false;
        t->entries = grown;
        t->room = more;
    }
    if ((t->count + 1) * 2 > t->index_size) {
        size_t size = t->index_size ? t->index_size * 2 : 64;
        size_t *index = calloc(size, sizeof *index);
        if (!index)
            return false;
        free(t->index);
        t->index = index;
        t->index_size = size;
        for (size_t i = 0; i < t->count; i++)
            index_entry(t, i);
    }
    return true;
}

/* A new entry for a key that is not there; NULL and an error if out of memory. */
static struct entry *table_add(struct table *t, const char *key, uint64_t hash)
{
    char *copy = table_reserve(t) ? strdup(key) : NULL;

    if (!copy) {
        tl_fail(TL_ERR_NOMEM, "state: no memory for \"%.200s\"", key);
        return NULL;
    }
    struct entry *e = &t->entries[t->count];
    *e = (struct entry){.key = copy, .hash = hash};
    index_entry(t, t->count++);
    return e;
}

static void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->entries[i].key);
        free(t->entries[i].text);
        tl_release(t->entries[i].tensor);
    }
    free(t->entries);
    free(t->index);
}

/* ---- The dictionary --------------------------------------------------------------------------------------------- */

tl_state *tl_state_new(void)
{
    tl_state *s = calloc(1, sizeof *s);

    if (!s)
        tl_fail(TL_ERR_NOMEM, "state_new: no memory");
    return s;
}

void tl_state_free(tl_state *s)
{
    if (!s)
        return;
    table_clear(&s->tensors);
    table_clear(&s->notes);
    free(s);
}

void tl_state_swap(tl_state *a, tl_state *b)
{
    if (!a || !b)
        return;
    tl_state held = *a;
    *a = *b;
    *b = held;
}

tl_status tl_state_add(tl_state *s, const char *name, tl_tensor *t)
{
    if (!s || !name || !t)
        return tl_fail(TL_ERR_ARGUMENT, "state_add: a state, a name and a tensor are needed");
    if (tl_is_none(t))
        return tl_fail(TL_ERR_ARGUMENT, "state_add: \"%.200s\" is TL_NONE, which cannot be kept", name);
    uint64_t hash = hash_key(name);
    if (table_find(&s->tensors, name, hash))
        return tl_fail(TL_ERR_ARGUMENT, "state_add: there is a tensor \"%.200s\" already", name);
    struct entry *e = table_add(&s->tensors, name, hash);
    if (!e)
        return TL_ERR_NOMEM;
    e->tensor = tl_keep(t);
    return TL_OK;
}

tl_tensor *tl_state_get(const tl_state *s, const char *name)
{
    struct entry *e = s && name ? table_find(&s->tensors, name, hash_key(name)) : NULL;

    return e ? e->tensor : NULL;
}

size_t tl_state_count(const tl_state *s)
{
    return s ? s->tensors.count : 0;
}

const char *tl_state_name(const tl_state *s, size_t i)
{
    return s && i < s->tensors.count ? s->tensors.entries[i].key : NULL;
}

tl_tensor *tl_state_at(const tl_state *s, size_t i)
{
    return s && i < s->tensors.count ? s->tensors.entries[i].tensor : NULL;
}

tl_status tl_state_set_note(tl_state *s, const char *key, const char *text)
{
    if (!s || !key || !text)
        return tl_fail(TL_ERR_ARGUMENT, "state_set_note: a state, a key and a text are needed");
    uint64_t hash = hash_key(key);
    char *copy = strdup(text);
    if (!copy)
        return tl_fail(TL_ERR_NOMEM, "state: no memory for the note \"%.200s\"", key);
    struct entry *e = table_find(&s->notes, key, hash);
    if (!e && !(e = table_add(&s->notes, key, hash))) {
        free(copy);
        return TL_ERR_NOMEM;
    }
    free(e->text);
    e->text = copy;
    return TL_OK;
}

const char *tl_state_note(const tl_state *s, const char *key)
{
    struct entry *e = s && key ? table_find(&s->notes, key, hash_key(key)) : NULL;

    return e ? e->text : NULL;
}

size_t tl_state_note_count(const tl_state *s)
{
    return s ? s->notes.count : 0;
}

const char *tl_state_note_key(const tl_state *s, size_t i)
{
    return s && i < s->notes.count ? s->notes.entries[i].key : NULL;
}

tl_state *tl_state_clone(const tl_state *s)
{
    if (!s) {
        tl_fail(TL_ERR_ARGUMENT, "state_clone: the state is NULL");
        return NULL;
    }
    tl_state *copy = tl_state_new();
    tl_status status = copy ? TL_OK : tl_error_code();
    for (size_t i = 0; status == TL_OK && i < s->tensors.count; i++)
        TL_NO_GRAD TL_SCOPE
        {
            tl_tensor *t = tl_clone(s->tensors.entries[i].tensor);
            status = t ? tl_state_add(copy, s->tensors.entries[i].key, t) : tl_error_code();
        }
    for (size_t i = 0; status == TL_OK && i < s->notes.count; i++)
        status = tl_state_set_note(copy, s->notes.entries[i].key, s->notes.entries[i].text);
    if (status == TL_OK)
        return copy;
    tl_state_free(copy);
    return NULL;
}

/* ---- Through format plugins -------------------------------------------------------------------------------------- */

#define MAX_FORMATS 128

#define FORMAT_HAS(f, slot) ((f)->struct_size >= offsetof(struct tl_format, slot) + sizeof((f)->slot) && (f)->slot)

const char *format_flaw(const void *iface)
{
    const struct tl_format *f = iface;
    return f->struct_size < offsetof(struct tl_format, write) ? "struct_size is too small; .struct_size = sizeof(struct tl_format) is needed"
           : !f->suffixes                                     ? "suffixes is NULL"
           : !f->probe                                        ? "probe is NULL"
           : !f->read                                         ? "read is NULL"
                                                              : NULL;
}

/* Every format that loads. */
static size_t open_formats(const struct tl_format **list)
{
    struct tl_plugin_info info[MAX_FORMATS];
    size_t found = tl_plugins("format", false, info, MAX_FORMATS), n = 0;
    bool clear = tl_error_code() == TL_OK;

    for (size_t i = 0; i < found && i < MAX_FORMATS; i++) {
        const struct tl_format *f = tl_plugin_open("format", info[i].name, TL_FORMAT_ABI);
        if (f)
            list[n++] = f;
        else if (clear) {
            tl_error_clear();
            tl_plugin_left_out("format", info[i].name, NULL);
        }
    }
    return n;
}

static bool has_suffix(const struct tl_format *f, const char *path)
{
    size_t n = strlen(path);

    for (const char *const *s = f->suffixes; *s; s++)
        if (n > strlen(*s) && strcmp(path + n - strlen(*s), *s) == 0)
            return true;
    return false;
}

/* ".safetensors, .npz" of the formats that can be read, or written. */
static void list_suffixes(const struct tl_format *const *formats, size_t n, bool writing, char *text, size_t size)
{
    snprintf(text, size, "%s", n ? "" : "none (no format plugin was found)");
    for (size_t i = 0; i < n; i++)
        for (const char *const *s = formats[i]->suffixes; *s && (!writing || FORMAT_HAS(formats[i], write)); s++) {
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%s%s", used ? ", " : "", *s);
        }
}

/* By its first bytes; else by its name, so that a damaged file is judged by the format that it should have. */
static const struct tl_format *format_of(const struct tl_map *map, const char *path)
{
    const struct tl_format *formats[MAX_FORMATS];
    size_t n = open_formats(formats), head = map->size < 512 ? map->size : 512;
    char known[300];

    for (size_t i = 0; i < n; i++)
        if (has_suffix(formats[i], path) && formats[i]->probe(map->data, head))
            return formats[i];
    for (size_t i = 0; i < n; i++)
        if (formats[i]->probe(map->data, head))
            return formats[i];
    for (size_t i = 0; i < n; i++)
        if (has_suffix(formats[i], path))
            return formats[i];
    list_suffixes(formats, n, false, known, sizeof known);
    tl_fail(TL_ERR_UNSUPPORTED, "\"%s\" is in no weight format that is known; these are: %s", path, known);
    return NULL;
}

tl_state *tl_state_load(const char *path)
{
    struct tl_map map;

    if (!path) {
        tl_fail(TL_ERR_ARGUMENT, "state_load: no path");
        return NULL;
    }
    if (tl_map_open(path, &map) != TL_OK)
        return NULL;
    const struct tl_format *f = format_of(&map, path);
    tl_state *s = f ? tl_state_new() : NULL;
    if (s && f->read(&map, path, s) != TL_OK) {
        tl_fail(TL_ERR_PLUGIN, "\"%s\": the format plugin failed without a message", path);
        tl_state_free(s);
        s = NULL;
    }
    tl_map_close(&map);
    return s;
}

tl_status tl_state_globals(const char *path, tl_global_visit visit, void *ctx)
{
    struct tl_map map;

    if (!path || !visit)
        return tl_fail(TL_ERR_ARGUMENT, "state_globals: a path and a function are needed");
    tl_status s = tl_map_open(path, &map);
    if (s != TL_OK)
        return s;
    const struct tl_format *f = format_of(&map, path);
    s = !f ? tl_error_code() : FORMAT_HAS(f, globals) ? f->globals(&map, path, visit, ctx) : TL_OK;
    if (s != TL_OK)
        tl_fail(s, "\"%s\": the format plugin failed without a message", path);
    tl_map_close(&map);
    return s;
}

/* What writes files of this name; NULL and an error. */
static const struct tl_format *writer_of(const char *path)
{
    const struct tl_format *formats[MAX_FORMATS], *format = NULL;
    char known[300];
    size_t n = open_formats(formats);

    for (size_t i = 0; i < n && !format; i++)
        if (has_suffix(formats[i], path))
            format = formats[i];
    if (format && FORMAT_HAS(format, write))
        return format;
    list_suffixes(formats, n, true, known, sizeof known);
    tl_fail(TL_ERR_UNSUPPORTED, "cannot write \"%s\": %s; names that can be written end with: %s", path,
            format ? "this format is only read" : "its ending names no format", known);
    return NULL;
}

tl_status tl_state_can_save(const char *path)
{
    if (!path)
        return tl_fail(TL_ERR_ARGUMENT, "state_can_save: no path");
    return writer_of(path) ? tl_atomic_try(path) : tl_error_code();
}

/* Everything written, and not yet committed. */
static tl_status write_temporary(const char *who, const tl_state *s, const char *path, struct tl_atomic_file *file)
{
    if (!s || !path)
        return tl_fail(TL_ERR_ARGUMENT, "%s: a state and a path are needed", who);
    const struct tl_format *format = writer_of(path);
    if (!format)
        return tl_error_code();
    tl_status status = tl_atomic_begin(file, path);
    if (status != TL_OK)
        return status;
    status = format->write(s, file->file);
    if (status == TL_OK)
        return TL_OK;
    if (tl_error_code() == TL_OK)
        tl_fail(status, "the format plugin failed without a message");
    tl_error_prefix("cannot write \"%s\": ", path);
    tl_atomic_abort(file);
    return status;
}

tl_status tl_state_save(const tl_state *s, const char *path)
{
    struct tl_atomic_file file;
    tl_status status = write_temporary("state_save", s, path, &file);

    return status == TL_OK ? tl_atomic_commit(&file) : status;
}

tl_status tl_state_try(const tl_state *s, const char *path)
{
    struct tl_atomic_file file;
    tl_status status = write_temporary("state_try", s, path, &file);

    if (status != TL_OK)
        return status;
    if (fflush(file.file) != 0)
        status = tl_fail(TL_ERR_IO, "cannot write \"%s\": %s", path, strerror(errno));
    tl_atomic_abort(&file);
    return status;
}
