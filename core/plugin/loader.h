/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rest of the core asks of the loader and the host table.
 */
#ifndef TELAR_CORE_LOADER_H
#define TELAR_CORE_LOADER_H

#include <stdbool.h>
#include <stdint.h>

void loader_shutdown(void);

/** Is the file, `size` bytes long, as long as its ELF headers say (elf.c)? True for what is no ELF file at all. */
bool elf_is_whole(const char *path, uint64_t size);

#endif
