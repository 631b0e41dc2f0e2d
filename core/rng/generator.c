/* SPDX-License-Identifier: Apache-2.0
 *
 * Generators as objects: making, seeding, the default one, and their state as bytes. Saved states have a fixed layout,
 * little-endian on every machine, and a checksum, so that a damaged checkpoint is refused and not drawn from:
 *
 *     0 "TLRNGMT1"   8 seed   16 used   20 flags (1: a normal waits)   24 that normal's bits
 *     32 the 624 words   2528 zeros   2552 FNV-1a of all bytes before
 */
#include "generator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AT_SEED = 8, AT_USED = 16, AT_FLAGS = 20, AT_NORMAL = 24, AT_WORDS = 32, AT_ZEROS = 2528, AT_SUM = 2552 };
enum { FLAG_NORMAL = 1 };

static const unsigned char magic[8] = {'T', 'L', 'R', 'N', 'G', 'M', 'T', '1'};
static const uint64_t default_seed = UINT64_C(67280421310721);

static tl_generator default_generator = {.lock = PTHREAD_MUTEX_INITIALIZER};
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static void reseed(tl_generator *g, uint64_t seed)
{
    mt_seed(&g->engine, (uint32_t)seed);
    g->seed = seed;
    g->has_next_normal = false;
    g->next_normal = 0;
}

static void make_default(void)
{
    reseed(&default_generator, default_seed);
}

tl_generator *tl_default_generator(void)
{
    pthread_once(&default_once, make_default);
    return &default_generator;
}

tl_generator *generator_or_default(tl_generator *g)
{
    return g ? g : tl_default_generator();
}

tl_generator *tl_generator_new(uint64_t seed)
{
    tl_generator *g = calloc(1, sizeof *g);
    if (!g || pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        tl_fail(TL_ERR_NOMEM, "generator_new: no memory for a generator");
        return NULL;
    }
    reseed(g, seed);
    return g;
}

void tl_generator_free(tl_generator *g)
{
    if (!g || g == &default_generator)
        return;
    pthread_mutex_destroy(&g->lock);
    free(g);
}

void tl_generator_seed(tl_generator *g, uint64_t seed)
{
    g = generator_or_default(g);
    pthread_mutex_lock(&g->lock);
    reseed(g, seed);
    pthread_mutex_unlock(&g->lock);
}

void tl_manual_seed(uint64_t seed)
{
    tl_generator_seed(NULL, seed);
}

uint64_t tl_initial_seed(void)
{
    tl_generator *g = tl_default_generator();
    pthread_mutex_lock(&g->lock);
    uint64_t seed = g->seed;
    pthread_mutex_unlock(&g->lock);
    return seed;
}

uint32_t tl_generator_random(tl_generator *g)
{
    g = generator_or_default(g);
    pthread_mutex_lock(&g->lock);
    uint32_t draw = mt_draw(&g->engine);
    pthread_mutex_unlock(&g->lock);
    return draw;
}

uint64_t tl_generator_random64(tl_generator *g)
{
    g = generator_or_default(g);
    pthread_mutex_lock(&g->lock);
    uint64_t draw = mt_draw64(&g->engine);
    pthread_mutex_unlock(&g->lock);
    return draw;
}

/* ---- State as bytes ---------------------------------------------------------------------------------------------- */

static void put(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

static uint64_t checksum(const unsigned char *bytes, size_t n)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

void tl_generator_get_state(tl_generator *g, unsigned char state[TL_GENERATOR_STATE_SIZE])
{
    if (!state)
        return;
    g = generator_or_default(g);
    memset(state, 0, TL_GENERATOR_STATE_SIZE);
    memcpy(state, magic, sizeof magic);
    pthread_mutex_lock(&g->lock);
    uint64_t normal;
    memcpy(&normal, &g->next_normal, sizeof normal);
    put(state + AT_SEED, g->seed, 8);
    put(state + AT_USED, g->engine.used, 4);
    put(state + AT_FLAGS, g->has_next_normal ? FLAG_NORMAL : 0, 4);
    put(state + AT_NORMAL, g->has_next_normal ? normal : 0, 8);
    for (int i = 0; i < MT_WORDS; i++)
        put(state + AT_WORDS + 4 * i, g->engine.words[i], 4);
    pthread_mutex_unlock(&g->lock);
    put(state + AT_SUM, checksum(state, AT_SUM), 8);
}

/* Why a state cannot be right, or NULL. */
static const char *state_fault(const unsigned char *state, const struct mt19937 *engine, uint64_t flags, double normal)
{
    if (memcmp(state, magic, sizeof magic) != 0)
        return "it does not begin with TLRNGMT1: not a saved state, or one of another version";
    if (get(state + AT_SUM, 8) != checksum(state, AT_SUM))
        return "its checksum is wrong: the bytes were damaged";
    if (engine->used > MT_WORDS)
        return "its position lies outside of the 624 words";
    if (flags > FLAG_NORMAL)
        return "it has unknown flags";
    if (!isfinite(normal) || (!flags && get(state + AT_NORMAL, 8) != 0))
        return "its waiting normal draw is not a number, or not wanted";
    for (int i = AT_ZEROS; i < AT_SUM; i++)
        if (state[i] != 0)
            return "its reserved bytes are not zero";
    uint32_t any = engine->words[0] & 0x80000000u; /* the other bits of word 0 play no part in the recurrence */
    for (int i = 1; i < MT_WORDS; i++)
        any |= engine->words[i];
    return any ? NULL : "all its words are zero: it would give zeros for ever";
}

tl_status tl_generator_set_state(tl_generator *g, const unsigned char state[TL_GENERATOR_STATE_SIZE])
{
    if (!state)
        return tl_fail(TL_ERR_ARGUMENT, "generator_set_state: state is NULL; give the %d bytes of tl_generator_get_state()",
                       TL_GENERATOR_STATE_SIZE);
    struct mt19937 engine = {.used = (uint32_t)get(state + AT_USED, 4)};
    for (int i = 0; i < MT_WORDS; i++)
        engine.words[i] = (uint32_t)get(state + AT_WORDS + 4 * i, 4);
    uint64_t flags = get(state + AT_FLAGS, 4), bits = get(state + AT_NORMAL, 8);
    double normal;
    memcpy(&normal, &bits, sizeof normal);
    const char *fault = state_fault(state, &engine, flags, normal);
    if (fault)
        return tl_fail(TL_ERR_FORMAT, "generator_set_state: the state cannot be restored: %s", fault);

    g = generator_or_default(g);
    pthread_mutex_lock(&g->lock);
    g->engine = engine;
    g->seed = get(state + AT_SEED, 8);
    g->has_next_normal = flags == FLAG_NORMAL;
    g->next_normal = normal;
    pthread_mutex_unlock(&g->lock);
    return TL_OK;
}
