/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the vector code for the instruction set that this file is compiled for.
 */
#include "vector.h"

#include "level.h"
#include "simd.h"
#include "stream.h"

extern cpu_pointwise_loop *const *const LEVEL(cpu_pointwise_tables)[CPU_POINTWISE_TYPES];
extern const struct cpu_pool_loops LEVEL(cpu_pool_loops);
extern const struct cpu_reduce_loops LEVEL(cpu_reduce_loops);
extern const struct cpu_convert_loops LEVEL(cpu_convert_loops);
extern const struct cpu_softmax_loops LEVEL(cpu_softmax_loops);
extern const struct cpu_rnn_loops LEVEL(cpu_rnn_loops);
extern const struct cpu_winograd_loops LEVEL(cpu_winograd);
extern cpu_outer_products LEVEL(cpu_outer_products);
extern cpu_direct_row LEVEL(cpu_direct_row);
extern cpu_small_matmul LEVEL(cpu_small_matmul);
extern const struct cpu_norm_loops LEVEL(cpu_norm_loops);

#define NAME_AS_TEXT(level) #level
#define NAME(level) NAME_AS_TEXT(level)

static void stream(void *to, const void *from, size_t bytes)
{
    stream_copy(to, from, bytes);
}

static void stream_end(void)
{
    stream_fence();
}

const struct cpu_vector LEVEL(cpu_vector) = {
    .name = NAME(CPU_LEVEL),
    .pointwise = LEVEL(cpu_pointwise_tables),
    .pool = &LEVEL(cpu_pool_loops),
    .norm = &LEVEL(cpu_norm_loops),
    .reduce = &LEVEL(cpu_reduce_loops),
    .convert = &LEVEL(cpu_convert_loops),
    .softmax = &LEVEL(cpu_softmax_loops),
    .rnn = &LEVEL(cpu_rnn_loops),
    .winograd = &LEVEL(cpu_winograd),
    .outer_products = LEVEL(cpu_outer_products),
    .pair = 2 * VECTOR_FLOATS,
    .convolutions = VECTOR_BYTES < 64,
    .direct_row = LEVEL(cpu_direct_row),
    .small_matmul = LEVEL(cpu_small_matmul),
    .stream = stream,
    .stream_end = stream_end,
};
