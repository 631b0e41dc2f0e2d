/* SPDX-License-Identifier: Apache-2.0
 *
 * The table by which sin and cos reduce large arguments: for each exponent of a float from 2^20 on, the factor
 * that turns its mantissa into quarter turns modulo 4, as three doubles of 29, 29 and 53 bits. Filled once by
 * cpu_pi_init() from the bits of 2/pi.
 */
#ifndef CPU_VECTOR_PI_H
#define CPU_VECTOR_PI_H

#define CPU_PI_FIRST 147 /* the biased exponent of 2^20 */

extern double cpu_pi_table[3][256 - CPU_PI_FIRST];

void cpu_pi_init(void);

#endif
