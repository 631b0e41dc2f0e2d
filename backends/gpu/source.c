/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled kernels: a text is put together, looked for among those of this device, then in the cache on disk, then compiled. A second process
 * compiles nothing.
 */
#include "gpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct cached {
    struct cached *next;
    uint64_t hash;
    char *name; /* source, entry and defines, which make the text */
    struct gpu_kernel *kernel;
};

enum { BUCKETS = 512 };
struct gpu_cache {
    pthread_mutex_t lock;
    struct cached *buckets[BUCKETS];
};

enum { QUICK = 2048 };
struct gpu_quick {
    int n;
    struct {
        uint64_t key;
        const struct gpu_kernel *kernel;
    } list[QUICK];
};

tl_status gpu_init(struct gpu *gpu)
{
    gpu->cache = calloc(1, sizeof *gpu->cache);
    gpu->quick = calloc(1, sizeof *gpu->quick);
    if (!gpu->cache || !gpu->quick)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a table of kernels", gpu->component);
    pthread_mutex_init(&gpu->cache->lock, NULL);
    return TL_OK;
}

void gpu_finish(struct gpu *gpu)
{
    free(gpu->quick);
    gpu->quick = NULL;
    if (!gpu->cache)
        return;
    for (int i = 0; i < BUCKETS; i++)
        for (struct cached *c = gpu->cache->buckets[i], *next; c; c = next) {
            next = c->next;
            gpu_kernel_free(gpu, c->kernel);
            free(c->name);
            free(c);
        }
    pthread_mutex_destroy(&gpu->cache->lock);
    free(gpu->cache);
    gpu->cache = NULL;
}

static uint64_t hash_of(const char *text, uint64_t h)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

static const char *find_text(const char *name)
{
    for (const struct gpu_source *s = gpu_sources; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s->text;
    return NULL;
}

char *gpu_text(const char *prelude, const char *source, const char *defines)
{
    const char *language = find_text(prelude), *common = find_text("common"), *body = find_text(source);
    if (!language || !common || !body)
        return NULL;
    size_t size = strlen(defines) + strlen(language) + strlen(common) + strlen(body) + 8;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "%s\n%s\n%s\n%s\n", defines, language, common, body);
    return text;
}

/* From the cache on disk, or compiled and put there. */
static tl_status make(struct gpu *gpu, const char *source, const char *entry, const char *defines, struct gpu_kernel **kernel)
{
    char *text = gpu_text(gpu->prelude, source, defines);
    if (!text)
        return find_text(source) ? gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for the text of %s", gpu->component, source)
                                 : gpu->host->fail(TL_ERR_PLUGIN, "%s: there is no kernel source %s", gpu->component, source);
    char key[600];
    snprintf(key, sizeof key, "%s %s %016llx%016llx %.400s", source, entry, (unsigned long long)hash_of(text, UINT64_C(14695981039346656037)),
             (unsigned long long)hash_of(text, UINT64_C(0x9e3779b97f4a7c15)), gpu->identity);
    size_t size;
    void *binary = gpu->host->cache_get(gpu->component, key, &size);
    if (binary) {
        tl_status s = gpu_compile(gpu, NULL, entry, &binary, &size, kernel);
        free(binary);
        if (s == TL_OK) {
            free(text);
            return TL_OK;
        }
        gpu->host->log(TL_LOG_INFO, gpu->component, "%s %s: the driver does not take the cached binary; compiling again", source, entry);
        binary = NULL;
    }
    gpu->host->log(TL_LOG_DEBUG, gpu->component, "compiling %s %s\n%s", source, entry, defines);
    tl_status s = gpu_compile(gpu, text, entry, &binary, &size, kernel);
    if (s == TL_OK && binary)
        gpu->host->cache_put(gpu->component, key, binary, size);
    free(binary);
    free(text);
    return s;
}

tl_status gpu_kernel(struct gpu *gpu, const char *source, const char *entry, const char *defines, const struct gpu_kernel **kernel)
{
    size_t room = strlen(source) + strlen(entry) + strlen(defines) + 3;
    char *name = malloc(room);
    if (!name)
        return gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a kernel's name", gpu->component);
    snprintf(name, room, "%s %s %s", source, entry, defines);
    uint64_t hash = hash_of(name, UINT64_C(14695981039346656037));
    struct gpu_cache *cache = gpu->cache;
    tl_status status = TL_OK;
    /* Compiling under the lock keeps two threads from compiling one kernel; others wait a little longer. */
    pthread_mutex_lock(&cache->lock);
    struct cached **bucket = &cache->buckets[hash % BUCKETS], *found = *bucket;
    while (found && (found->hash != hash || strcmp(found->name, name) != 0))
        found = found->next;
    if (!found) {
        struct cached *c = malloc(sizeof *c);
        if (!c)
            status = gpu->host->fail(TL_ERR_NOMEM, "%s: no memory for a kernel", gpu->component);
        else if ((status = make(gpu, source, entry, defines, &c->kernel)) != TL_OK)
            free(c);
        if (status == TL_OK) {
            c->hash = hash;
            c->name = name;
            c->next = *bucket;
            *bucket = found = c;
            name = NULL;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    free(name);
    if (status == TL_OK)
        *kernel = found->kernel;
    return status;
}

static int quick_slot(const struct gpu_quick *q, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    int at = (int)(h >> 53);
    while (q->list[at].kernel && q->list[at].key != key)
        at = (at + 1) % QUICK;
    return at;
}

const struct gpu_kernel *gpu_quick_get(const struct gpu *gpu, uint64_t key)
{
    return gpu->quick->list[quick_slot(gpu->quick, key)].kernel;
}

void gpu_quick_put(struct gpu *gpu, uint64_t key, const struct gpu_kernel *kernel)
{
    if (gpu->quick->n >= QUICK / 2)
        return; /* the slower way finds it, too */
    int at = quick_slot(gpu->quick, key);
    gpu->quick->n += !gpu->quick->list[at].kernel;
    gpu->quick->list[at].key = key;
    gpu->quick->list[at].kernel = kernel;
}

void gpu_define(struct gpu_defines *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof d->text - d->n;
    int n = room > 16 ? snprintf(d->text + d->n, room, "#define ") : 16;
    d->n += (size_t)n < room ? (size_t)n : 0;
    room = sizeof d->text - d->n;
    n = vsnprintf(d->text + d->n, room, format, args);
    va_end(args);
    if ((size_t)n + 2 > room) { /* what is cut off does not compile, and the message shows it */
        snprintf(d->text, sizeof d->text, "#error too many definitions\n");
        d->n = strlen(d->text);
        return;
    }
    d->n += (size_t)n;
    d->text[d->n++] = '\n';
    d->text[d->n] = 0;
}
