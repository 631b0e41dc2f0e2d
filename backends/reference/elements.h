/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing runs of elements of any type: `stride` elements apart in memory, side by side in an array of
 * the computing type (f32, f64, or i64 for all integers and bool).
 *
 * Real to integer truncates and saturates, and NaN gives 0. Integer to integer wraps around. To bool: is it not zero?
 * f64 to f16 and bf16 goes through f32, as in PyTorch.
 */
#ifndef REFERENCE_ELEMENTS_H
#define REFERENCE_ELEMENTS_H

#include <stdint.h>
#include <telar/types.h>

void read_float(float *to, tl_dtype type, const void *from, int64_t stride, int64_t n);
void read_double(double *to, tl_dtype type, const void *from, int64_t stride, int64_t n);
void read_int64_t(int64_t *to, tl_dtype type, const void *from, int64_t stride, int64_t n);

void write_float(tl_dtype type, void *to, int64_t stride, const float *from, int64_t n);
void write_double(tl_dtype type, void *to, int64_t stride, const double *from, int64_t n);
void write_int64_t(tl_dtype type, void *to, int64_t stride, const int64_t *from, int64_t n);

/** The whole part of `value`, brought into [least, most]; 0 for NaN. */
int64_t saturate(double value, int64_t least, int64_t most);

/** The least and the most of an integer type; 0 and 1 for bool. */
void integer_range(tl_dtype type, int64_t *least, int64_t *most);

#endif
