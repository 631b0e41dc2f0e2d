/* SPDX-License-Identifier: Apache-2.0
 *
 * Who did the work: for each op as kernels name it, how many calls the judged backend's own kernels took, and what became of the rest.
 */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1024 };

struct tally {
    struct tally_row rows[MOST];
    size_t n;
    struct tl_kernel_use uses[MOST];
    struct tl_fallback fallbacks[MOST];
    size_t n_uses, n_fallbacks; /* as they were before the run */
};

struct tally *tally_new(void)
{
    return calloc(1, sizeof(struct tally));
}

static struct tally_row *row_of(struct tally *t, const char *op)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].op, op) == 0)
            return &t->rows[i];
    if (t->n == MOST)
        return &t->rows[MOST - 1];
    t->rows[t->n].op = op;
    return &t->rows[t->n++];
}

const struct tally_row *tally_row(const struct tally *t, size_t i)
{
    return i < t->n ? &t->rows[i] : NULL;
}

const char *kernel_name(const char *op)
{
    const tl_op *o = tl_op_find(op);
    return o && o->kernel ? o->kernel : op;
}

static size_t smaller(size_t n)
{
    return n < MOST ? n : MOST;
}

void tally_begin(struct tally *t)
{
    t->n_uses = smaller(tl_kernel_uses(t->uses, MOST));
    t->n_fallbacks = smaller(tl_fallbacks(t->fallbacks, MOST));
}

uint64_t tally_end(struct tally *t, const char *backend, const char *op)
{
    static struct tl_kernel_use uses[MOST];
    static struct tl_fallback fallbacks[MOST];
    uint64_t own_calls = 0;
    size_t n = smaller(tl_kernel_uses(uses, MOST));
    for (size_t i = 0; i < n; i++) {
        uint64_t calls = uses[i].calls - (i < t->n_uses ? t->uses[i].calls : 0);
        bool own = strcmp(uses[i].backend, backend) == 0;
        if (calls == 0)
            continue;
        struct tally_row *row = row_of(t, uses[i].op);
        *(own ? &row->own : &row->others) += calls;
        if (own && strcmp(uses[i].op, kernel_name(op)) == 0)
            own_calls += calls;
    }
    n = smaller(tl_fallbacks(fallbacks, MOST));
    for (size_t i = 0; i < n; i++) {
        uint64_t calls = fallbacks[i].calls - (i < t->n_fallbacks ? t->fallbacks[i].calls : 0);
        struct tally_row *row = calls ? row_of(t, kernel_name(fallbacks[i].op)) : NULL;
        if (row)
            *(strcmp(fallbacks[i].how, "decomposed") == 0 ? &row->decomposed
              : strcmp(fallbacks[i].how, "host") == 0     ? &row->host
                                                          : &row->widened) += calls;
    }
    return own_calls;
}

static int by_op(const void *a, const void *b)
{
    return strcmp(((const struct tally_row *)a)->op, ((const struct tally_row *)b)->op);
}

void tally_sort(struct tally *t)
{
    qsort(t->rows, t->n, sizeof *t->rows, by_op);
}
