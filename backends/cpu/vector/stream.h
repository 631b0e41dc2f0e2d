/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores that bypass the caches: for results that are larger than the caches anyway, they save reading the lines
 * that are about to be overwritten.
 */
#ifndef CPU_VECTOR_STREAM_H
#define CPU_VECTOR_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

static inline void stream_copy(void *to, const void *from, size_t bytes)
{
    char *t = to;
    const char *f = from;
    size_t head = (size_t)(-(uintptr_t)t & 31);
    if (head > bytes)
        head = bytes;
    memcpy(t, f, head);
    t += head, f += head, bytes -= head;
    for (; bytes >= 32; t += 32, f += 32, bytes -= 32) {
#if defined(__AVX__)
        _mm256_stream_si256((__m256i *)(void *)t, _mm256_loadu_si256((const __m256i *)(const void *)f));
#else
        _mm_stream_si128((__m128i *)(void *)t, _mm_loadu_si128((const __m128i *)(const void *)f));
        _mm_stream_si128((__m128i *)(void *)(t + 16), _mm_loadu_si128((const __m128i *)(const void *)(f + 16)));
#endif
    }
    memcpy(t, f, bytes);
}

static inline void stream_fence(void)
{
    _mm_sfence();
}
#else
static inline void stream_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

static inline void stream_fence(void)
{
}
#endif

#endif
