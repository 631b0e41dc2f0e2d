/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a safetensors file, parsed and checked.
 */
#ifndef TELAR_PLUGINS_SAFETENSORS_HEADER_H
#define TELAR_PLUGINS_SAFETENSORS_HEADER_H

#include <telar/state.h>

/* The format's own limit on the header's length. */
#define SAFETENSORS_MAX_HEADER ((uint64_t)100000000)

/** One tensor of the header. */
struct header_entry {
    char *name;
    tl_dtype dtype;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    uint64_t begin, end; /* bytes after the header */
    bool has_dtype, has_shape, has_offsets;
};

struct header {
    struct header_entry *entries;
    size_t count, room;
    char **notes; /* key, text, key, text, … */
    size_t n_notes, notes_room;
};

/** Name in the file of an element type, NULL if the format has none; and the reverse, TL_DEFAULT if unknown here. */
const char *safetensors_dtype_name(tl_dtype t);
tl_dtype safetensors_dtype(const char *name);

/** Parse `size` bytes of JSON that lie at byte `offset` of the file. Every structural rule that needs no look at the data is
 *  checked: known keys, each once; known types; dimensions; sizes equal to shape times element. */
tl_status header_parse(const char *path, const char *json, size_t size, uint64_t offset, struct header *h);
/** The data must be covered exactly, without gaps or overlaps, by `available` bytes. */
tl_status header_check_cover(const char *path, const struct header *h, uint64_t available);
void header_clear(struct header *h);

#endif
