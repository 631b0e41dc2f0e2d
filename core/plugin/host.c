/* SPDX-License-Identifier: Apache-2.0
 *
 * The services that plugins get: errors, logs, the number of threads, and a cache on disk for tuning results and
 * compiled kernels, whose entries carry a checksum and are written atomically.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <telar/state.h>
#include <unistd.h>

#include "core/internal.h"

static atomic_int threads_wanted;
static _Thread_local int threads_limit;

static int threads_default(void)
{
    const char *text = env_get("TELAR_NUM_THREADS", false);
    if (text) {
        char *end;
        long n = strtol(text, &end, 10);
        if (*end == 0 && n >= 1 && n <= 4096)
            return (int)n;
        tl_log_message(TL_LOG_WARN, "threads", "TELAR_NUM_THREADS=%s is ignored: expected a number from 1 to 4096", text);
    }
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

int tl_get_num_threads(void)
{
    int n = atomic_load_explicit(&threads_wanted, memory_order_relaxed);
    if (UNLIKELY(n == 0)) {
        n = threads_default();
        atomic_store(&threads_wanted, n);
    }
    return threads_limit && threads_limit < n ? threads_limit : n;
}

void tl_set_num_threads(int n)
{
    atomic_store(&threads_wanted, n < 1 ? 1 : n > 4096 ? 4096 : n);
}

int tl_set_thread_limit(int n)
{
    int was = threads_limit;
    threads_limit = n < 0 ? 0 : n;
    return was;
}

/* ---- Cache --------------------------------------------------------------------------------------------------------------- */

struct cache_head {
    char magic[8];
    uint64_t size, checksum;
};
static const char cache_magic[8] = "TLCACHE1";

static uint64_t checksum(const unsigned char *p, size_t n, uint64_t h)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

static bool cache_path(const char *component, const char *key, char path[PATH_MAX], bool make)
{
    char root[PATH_MAX - 256];
    const char *base = env_get("XDG_CACHE_HOME", true), *home = env_get("HOME", true);
    if (base && base[0] == '/')
        snprintf(root, sizeof root, "%s/telar", base);
    else if (home)
        snprintf(root, sizeof root, "%s/.cache/telar", home);
    else
        return false;
    if (strchr(component, '/') || component[0] == '.')
        return false;
    uint64_t h = checksum((const unsigned char *)key, strlen(key), UINT64_C(14695981039346656037));
    if (snprintf(path, PATH_MAX, "%s/%.64s/%016llx", root, component, (unsigned long long)h) >= PATH_MAX)
        return false;
    for (char *s = make ? path + 1 : NULL; s && (s = strchr(s, '/')); s++) {
        *s = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            *s = '/';
            return false;
        }
        *s = '/';
    }
    return true;
}

/* The key is stored in front of the value, so that two keys of one hash are told apart. */
static void *cache_get(const char *component, const char *key, size_t *size)
{
    char path[PATH_MAX];
    *size = 0;
    FILE *f = cache_path(component, key, path, false) ? fopen(path, "rb") : NULL;
    if (!f)
        return NULL;
    struct cache_head head;
    struct stat st;
    size_t key_size = strlen(key) + 1;
    unsigned char *bytes = NULL;
    bool good = fread(&head, sizeof head, 1, f) == 1 && memcmp(head.magic, cache_magic, 8) == 0 && fstat(fileno(f), &st) == 0 &&
                st.st_size >= 0 && head.size == (uint64_t)st.st_size - sizeof head && head.size >= key_size &&
                (bytes = malloc((size_t)head.size)) && fread(bytes, 1, (size_t)head.size, f) == head.size &&
                head.checksum == checksum(bytes, (size_t)head.size, UINT64_C(14695981039346656037)) &&
                memcmp(bytes, key, key_size) == 0;
    fclose(f);
    if (!good) {
        tl_log_message(TL_LOG_INFO, "cache", "%s: damaged or foreign entry, ignored", path);
        free(bytes);
        return NULL;
    }
    *size = (size_t)head.size - key_size;
    memmove(bytes, bytes + key_size, *size);
    return bytes;
}

static void cache_put(const char *component, const char *key, const void *data, size_t size)
{
    char path[PATH_MAX];
    struct tl_atomic_file f;
    if (!cache_path(component, key, path, true)) {
        tl_log_message(TL_LOG_INFO, "cache", "no folder for %s: %s", component, strerror(errno));
        return;
    }
    /* A kernel compiles, and keeps what it has compiled, within run(): what goes wrong here is none of its failures. */
    struct tl_error earlier;
    unsigned count = error_count;
    error_take(&earlier);
    if (tl_atomic_begin(&f, path) == TL_OK) {
        size_t key_size = strlen(key) + 1;
        uint64_t sum = checksum((const unsigned char *)key, key_size, UINT64_C(14695981039346656037));
        struct cache_head head = {.size = key_size + size, .checksum = checksum(data, size, sum)};
        memcpy(head.magic, cache_magic, 8);
        fwrite(&head, sizeof head, 1, f.file);
        fwrite(key, 1, key_size, f.file);
        fwrite(data, 1, size, f.file);
        tl_atomic_commit(&f);
    }
    if (tl_error_code() != TL_OK) {
        tl_log_message(TL_LOG_INFO, "cache", "%s", tl_error_message());
        tl_error_clear();
    }
    error_count = count;
    error_put(&earlier);
}

static const struct tl_host host = {
    .struct_size = sizeof(struct tl_host),
    .fail = tl_fail,
    .log = tl_log_message,
    .log_enabled = tl_log_enabled,
    .num_threads = tl_get_num_threads,
    .cache_get = cache_get,
    .cache_put = cache_put,
};

const struct tl_host *tl_host_table(void)
{
    return &host;
}
