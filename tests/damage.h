/* SPDX-License-Identifier: Apache-2.0
 *
 * Attacks on the readers of weight files. Of each damaged file a reader gives an error with a code of a file's, that names the file and a place in
 * it, or tensors that can be read; a module that was to be loaded is as it was after every error. Its memory stays below 64 MiB and twice
 * the file, its time below two seconds.
 */
#ifndef TELAR_TESTS_DAMAGE_H
#define TELAR_TESTS_DAMAGE_H

#include "archive.h"
#include "files.h"

#include <time.h>

#include <telar/nn.h>
#include <telar/state.h>
#include <telar/telar.h>

#define GOLDEN TEST_SRCDIR "/tests/golden/weights/"
#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

/* ---- Memory: every allocation of the process is counted, and can be made to fail; sanitizers have their own allocator, and are left alone ---- */

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
/* How many allocations still succeed, from then on none; negative: all do. */
static _Thread_local long succeed = -1;

static bool denied(void)
{
    if (succeed > 0)
        succeed--;
    return succeed == 0;
}
static void *count(void *p)
{
    counted += p ? (long)malloc_usable_size(p) : 0;
    counted_most = counted > counted_most ? counted : counted_most;
    return p;
}
void *malloc(size_t n)
{
    return denied() ? NULL : count(__libc_malloc(n));
}
void *calloc(size_t n, size_t size)
{
    return denied() ? NULL : count(__libc_calloc(n, size));
}
void *aligned_alloc(size_t alignment, size_t n)
{
    return denied() ? NULL : count(__libc_memalign(alignment, n));
}
int posix_memalign(void **p, size_t alignment, size_t n)
{
    *p = denied() ? NULL : count(__libc_memalign(alignment, n));
    return *p ? 0 : 12;
}
void *realloc(void *p, size_t n)
{
    if (denied())
        return NULL;
    long before = p ? (long)malloc_usable_size(p) : 0;
    void *grown = __libc_realloc(p, n);
    counted -= grown || n == 0 ? before : 0;
    return count(grown);
}
void free(void *p)
{
    counted -= p ? (long)malloc_usable_size(p) : 0;
    __libc_free(p);
}
#else
static long counted, counted_most;
#endif

/* ---- The module that nothing may happen to ---- */

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

/* Of the form of small_state(), with other values. */
struct victim {
    tl_module *net;
    tl_tensor *tensors[3];
    const void *places[3];
};
static struct victim victim;
static const unsigned char victim_bytes[] = "these are the values of the module ";

static void victim_fill(void)
{
    static const unsigned char bools[5] = {1, 0, 1, 1, 0};
    const void *const values[3] = {victim_bytes, victim_bytes + 24, bools};
    const size_t sizes[3] = {24, 8, 5};

    for (int i = 0; i < 3; i++)
        TL_NO_GRAD {
            if (tl_copy_in(victim.tensors[i], tl_dtype_of(victim.tensors[i]), values[i], sizes[i]) != TL_OK)
                bail_out("%s", tl_error_message());
            victim.places[i] = tl_data(victim.tensors[i]);
        }
}

static void victim_new(void)
{
    tl_module *fc = tl_nn_linear(3, 2, .no_bias = true);

    tl_module_free(victim.net);
    victim.net = tl_sequential_new();
    tl_module_add(victim.net, "fc", fc);
    TL_SCOPE
    {
        tl_module_buffer(victim.net, "count", tl_zeros(TL_SHAPE0, HOST(TL_I64)));
        tl_module_buffer(victim.net, "mask", tl_zeros(TL_SHAPE(5), HOST(TL_BOOL)));
    }
    static const char *const names[3] = {"fc.weight", "count", "mask"};
    for (int i = 0; i < 3; i++)
        if (!(victim.tensors[i] = tl_module_get(victim.net, names[i])))
            bail_out("%s: %s", names[i], tl_error_message());
    victim_fill();
}

static bool victim_is_as_it_was(void)
{
    static const unsigned char bools[5] = {1, 0, 1, 1, 0};

    for (int i = 0; i < 3; i++)
        if (tl_data(victim.tensors[i]) != victim.places[i])
            return false;
    return memcmp(victim.places[0], victim_bytes, 24) == 0 && memcmp(victim.places[1], victim_bytes + 24, 8) == 0 &&
           memcmp(victim.places[2], bools, 5) == 0;
}

/* ---- One file ---- */

static struct {
    int files, loaded, refused, wrong;
    int codes[TL_ERR_STOPPED + 1];
    long most; /* memory over the bound, where it is positive */
    double slowest;
    char words[900];
} tally;

static void complain(const char *what, const char *path)
{
    if (tally.wrong++ == 0) {
        snprintf(tally.words, sizeof tally.words, "file %d: %.100s: %.700s", tally.files, what, tl_error_message());
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

/* Is a byte, or a record, a tensor or a storage by its name, part of the message, beside the file's path? */
static bool tells_place(const char *message, const char *path)
{
    char text[2000], *at;

    snprintf(text, sizeof text, "%s", message);
    while ((at = strstr(text, path)))
        memset(at, '.', strlen(path));
    for (at = text; (at = strstr(at, "\".")); at++)
        *at = '.';
    for (at = text; (at = strstr(at, ".\"")); at++)
        at[1] = '.';
    return strstr(text, "byte") || strchr(text, '"') || strstr(text, "data.pkl");
}

static void check_error(const char *name, const char *path)
{
    static const bool of_files[TL_ERR_STOPPED + 1] = {[TL_ERR_FORMAT] = true, [TL_ERR_TRUNCATED] = true, [TL_ERR_LIMIT] = true,
                                                      [TL_ERR_UNSUPPORTED] = true, [TL_ERR_UNSAFE] = true, [TL_ERR_NOMEM] = true};
    if (!of_files[tl_error_code()] || !strstr(tl_error_message(), name))
        complain("another error than one of this file", path);
    else if (!tells_place(tl_error_message(), path))
        complain("an error without a place", path);
}

/* Into the module, by both ways in turn. */
static void attack_module(const char *path, bool loads)
{
    bool assign = tally.files % 2;
    tl_status s = tl_module_load(victim.net, path, .assign = assign);

    if (s == TL_OK && !loads)
        complain("a module loads what no state is", path);
    if (s != TL_OK && !victim_is_as_it_was())
        complain("a module was changed by a file that was refused", path);
    tl_error_clear();
    if (s == TL_OK && assign)
        victim_new();
    else if (s == TL_OK)
        victim_fill();
}

/* Load one; `want`: what it can hold if it loads. */
static tl_status attack(const char *name, const void *data, size_t n, const tl_state *want)
{
    char path[400];
    struct timespec from, to;
    int names = 0;

    snprintf(path, sizeof path, "%s", files_write(name, data, n));
    tally.files++;
    tl_memory_trim("cpu"); /* what the pool kept would not be counted again */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    long before = counted;
    counted_most = counted;
    tl_state *s = tl_state_load(path);
    tl_status code = tl_error_code();
    if (s && code != TL_OK)
        complain("a state and an error", path);
    if (s && !readable(s, want))
        complain("other tensors than there were", path);
    if (!s)
        check_error(name, path);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    bool loads = s != NULL;
    tl_state_free(s);
    tl_error_clear();
    attack_module(path, loads);
    tl_state_globals(path, see, &names);
    tl_error_clear();
    long most = counted_most - before - (64 << 20) - 2 * (long)n;
    tally.loaded += loads;
    tally.refused += !loads;
    tally.codes[code]++;
    tally.most = most > tally.most ? most : tally.most;
    tally.slowest = seconds > tally.slowest ? seconds : tally.slowest;
    return code;
}

static void begin(void)
{
    memset(&tally, 0, sizeof tally);
    tally.most = -(1L << 40);
    if (!victim.net)
        victim_new();
}

__attribute__((unused)) static void end(const char *what, int least)
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

/* ---- Seeds ---- */

/* 0, 1, the most of each width and what is beside it, with and without a sign. */
__attribute__((unused)) static const uint64_t breakers[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff,
                                                            0x100000000, 0x100000001, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};
enum { N_BREAKERS = sizeof breakers / sizeof *breakers };

__attribute__((unused)) static unsigned char *contents(const char *path, size_t *n)
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

/* An archive of small_state(), by its ending .pth or .npz. */
__attribute__((unused)) static struct archive small_archive(const char *name)
{
    static struct archive a;
    size_t n;
    tl_state *s = small_state();
    char path[400];

    snprintf(path, sizeof path, "%s", files_name(name));
    if (tl_state_save(s, path) != TL_OK)
        bail_out("%s", tl_error_message());
    tl_state_free(s);
    unsigned char *file = contents(path, &n);
    archive_parse(&a, file, n);
    free(file);
    return a;
}

__attribute__((unused)) static struct record *find(struct archive *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strstr(a->records[i].name, name))
            return &a->records[i];
    bail_out("no record %s", name);
}

/* Thousands of files: in memory, where there is such a folder. */
static void damage_begin(const char *name)
{
    if (access("/dev/shm", W_OK | X_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    files_begin(name);
}

static void damage_end(void)
{
    tl_module_free(victim.net);
    files_end();
}

#endif
