/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers are PyTorch's: golden/rng.txt has sequences of calls and what PyTorch gave for them (see
 * golden/make_rng.py). Uniforms, integers, permutations and Bernoulli draws must have the same bits; normals must lie within
 * 2e-6 standard deviations (f64: 1e-14), and two machines must agree on them to the bit, for which a few are listed here.
 */
#include <pthread.h>
#include <telar/telar.h>

#include "tap.h"

enum { MAX_LINE = 1 << 16 };

static char line[MAX_LINE];

static tl_dtype dtype_named(const char *name)
{
    for (int d = TL_F32; d < TL_DTYPE_COUNT; d++)
        if (strcmp(tl_dtype_name((tl_dtype)d), name) == 0)
            return (tl_dtype)d;
    bail_out("rng.txt has a type %s", name);
}

/* ---- Golden sequences -------------------------------------------------------------------------------------------------- */

struct call {
    char name[32];
    tl_dtype dtype;
    char a[40], b[40]; /* arguments, "" if not there */
    int ndim;
    int64_t shape[2];
    bool transposed;
    const char *kind, *values;
};

/* "CALL DTYPE ARGUMENTS… | SIZE… | KIND VALUES…" */
static void read_call(struct call *c)
{
    char type[16];
    char *sizes = strchr(line, '|'), *result = sizes ? strchr(sizes + 1, '|') : NULL;
    memset(c, 0, sizeof *c);
    if (!result)
        bail_out("rng.txt: no result in: %.80s", line);
    *sizes++ = '\0';
    *result++ = '\0';
    sscanf(line, "%31s %15s %39s %39s", c->name, type, c->a, c->b);
    c->dtype = dtype_named(type);
    c->transposed = strchr(sizes, 't') != NULL;
    char *end = sizes;
    for (c->ndim = 0; c->ndim < 2; c->ndim++) {
        char *from = end;
        c->shape[c->ndim] = strtoll(from, &end, 10);
        if (end == from)
            break;
    }
    c->kind = result + strspn(result, " ");
    c->values = c->kind + strcspn(c->kind, " ");
}

/* k / n for element k. */
static tl_tensor *chances(const struct call *c)
{
    int64_t n = c->ndim == 2 ? c->shape[0] * c->shape[1] : c->shape[0];
    double *p = calloc((size_t)n, sizeof *p);
    if (!p)
        bail_out("out of memory");
    for (int64_t k = 0; k < n; k++)
        p[k] = (double)k / (double)n;
    tl_tensor *t = tl_empty(c->ndim, c->shape, (struct tl_options){.dtype = c->dtype});
    tl_copy_in(t, TL_F64, p, (size_t)n * sizeof *p);
    free(p);
    return c->transposed ? tl_t(tl_contiguous(tl_t(t))) : t;
}

static tl_tensor *make_call(const struct call *c)
{
    double a = strtod(c->a, NULL), b = strtod(c->b, NULL);
    if (strcmp(c->name, "permutation") == 0)
        return tl_randperm(c->shape[0], (struct tl_options){.dtype = c->dtype});
    if (strcmp(c->name, "bernoulli_each") == 0)
        return tl_bernoulli(chances(c));
    tl_tensor *t = tl_zeros(c->ndim, c->shape, (struct tl_options){.dtype = c->dtype});
    tl_tensor *filled = c->transposed ? tl_t(t) : t, *same;
    if (strcmp(c->name, "uniform") == 0)
        same = tl_uniform_(filled, a, b, NULL);
    else if (strcmp(c->name, "normal") == 0)
        same = tl_normal_(filled, a, b, NULL);
    else if (strcmp(c->name, "bernoulli") == 0)
        same = tl_bernoulli_(filled, a, NULL);
    else if (strcmp(c->name, "integers") == 0)
        same = tl_random_(filled, strtoll(c->a, NULL, 10), strtoll(c->b, NULL, 10), NULL);
    else
        bail_out("rng.txt has a call %s", c->name);
    return same == filled ? t : NULL;
}

/* The bits of element i: unsigned for bytes, sign-extended otherwise. */
static int64_t bits_at(const void *data, size_t size, int64_t i)
{
    switch (size) {
    case 1: return ((const uint8_t *)data)[i];
    case 2: return ((const int16_t *)data)[i];
    case 4: return ((const int32_t *)data)[i];
    default: return ((const int64_t *)data)[i];
    }
}

static uint64_t hash_of(const void *data, size_t size, int64_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (int64_t i = 0; i < n; i++)
        h = (h ^ (uint64_t)bits_at(data, size, i)) * UINT64_C(0x100000001b3);
    return h;
}

static bool same_bits(const struct call *c, const void *data, int64_t n)
{
    size_t size = tl_dtype_size(c->dtype);
    uint64_t mask = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
    const char *from = c->values;
    for (int64_t i = 0; i < n; i++) {
        char *end;
        uint64_t want = tl_dtype_is_float(c->dtype) ? strtoull(from, &end, 16) : (uint64_t)strtoll(from, &end, 10);
        if (end == from || (want & mask) != ((uint64_t)bits_at(data, size, i) & mask))
            return false;
        from = end;
    }
    return true;
}

/* The largest distance of the listed elements, in units of what is allowed. */
static double distance(const struct call *c, tl_tensor *t, int64_t n)
{
    static const double unit[TL_DTYPE_COUNT] = {[TL_F32] = 2e-6, [TL_F64] = 1e-14, [TL_F16] = 2e-6, [TL_BF16] = 2e-6};
    static const double spacing[TL_DTYPE_COUNT] = {[TL_F32] = 0x1p-23, [TL_F64] = 0x1p-52, [TL_F16] = 0x1p-10, [TL_BF16] = 0x1p-7};
    double std = strtod(c->b, NULL), largest = 0, *got = calloc((size_t)n, sizeof *got);
    if (!got || tl_copy_out(t, TL_F64, got, (size_t)n * sizeof *got) != TL_OK)
        bail_out("cannot read a tensor");
    const char *from = c->values;
    for (int64_t i = 0; i < n;) {
        char *end;
        double want = strtod(from, &end), allowed = unit[c->dtype] * (std > 1 ? std : 1), off = fabs(got[i] - want);
        if (c->dtype == TL_F16 || c->dtype == TL_BF16 || fabs(want) > 8 * std)
            allowed += spacing[c->dtype] * fabs(want);
        if (end == from || !(off <= allowed * largest))
            largest = end == from || isnan(off) ? INFINITY : off / allowed;
        from = end;
        i = n <= 100 ? i + 1 : i == n - 1 ? n : i + 97 < n ? i + 97 : n - 1;
    }
    free(got);
    return largest;
}

static void check_call(uint64_t seed)
{
    struct call c;
    read_call(&c);
    tl_tensor *t = tl_contiguous(make_call(&c));
    int64_t n = t ? tl_numel(t) : 0;
    const void *data = t ? tl_data(t) : NULL;
    char what[160];
    snprintf(what, sizeof what, "seed %llu: %s %s(%s %s) of %lld%s", (unsigned long long)seed, c.name, tl_dtype_name(c.dtype),
             c.a, c.b, (long long)n, c.transposed ? ", transposed" : "");
    if (!t || (!data && n)) {
        fail("%s: %s", what, tl_error_message());
        tl_error_clear();
    } else if (strncmp(c.kind, "bits", 4) == 0) {
        ok(same_bits(&c, data, n), "%s", what);
    } else if (strncmp(c.kind, "hash", 4) == 0) {
        ok(hash_of(data, tl_dtype_size(c.dtype), n) == strtoull(c.values, NULL, 16), "%s, by hash", what);
    } else {
        double off = distance(&c, t, n);
        if (!ok(off <= 1, "%s, near", what))
            diag("%g of what is allowed", off);
    }
}

static void golden_sequences(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/rng.txt", "r");
    if (!f)
        bail_out("cannot open golden/rng.txt");
    uint64_t seed = 0;
    bool ended = false;
    while (!ended && fgets(line, sizeof line, f)) {
        if (strncmp(line, "end", 3) == 0) {
            ended = true;
        } else if (strncmp(line, "seed", 4) == 0) {
            seed = strtoull(line + 4, NULL, 10);
            tl_manual_seed(seed);
        } else {
            TL_SCOPE
            {
                check_call(seed);
            }
        }
    }
    ok(ended, "rng.txt was read to its end");
    fclose(f);
}

/* ---- What the golden file does not say ------------------------------------------------------------------------------------ */

static void check_text(tl_tensor *t, const char *expected, const char *name)
{
    char *text = tl_to_string(tl_to_device(t, "cpu"));
    is_string(text, expected, "%s", name);
    free(text);
}

static bool equal(tl_tensor *a, tl_tensor *b)
{
    if (!a || !b || tl_numel(a) != tl_numel(b))
        return false;
    size_t bytes = (size_t)tl_numel(a) * sizeof(double);
    double *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    bool same = x && y && tl_copy_out(a, TL_F64, x, bytes) == TL_OK && tl_copy_out(b, TL_F64, y, bytes) == TL_OK;
    same = same && memcmp(x, y, bytes) == 0;
    free(x);
    free(y);
    return same;
}

static void making(void)
{
    struct tl_options none = {.dtype = TL_DEFAULT};
    tl_manual_seed(7);
    check_text(tl_randn(TL_SHAPE(1, 5), none), "tensor([[-0.1468,  0.7861,  0.9468, -1.1143,  1.6908]])", "seed 7, five normals");
    tl_manual_seed(7);
    tl_tensor *made[] = {tl_rand(TL_SHAPE(3, 7), none), tl_randn(TL_SHAPE(20), none), tl_randint(-3, 9, TL_SHAPE(11), none),
                         tl_normal(2, 0.5, TL_SHAPE(9), none), tl_randperm(10, none)};
    tl_manual_seed(7);
    ok(equal(made[0], tl_uniform_(tl_zeros(TL_SHAPE(3, 7), none), 0, 1, NULL)), "rand is uniform_(0, 1)");
    ok(equal(made[1], tl_normal_(tl_zeros(TL_SHAPE(20), none), 0, 1, NULL)), "randn is normal_(0, 1)");
    ok(equal(made[2], tl_random_(tl_zeros(TL_SHAPE(11), (struct tl_options){.dtype = TL_I64}), -3, 9, NULL)), "randint is random_");
    ok(equal(made[3], tl_normal_(tl_zeros(TL_SHAPE(9), none), 2, 0.5, NULL)), "normal is normal_");
    tl_generator *g = tl_generator_new(3);
    tl_manual_seed(3);
    ok(equal(tl_randperm(10, none), tl_randperm_with(10, g, none)), "a generator of the same seed gives the same permutation");
    tl_generator_free(g);
    is_int(tl_dtype_of(made[2]), TL_I64, "randint gives i64");
    is_int(tl_dtype_of(tl_randint(0, 5, TL_SHAPE(2), (struct tl_options){.dtype = TL_F32})), TL_F32, "unless told otherwise");
    tl_tensor *w = tl_randn(TL_SHAPE(4), (struct tl_options){.dtype = TL_F64, .requires_grad = true});
    ok(tl_requires_grad(w) && tl_is_leaf(w) && tl_dtype_of(w) == TL_F64, "options are honoured");
    ok(tl_numel(tl_randn(TL_SHAPE(0, 3), none)) == 0 && tl_numel(tl_randperm(0, none)) == 0, "none of them");
}

/* The same in memory order: what PyTorch's *_like do for a transposed tensor. */
static void making_like(void)
{
    struct tl_options none = {.dtype = TL_DEFAULT};
    tl_tensor *m = tl_zeros(TL_SHAPE(6, 5), none);
    tl_manual_seed(11);
    tl_tensor *filled = tl_zeros(TL_SHAPE(6, 5), none);
    tl_normal_(tl_t(filled), 0, 1, NULL);
    tl_manual_seed(11);
    ok(equal(tl_randn_like(tl_t(m)), tl_contiguous(tl_t(filled))), "randn_like follows the memory of a transposed tensor");
    tl_manual_seed(11);
    tl_tensor *plain = tl_rand(TL_SHAPE(6, 5), none);
    tl_manual_seed(11);
    ok(equal(tl_rand_like(m), plain), "rand_like of a contiguous one is rand");
}

/* The bits of our own normals, which no library's sine may change: a few to see, and a hash of many. */
static void own_bits(void)
{
    static const uint32_t single[] = {
        0xbf05a46cu, 0x3e488b26u, 0x3e4bb604u, 0xbf769078u, 0xbf874746u, 0xbfa322dcu, 0xbf7e25fcu, 0x3f90c228u,
        0x3e7e524eu, 0xbf9e75c1u, 0xbfa29089u, 0xbf0e03c4u, 0xbf26250eu, 0x3e4e6dd0u, 0xc018a081u, 0x3ec47144u};
    static const uint64_t real[] = {UINT64_C(0x3fc1cf1d9bede38a), UINT64_C(0x3ff2ab316c4ab9c6), UINT64_C(0xbfdac583f9a3dbd0),
                                    UINT64_C(0x3ff8784f0d84ffd7)};
    float x[16];
    double y[4];
    tl_manual_seed(6202);
    tl_copy_out(tl_randn(TL_SHAPE(16), (struct tl_options){.dtype = TL_F32}), TL_F32, x, sizeof x);
    ok(memcmp(x, single, sizeof x) == 0, "16 normals in f32 have the same bits on every machine");
    tl_manual_seed(6202);
    tl_copy_out(tl_randn(TL_SHAPE(4), (struct tl_options){.dtype = TL_F64}), TL_F64, y, sizeof y);
    ok(memcmp(y, real, sizeof y) == 0, "4 normals in f64, too");

    tl_generator *g = tl_generator_new(6202);
    tl_tensor *many = tl_normal_(tl_zeros(TL_SHAPE(100000), (struct tl_options){.dtype = TL_F32}), 0.5, 3, g);
    ok(hash_of(tl_data(many), 4, 100000) == UINT64_C(0x562a80b075807fa4), "100,000 in f32");
    many = tl_normal_(tl_zeros(TL_SHAPE(100000), (struct tl_options){.dtype = TL_F64}), 0.5, 3, g);
    ok(hash_of(tl_data(many), 8, 100000) == UINT64_C(0xc166531fb16ab81b), "100,000 in f64");
    tl_generator_free(g);
}

static void generators(void)
{
    tl_generator *a = tl_generator_new(5), *b = tl_generator_new(5);
    is_int(tl_generator_random(a), 953453411, "the first draw of seed 5");
    ok(tl_generator_random64(a) == (UINT64_C(236996814) << 32 | 3739766767u), "64 bits: the high half first");
    tl_generator_random(b);
    tl_generator_random(b);
    tl_generator_random(b);
    ok(tl_generator_random(a) == tl_generator_random(b), "which are two draws");
    tl_generator_seed(a, UINT64_C(5) + (UINT64_C(1) << 32));
    is_int(tl_generator_random(a), 953453411, "only the low 32 bits of a seed count");
    tl_manual_seed(123);
    is_int(tl_initial_seed(), 123, "the seed is remembered");
    ok(tl_default_generator() != NULL && tl_default_generator() != a, "the default generator is another");
    uint32_t first = tl_generator_random(NULL);
    tl_generator_seed(tl_default_generator(), 123);
    ok(first == tl_generator_random(tl_default_generator()), "NULL is the default generator");
    tl_generator_free(a);
    tl_generator_free(b);
    tl_generator_free(NULL);
    tl_generator_free(tl_default_generator());
    ok(tl_generator_random(NULL) != 0, "the default generator cannot be freed");
}

static void states(void)
{
    unsigned char state[TL_GENERATOR_STATE_SIZE], again[TL_GENERATOR_STATE_SIZE], bad[TL_GENERATOR_STATE_SIZE];
    struct tl_options none = {.dtype = TL_DEFAULT};
    tl_generator *g = tl_generator_new(9), *other = tl_generator_new(10);
    tl_normal_(tl_zeros(TL_SHAPE(701), none), 0, 1, g);
    tl_normal_(tl_zeros(TL_SHAPE(3), none), 0, 1, g); /* one waits */
    tl_generator_get_state(g, state);
    tl_tensor *next = tl_normal_(tl_zeros(TL_SHAPE(6), none), 0, 1, g);
    is_int(tl_generator_set_state(other, state), TL_OK, "a state is restored");
    tl_generator_get_state(other, again);
    ok(memcmp(state, again, sizeof state) == 0, "and is the same when saved again");
    ok(equal(next, tl_normal_(tl_zeros(TL_SHAPE(6), none), 0, 1, other)), "with the normal that waited");

    static const int places[] = {0, 7, 9, 17, 21, 25, 31, 32, 1000, 2527, 2530, 2551, 2552, 2559};
    tl_generator_get_state(other, again);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memcpy(bad, state, sizeof bad);
        bad[places[i]] ^= 0x40;
        is_int(tl_generator_set_state(other, bad), TL_ERR_FORMAT, "a flipped bit in byte %d is refused", places[i]);
        tl_error_clear();
    }
    memset(bad, 0, sizeof bad);
    is_int(tl_generator_set_state(other, bad), TL_ERR_FORMAT, "zeros are refused");
    tl_error_clear();
    is_int(tl_generator_set_state(other, NULL), TL_ERR_ARGUMENT, "so is NULL");
    tl_error_clear();
    tl_generator_get_state(other, bad);
    ok(memcmp(again, bad, sizeof bad) == 0, "a refused state changes nothing");
    tl_generator_get_state(NULL, NULL);
    tl_generator_free(g);
    tl_generator_free(other);
}

static void refused(tl_tensor *result, tl_status code, const char *words, const char *name)
{
    ok(!result && tl_error_code() == code, "%s is refused", name);
    contains(tl_error_message(), words, "and the message says why");
    tl_error_clear();
}

static void errors(void)
{
    struct tl_options none = {.dtype = TL_DEFAULT}, i64 = {.dtype = TL_I64}, u8 = {.dtype = TL_U8}, f16 = {.dtype = TL_F16};
    tl_tensor *x = tl_zeros(TL_SHAPE(4), none), *k = tl_zeros(TL_SHAPE(4), i64);
    unsigned char before[TL_GENERATOR_STATE_SIZE], after[TL_GENERATOR_STATE_SIZE];
    tl_generator_get_state(NULL, before);
    refused(tl_uniform_(x, 1, 0, NULL), TL_ERR_ARGUMENT, "low <= high", "uniform_ from 1 to 0");
    refused(tl_uniform_(x, NAN, 1, NULL), TL_ERR_ARGUMENT, "low <= high", "uniform_ from NaN");
    refused(tl_uniform_(x, -3e38, 3e38, NULL), TL_ERR_ARGUMENT, "range of f32", "a difference that overflows");
    refused(tl_uniform_(k, 0, 1, NULL), TL_ERR_DTYPE, "i64", "uniform_ on integers");
    refused(tl_normal_(x, 0, -1, NULL), TL_ERR_ARGUMENT, "-1", "a negative deviation");
    refused(tl_normal_(x, 0, NAN, NULL), TL_ERR_ARGUMENT, "deviation", "a deviation of NaN");
    refused(tl_normal_(k, 0, 1, NULL), TL_ERR_DTYPE, "i64", "normal_ on integers");
    refused(tl_bernoulli_(x, 1.5, NULL), TL_ERR_ARGUMENT, "1.5", "a chance of 1.5");
    refused(tl_bernoulli_(x, NAN, NULL), TL_ERR_ARGUMENT, "chance", "a chance of NaN");
    refused(tl_random_(k, 5, 5, NULL), TL_ERR_ARGUMENT, "low < high", "an empty range");
    refused(tl_random_(tl_zeros(TL_SHAPE(2), u8), 0, 257, NULL), TL_ERR_ARGUMENT, "u8", "256 in u8");
    refused(tl_random_(tl_zeros(TL_SHAPE(2), f16), 0, 100000, NULL), TL_ERR_ARGUMENT, "f16", "100,000 in f16");
    refused(tl_randint(3, 2, TL_SHAPE(2), none), TL_ERR_ARGUMENT, "low 3", "randint from 3 to 2");
    refused(tl_randn(TL_SHAPE(2), i64), TL_ERR_DTYPE, "i64", "randn of integers");
    refused(tl_randperm(-1, none), TL_ERR_ARGUMENT, "-1", "a permutation of -1");
    refused(tl_randperm(300, u8), TL_ERR_ARGUMENT, "u8", "a permutation of 300 in u8");
    refused(tl_bernoulli(tl_tensor_f32(TL_SHAPE(2), 0.5, 1.25)), TL_ERR_ARGUMENT, "1.25", "a tensor with a chance of 1.25");
    refused(tl_bernoulli(k), TL_ERR_DTYPE, "i64", "chances in integers");
    refused(tl_normal_(tl_expand(tl_zeros(TL_SHAPE(1), none), TL_SHAPE(4)), 0, 1, NULL), TL_ERR_ARGUMENT, "expanded",
            "an expanded tensor");
    refused(tl_randn_like(NULL), TL_ERR_ARGUMENT, "NULL", "NULL");
    refused(tl_uniform_(TL_NONE, 0, 1, NULL), TL_ERR_ARGUMENT, "TL_NONE", "TL_NONE");

    tl_tensor *leaf = tl_zeros(TL_SHAPE(4), (struct tl_options){.requires_grad = true});
    refused(tl_normal_(leaf, 0, 1, NULL), TL_ERR_STATE, "TL_NO_GRAD", "a leaf that requires a gradient");
    tl_generator_get_state(NULL, after);
    ok(memcmp(before, after, sizeof before) == 0, "refused calls draw nothing");
    uint64_t version = tl_version(leaf);
    TL_NO_GRAD
    {
        ok(tl_normal_(leaf, 0, 1, NULL) == leaf, "without recording, a leaf is filled");
    }
    ok(tl_version(leaf) > version && tl_requires_grad(leaf), "its version grows, and it still wants a gradient");
}

/* Draws from one generator on several threads: every number is handed out once. */
enum { THREADS = 4, DRAWS = 200000 };

static pthread_barrier_t barrier;

static void *draw_many(void *sums)
{
    uint64_t sum = 0;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < DRAWS; i++)
        sum += tl_generator_random(NULL);
    *(uint64_t *)sums = sum;
    return NULL;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    uint64_t part[THREADS] = {0}, sum = 0, want = 0;
    tl_manual_seed(77);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, draw_many, &part[i]) != 0)
            bail_out("no thread");
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        sum += part[i];
    }
    pthread_barrier_destroy(&barrier);
    tl_generator *g = tl_generator_new(77);
    for (int i = 0; i < THREADS * DRAWS; i++)
        want += tl_generator_random(g);
    tl_generator_free(g);
    ok(sum == want, "threads share a generator without losing or repeating draws");
}

int main(void)
{
    is_int(tl_initial_seed(), 67280421310721, "the seed before any is given");
    golden_sequences();
    making();
    making_like();
    own_bits();
    generators();
    states();
    errors();
    threads();
    return done_testing();
}
