/* SPDX-License-Identifier: Apache-2.0
 *
 * Damaged weight files, made from small good ones: cut at every length, bits flipped, numbers overwritten by those that break programs,
 * archives whose directory lies, pickles that nest, multiply or call. Of each the reader gives an error with a code of a file's, or
 * tensors that can be read; of an archive, whose records have checksums, the right ones. Its memory stays below 64 MiB and twice the file, its
 * time below two seconds.
 */
#include "files.h"

#include "archive.h"

#include <time.h>

#include <telar/state.h>
#include <telar/telar.h>

#ifdef TL_HAVE_ZLIB
#include <zlib.h>
#endif

#define GOLDEN TEST_SRCDIR "/tests/golden/weights/"
#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

/* ---- Memory: every allocation of the process is counted; sanitizers have their own allocator, and are left alone ---- */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <malloc.h>
#define COUNTED 1
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);
extern void __libc_free(void *p);
TL_PUBLIC void *malloc(size_t n);
TL_PUBLIC void *calloc(size_t n, size_t size);
TL_PUBLIC void *realloc(void *p, size_t n);
TL_PUBLIC void *aligned_alloc(size_t alignment, size_t n);
TL_PUBLIC int posix_memalign(void **p, size_t alignment, size_t n);
TL_PUBLIC void free(void *p);

static _Thread_local long counted, counted_most;

static void *count(void *p)
{
    counted += p ? (long)malloc_usable_size(p) : 0;
    counted_most = counted > counted_most ? counted : counted_most;
    return p;
}
void *malloc(size_t n)
{
    return count(__libc_malloc(n));
}
void *calloc(size_t n, size_t size)
{
    return count(__libc_calloc(n, size));
}
void *aligned_alloc(size_t alignment, size_t n)
{
    return count(__libc_memalign(alignment, n));
}
int posix_memalign(void **p, size_t alignment, size_t n)
{
    *p = count(__libc_memalign(alignment, n));
    return *p ? 0 : 12;
}
void *realloc(void *p, size_t n)
{
    counted -= p ? (long)malloc_usable_size(p) : 0;
    return count(__libc_realloc(p, n));
}
void free(void *p)
{
    counted -= p ? (long)malloc_usable_size(p) : 0;
    __libc_free(p);
}
#else
static long counted, counted_most;
#endif

/* ---- One file ---- */

static struct {
    int files, loaded, refused, wrong;
    int codes[TL_ERR_STOPPED + 1];
    long most; /* memory over the bound, where it is positive */
    double slowest;
    char words[600];
} tally;

static void complain(const char *what, const char *path)
{
    if (tally.wrong++ == 0) {
        snprintf(tally.words, sizeof tally.words, "file %d: %.100s: %.400s", tally.files, what, tl_error_message());
        if (getenv("TELAR_KEEP_DAMAGED")) {
            char command[1000];
            snprintf(command, sizeof command, "cp '%s' '%s'", path, getenv("TELAR_KEEP_DAMAGED"));
            (void)!system(command);
        }
    }
}

/* Bits of all tensors; false if one of them is not that of `want`, if that is given. */
static bool readable(const tl_state *s, const tl_state *want)
{
    static unsigned char bytes[1 << 16];
    bool good = true;

    for (size_t i = 0; i < tl_state_count(s); i++) {
        tl_tensor *t = tl_state_at(s, i), *w = want ? tl_state_get(want, tl_state_name(s, i)) : NULL;
        size_t n = (size_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
        if (tl_numel(t) > (int64_t)sizeof bytes / 8)
            continue; /* one that is expanded, and takes no memory */
        good = good && tl_copy_out(t, tl_dtype_of(t), bytes, n) == TL_OK;
        if (!want || !good)
            continue;
        unsigned char other[1 << 12];
        good = w && tl_dtype_of(w) == tl_dtype_of(t) && tl_numel(w) == tl_numel(t) && n <= sizeof other &&
               tl_copy_out(w, tl_dtype_of(w), other, n) == TL_OK && memcmp(bytes, other, n) == 0;
    }
    return good;
}

static void see(const char *name, bool known, void *ctx)
{
    *(int *)ctx += known && name[0];
}

/* Load one; `want`: what it can hold if it loads. */
static tl_status attack(const char *name, const void *data, size_t n, const tl_state *want)
{
    static const bool of_files[TL_ERR_STOPPED + 1] = {[TL_ERR_FORMAT] = true, [TL_ERR_TRUNCATED] = true, [TL_ERR_LIMIT] = true,
                                                      [TL_ERR_UNSUPPORTED] = true, [TL_ERR_UNSAFE] = true, [TL_ERR_NOMEM] = true};
    const char *path = files_write(name, data, n);
    struct timespec from, to;
    int names = 0;

    tally.files++;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    long before = counted;
    counted_most = counted;
    tl_state *s = tl_state_load(path);
    tl_status code = tl_error_code();
    if (s && code != TL_OK)
        complain("a state and an error", path);
    if (s && !readable(s, want))
        complain("other tensors than there were", path);
    if (!s && (!of_files[code] || !strstr(tl_error_message(), name)))
        complain("another error than one of this file", path);
    long most = counted_most - before - (64 << 20) - 2 * (long)n;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    tally.loaded += s != NULL;
    tally.refused += s == NULL;
    tally.codes[code]++;
    tally.most = most > tally.most ? most : tally.most;
    tally.slowest = seconds > tally.slowest ? seconds : tally.slowest;
    tl_state_free(s);
    tl_error_clear();
    tl_state_globals(path, see, &names);
    tl_error_clear();
    return code;
}

static void begin(void)
{
    memset(&tally, 0, sizeof tally);
    tally.most = -(1L << 40);
}

static void end(const char *what, int least)
{
    char codes[300] = "";

    for (int i = 0; i <= TL_ERR_STOPPED; i++)
        if (tally.codes[i])
            snprintf(codes + strlen(codes), sizeof codes - strlen(codes), " %s %d", tl_status_name((tl_status)i), tally.codes[i]);
    if (!ok(tally.wrong == 0 && tally.files >= least, "%s: %d files, %d load:%s", what, tally.files, tally.loaded, codes))
        diag("%d wrong; the first: %s", tally.wrong, tally.words);
#ifdef COUNTED
    ok(tally.most <= 0, "%s: memory stays below 64 MiB and twice the file (by %ld KiB)", what, -tally.most >> 10);
#else
    skip(1, "memory is not counted under a sanitizer");
#endif
    if (!getenv("TELAR_SANITIZE"))
        ok(tally.slowest < 2, "%s: none takes two seconds (%.3f)", what, tally.slowest);
}

/* ---- Damage of any file ---- */

static const uint64_t breakers[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0x100000000, 0x100000001,
                                    0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};
enum { N_BREAKERS = sizeof breakers / sizeof *breakers };

static void attack_everywhere(const char *name, const unsigned char *seed, size_t n, const tl_state *want, int rounds)
{
    unsigned char *copy = malloc(n + 16);
    uint32_t state = 2463534242u;

    for (size_t cut = 0; cut < n; cut += 1 + n / 1500)
        attack(name, seed, cut, want);
    for (int round = 0; round < rounds; round++) {
        memcpy(copy, seed, n);
        for (int k = 0; k < 1 + round % 3; k++) {
            uint32_t where = files_random(&state) % (uint32_t)n, bit = files_random(&state) % 8;
            copy[where] ^= (unsigned char)(1u << bit);
        }
        attack(name, copy, n, want);
    }
    for (int round = 0; round < rounds; round++) {
        size_t width = (size_t)1 << files_random(&state) % 4, where = files_random(&state) % n;
        memcpy(copy, seed, n);
        set_number(copy + where, breakers[files_random(&state) % N_BREAKERS], width);
        attack(name, copy, n, want);
    }
    for (int round = 0; round < rounds / 4; round++) { /* a piece is missing, or stands twice */
        size_t at = files_random(&state) % n, length = files_random(&state) % 40 + 1, rest;
        length = length > n - at ? n - at : length;
        struct bytes b = {0};
        bytes_add(&b, seed, round % 2 ? at : at + length);
        rest = round % 2 ? at + length : at;
        bytes_add(&b, seed + rest, n - rest);
        attack(name, b.data, b.n, want);
        free(b.data);
    }
    free(copy);
}

static unsigned char *contents(const char *path, size_t *n)
{
    struct tl_map map;

    if (tl_map_open(path, &map) != TL_OK)
        bail_out("%s", tl_error_message());
    unsigned char *copy = malloc(map.size + 1);
    memcpy(copy, map.data, map.size);
    *n = map.size;
    tl_map_close(&map);
    return copy;
}

static tl_state *small_state(void)
{
    tl_state *s = tl_state_new();

    TL_SCOPE
    {
        tl_state_add(s, "fc.weight", tl_reshape(tl_arange(0, 6, 1, HOST(TL_F32)), TL_SHAPE(2, 3)));
        tl_state_add(s, "count", tl_full(TL_SHAPE0, 7, HOST(TL_I64)));
        tl_state_add(s, "mask", tl_ones(TL_SHAPE(5), HOST(TL_BOOL)));
    }
    return s;
}

static void check_format(const char *ending, const char *golden, bool summed)
{
    char name[40], path[400];
    tl_state *state = NULL, *want = NULL;
    size_t n;

    snprintf(name, sizeof name, "damaged.%s", ending);
    if (golden)
        snprintf(path, sizeof path, GOLDEN "%s", golden);
    else {
        state = small_state();
        if (strcmp(ending, "npy") == 0) {
            tl_state *one = tl_state_new();
            tl_state_add(one, "damaged", tl_state_at(state, 0));
            tl_state_free(state);
            state = one;
        }
        snprintf(path, sizeof path, "%s", files_name(name));
        if (tl_state_save(state, path) != TL_OK)
            bail_out("%s", tl_error_message());
    }
    unsigned char *seed = contents(path, &n);
    want = tl_state_load(path);
    begin();
    is_int(attack(name, seed, n, want), TL_OK, "%s: the file itself loads", golden ? golden : name);
    attack_everywhere(name, seed, n, summed ? want : NULL, 600);
    end(golden ? golden : name, 1000);
    free(seed);
    tl_state_free(want);
    tl_state_free(state);
}

/* ---- Records that are damaged and bear the right checksum ---- */

static void check_inside(const char *name, const char *golden, const char *which, bool all)
{
    struct archive a = {0};
    char path[400];
    size_t n;
    uint32_t state = 88172645u;
    snprintf(path, sizeof path, GOLDEN "%s", golden);
    unsigned char *file = contents(path, &n);

    archive_parse(&a, file, n);
    begin();
    for (size_t i = 0; i < a.count; i++) {
        struct record *r = &a.records[i], good = *r;
        if (!strstr(r->name, which) || r->size == 0 || (i > 0 && !all))
            continue;
        for (int round = 0; round < 3000 / (all ? 10 : 1); round++) {
            size_t where = files_random(&state) % good.size, width = (size_t)1 << files_random(&state) % 4;
            r->data = malloc(good.size + 16);
            memcpy(r->data, good.data, good.size);
            if (round % 3 == 0)
                r->packed = r->size = where;
            else if (round % 3 == 1)
                set_number(r->data + where, breakers[files_random(&state) % N_BREAKERS], width);
            else
                for (int k = 0; k < 1 + round % 4; k++)
                    r->data[files_random(&state) % good.size] = (unsigned char)files_random(&state);
            r->crc = archive_crc(r->data, r->size);
            struct bytes b = archive_bytes(&a, false);
            attack(name, b.data, b.n, NULL);
            free(b.data);
            free(r->data);
            *r = good;
        }
    }
    end(golden, 1000);
    archive_free(&a);
    free(file);
}

/* ---- Archives that lie ---- */

static struct archive small_archive(void)
{
    static struct archive a;
    size_t n;
    tl_state *s = small_state();
    char path[400];

    snprintf(path, sizeof path, "%s", files_name("seed.pth"));
    if (tl_state_save(s, path) != TL_OK)
        bail_out("%s", tl_error_message());
    tl_state_free(s);
    unsigned char *file = contents(path, &n);
    archive_parse(&a, file, n);
    free(file);
    return a;
}

static struct record *find(struct archive *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strstr(a->records[i].name, name))
            return &a->records[i];
    bail_out("no record %s", name);
}

static void attack_archive(const char *what, struct archive *a, tl_status code, const char *words)
{
    struct bytes b = archive_bytes(a, false);
    char name[] = "lie.pth";
    const char *path = files_write(name, b.data, b.n);
    tl_state *s = tl_state_load(path);

    if (!ok(code == TL_OK ? s != NULL : !s && tl_error_code() == code && strstr(tl_error_message(), words), "%s", what))
        diag("%s: %s, expected %s", tl_status_name(tl_error_code()), tl_error_message(), tl_status_name(code));
    tl_state_free(s);
    tl_error_clear();
    free(b.data);
}

static void check_lies(void)
{
    struct archive a = small_archive();
    struct bytes wide = archive_bytes(&a, true);
    tl_state *s = tl_state_load(files_write("wide.pth", wide.data, wide.n));
    if (!ok(s && tl_state_count(s) == 3, "sizes of 64 bits everywhere"))
        diag("%s", tl_error_message());
    tl_state_free(s);
    tl_state *want = small_state();
    begin();
    attack_everywhere("wide.pth", wide.data, wide.n, want, 500);
    end("an archive of 64 bits", 1000);
    tl_state_free(want);
    free(wide.data);

    attack_archive("the archive itself", &a, TL_OK, "");
    struct record *r = find(&a, "data/0");
    r->crc ^= 1;
    attack_archive("a wrong checksum", &a, TL_ERR_FORMAT, "data/0");
    r->crc ^= 1;
    snprintf(r->name, sizeof r->name, "archive/data/9");
    attack_archive("a storage that is missing", &a, TL_ERR_FORMAT, "archive/data/0");
    snprintf(r->name, sizeof r->name, "archive/data/1");
    attack_archive("a name that stands twice", &a, TL_ERR_FORMAT, "twice");
    snprintf(r->name, sizeof r->name, "archive/data/0");
    r->size = r->packed = r->size - 4;
    r->crc = archive_crc(r->data, r->size);
    attack_archive("a storage shorter than its tensor", &a, TL_ERR_FORMAT, "data/0");
    r->size = r->packed = r->size + 4;
    r->crc = archive_crc(r->data, r->size);
    r->method = 12;
    attack_archive("another method of compression", &a, TL_ERR_UNSUPPORTED, "method 12");
    r->method = 8;
    attack_archive("data that are no deflate stream", &a, TL_ERR_FORMAT, "data/0");
    r->method = 0;
    archive_add(&a, "../../../tmp/telar-was-here", "x", 1);
    attack_archive("a name that leads out of the folder is a name", &a, TL_OK, "");
    ok(access("/tmp/telar-was-here", F_OK) != 0, "and nothing is written there");
    r = find(&a, "byteorder");
    memcpy(r->data, "bigger", 6);
    r->crc = archive_crc(r->data, 6);
    attack_archive("big-endian numbers", &a, TL_ERR_UNSUPPORTED, "big endian");
    archive_free(&a);
}

/* A record within the data of another: its header and its sum are right. */
static void check_overlap(void)
{
    struct archive a = small_archive(), inner = {0};
    archive_add(&inner, "archive/inner", "abcd", 4);
    struct bytes within = archive_bytes(&inner, false);
    struct record *outer = archive_add(&a, "archive/outer", within.data, within.n), *r = archive_add(&a, "archive/inner", "abcd", 4);
    attack_archive("two records", &a, TL_OK, "");
    struct bytes b = archive_bytes(&a, false);
    unsigned char *last = b.data + b.n - 22 - 46 - strlen(r->name);
    set_number(last + 42, outer->begin + 30 + strlen(outer->name), 4);
    tl_state *s = tl_state_load(files_write("overlap.pth", b.data, b.n));
    ok(!s && tl_error_code() == TL_ERR_FORMAT, "a record within another");
    contains(tl_error_message(), "overlaps", "is told so");
    tl_state_free(s);
    tl_error_clear();
    free(b.data);
    free(within.data);
    archive_free(&inner);
    archive_free(&a);
}

/* A byte less is TRUNCATED, one more is a lie. */
static void check_ends(const char *name, const char *golden, tl_status cut, tl_status more)
{
    char path[400];
    size_t n;
    snprintf(path, sizeof path, GOLDEN "%s", golden);
    unsigned char *file = contents(path, &n);

    begin();
    is_string(tl_status_name(attack(name, file, n - 1, NULL)), tl_status_name(cut), "%s without its last byte", golden);
    file[n] = 0;
    is_string(tl_status_name(attack(name, file, n + 1, NULL)), tl_status_name(more), "and with one more");
    free(file);
}

/* Each field of each header, by each number: in the local header, in the directory's, in the end record. */
static void check_fields(void)
{
    static const size_t local[][2] = {{4, 2}, {6, 2}, {8, 2}, {14, 4}, {18, 4}, {22, 4}, {26, 2}, {28, 2}};
    static const size_t central[][2] = {{8, 2}, {10, 2}, {16, 4}, {20, 4}, {24, 4}, {28, 2}, {30, 2}, {32, 2}, {34, 2}, {42, 4}};
    static const size_t last[][2] = {{4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 4}, {16, 4}, {20, 2}};
    struct archive a = small_archive();
    struct bytes b = archive_bytes(&a, false);
    unsigned char *copy = malloc(b.n), *directory = b.data + number_at(b.data + b.n - 6, 4);
    tl_state *want = small_state();

    begin();
    for (size_t i = 0; i < a.count; i++) {
        for (size_t v = 0; v < N_BREAKERS; v++) {
            for (size_t k = 0; k < sizeof local / sizeof *local; k++) {
                memcpy(copy, b.data, b.n);
                set_number(copy + a.records[i].begin + local[k][0], breakers[v], local[k][1]);
                attack("fields.pth", copy, b.n, want);
            }
            for (size_t k = 0; k < sizeof central / sizeof *central; k++) {
                memcpy(copy, b.data, b.n);
                set_number(copy + (directory - b.data) + central[k][0], breakers[v], central[k][1]);
                attack("fields.pth", copy, b.n, want);
            }
        }
        directory += 46 + strlen(a.records[i].name);
    }
    for (size_t v = 0; v < N_BREAKERS; v++)
        for (size_t k = 0; k < sizeof last / sizeof *last; k++) {
            memcpy(copy, b.data, b.n);
            set_number(copy + b.n - 22 + last[k][0], breakers[v], last[k][1]);
            attack("fields.pth", copy, b.n, want);
        }
    /* Records that point at each other. */
    directory = b.data + number_at(b.data + b.n - 6, 4);
    for (size_t i = 0, at = (size_t)(directory - b.data); i < a.count; i++) {
        for (size_t k = 0; k < a.count; k++) {
            memcpy(copy, b.data, b.n);
            set_number(copy + at + 42, a.records[k].begin, 4);
            attack("fields.pth", copy, b.n, want);
        }
        at += 46 + strlen(a.records[i].name);
    }
    end("fields of an archive", 1000);
    tl_state_free(want);
    free(copy);
    free(b.data);
    archive_free(&a);
}

/* ---- Pickles ---- */

static tl_status attack_pickle(const char *name, const struct bytes *pickle)
{
    struct archive a = small_archive();
    struct record *r = find(&a, "data.pkl");

    free(r->data);
    *r = (struct record){.data = malloc(pickle->n), .packed = pickle->n, .size = pickle->n, .crc = archive_crc(pickle->data, pickle->n)};
    snprintf(r->name, sizeof r->name, "archive/data.pkl");
    memcpy(r->data, pickle->data, pickle->n);
    struct bytes b = archive_bytes(&a, false);
    tl_status s = attack(name, b.data, b.n, NULL);
    free(b.data);
    archive_free(&a);
    return s;
}

static void words(struct bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

static void repeat(struct bytes *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        words(b, text);
}

static void pickle_is(const char *what, struct bytes *pickle, tl_status code)
{
    is_string(tl_status_name(attack_pickle("pickle.pth", pickle)), tl_status_name(code), "%s", what);
    free(pickle->data);
    *pickle = (struct bytes){0};
}

/* {"w": _rebuild_tensor_v2(storage 0 of `numel` f32, offset, sizes, strides)} */
static void tensor_pickle(struct bytes *b, const char *type, int64_t numel, int64_t offset, const int64_t *sizes, int n_sizes, const int64_t *strides,
                          int n_strides)
{
    bytes_add(b, "\x80\x02}(X\x01\0\0\0w", 10);
    words(b, "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n");
    words(b, type);
    words(b, "\nU\x01" "0U\x03" "cpu\x8a\x08");
    bytes_number(b, (uint64_t)numel, 8);
    words(b, "tQ\x8a\x08");
    bytes_number(b, (uint64_t)offset, 8);
    words(b, "(");
    for (int i = 0; i < n_sizes; i++) {
        words(b, "\x8a\x08");
        bytes_number(b, (uint64_t)sizes[i], 8);
    }
    words(b, "t(");
    for (int i = 0; i < n_strides; i++) {
        words(b, "\x8a\x08");
        bytes_number(b, (uint64_t)strides[i], 8);
    }
    words(b, "t\x89}tRu.");
}

static void check_tensors(void)
{
#define TENSOR(what, code, numel, offset, sizes, strides)                                                                    \
    do {                                                                                                                     \
        const int64_t a_[] = sizes, b_[] = strides;                                                                          \
        tensor_pickle(&b, "FloatStorage", numel, offset, a_, (int)(sizeof a_ / sizeof *a_), b_, (int)(sizeof b_ / sizeof *b_)); \
        pickle_is(what, &b, code);                                                                                           \
    } while (0)
#define LIST(...) {__VA_ARGS__}
    struct bytes b = {0};

    TENSOR("the tensor itself", TL_OK, 6, 0, LIST(2, 3), LIST(3, 1));
    TENSOR("a part of it", TL_OK, 6, 4, LIST(2), LIST(1));
    TENSOR("a tensor past its storage", TL_ERR_FORMAT, 6, 5, LIST(2), LIST(1));
    TENSOR("more elements than bytes", TL_ERR_FORMAT, 7, 0, LIST(7), LIST(1));
    TENSOR("2^62 elements", TL_ERR_LIMIT, INT64_C(1) << 62, 0, LIST(INT64_C(1) << 62), LIST(1));
    TENSOR("a storage of -1 elements", TL_ERR_LIMIT, -1, 0, LIST(6), LIST(1));
    TENSOR("a negative size", TL_ERR_FORMAT, 6, 0, LIST(-6), LIST(1));
    TENSOR("a negative stride", TL_ERR_FORMAT, 6, 5, LIST(6), LIST(-1));
    TENSOR("a negative offset", TL_ERR_FORMAT, 6, -1, LIST(6), LIST(1));
    TENSOR("a huge offset", TL_ERR_FORMAT, 6, INT64_MAX, LIST(1), LIST(1));
    TENSOR("sizes that overflow", TL_ERR_LIMIT, 6, 0, LIST(INT64_C(1) << 32, INT64_C(1) << 32), LIST(0, 0));
    TENSOR("strides that overflow", TL_ERR_LIMIT, 6, 0, LIST(3, 3), LIST(INT64_MAX, INT64_MAX));
    TENSOR("sizes that overflow, without an element", TL_ERR_LIMIT, 6, 0, LIST(INT64_C(1) << 32, INT64_C(1) << 32, 0), LIST(1, 1, 1));
    TENSOR("nine dimensions", TL_ERR_LIMIT, 6, 0, LIST(1, 1, 1, 1, 1, 1, 1, 1, 1), LIST(1, 1, 1, 1, 1, 1, 1, 1, 1));
    TENSOR("more sizes than strides", TL_ERR_FORMAT, 6, 0, LIST(2, 3), LIST(1));
    TENSOR("a tensor of 2^40 elements that are one", TL_OK, 6, 0, LIST(INT64_C(1) << 40), LIST(0));
    const int64_t six[] = {6}, one[] = {1};
    tensor_pickle(&b, "DoubleStorage", 6, 0, six, 1, one, 1);
    pickle_is("a wider type than the bytes are for", &b, TL_ERR_FORMAT);
    tensor_pickle(&b, "BoolStorage", 24, 0, six, 1, one, 1);
    pickle_is("bools that are neither 0 nor 1", &b, TL_ERR_FORMAT);
    tensor_pickle(&b, "TimeStorage", 6, 0, six, 1, one, 1);
    pickle_is("a storage of a type that is unknown", &b, TL_ERR_UNSAFE);
}

static void check_pickles(void)
{
    struct bytes b = {0};

    begin();
    check_tensors();
    words(&b, "\x80\x02");
    repeat(&b, "]", 1000000);
    repeat(&b, "a", 999999);
    words(&b, ".");
    pickle_is("a million lists in each other", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02");
    repeat(&b, "(", 3000000);
    words(&b, ".");
    pickle_is("marks", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02(t.");
    pickle_is("nothing between a mark and its end", &b, TL_OK);
    words(&b, "\x80\x02(.");
    pickle_is("a mark and no value", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02]q");
    bytes_add(&b, "\0h\0a.", 5);
    pickle_is("a list in itself", &b, TL_ERR_LIMIT);
    /* Ten of the former one, thirty times. */
    words(&b, "\x80\x02]q");
    bytes_add(&b, "\0]a", 3);
    for (unsigned char i = 1; i < 30; i++) {
        const unsigned char get[2] = {'h', (unsigned char)(i - 1)}, put[2] = {'q', i};
        words(&b, "]");
        bytes_add(&b, put, 2);
        words(&b, "(");
        for (int k = 0; k < 10; k++)
            bytes_add(&b, get, 2);
        words(&b, "e");
    }
    words(&b, ".");
    pickle_is("10^29 values of a hundred", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02");
    repeat(&b, "N", 5000000);
    words(&b, ".");
    pickle_is("five million values", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02");
    repeat(&b, "]", 4000000);
    words(&b, ".");
    pickle_is("four million lists", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02Nr\xff\xff\xff\x7f.");
    pickle_is("place 2^31 of the memo", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02X\xff\xff\xff\xffx.");
    pickle_is("a text of 4 GiB", &b, TL_ERR_TRUNCATED);
    words(&b, "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.");
    pickle_is("a text of 2^64 bytes", &b, TL_ERR_TRUNCATED);
    words(&b, "\x80\x02\x8b\xff\xff\xff\xffx.");
    pickle_is("a number of 4 GiB", &b, TL_ERR_TRUNCATED);
    words(&b, "\x80\x09N.");
    pickle_is("protocol 9", &b, TL_ERR_UNSUPPORTED);
    words(&b, "\x80\x02\x82\x01.");
    pickle_is("code by number", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "cos\nsystem\nU\x04true\x85R.");
    pickle_is("os.system", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "cbuiltins\neval\n.");
    pickle_is("eval", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02(U\x04truecos\nsystem\no.");
    pickle_is("os.system as an object", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02(U\x04trueios\nsystem\n.");
    pickle_is("os.system as an instance", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x04\x8c\x02os\x8c\x06system\x93.");
    pickle_is("os.system by its parts", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "ctorch.nn.modules.linear\nLinear\n)\x81}b.");
    pickle_is("a module", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "ccollections\nOrderedDict\nU\x01xU\x01y\x86R.");
    pickle_is("a dictionary of odd arguments is empty", &b, TL_OK);
    words(&b, "\x80\x02" "ctorch\nFloatStorage\n)R.");
    pickle_is("a call of a type", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02}U\x01xN.");
    pickle_is("no dictionary at the end", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02}(U\x01xu.");
    pickle_is("a key without a value", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02NNs.");
    pickle_is("an empty stack", &b, TL_ERR_FORMAT);
    end("pickles", 30);
}

/* ---- Bombs ---- */

static void check_bombs(void)
{
#ifdef TL_HAVE_ZLIB
    enum { MANY = 200 << 20 };
    struct archive a = small_archive();
    struct record *r = find(&a, "data/0");
    unsigned char *zeros = calloc(1, MANY);
    uLong room = compressBound(MANY);
    unsigned char *packed = malloc(room);
    z_stream z = {0};

    deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    z.next_in = zeros;
    z.avail_in = MANY;
    z.next_out = packed;
    z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH);
    size_t n = z.total_out;
    deflateEnd(&z);
    free(zeros);
    free(r->data);
    r->data = packed;
    r->packed = n;
    r->method = 8;
    r->crc = 0;
    r->size = MANY;
    struct bytes pickle = {0};
    const int64_t sizes[] = {MANY / 4}, one[] = {1};
    tensor_pickle(&pickle, "FloatStorage", MANY / 4, 0, sizes, 1, one, 1);
    struct record *p = find(&a, "data.pkl");
    free(p->data);
    p->data = pickle.data;
    p->packed = p->size = pickle.n;
    p->crc = archive_crc(pickle.data, pickle.n);
    begin();
    struct bytes b = archive_bytes(&a, false);
    is_string(tl_status_name(attack("bomb.pth", b.data, b.n, NULL)), "LIMIT", "200 MiB in %zu bytes are refused", n);
    free(b.data);
    r->size = 24;
    b = archive_bytes(&a, false);
    is_string(tl_status_name(attack("bomb.pth", b.data, b.n, NULL)), "FORMAT", "so are they if they are told to be 24 bytes");
    free(b.data);
    r->size = UINT64_C(1) << 31;
    b = archive_bytes(&a, false);
    is_string(tl_status_name(attack("bomb.pth", b.data, b.n, NULL)), "FORMAT", "or 2 GiB");
    free(b.data);
    end("bombs", 3);
    archive_free(&a);
#else
    skip(4, "no zlib");
#endif
}

int main(void)
{
    files_begin("formats_damage");
    check_format("safetensors", NULL, false);
    check_format("npy", NULL, false);
    check_ends("ends.npy", "fortran.npy", TL_ERR_TRUNCATED, TL_ERR_FORMAT);
    if (tl_state_can_save("x.pth") == TL_OK) {
        check_format("pth", NULL, true);
        check_format("pth", "weights.pth", true);
        check_format("pth", "weights_deflated.pth", true);
        check_format("pth", "weights_legacy.pth", false);
        check_format("pth", "checkpoint_legacy.pth", false);
        check_format("npz", NULL, true);
        check_format("npz", "weights_deflated.npz", true);
        check_inside("inside.pth", "weights.pth", "data.pkl", false);
        check_inside("inside.pth", "checkpoint.pth", "data.pkl", false);
        check_inside("inside.npz", "weights.npz", ".npy", true);
        check_lies();
        check_overlap();
        check_ends("ends.pth", "weights_legacy.pth", TL_ERR_TRUNCATED, TL_ERR_FORMAT);
        check_ends("ends.pth", "weights.pth", TL_ERR_TRUNCATED, TL_ERR_TRUNCATED);
        check_ends("ends.npz", "weights.npz", TL_ERR_TRUNCATED, TL_ERR_TRUNCATED);
        check_fields();
        check_bombs();
        check_pickles();
    } else {
        tl_error_clear();
        skip(1, "Telar was built without zlib: .pth and .npz are NOT tested");
    }
    files_end();
    return done_testing();
}
