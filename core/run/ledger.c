/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger of fallbacks: which ops no kernel of their device took, and what became of them.
 */
#include "core/internal.h"

enum { LEDGER = 512 };
static struct {
    pthread_mutex_t lock;
    struct tl_fallback list[LEDGER];
    size_t n;
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

void fallback_note(const char *op, const char *where, const char *how, const char *why, uint64_t bytes)
{
    pthread_mutex_lock(&ledger.lock);
    struct tl_fallback *f = NULL;
    for (size_t i = 0; i < ledger.n && !f; i++)
        if (strcmp(ledger.list[i].op, op) == 0 && strcmp(ledger.list[i].device, where) == 0 && strcmp(ledger.list[i].how, how) == 0)
            f = &ledger.list[i];
    if (!f && ledger.n < LEDGER) {
        f = &ledger.list[ledger.n++];
        *f = (struct tl_fallback){.op = op, .device = where, .how = how};
        tl_log_message(strcmp(how, "host") == 0 ? TL_LOG_WARN : TL_LOG_INFO, "fallback", "%s: no kernel on %s (%s): %s", op, where, why, how);
    }
    if (f) {
        f->calls++;
        f->bytes += bytes;
    }
    pthread_mutex_unlock(&ledger.lock);
}

size_t tl_fallbacks(struct tl_fallback *list, size_t capacity)
{
    pthread_mutex_lock(&ledger.lock);
    size_t n = ledger.n;
    for (size_t i = 0; i < n && i < capacity; i++)
        list[i] = ledger.list[i];
    pthread_mutex_unlock(&ledger.lock);
    return n;
}
