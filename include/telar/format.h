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

/** Append only. Errors are reported with tl_fail(), with file, offset or tensor name. */
struct tl_format {
    uint32_t struct_size;
    uint32_t reserved;
    const char *const *suffixes; /**< ".safetensors", …, NULL-terminated. Required */

    /** Do these first bytes of a file (at most 512, fewer if it is shorter, perhaps none) look like this format? Required. */
    bool (*probe)(const unsigned char *head, size_t size);

    /** Fill the empty `into` from a mapped file, of which nothing may be taken for granted: a file that no probe() knows comes
     *  here by its suffix alone. map->data has map->size bytes, no NUL behind them, and no alignment worth mentioning. Nothing
     *  may be allocated from a size that was not compared with what is there. Tensors are made with tl_from_map(), which keeps the map
     *  while they live, or copy from it; nothing else may point into it afterwards. Names and notes become C strings: any bytes but
     *  NUL. Required. */
    tl_status (*read)(const struct tl_map *map, const char *path, tl_state *into);

    /** Write to a stream, which the caller checks for errors and commits. Names and notes may hold any bytes but NUL: blanks,
     *  quotes and newlines too; refuse what the format cannot hold. Tensors may lie on any device and have any strides, which
     *  tl_copy_out() evens out. Optional: NULL if the format is read-only. */
    tl_status (*write)(const tl_state *from, FILE *to);

    /** Visit the names of code that the file asks its reader to call; see tl_state_globals(). Optional: NULL if the format holds none. */
    tl_status (*globals)(const struct tl_map *map, const char *path, tl_global_visit visit, void *ctx);
};

/** All that a format plugin must export: TL_FORMAT_PLUGIN("raw", "1.0", "raw values", &format); */
#define TL_FORMAT_PLUGIN(name, version, summary, format) \
    TL_PLUGIN("format", TL_FORMAT_ABI, name, version, summary, format)

static_assert(offsetof(struct tl_format, globals) == 8 + 4 * sizeof(void *), "tl_format only grows at its end");
static_assert(offsetof(struct tl_format, write) == 8 + 3 * sizeof(void *), "tl_format only grows at its end");

#ifdef __cplusplus
}
#endif
#endif
