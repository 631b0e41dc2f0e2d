/* SPDX-License-Identifier: Apache-2.0
 *
 * Fills the table of vector/pi.h. A float is m 2^s with m an integer of 24 bits; in quarter turns that is m (2^s 2/pi), of
 * which only the part below 4 matters: the bits of 2/pi from weight 2^(1-s) on. Their first 29 bits times m are exact
 * in a double.
 */
#include <math.h>
#include <stdint.h>

#include "vector/pi.h"

double cpu_pi_table[3][256 - CPU_PI_FIRST];

/* 2/pi after the binary point. */
static const uint64_t two_over_pi[4] = {0xa2f9836e4e441529u, 0xfc2757d1f534ddc0u, 0xdb6295993c439041u, 0xfe5163abdebbc561u};

/* `count` bits of 2/pi, the first of them of weight 2^-first (first may be < 1: zeros), as an integer. */
static uint64_t take_bits(int first, int count)
{
    uint64_t value = 0;
    for (int j = first; j < first + count; j++) {
        uint64_t bit = j >= 1 && j <= 256 ? two_over_pi[(j - 1) / 64] >> (63 - (j - 1) % 64) & 1 : 0;
        value = value << 1 | bit;
    }
    return value;
}

void cpu_pi_init(void)
{
    static const int count[3] = {29, 29, 53};
    for (int e = CPU_PI_FIRST; e < 256; e++) {
        int shift = e - 150;
        int first = shift - 1; /* the bit that becomes 2^1 */
        int weight = 1;
        for (int part = 0; part < 3; part++) {
            double bits = (double)take_bits(first, count[part]);
            cpu_pi_table[part][e - CPU_PI_FIRST] = ldexp(bits, weight - count[part] + 1);
            first += count[part];
            weight -= count[part];
        }
    }
}
