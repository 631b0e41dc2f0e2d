/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/registry.h>: what can be loaded. Plugins are found by folder and file name in the build tree or
 * $libdir/telar-1, then in TELAR_PLUGIN_PATH (a list of folders or files), and opened when first used.
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

/** The folders and files that are searched for a kind, in order; index past the end gives NULL. */
TL_PUBLIC const char *tl_plugin_path(size_t i);

/** The table of services that plugins get. */
TL_PUBLIC const struct tl_host *tl_host_table(void);

#ifdef __cplusplus
}
#endif
#endif
