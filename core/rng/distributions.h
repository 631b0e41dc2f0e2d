/* SPDX-License-Identifier: Apache-2.0
 *
 * Distributions as pure functions: they fill n elements of `dtype` at `to` from a generator, in order, and know nothing of
 * tensors. What they draw, and in which order, is PyTorch's for the CPU. The caller has checked every parameter and holds the
 * generator's lock.
 */
#ifndef TELAR_CORE_RNG_DISTRIBUTIONS_H
#define TELAR_CORE_RNG_DISTRIBUTIONS_H

#include "generator.h"

/** Uniform on [low, high), floating dtypes; low <= high. One draw an element, two for f64. */
void rng_uniform(tl_generator *g, tl_dtype dtype, void *to, size_t n, double low, double high);

/** Normal, floating dtypes; std >= 0. From 16 elements on they are made in blocks of 16, unless `one_by_one` (what PyTorch
 *  does for tensors that are not contiguous); fewer come in pairs, of which an odd one waits in the generator. */
void rng_normal(tl_generator *g, tl_dtype dtype, void *to, size_t n, double mean, double std, bool one_by_one);

/** 1 with the chance p in [0, 1], else 0. Two draws an element. */
void rng_bernoulli(tl_generator *g, tl_dtype dtype, void *to, size_t n, double p);

/** The same with a chance for each element: n of `p_dtype`, floating. One draw an element, two if p is f64. */
void rng_bernoulli_each(tl_generator *g, tl_dtype dtype, void *to, size_t n, tl_dtype p_dtype, const void *p);

/** Integers in [low, high), low < high. One draw an element, two if the range is 2^28 or more. */
void rng_integers(tl_generator *g, tl_dtype dtype, void *to, size_t n, int64_t low, int64_t high);

/** 0 … n-1, shuffled. */
void rng_permutation(tl_generator *g, int64_t *to, int64_t n);

/** Half-precision floats, rounded to nearest, ties to even. */
uint16_t rng_to_half(float value, bool bfloat);
float rng_from_half(uint16_t bits, bool bfloat);

#endif
