/* SPDX-License-Identifier: Apache-2.0
 *
 * Scopes: a per-thread stack of owned tensors, cut by marks. Ending a scope releases what lies above its mark.
 * Tensors made outside every scope belong to the thread's root, which warns once when it grows without end.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/internal.h"

enum { ROOT_WARNING = 100000 };

struct stack {
    tl_tensor **items;
    size_t n, capacity;
    size_t *marks;
    int depth, marks_capacity;
    bool registered, warned;
};

static HOT_TLS struct stack stack;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void cut(struct stack *s, size_t mark)
{
    while (s->n > mark)
        tensor_release(s->items[--s->n]);
}

static void end_of_thread(void *p)
{
    struct stack *s = p;
    cut(s, 0);
    free(s->items);
    free(s->marks);
    memset(s, 0, sizeof *s);
}

static void make_key(void)
{
    pthread_key_create(&at_thread_end, end_of_thread);
}

static void warn_root(struct stack *s)
{
    s->warned = true;
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n; i++)
        bytes += (uint64_t)s->items[i]->numel * tl_dtype_size((tl_dtype)s->items[i]->dtype);
    tl_log_message(TL_LOG_WARN, "scope",
                   "%zu tensors (%" PRIu64 " bytes) are alive outside any scope on this thread: put the loop's body into TL_SCOPE { }",
                   s->n, bytes);
}

bool scope_own(tl_tensor *t)
{
    struct stack *s = &stack;
    if (UNLIKELY(s->n == s->capacity)) {
        if (!s->registered) {
            pthread_once(&once, make_key);
            pthread_setspecific(at_thread_end, s);
            s->registered = true;
        }
        size_t capacity = s->capacity ? 2 * s->capacity : 256;
        tl_tensor **items = realloc(s->items, capacity * sizeof *items);
        if (!items) {
            tensor_release(t);
            tl_fail(TL_ERR_NOMEM, "out of memory: %zu bytes for a scope", capacity * sizeof *items);
            return false;
        }
        s->items = items;
        s->capacity = capacity;
    }
    s->items[s->n++] = t;
    if (UNLIKELY(s->depth == 0 && s->n == ROOT_WARNING && !s->warned))
        warn_root(s);
    return true;
}

tl_scope tl_scope_begin(void)
{
    struct stack *s = &stack;
    if (s->depth == s->marks_capacity) {
        int capacity = s->marks_capacity ? 2 * s->marks_capacity : 32;
        size_t *marks = realloc(s->marks, (size_t)capacity * sizeof *marks);
        if (!marks) {
            /* Without a mark the tensors of this scope belong to the one around it: a leak until that ends, no harm. */
            tl_fail(TL_ERR_NOMEM, "out of memory: a scope inside %d others", s->depth);
            return (tl_scope){.mark = s->n, .depth = -1, .on = 1};
        }
        s->marks = marks;
        s->marks_capacity = capacity;
    }
    if (!s->registered) {
        pthread_once(&once, make_key);
        pthread_setspecific(at_thread_end, s);
        s->registered = true;
    }
    s->marks[s->depth++] = s->n;
    return (tl_scope){.mark = s->n, .depth = s->depth, .on = 1};
}

void tl_scope_end(tl_scope *scope)
{
    struct stack *s = &stack;
    if (scope->depth <= 0 || scope->depth > s->depth)
        return;
    /* Inner scopes that were left without being ended go with this one. */
    s->depth = scope->depth - 1;
    cut(s, s->marks[s->depth]);
    scope->depth = 0;
    scope->on = 0;
}

tl_tensor *tl_scope_return(tl_tensor *t)
{
    struct stack *s = &stack;
    if (!t || is_none(t) || s->depth == 0)
        return t;
    size_t mark = s->marks[s->depth - 1];
    for (size_t i = s->n; i > mark; i--) {
        if (s->items[i - 1] != t)
            continue;
        s->items[i - 1] = s->items[mark];
        s->items[mark] = t;
        s->marks[s->depth - 1]++;
        return t;
    }
    /* Owned by somebody else (a parameter, an outer scope): give the outer scope a reference of its own. */
    tensor_keep(t);
    if (!scope_own(t))
        return NULL;
    s->items[s->n - 1] = s->items[mark];
    s->items[mark] = t;
    s->marks[s->depth - 1]++;
    return t;
}

tl_tensor *tl_keep(tl_tensor *t)
{
    if (t && !is_none(t))
        tensor_keep(t);
    return t;
}

void tl_release(tl_tensor *t)
{
    if (t && !is_none(t))
        tensor_release(t);
}

tl_tensor *tl_scope_adopt(tl_tensor *t)
{
    if (!t || is_none(t))
        return t;
    return scope_own(t) ? t : NULL;
}

void scope_shutdown(void);
void scope_shutdown(void)
{
    end_of_thread(&stack);
}
