/* SPDX-License-Identifier: Apache-2.0
 *
 * A weight format for the program's tests, the second one that can be written: "RECORDS", then for each note and each tensor a
 * byte 'n' or 't', the sizes of its name and of what follows as u64, and both. A tensor's begin with its type, rank and sizes as i64.
 */
#include <stdlib.h>
#include <string.h>
#include <telar/format.h>

static const char magic[8] = "RECORDS";

static bool probe(const unsigned char *head, size_t size)
{
    return size >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

static tl_status write_record(FILE *to, char kind, const char *name, const void *head, uint64_t head_size, const void *bytes, uint64_t size)
{
    const uint64_t sizes[2] = {strlen(name), head_size + size};
    fputc(kind, to);
    fwrite(sizes, sizeof sizes, 1, to);
    fwrite(name, 1, sizes[0], to);
    fwrite(head, 1, head_size, to);
    fwrite(bytes, 1, size, to);
    return ferror(to) ? tl_fail(TL_ERR_IO, "cannot write %s", name) : TL_OK;
}

static tl_status write_tensor(FILE *to, const char *name, tl_tensor *t)
{
    int64_t head[2 + TL_MAX_DIMS] = {tl_dtype_of(t), tl_ndim(t)};
    size_t size = (size_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
    void *bytes = malloc(size + 1);
    for (int i = 0; i < tl_ndim(t); i++)
        head[2 + i] = tl_size(t, i);
    tl_status s = bytes ? tl_copy_out(t, tl_dtype_of(t), bytes, size) : tl_fail(TL_ERR_NOMEM, "%s: out of memory", name);
    if (s == TL_OK)
        s = write_record(to, 't', name, head, sizeof(int64_t) * (size_t)(2 + tl_ndim(t)), bytes, size);
    free(bytes);
    return s;
}

static tl_status write_all(const tl_state *from, FILE *to)
{
    tl_status s = fwrite(magic, sizeof magic, 1, to) == 1 ? TL_OK : tl_fail(TL_ERR_IO, "cannot write");
    for (size_t i = 0; s == TL_OK && i < tl_state_note_count(from); i++) {
        const char *key = tl_state_note_key(from, i), *text = tl_state_note(from, key);
        s = write_record(to, 'n', key, "", 0, text, strlen(text));
    }
    for (size_t i = 0; s == TL_OK && i < tl_state_count(from); i++)
        s = write_tensor(to, tl_state_name(from, i), tl_state_at(from, i));
    return s;
}

static tl_status read_tensor(const char *name, const unsigned char *data, uint64_t size, tl_state *into)
{
    int64_t head[2 + TL_MAX_DIMS];
    uint64_t bytes;
    if (size < 2 * sizeof *head)
        return tl_fail(TL_ERR_TRUNCATED, "%s is too short", name);
    memcpy(head, data, 2 * sizeof *head);
    if (head[0] <= TL_DEFAULT || head[0] >= TL_DTYPE_COUNT || head[1] < 0 || head[1] > TL_MAX_DIMS ||
        size < (uint64_t)(2 + head[1]) * sizeof *head)
        return tl_fail(TL_ERR_FORMAT, "%s has type %lld and rank %lld", name, (long long)head[0], (long long)head[1]);
    memcpy(head, data, (size_t)(2 + head[1]) * sizeof *head);
    bytes = tl_dtype_size((tl_dtype)head[0]);
    for (int64_t i = 0; i < head[1]; i++)
        if (head[2 + i] < 0 || !tl_size_mul(bytes, (uint64_t)head[2 + i], &bytes))
            return tl_fail(TL_ERR_LIMIT, "%s has a size of %lld", name, (long long)head[2 + i]);
    if (bytes != size - (uint64_t)(2 + head[1]) * sizeof *head)
        return tl_fail(TL_ERR_FORMAT, "%s has not as many values as its shape says", name);
    tl_status s = TL_OK;
    TL_SCOPE s = tl_state_add(into, name, tl_from_data((int)head[1], head + 2, data + (2 + head[1]) * (int64_t)sizeof *head,
                                                       (struct tl_options){.dtype = (tl_dtype)head[0], .device = "cpu"}));
    return s;
}

static tl_status read_all(const struct tl_map *map, const char *path, tl_state *into)
{
    tl_status s = probe(map->data, map->size) ? TL_OK : tl_fail(TL_ERR_FORMAT, "%s: no records", path);
    for (size_t at = sizeof magic; s == TL_OK && at < map->size;) {
        const unsigned char *record = map->data + at;
        uint64_t sizes[2], left = map->size - at;
        if (left < 1 + sizeof sizes)
            return tl_fail(TL_ERR_TRUNCATED, "%s: the last record is cut", path);
        memcpy(sizes, record + 1, sizeof sizes);
        left -= 1 + sizeof sizes;
        if (sizes[0] > left || sizes[1] > left - sizes[0])
            return tl_fail(TL_ERR_TRUNCATED, "%s: a record of %llu bytes has %llu", path, (unsigned long long)sizes[1], (unsigned long long)left);
        char *name = strndup((const char *)record + 1 + sizeof sizes, sizes[0]);
        char *text = strndup((const char *)record + 1 + sizeof sizes + sizes[0], record[0] == 'n' ? sizes[1] : 0);
        if (!name || !text)
            s = tl_fail(TL_ERR_NOMEM, "%s: out of memory", path);
        else
            s = record[0] == 'n' ? tl_state_set_note(into, name, text)
                                 : read_tensor(name, record + 1 + sizeof sizes + sizes[0], sizes[1], into);
        free(name);
        free(text);
        at += 1 + sizeof sizes + sizes[0] + sizes[1];
    }
    return s;
}

static const char *const suffixes[] = {".records", NULL};
static const struct tl_format format = {
    .struct_size = sizeof format, .suffixes = suffixes, .probe = probe, .read = read_all, .write = write_all};

TL_FORMAT_PLUGIN("records", "1.0", "a weight format for tests", &format);
