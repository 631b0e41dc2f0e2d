/* SPDX-License-Identifier: Apache-2.0
 *
 * A template: a weight format plugin. Copy it, rename what is called "my", change the rest. docs/add-a-format.md walks through it.
 *
 * The format, in this machine's byte order: "TLRAW1\n" and a NUL, then records:
 *     'n' KEY NUL TEXT NUL                                     a note
 *     't' NAME NUL, u32 type, u32 rank, i64 sizes…, values     a tensor, its values row by row
 *     'e' NUL                                                  the end, so that a file cut short between records is noticed
 */
#include <stdlib.h>
#include <string.h>
#include <telar/format.h>

static const char magic[8] = "TLRAW1\n";

static bool probe(const unsigned char *head, size_t size)
{
    return size >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

/* ---- Reading: every size is compared with what is left before it is used ---- */
struct cursor {
    const unsigned char *at;
    size_t left;
};

static const void *take(struct cursor *c, uint64_t n)
{
    const void *p = c->at;
    if (n > c->left) {
        tl_fail(TL_ERR_TRUNCATED, "%llu bytes are wanted, %zu are left", (unsigned long long)n, c->left);
        return NULL;
    }
    c->at += n;
    c->left -= (size_t)n;
    return p;
}

static const char *take_text(struct cursor *c)
{
    const unsigned char *end = c->left > 0 ? memchr(c->at, 0, c->left) : NULL;
    return take(c, end ? (uint64_t)(end - c->at) + 1 : (uint64_t)c->left + 1);
}

static tl_status read_tensor(struct cursor *c, const char *name, tl_state *into)
{
    int64_t shape[TL_MAX_DIMS];
    uint32_t head[2];
    const void *p = take(c, sizeof head), *sizes, *values;
    if (!p)
        return tl_error_code();
    memcpy(head, p, sizeof head);
    if (head[0] == TL_DEFAULT || head[0] >= TL_DTYPE_COUNT || head[1] > TL_MAX_DIMS)
        return tl_fail(TL_ERR_FORMAT, "tensor %s: type %u, rank %u", name, (unsigned)head[0], (unsigned)head[1]);
    uint64_t bytes = tl_dtype_size((tl_dtype)head[0]);
    if (!(sizes = take(c, head[1] * sizeof *shape)))
        return tl_error_code(); /* nothing in a file is aligned: hence memcpy() */
    memcpy(shape, sizes, head[1] * sizeof *shape);
    for (uint32_t i = 0; i < head[1]; i++)
        if (shape[i] < 0 || !tl_size_mul(bytes, (uint64_t)shape[i], &bytes))
            return tl_fail(TL_ERR_LIMIT, "tensor %s: size %lld", name, (long long)shape[i]);
    if (!(values = take(c, bytes)))
        return tl_error_code();
    tl_status s = TL_OK;
    TL_SCOPE /* tl_from_data() copies; tl_state_add() keeps the tensor, or passes the error on */
        s = tl_state_add(into, name, tl_from_data((int)head[1], shape, values, (struct tl_options){.dtype = (tl_dtype)head[0], .device = "cpu"}));
    return s;
}

static tl_status read_raw(const struct tl_map *map, const char *path, tl_state *into)
{
    struct cursor c = {map->data, map->size};
    const void *head = take(&c, sizeof magic); /* a file that comes here by its suffix has not passed probe() */
    tl_status s = !head ? tl_error_code() : probe(head, sizeof magic) ? TL_OK : tl_fail(TL_ERR_FORMAT, "it does not begin with TLRAW1");
    for (char kind = 0; s == TL_OK && kind != 'e';) {
        const char *record = take(&c, 1), *name = record ? take_text(&c) : NULL, *text = NULL;
        kind = name ? *record : 0;
        if (kind == 't')
            s = read_tensor(&c, name, into);
        else if (kind == 'n' && (text = take_text(&c)))
            s = tl_state_set_note(into, name, text);
        else if (kind != 'e' || c.left > 0)
            s = tl_fail(TL_ERR_FORMAT, "a record of kind %d, %zu bytes before the end", kind, c.left); /* the first error wins */
    }
    if (s != TL_OK)
        tl_error_prefix("\"%s\": ", path);
    return s;
}

/* ---- Writing: the caller checks the stream for errors and commits it ---- */

static tl_status write_raw(const tl_state *from, FILE *to)
{
    fwrite(magic, sizeof magic, 1, to);
    for (size_t i = 0; i < tl_state_note_count(from); i++)
        fprintf(to, "n%s%c%s%c", tl_state_note_key(from, i), 0, tl_state_note(from, tl_state_note_key(from, i)), 0);
    for (size_t i = 0; i < tl_state_count(from); i++) {
        tl_tensor *t = tl_state_at(from, i);
        size_t bytes = (size_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
        uint32_t head[2] = {(uint32_t)tl_dtype_of(t), (uint32_t)tl_ndim(t)};
        void *values = malloc(bytes + 1); /* for tl_copy_out(), which takes any device and any strides */
        tl_status s = values ? tl_copy_out(t, tl_dtype_of(t), values, bytes) : tl_fail(TL_ERR_NOMEM, "no memory for %zu bytes", bytes);
        if (s == TL_OK) {
            fprintf(to, "t%s%c", tl_state_name(from, i), 0);
            fwrite(head, sizeof head, 1, to);
            fwrite(tl_shape(t), sizeof(int64_t), head[1], to);
            fwrite(values, 1, bytes, to);
        }
        free(values);
        if (s != TL_OK)
            return s;
    }
    fwrite("e", 2, 1, to);
    return TL_OK;
}

static const char *const suffixes[] = {".tlraw", NULL};
static const struct tl_format format = {
    .struct_size = sizeof(struct tl_format), .suffixes = suffixes, .probe = probe, .read = read_raw, .write = write_raw};
/* The first word is the file's name without .so. */
TL_FORMAT_PLUGIN("my-format", "1.0", "raw values (.tlraw)", &format);
