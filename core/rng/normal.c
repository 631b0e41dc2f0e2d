/* SPDX-License-Identifier: Apache-2.0
 *
 * Normal draws, in PyTorch's two ways. Blocks: 16 uniforms a[0] … a[15] become 16 normals, where a[k] and a[k + 8] make a
 * pair (k < 8) with u = 1 - a[k] and v = a[k + 8]; the cosine half goes to place k. When the number of elements is not a
 * multiple of 16, the last 16 are drawn afresh, over what lies there. One by one: draws v and u' (u = 1 - u'), returns the
 * cosine half and keeps the sine half for the next call.
 *
 * Blocks of f32 are computed in f32, as PyTorch does it; everything else in f64, and rounded once.
 */
#include "box_muller.h"
#include "distributions.h"

#include <string.h>

enum { BLOCK = 16, HALF = BLOCK / 2, CHUNK = 32 * BLOCK };

/* ---- Blocks ------------------------------------------------------------------------------------------------------- */

/* n is a multiple of BLOCK; uniforms become normals in place. */
INLINE void blocks_f32(float *a, size_t n, float mean, float std)
{
    for (; n > 0; n -= BLOCK, a += BLOCK) {
        float8 u, v, radius, sine, cosine;
        memcpy(&u, a, sizeof u);
        memcpy(&v, a + HALF, sizeof v);
        u = 1 - u;
        v *= 6.28318530717958648f;
        log8(&radius, &u);
        radius *= -2;
        sqrt8(&radius);
        sincos8(&sine, &cosine, &v);
        cosine = radius * cosine * std + mean;
        sine = radius * sine * std + mean;
        memcpy(a, &cosine, sizeof cosine);
        memcpy(a + HALF, &sine, sizeof sine);
    }
}

/* The same arithmetic on every processor; with AVX2 eight at a time instead of four. */
#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void blocks_f32_avx2(float *a, size_t n, float mean, float std)
{
    blocks_f32(a, n, mean, std);
}
#endif

static void blocks_f32_best(float *a, size_t n, float mean, float std)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2")) {
        blocks_f32_avx2(a, n, mean, std);
        return;
    }
#endif
    blocks_f32(a, n, mean, std);
}

/* Standard normals from pairs: u[k] in (0, 1], v[k] in [0, 1), HALF of each. */
static void pairs_f64(const double *u, const double *v, double *cosines, double *sines)
{
    for (int k = 0; k < HALF; k += 4) {
        double4 x, angle, radius, sine, cosine;
        memcpy(&x, u + k, sizeof x);
        memcpy(&angle, v + k, sizeof angle);
        log4(&radius, &x);
        radius *= -2;
        sqrt4(&radius);
        angle *= 6.2831853071795865;
        sincos4(&sine, &cosine, &angle);
        cosine *= radius;
        sine *= radius;
        memcpy(cosines + k, &cosine, sizeof cosine);
        memcpy(sines + k, &sine, sizeof sine);
    }
}

static void blocks_f64(double *a, size_t n, double mean, double std)
{
    for (; n > 0; n -= BLOCK, a += BLOCK) {
        double u[HALF];
        for (int k = 0; k < HALF; k++)
            u[k] = 1 - a[k];
        pairs_f64(u, a + HALF, a, a + HALF);
        for (int k = 0; k < BLOCK; k++)
            a[k] = fma(a[k], std, mean);
    }
}

static void fill_f32(tl_generator *g, float *to, size_t n, float mean, float std)
{
    size_t whole = n - n % BLOCK;
    for (size_t done = 0; done < whole; done += CHUNK) {
        size_t part = whole - done < CHUNK ? whole - done : CHUNK;
        rng_uniform(g, TL_F32, to + done, part, 0, 1);
        blocks_f32_best(to + done, part, mean, std);
    }
    if (whole < n) {
        rng_uniform(g, TL_F32, to + whole, n - whole, 0, 1); /* drawn, and drawn over */
        rng_uniform(g, TL_F32, to + n - BLOCK, BLOCK, 0, 1);
        blocks_f32_best(to + n - BLOCK, BLOCK, mean, std);
    }
}

static void fill_f64(tl_generator *g, double *to, size_t n, double mean, double std)
{
    size_t whole = n - n % BLOCK;
    for (size_t done = 0; done < whole; done += CHUNK) {
        size_t part = whole - done < CHUNK ? whole - done : CHUNK;
        rng_uniform(g, TL_F64, to + done, part, 0, 1);
        blocks_f64(to + done, part, mean, std);
    }
    if (whole < n) {
        rng_uniform(g, TL_F64, to + whole, n - whole, 0, 1);
        rng_uniform(g, TL_F64, to + n - BLOCK, BLOCK, 0, 1);
        blocks_f64(to + n - BLOCK, BLOCK, mean, std);
    }
}

/* The half-precision types draw no uniforms for the places that the last block covers anyway. */
static void fill_half(tl_generator *g, uint16_t *to, size_t n, float mean, float std, bool bfloat)
{
    for (size_t done = 0; done < n; done += BLOCK) {
        float a[BLOCK];
        size_t at = n - done < BLOCK ? n - BLOCK : done;
        rng_uniform(g, TL_F32, a, BLOCK, 0, 1);
        blocks_f32_best(a, BLOCK, mean, std);
        for (int k = 0; k < BLOCK; k++)
            to[at + (size_t)k] = rng_to_half(a[k], bfloat);
    }
}

/* ---- One by one --------------------------------------------------------------------------------------------------- */

/* n standard normals, n <= BLOCK: first the one that waits, then pairs; an odd one's other half waits. */
static void next_normals(tl_generator *g, double *to, size_t n)
{
    if (n > 0 && g->has_next_normal) {
        *to++ = g->next_normal;
        n--;
        g->has_next_normal = false;
    }
    double draws[2 * HALF], u[HALF], v[HALF], cosines[HALF], sines[HALF];
    size_t pairs = (n + 1) / 2;
    if (pairs == 0)
        return;
    rng_uniform(g, TL_F64, draws, 2 * pairs, 0, 1);
    for (size_t k = 0; k < HALF; k++) {
        v[k] = k < pairs ? draws[2 * k] : 0;
        u[k] = k < pairs ? 1 - draws[2 * k + 1] : 1;
    }
    pairs_f64(u, v, cosines, sines);
    for (size_t k = 0; k < n; k++)
        to[k] = k % 2 ? sines[k / 2] : cosines[k / 2];
    if (n % 2) {
        g->has_next_normal = true;
        g->next_normal = sines[pairs - 1];
    }
}

static void fill_one_by_one(tl_generator *g, tl_dtype dtype, void *to, size_t n, double mean, double std)
{
    for (size_t done = 0; done < n; done += BLOCK) {
        double normals[BLOCK];
        size_t part = n - done < BLOCK ? n - done : BLOCK;
        next_normals(g, normals, part);
        for (size_t k = 0; k < part; k++) {
            double value = fma(normals[k], std, mean);
            if (dtype == TL_F64)
                ((double *)to)[done + k] = value;
            else if (dtype == TL_F32)
                ((float *)to)[done + k] = (float)value;
            else
                ((uint16_t *)to)[done + k] = rng_to_half((float)value, dtype == TL_BF16);
        }
    }
}

void rng_normal(tl_generator *g, tl_dtype dtype, void *to, size_t n, double mean, double std, bool one_by_one)
{
    if (n < BLOCK || one_by_one)
        fill_one_by_one(g, dtype, to, n, mean, std);
    else if (dtype == TL_F64)
        fill_f64(g, to, n, mean, std);
    else if (dtype == TL_F32)
        fill_f32(g, to, n, (float)mean, (float)std);
    else
        fill_half(g, to, n, (float)mean, (float)std, dtype == TL_BF16);
}
