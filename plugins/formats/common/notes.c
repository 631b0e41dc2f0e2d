/* SPDX-License-Identifier: Apache-2.0
 *
 * What the archives of several formats share: notes, and records of tensors.
 */
#include "notes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static tl_status take_notes(const char *path, const char *text, size_t n, tl_state *into)
{
    const char *end = text + n;
    tl_status s = TL_OK;

    for (const char *key = text, *value; s == TL_OK && key < end; key = value + strlen(value) + 1) {
        const char *stop = memchr(key, 0, (size_t)(end - key));
        value = stop && stop + 1 < end ? stop + 1 : NULL;
        if (!value || !memchr(value, 0, (size_t)(end - value)))
            return tl_fail(TL_ERR_FORMAT, "\"%s\": record \"%s\" ends within a note", path, NOTES_NAME);
        s = tl_state_set_note(into, key, value);
    }
    return s;
}

tl_status notes_read(struct zip *z, const struct zip_entry *e, tl_state *into)
{
    struct zip_stream *stream = zip_begin(z, e);
    char *text = stream ? malloc((size_t)e->size + 1) : NULL;
    tl_status s = !stream ? tl_error_code() : !text ? tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for its notes", z->path) : zip_read(stream, text, e->size);

    s = zip_end(stream, s == TL_OK) == TL_OK ? s : tl_error_code();
    if (s == TL_OK)
        s = take_notes(z->path, text, (size_t)e->size, into);
    free(text);
    return s;
}

tl_status notes_write(struct zip_writer *w, const char *name, const tl_state *from)
{
    size_t size = 0, at = 0, n = tl_state_note_count(from);

    for (size_t i = 0; i < n; i++)
        size += strlen(tl_state_note_key(from, i)) + strlen(tl_state_note(from, tl_state_note_key(from, i))) + 2;
    if (size == 0)
        return TL_OK;
    char *text = malloc(size);
    if (!text)
        return tl_fail(TL_ERR_NOMEM, "no memory for the notes");
    for (size_t i = 0; i < n; i++) {
        const char *key = tl_state_note_key(from, i), *value = tl_state_note(from, key);
        memcpy(text + at, key, strlen(key) + 1);
        at += strlen(key) + 1;
        memcpy(text + at, value, strlen(value) + 1);
        at += strlen(value) + 1;
    }
    tl_status s = zip_put(w, name, text, size);
    free(text);
    return s;
}

tl_status tensor_put(struct zip_writer *w, const char *name, const void *head, size_t n_head, tl_tensor *t)
{
    size_t bytes = (size_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
    bool direct = strcmp(tl_device_of(t), "cpu") == 0 && tl_is_contiguous(t);
    void *copy = NULL;
    const void *data = "";
    tl_status s = TL_OK;

    if (bytes > 0 && direct)
        s = (data = tl_data(t)) ? TL_OK : tl_error_code();
    else if (bytes > 0) {
        data = copy = malloc(bytes);
        s = copy ? tl_copy_out(t, tl_dtype_of(t), copy, bytes) : tl_fail(TL_ERR_NOMEM, "no memory for %zu bytes", bytes);
    }
    if (s == TL_OK)
        s = zip_put_head(w, name, (uint64_t)n_head + bytes, zip_crc(zip_crc(0, head, n_head), data, bytes));
    if (s == TL_OK && ((n_head > 0 && fwrite(head, 1, n_head, w->to) != n_head) || (bytes > 0 && fwrite(data, 1, bytes, w->to) != bytes)))
        s = tl_fail(TL_ERR_IO, "%s", strerror(errno));
    free(copy);
    return s;
}
