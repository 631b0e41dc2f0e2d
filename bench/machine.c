/* SPDX-License-Identifier: Apache-2.0
 *
 * What the machine can do at best, measured next to the ops so that their figures can be judged: multiply-adds in
 * registers, and copying memory, both on as many threads as Telar uses.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bench/bench.h"

enum { COPY_BYTES = 64 << 20, FMA_ROUNDS = 1 << 17, CHAINS = 12 };

/* One thread's share of a call. */
struct share {
    char *to;
    const char *from;
    size_t bytes;
    int64_t times;
    volatile float end; /* where the results go, so that they are computed */
};

/* Twelve independent chains: enough to hide the latency of two units, few enough for sixteen registers. */
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float fma_avx2(int64_t rounds)
{
    __m256 chain[CHAINS], factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        chain[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            chain[i] = _mm256_fmadd_ps(chain[i], factor, term);
    }
    for (int i = 1; i < CHAINS; i++)
        chain[0] = _mm256_add_ps(chain[0], chain[i]);
    return _mm256_cvtss_f32(chain[0]);
}

__attribute__((target("avx512f"))) static float fma_avx512(int64_t rounds)
{
    __m512 chain[CHAINS], factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        chain[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            chain[i] = _mm512_fmadd_ps(chain[i], factor, term);
    }
    for (int i = 1; i < CHAINS; i++)
        chain[0] = _mm512_add_ps(chain[0], chain[i]);
    return _mm512_cvtss_f32(chain[0]);
}
#endif

/* Four lanes in the compiler's own vectors; it fuses them where the processor's base set can. */
static float fma_plain(int64_t rounds)
{
    typedef float lanes __attribute__((vector_size(16)));
    lanes chain[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chain[i] = (lanes){(float)i, 1, 2, 3};
    for (int64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            chain[i] = chain[i] * 0.999f + 0.001f;
    for (int i = 1; i < CHAINS; i++)
        chain[0] += chain[i];
    return chain[0][0];
}

/* A call is FMA_ROUNDS rounds of sixteen-lane registers; narrower ones do as many more. */
static void fma_share(struct share *s)
{
    int64_t rounds = s->times * FMA_ROUNDS;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        s->end = fma_avx512(rounds);
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        s->end = fma_avx2(2 * rounds);
    else
#endif
        s->end = fma_plain(4 * rounds);
}

static void copy_share(struct share *s)
{
    for (int64_t i = 0; i < s->times; i++)
        memcpy(s->to, s->from, s->bytes);
}

/* Run fn on every thread with its share of the copy. OpenMP's team, which the cpu backend uses too: threads of our own would run
 * beside its workers, which wait for their next work in a loop for a while after each op. */
static tl_status on_threads(void (*fn)(struct share *), char *to, const char *from, int64_t times)
{
    int n = tl_get_num_threads();
    size_t piece = COPY_BYTES / (size_t)n & ~(size_t)63;
#pragma omp parallel for schedule(static, 1) num_threads(n)
    for (int i = 0; i < n; i++) {
        size_t at = piece * (size_t)i;
        struct share share = {.times = times, .bytes = i + 1 < n ? piece : COPY_BYTES - at};
        if (to) {
            share.to = to + at;
            share.from = from + at;
        }
        fn(&share);
    }
    return TL_OK;
}

static tl_status run_fma(struct bench_state *s, int variant, int64_t times)
{
    (void)s;
    (void)variant;
    return on_threads(fma_share, NULL, NULL, times);
}

static tl_status prepare_copy(struct bench_state *s, int variant)
{
    (void)variant;
    for (int i = 0; i < 2; i++) {
        if (!(s->memory[i] = malloc(COPY_BYTES)))
            return tl_fail(TL_ERR_NOMEM, "bench: out of memory");
        memset(s->memory[i], i, COPY_BYTES);
    }
    return TL_OK;
}

static tl_status run_copy(struct bench_state *s, int variant, int64_t times)
{
    (void)variant;
    return on_threads(copy_share, s->memory[1], s->memory[0], times);
}

/* The driver multiplies the first one's arithmetic by the number of threads. */
const struct bench_case machine_cases[] = {
    {"peak-multiply-add", 0, NULL, run_fma, 2.0 * 16 * CHAINS * FMA_ROUNDS, 0, false},
    {"peak-copy-64MiB", 0, prepare_copy, run_copy, 0, 2.0 * COPY_BYTES, false},
    {0},
};
