/* SPDX-License-Identifier: Apache-2.0
 *
 * mt19937, the Mersenne Twister of Matsumoto and Nishimura ("Mersenne Twister: a 623-dimensionally equidistributed
 * uniform pseudo-random number generator", 1998), with its usual 32-bit seeding. The state is a row of 624 words x[k] with
 *
 *     x[k + 624] = x[k + 397] ^ twist(high bit of x[k], low 31 bits of x[k + 1])
 *
 * and each draw is a word after "tempering", a few shifts that spread its bits. Both steps are done eight words at a
 * time: x[k + 397 - 624] lies 227 words behind, so neighbours do not depend on each other.
 */
#include "generator.h"

#include <string.h>

enum { MT_FAR = 397, MT_LANES = 8 };

typedef uint32_t words8 __attribute__((vector_size(32)));

static const uint32_t matrix = 0x9908b0dfu, high_bit = 0x80000000u, low_bits = 0x7fffffffu;

void mt_seed(struct mt19937 *mt, uint32_t seed)
{
    mt->words[0] = seed;
    for (uint32_t k = 1; k < MT_WORDS; k++) {
        uint32_t previous = mt->words[k - 1];
        mt->words[k] = 1812433253u * (previous ^ previous >> 30) + k;
    }
    mt->used = MT_WORDS;
}

/* One word of the next round. The low bit of `next` chooses whether the matrix is added. */
static inline uint32_t twist(uint32_t word, uint32_t next, uint32_t far)
{
    uint32_t joined = (word & high_bit) | (next & low_bits);
    return far ^ joined >> 1 ^ ((0u - (next & 1u)) & matrix);
}

/* Words [0, n) of x, where far[k] belongs to x[k]. far may be earlier words of the same row, at least MT_LANES behind. */
static void twist_range(uint32_t *x, const uint32_t *far, int n)
{
    int k = 0;
    for (; k + MT_LANES <= n; k += MT_LANES) {
        words8 word, next, other;
        memcpy(&word, x + k, sizeof word);
        memcpy(&next, x + k + 1, sizeof next);
        memcpy(&other, far + k, sizeof other);
        word = other ^ (((word & high_bit) | (next & low_bits)) >> 1) ^ ((0u - (next & 1u)) & matrix);
        memcpy(x + k, &word, sizeof word);
    }
    for (; k < n; k++)
        x[k] = twist(x[k], x[k + 1], far[k]);
}

static void advance(struct mt19937 *mt)
{
    uint32_t *x = mt->words;
    twist_range(x, x + MT_FAR, MT_WORDS - MT_FAR);
    twist_range(x + (MT_WORDS - MT_FAR), x, MT_FAR - 1);
    x[MT_WORDS - 1] = twist(x[MT_WORDS - 1], x[0], x[MT_FAR - 1]);
    mt->used = 0;
}

static inline uint32_t temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ y >> 18;
}

static void temper_range(uint32_t *to, const uint32_t *from, size_t n)
{
    size_t k = 0;
    for (; k + MT_LANES <= n; k += MT_LANES) {
        words8 y;
        memcpy(&y, from + k, sizeof y);
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        y ^= y >> 18;
        memcpy(to + k, &y, sizeof y);
    }
    for (; k < n; k++)
        to[k] = temper(from[k]);
}

uint32_t mt_draw(struct mt19937 *mt)
{
    if (mt->used >= MT_WORDS)
        advance(mt);
    return temper(mt->words[mt->used++]);
}

void mt_fill(struct mt19937 *mt, uint32_t *to, size_t n)
{
    while (n > 0) {
        if (mt->used >= MT_WORDS)
            advance(mt);
        size_t left = MT_WORDS - mt->used;
        size_t part = n < left ? n : left;
        temper_range(to, mt->words + mt->used, part);
        mt->used += (uint32_t)part;
        to += part;
        n -= part;
    }
}
