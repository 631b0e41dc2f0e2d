/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms of what torch.save() writes. Both hold the same pickle.
 */
#ifndef TELAR_PLUGINS_PTH_FORMS_H
#define TELAR_PLUGINS_PTH_FORMS_H

#include "pickle.h"

tl_status archive_read(const struct tl_map *map, const char *path, tl_state *into);
tl_status archive_globals(const struct tl_map *map, const char *path, tl_global_visit visit, void *ctx);

/** Is it one of the old form? */
bool legacy_is(const unsigned char *data, size_t size);
/** Can it be one, as far as these bytes go? */
bool legacy_begins(const unsigned char *data, size_t size);
enum { LEGACY_PICKLES = 5 };
tl_status legacy_read(const struct tl_map *map, const char *path, tl_state *into);

/** Are n elements of a storage, which come after `before` others, 0 or 1? Nothing is looked at where it has no bools. */
tl_status check_bools(const char *path, const struct pickle_storage *s, const unsigned char *data, size_t n, uint64_t before);

#endif
