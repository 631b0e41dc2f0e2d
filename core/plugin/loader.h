/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rest of the core asks of the loader and the host table.
 */
#ifndef TELAR_CORE_LOADER_H
#define TELAR_CORE_LOADER_H

void loader_shutdown(void);

#endif
