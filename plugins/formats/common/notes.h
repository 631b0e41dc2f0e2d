/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes of a state in an archive: a record of its own, which other readers pass over: key, NUL, text, NUL, …
 */
#ifndef TELAR_PLUGINS_FORMATS_NOTES_H
#define TELAR_PLUGINS_FORMATS_NOTES_H

#include "zip.h"

#define NOTES_NAME "telar.notes"

tl_status notes_read(struct zip *z, const struct zip_entry *e, tl_state *into);
/** Nothing if there are none. `name` is that of the record. */
tl_status notes_write(struct zip_writer *w, const char *name, const tl_state *from);

/** Write a tensor's record: its bytes after `n_head` bytes of `head`. One tensor that is not contiguous, or not on the host, is copied at a
 *  time. */
tl_status tensor_put(struct zip_writer *w, const char *name, const void *head, size_t n_head, tl_tensor *t);

#endif
