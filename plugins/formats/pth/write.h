/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing what torch.load() reads.
 */
#ifndef TELAR_PLUGINS_PTH_WRITE_H
#define TELAR_PLUGINS_PTH_WRITE_H

#include <telar/state.h>

tl_status write_pth(const tl_state *from, FILE *to);

#endif
