/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding and reading the files of a data set.
 */
#ifndef TELAR_PLUGINS_DATA_FILES_H
#define TELAR_PLUGINS_DATA_FILES_H

#include <telar/tensor.h>

/** Bytes in memory; free(data). One further byte after them is 0. */
struct bytes {
    unsigned char *data;
    size_t size;
};

/** Read a regular file whole, unpacking it if it is gzip. More than `limit` bytes (unpacked) are an error; memory grows with
 *  what is really there. Errors name the path. */
tl_status files_read(const char *path, size_t limit, struct bytes *out);

/** The first of the folders where a set is looked for (those of tl_data_folder(), each with its subfolder `set`, or "") of which holds(folder, name)
 *  is true; malloc()ed. NULL if there is none: then `looked`, text of `size` bytes, has got longer by a list of them. */
char *files_find(const char *set, bool (*holds)(const char *folder, const char *name), const char *name, char *looked, size_t size);

/** Is it there, whatever it is? */
bool files_exists(const char *path);
/** Does a folder hold anything whose name is like this pattern of a shell? false, too, if it cannot be listed. */
bool files_some_like(const char *folder, const char *pattern);
/** "folder/name" + "ending", malloc()ed; NULL and an error if out of memory. */
char *files_join(const char *folder, const char *name, const char *ending);

#endif
