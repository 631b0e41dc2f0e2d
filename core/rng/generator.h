/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator behind every random number: the Mersenne Twister mt19937, and the second half of the last pair of
 * normal draws, which waits for the next call. Functions here take no lock: the caller holds `lock`.
 */
#ifndef TELAR_CORE_RNG_GENERATOR_H
#define TELAR_CORE_RNG_GENERATOR_H

#include <pthread.h>
#include <telar/random.h>

enum { MT_WORDS = 624 };

/** A recurrence over 624 words: it is advanced for all of them at once, then handed out word by word. */
struct mt19937 {
    uint32_t words[MT_WORDS];
    uint32_t used; /**< words handed out of this round: 0 … MT_WORDS */
};

struct tl_generator {
    pthread_mutex_t lock;
    struct mt19937 engine;
    uint64_t seed;
    bool has_next_normal;
    double next_normal; /**< the sine half of the last pair, standard normal */
};

/** The engine takes the seed's low 32 bits, as PyTorch's does. */
void mt_seed(struct mt19937 *mt, uint32_t seed);
uint32_t mt_draw(struct mt19937 *mt);
/** n draws at once. */
void mt_fill(struct mt19937 *mt, uint32_t *to, size_t n);

/** Two draws; the first gives the high half. */
static inline uint64_t mt_draw64(struct mt19937 *mt)
{
    uint64_t high = mt_draw(mt);
    return high << 32 | mt_draw(mt);
}

/** `g`, or the default generator for NULL. */
tl_generator *generator_or_default(tl_generator *g);

#endif
