/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/random.h>: random numbers. The default generator is mt19937 with PyTorch's CPU transforms, on every
 * backend: the same seed gives PyTorch's numbers. Integers, permutations, Bernoulli draws and uniforms on [0, 1)
 * are bit-equal; scaled uniforms and long normal fills agree to 2e-6.
 * A `generator` argument of NULL means the default generator.
 */
#ifndef TELAR_RANDOM_H
#define TELAR_RANDOM_H

#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Seed the default generator. */
TL_PUBLIC void tl_manual_seed(uint64_t seed);
/** The seed that it was last given; 67280421310721 before any, as PyTorch's. */
TL_PUBLIC uint64_t tl_initial_seed(void);
/** The generator that is used where none is named; borrowed, never freed. One for all threads, which take turns. */
TL_PUBLIC tl_generator *tl_default_generator(void);
/** A generator of one's own; free it with tl_generator_free(), which takes NULL as well. NULL and an error if out of memory. */
TL_PUBLIC tl_generator *tl_generator_new(uint64_t seed);
TL_PUBLIC void tl_generator_free(tl_generator *g);
/** Begin a generator's stream anew. */
TL_PUBLIC void tl_generator_seed(tl_generator *g, uint64_t seed);
/** State as bytes, for checkpoints: the same on every machine. Restoring checks every field and a checksum; a state that is
 *  refused (TL_ERR_FORMAT) changes nothing. */
#define TL_GENERATOR_STATE_SIZE 2560
TL_PUBLIC void tl_generator_get_state(tl_generator *g, unsigned char state[TL_GENERATOR_STATE_SIZE]);
TL_PUBLIC tl_status tl_generator_set_state(tl_generator *g, const unsigned char state[TL_GENERATOR_STATE_SIZE]);
/** One raw 32-bit or 64-bit draw. */
TL_PUBLIC uint32_t tl_generator_random(tl_generator *g);
TL_PUBLIC uint64_t tl_generator_random64(tl_generator *g);

/** Uniform on [0, 1); floating dtypes. */
TL_PUBLIC tl_tensor *tl_rand(int ndim, const int64_t *shape, struct tl_options o);
/** Standard normal. */
TL_PUBLIC tl_tensor *tl_randn(int ndim, const int64_t *shape, struct tl_options o);
/** Integers in [low, high), dtype i64 by default. */
TL_PUBLIC tl_tensor *tl_randint(int64_t low, int64_t high, int ndim, const int64_t *shape, struct tl_options o);
/** A permutation of 0 … n-1, i64. */
TL_PUBLIC tl_tensor *tl_randperm(int64_t n, struct tl_options o);
/** The same, drawn from `generator`. */
TL_PUBLIC tl_tensor *tl_randperm_with(int64_t n, tl_generator *generator, struct tl_options o);
/** 1 with the chance given by each element of p. */
TL_PUBLIC tl_tensor *tl_bernoulli(tl_tensor *p);
/** Normal with the given mean and standard deviation. */
TL_PUBLIC tl_tensor *tl_normal(double mean, double std, int ndim, const int64_t *shape, struct tl_options o);
/** Uniform and standard normal with t's shape, dtype and device. */
TL_PUBLIC tl_tensor *tl_rand_like(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_randn_like(tl_tensor *t);

/** In-place fillers; return t. tl_uniform_() draws from [low, high), tl_normal_() with that mean and standard deviation,
 *  tl_bernoulli_() 1 with chance p, tl_random_() integers in [low, high), for any dtype that holds them. Not for tensors that need
 *  a gradient, except inside TL_NO_GRAD. A tensor that is not contiguous is filled along its memory, as PyTorch does it. */
TL_PUBLIC tl_tensor *tl_uniform_(tl_tensor *t, double low, double high, tl_generator *generator);
TL_PUBLIC tl_tensor *tl_normal_(tl_tensor *t, double mean, double std, tl_generator *generator);
TL_PUBLIC tl_tensor *tl_bernoulli_(tl_tensor *t, double p, tl_generator *generator);
TL_PUBLIC tl_tensor *tl_random_(tl_tensor *t, int64_t low, int64_t high, tl_generator *generator);

#ifdef __cplusplus
}
#endif
#endif
