/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise work on operands of any strides.
 */
#ifndef CPU_WALK_H
#define CPU_WALK_H

#include <telar/pointwise.h>

#include "cpu.h"

enum {
    CPU_WALK_OPERANDS = 4,
    CPU_WALK_GRAIN = 16384 /* elements that keep a thread busy for longer than it takes to wake it */
};

/** out = loop(in…): `role` gives each input's place among the loop's operands. Inputs have out's shape (stride 0 broadcasts).
 *  out may be an input's memory, exactly. */
void cpu_walk(cpu_pointwise_loop *loop, const double *pq, int n_in, const signed char *role, const struct tl_view *in,
              const struct tl_view *out);

#endif
