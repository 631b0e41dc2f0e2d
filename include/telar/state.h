/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/state.h>: a state dictionary: tensors by name, in order, and text notes. What weight formats read
 * and write, what modules and optimizers save. Plus the checked file helpers that every reader uses.
 */
#ifndef TELAR_STATE_H
#define TELAR_STATE_H

#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_state tl_state;

/** An empty dictionary; free it with tl_state_free(). NULL and an error if out of memory. */
TL_PUBLIC tl_state *tl_state_new(void);
/** Frees it, and its references. NULL is allowed. */
TL_PUBLIC void tl_state_free(tl_state *s);
/** A dictionary with copies of all tensors, which share memory with nothing (those of tl_module_state() do with the module), and of
 *  the notes. NULL and an error. */
TL_PUBLIC tl_state *tl_state_clone(const tl_state *s);
/** Exchange what two dictionaries hold. */
TL_PUBLIC void tl_state_swap(tl_state *a, tl_state *b);
/** Add a tensor (kept). A name that is there already is an error. */
TL_PUBLIC tl_status tl_state_add(tl_state *s, const char *name, tl_tensor *t);
/** Borrowed; NULL without an error if there is none. */
TL_PUBLIC tl_tensor *tl_state_get(const tl_state *s, const char *name);
/** Number of tensors. */
TL_PUBLIC size_t tl_state_count(const tl_state *s);
/** Name and tensor of entry i in order, borrowed; NULL past the end. */
TL_PUBLIC const char *tl_state_name(const tl_state *s, size_t i);
TL_PUBLIC tl_tensor *tl_state_at(const tl_state *s, size_t i);
/** Notes: key = text. Setting replaces. Getting gives NULL without an error if there is none. */
TL_PUBLIC tl_status tl_state_set_note(tl_state *s, const char *key, const char *text);
TL_PUBLIC const char *tl_state_note(const tl_state *s, const char *key);
/** Number of notes, and the key of note i in order; NULL past the end. Texts are borrowed. */
TL_PUBLIC size_t tl_state_note_count(const tl_state *s);
TL_PUBLIC const char *tl_state_note_key(const tl_state *s, size_t i);

/** Read a weight file through the format plugin that its name or first bytes point to. NULL and an error otherwise. Tensors may lie in the
 *  mapped file, which costs no copy: their values stay right only while nobody overwrites or shortens the file in place (replacing it,
 *  as tl_state_save() does, is no harm). tl_state_clone() takes copies; modules that load a state have theirs anyway. */
TL_PUBLIC tl_state *tl_state_load(const char *path);
/** Visit each name of code that a weight file (a pickle) asks its reader to call, once, in the file's order, with whether it is one of those
 *  that are understood here; none of them is ever called. Also of a file that tl_state_load() refuses. Files of formats that hold
 *  no such names have none to visit. */
typedef void (*tl_global_visit)(const char *name, bool known, void *ctx);
TL_PUBLIC tl_status tl_state_globals(const char *path, tl_global_visit visit, void *ctx);
/** Can a weight file of this name be written? TL_ERR_UNSUPPORTED, with the endings that can be, if no format plugin does it; TL_ERR_IO if there is no
 *  such folder, or no leave to write. To be asked before long work. */
TL_PUBLIC tl_status tl_state_can_save(const char *path);
/** Write one, format by the name's ending. Atomic: a temporary file beside it, fsync, rename, fsync of the folder; after a
 *  failure the old file is as it was. */
TL_PUBLIC tl_status tl_state_save(const tl_state *s, const char *path);
/** Would tl_state_save() do it? Writes everything to the temporary file, and takes that away. */
TL_PUBLIC tl_status tl_state_try(const tl_state *s, const char *path);

/** Sizes from files go through these: false on overflow. */
static inline bool tl_size_mul(uint64_t a, uint64_t b, uint64_t *r)
{
    return !__builtin_mul_overflow(a, b, r);
}
static inline bool tl_size_add(uint64_t a, uint64_t b, uint64_t *r)
{
    return !__builtin_add_overflow(a, b, r);
}

/** A file mapped for reading. */
struct tl_map {
    const unsigned char *data;
    size_t size;
    void *private_;
};
/** Map a regular file (pipes and devices are refused). Errors carry the path and errno's words. */
TL_PUBLIC tl_status tl_map_open(const char *path, struct tl_map *map);
/** Unmap it, once no tensor lies in it any more. */
TL_PUBLIC void tl_map_close(struct tl_map *map);
/** A host tensor over the bytes of a map that begin at `data`, without a copy where that is aligned to the elements; else they are copied when
 *  somebody first looks at them. It keeps the map's memory; writing to it changes nothing in the file. TL_ERR_TRUNCATED if the map is too short. */
TL_PUBLIC tl_tensor *tl_from_map(const struct tl_map *map, const void *data, int ndim, const int64_t *shape, tl_dtype dtype);
/** Give the memory of these bytes of a map back to the system, which reads them from the file again when they are next looked at: what
 *  was read for a checksum only need not stay. It is for readers of files, and for bytes of which nothing was written since the map was opened: that
 *  would be lost. Whole pages only; what lies outside of the map is passed over. */
TL_PUBLIC void tl_map_forget(const struct tl_map *map, const void *data, size_t size);
/** The same for a contiguous tensor of tl_from_map(), once its values were copied. Nothing happens to one that was written, and to other tensors. */
TL_PUBLIC void tl_from_map_forget(tl_tensor *t);
/** Copy all elements of a contiguous host tensor, as they are, to `to`: as tl_copy_out() does, but of a tensor of tl_from_map() no more than a
 *  MiB is in memory at a time. With NULL for `to` nothing is copied, but all is done that could fail: then the copy itself does not. */
TL_PUBLIC tl_status tl_from_map_copy(tl_tensor *t, void *to);

/** Atomic writing: write to the stream `file`, then commit; or abort, which leaves the old file. */
struct tl_atomic_file {
    FILE *file;
    char *path, *temporary;
};
/** Open a temporary file beside path. */
TL_PUBLIC tl_status tl_atomic_begin(struct tl_atomic_file *f, const char *path);
/** Flush, fsync, rename, fsync the folder. On failure (disk full, …) aborts and reports. */
TL_PUBLIC tl_status tl_atomic_commit(struct tl_atomic_file *f);
/** Could a file be written there? Makes a temporary file and takes it away again. */
TL_PUBLIC tl_status tl_atomic_try(const char *path);
/** Give up: remove the temporary file. */
TL_PUBLIC void tl_atomic_abort(struct tl_atomic_file *f);

#ifdef __cplusplus
}
#endif
#endif
