/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting an update into pieces for threads. Below 64 Ki elements starting threads costs more than they save.
 */
#include "nn/optim/steps/steps.h"

#define PARALLEL_FROM 65536
#define ALIGN_TO 64 /* elements: no two threads write one cache line */

void step_split(const struct update *u, step_chunk chunk)
{
#ifdef _OPENMP
    if (u->n >= PARALLEL_FROM && u->threads > 1) {
        int64_t pieces = u->threads, size = ((u->n + pieces - 1) / pieces + ALIGN_TO - 1) / ALIGN_TO * ALIGN_TO;
#pragma omp parallel for num_threads(u->threads) schedule(static)
        for (int64_t i = 0; i < pieces; i++) {
            int64_t from = i * size, to = from + size;
            if (from < u->n)
                chunk(u, from, to < u->n ? to : u->n);
        }
        return;
    }
#endif
    chunk(u, 0, u->n);
}
