/* SPDX-License-Identifier: Apache-2.0
 *
 * Structs of options that callers hand over. They only grow, and begin with their size in the caller's build.
 */
#ifndef TELAR_NN_OPTIONS_H
#define TELAR_NN_OPTIONS_H

#include <stddef.h>
#include <string.h>

/* Fill `copy`, of `size` bytes, with the options of a caller who may know fewer of them, or more; the others are zero. NULL: all of them
 * are. A struct_size of 0 stands for this version's. */
static inline void options_taken(void *copy, size_t size, const void *options)
{
    size_t known = 0;
    memset(copy, 0, size);
    if (!options)
        return;
    memcpy(&known, options, sizeof known);
    memcpy(copy, options, known && known < size ? known : size);
}

#endif
