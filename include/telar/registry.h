/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/registry.h>: what can be loaded, and where things lie. Plugins are found by folder and file name in
 * TELAR_PLUGIN_PATH (a list of folders or files), then in $libdir/telar-1 or, for a library that lies there, in the build tree; of equal
 * names the first wins. They are opened when first used.
 */
#ifndef TELAR_REGISTRY_H
#define TELAR_REGISTRY_H

#include <telar/plugin.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A plugin file that was found. Strings live until tl_shutdown(). */
struct tl_plugin_info {
    const char *kind, *name, *path;
    const char *version, *summary; /**< NULL until it was opened */
    tl_status status;              /**< TL_OK: open, or not yet tried */
    const char *verdict;           /**< "not loaded", "open", or the first check that failed, with the linker's own words */
};

/** Every candidate of a kind (NULL: all kinds), in search order, without mapping any. Returns their number and fills at
 *  most `capacity` entries. With `load`, each is opened first, so that verdicts are final (`telar doctor`). */
TL_PUBLIC size_t tl_plugins(const char *kind, bool load, struct tl_plugin_info *list, size_t capacity);

/** Open a plugin (once) and return its interface table; NULL and an error otherwise. `abi` is the table's version.
 *  A name with a slash is a path. Thread-safe. */
TL_PUBLIC const void *tl_plugin_open(const char *kind, const char *name, uint32_t abi);

/** The folders and files that are searched, in order; index past the end gives NULL. *verdict (if not NULL) becomes what is wrong
 *  with it ("does not exist"), or NULL. Strings live until tl_shutdown(). */
TL_PUBLIC const char *tl_plugin_path(size_t i, const char **verdict);
/** What else the search noticed, a line each: a file that hides another of its name, one that lies where no plugin is looked for.
 *  Index past the end gives NULL. */
TL_PUBLIC const char *tl_plugin_remark(size_t i);

/** For those who read a kind's tables: an open plugin, or a part of it, that cannot be used. The words become its verdict, after those
 *  of earlier calls; NULL keeps the one that it has. Warns once for each plugin. */
TL_PUBLIC void tl_plugin_left_out(const char *kind, const char *name, const char *format, ...) TL_PRINTF(3, 4);
/** And something for tl_plugin_remark(). */
TL_PUBLIC void tl_plugin_remark_add(const char *format, ...) TL_PRINTF(1, 2);

/** Where data sets and weights are looked for: folder i, in order: $TELAR_DATA, $XDG_DATA_HOME/telar (~/.local/share/telar), what is
 *  installed. malloc()ed; NULL after the last. */
TL_PUBLIC char *tl_data_folder(int i);
/** The one of them that is the user's own to write to, $XDG_DATA_HOME/telar (~/.local/share/telar), whether it is there or not. malloc()ed;
 *  NULL and an error if neither variable is an absolute path. */
TL_PUBLIC char *tl_user_data_folder(void);

/** The table of services that plugins get. */
TL_PUBLIC const struct tl_host *tl_host_table(void);

#ifdef __cplusplus
}
#endif
#endif
