/* SPDX-License-Identifier: Apache-2.0
 *
 * Free lists for the small structs that every eager op makes and drops: tensors, storages, nodes. One list per thread
 * and size class, without locks; a block freed by another thread joins that thread's list. Lists are bounded and
 * drained when a thread ends. Under a sanitizer every block comes from malloc, so that it can see stale uses.
 */
#include <pthread.h>
#include <stdlib.h>

#include "core/internal.h"

enum { STEP = 64, CLASSES = 33, MOST = 256 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { POOLING = 0 };
#else
enum { POOLING = 1 };
#endif

struct block {
    struct block *next;
};
struct list {
    struct block *head;
    int n;
};
struct lists {
    struct list of[CLASSES];
    bool registered;
};

static HOT_TLS struct lists mine;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void drain(void *p)
{
    struct lists *l = p;
    for (int i = 0; i < CLASSES; i++) {
        while (l->of[i].head) {
            struct block *b = l->of[i].head;
            l->of[i].head = b->next;
            free(b);
        }
        l->of[i].n = 0;
    }
    l->registered = false;
}

static void make_key(void)
{
    pthread_key_create(&at_thread_end, drain);
}

void *pool_alloc(size_t size)
{
    size_t class = (size + STEP - 1) / STEP;
    if (LIKELY(POOLING && class < CLASSES && mine.of[class].head)) {
        struct block *b = mine.of[class].head;
        mine.of[class].head = b->next;
        mine.of[class].n--;
        return b;
    }
    void *p = aligned_alloc(64, class * STEP);
    if (!p)
        tl_fail(TL_ERR_NOMEM, "out of memory: %zu bytes for bookkeeping", size);
    return p;
}

void pool_free(void *p, size_t size)
{
    size_t class = (size + STEP - 1) / STEP;
    if (!POOLING || class >= CLASSES || mine.of[class].n >= MOST) {
        free(p);
        return;
    }
    if (UNLIKELY(!mine.registered)) {
        pthread_once(&once, make_key);
        pthread_setspecific(at_thread_end, &mine);
        mine.registered = true;
    }
    struct block *b = p;
    b->next = mine.of[class].head;
    mine.of[class].head = b;
    mine.of[class].n++;
}

void pool_shutdown(void)
{
    drain(&mine);
}
