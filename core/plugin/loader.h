/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rest of the core asks of the loader and the host table.
 */
#ifndef TELAR_CORE_LOADER_H
#define TELAR_CORE_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include <telar/backend.h>

void loader_shutdown(void);

/** Does this library itself lie below the build tree? Then its plugins and data do too. */
bool in_build_tree(void);

/** NULL if a format's table can be used, else what is wrong with it. */
const char *format_flaw(const void *iface);

/** Is the file, `size` bytes long, as long as its ELF headers say (elf.c)? True for what is no ELF file at all. */
bool elf_is_whole(const char *path, uint64_t size);

/** What is wrong with a backend's table, or with a device that it opened, in `why`; false: nothing (backend.c). */
bool backend_flaw(const void *iface, char *why, size_t size);
bool device_flaw(const struct tl_device *d, const struct tl_backend *b, char *why, size_t size);
/** A log line for each kernel of an op that no kernel is asked for. */
void backend_warn_of_idle_kernels(const struct tl_backend *b, const char *name);

#endif
