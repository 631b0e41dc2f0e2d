/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/format.h>: the contract of a weight format plugin (kind "format"). It links libtelar.
 */
#ifndef TELAR_FORMAT_H
#define TELAR_FORMAT_H

#include <telar/plugin.h>
#include <telar/state.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_FORMAT_ABI 1

/** Append only. Errors are reported with tl_fail(), with file, offset or tensor name. */
struct tl_format {
    uint32_t struct_size;
    uint32_t flags;
    const char *const *suffixes; /**< ".safetensors", …, NULL-terminated */

    /** Do these first bytes of a file (at most 512) look like this format? Required. */
    bool (*probe)(const unsigned char *head, size_t size);

    /** Fill the empty `into` from a mapped file. Nothing may be allocated from a size that was not compared with what is
     *  there. Tensors may copy from the map, never keep it. Required. */
    tl_status (*read)(const struct tl_map *map, const char *path, tl_state *into);

    /** Write to a stream that the caller commits. Optional: NULL if the format is read-only. */
    tl_status (*write)(const tl_state *from, FILE *to);
};

static_assert(offsetof(struct tl_format, write) == 8 + 3 * sizeof(void *), "tl_format only grows at its end");

#ifdef __cplusplus
}
#endif
#endif
