/* SPDX-License-Identifier: Apache-2.0
 *
 * The format plugin for .npy: one array. It has no name in the file, so the file's name is taken for it.
 */
#include "../common/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/format.h>

/* "folder/fc.weight.npy": fc.weight */
static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);

    n -= n > 4 && strcmp(base + n - 4, ".npy") == 0 ? 4 : 0;
    char *name = strndup(base, n);
    if (!name)
        tl_fail(TL_ERR_NOMEM, "no memory for a name");
    return name;
}

static tl_status read_header(const struct tl_map *map, const char *what, struct npy *n)
{
    uint64_t head = 0;
    tl_status s = npy_head_size(what, map->data, map->size, &head);

    if (s == TL_OK && head > map->size)
        s = tl_fail(TL_ERR_TRUNCATED, "%s: it ends at byte %zu, within the header of %" PRIu64, what, map->size, head);
    if (s == TL_OK)
        s = npy_parse(what, map->data, (size_t)head, n);
    if (s == TL_OK && n->bytes != map->size - head)
        s = tl_fail(n->bytes > map->size - head ? TL_ERR_TRUNCATED : TL_ERR_FORMAT, "%s: its shape and type need %" PRIu64 " bytes after byte %" PRIu64 ", there are %" PRIu64,
                    what, n->bytes, head, (uint64_t)map->size - head);
    return s;
}

static tl_status read_file(const struct tl_map *map, const char *path, tl_state *into)
{
    struct npy n;
    char what[300];
    int64_t shape[TL_MAX_DIMS] = {0};
    snprintf(what, sizeof what, "\"%.250s\"", path);
    tl_status s = read_header(map, what, &n);
    char *name = s == TL_OK ? base_name(path) : NULL;

    if (!name)
        return tl_error_code();
    npy_file_shape(&n, shape);
    TL_SCOPE
    {
        tl_tensor *flat = tl_from_map(map, map->data + n.head, n.ndim, shape, n.dtype), *t = npy_shaped(what, &n, flat);
        s = t ? tl_state_add(into, name, t) : tl_error_code();
    }
    if (s != TL_OK && !strstr(tl_error_message(), what))
        tl_error_prefix("%s: ", what);
    free(name);
    return s;
}

static tl_status write_values(tl_tensor *t, FILE *to)
{
    size_t bytes = (size_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
    void *copy = bytes ? malloc(bytes) : NULL;
    tl_status s = bytes && !copy ? tl_fail(TL_ERR_NOMEM, "no memory for %zu bytes", bytes) : tl_copy_out(t, tl_dtype_of(t), copy, bytes);

    if (s == TL_OK && bytes > 0 && fwrite(copy, 1, bytes, to) != bytes)
        s = tl_fail(TL_ERR_IO, "%s", strerror(errno));
    free(copy);
    return s;
}

static tl_status write_file(const tl_state *from, FILE *to)
{
    struct text head = {0};

    if (tl_state_count(from) != 1 || tl_state_note_count(from) > 0)
        return tl_fail(TL_ERR_ARGUMENT, "a .npy holds one array and nothing else; there are %zu tensors and %zu notes: write .npz", tl_state_count(from),
                       tl_state_note_count(from));
    tl_status s = npy_header(tl_state_at(from, 0), &head);
    if (s == TL_OK && fwrite(head.data, 1, head.size, to) != head.size)
        s = tl_fail(TL_ERR_IO, "%s", strerror(errno));
    if (s == TL_OK)
        s = write_values(tl_state_at(from, 0), to);
    free(head.data);
    return s;
}

static const char *const suffixes[] = {".npy", NULL};

static const struct tl_format format = {
    .struct_size = sizeof(struct tl_format),
    .suffixes = suffixes,
    .probe = npy_probe,
    .read = read_file,
    .write = write_file,
};

TL_FORMAT_PLUGIN("npy", "1.0", "one array of NumPy (.npy), read and written", &format);
