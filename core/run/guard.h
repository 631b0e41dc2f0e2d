/* SPDX-License-Identifier: Apache-2.0
 *
 * TELAR_CHECK=memory: blocks of memory with borders that nobody may write to, and layouts that are turned back and compared.
 */
#ifndef TELAR_CORE_GUARD_H
#define TELAR_CORE_GUARD_H

#include "core/internal.h"

/** Bytes of a border on d. A guarded block of n bytes takes n plus two of them. */
size_t guard_border(const device *d);
/** *mem has room for `bytes` and two borders: writes them, lists the block, and moves *mem behind the first. */
tl_status guard_add(device *d, struct tl_mem *mem, size_t bytes);
/** Forget the block, and move *mem back. */
void guard_remove(device *d, struct tl_mem *mem);

/** After a kernel: are the borders of all blocks as they were? */
tl_status guard_check_call(device *d, const struct bound_kernel *b, const struct tl_call *c, struct tl_mem workspace);
/** After a reorder: the same, and do the values come back? */
tl_status guard_check_reorder(device *d, const struct tl_device *owner, const struct tl_view *from, const struct tl_view *to);

#endif
