/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass "dead": nodes whose results nobody needs are taken out.
 */
#include <stdlib.h>

#include "core/program/program.h"

/* A value that lives on after the program, or that a later node reads. Values are looked at as wholes: a node that overwrites all of one
 * does not make an earlier one superfluous. */
static bool needed(const struct graph *g, const struct node *n, const bool *read)
{
    if (!n->entry)
        return true; /* nobody knows what it does */
    for (int i = 0; i < n->n_out; i++) {
        int v = n->out[i].value;
        if (v >= 0 && (g->values[v].kind != VALUE_LOCAL || read[v]))
            return true;
    }
    return false;
}

static void mark(const struct operand *o, int n, bool *read)
{
    for (int i = 0; i < n; i++)
        if (o[i].value >= 0)
            read[o[i].value] = true;
}

tl_status pass_dead(struct graph *g)
{
    bool *read = calloc(g->n_values + 1, sizeof *read);
    if (!read)
        return tl_fail(TL_ERR_NOMEM, "program: out of memory");
    size_t kept = g->nodes.n;
    for (size_t i = g->nodes.n; i-- > 0;) {
        struct node *n = g->nodes.v[i];
        if (!needed(g, n, read)) {
            for (int k = 0; k < n->n_out; k++)
                if (n->out[k].value >= 0)
                    g->values[n->out[k].value].writes--;
            node_free(n);
            continue;
        }
        mark(n->in, n->n_in, read);
        mark(n->out, n->n_out, read); /* what it writes a part of must be made as well */
        if (n->residual_in >= 0)
            read[n->residual_in] = true;
        if (n->residual_out >= 0 && !read[n->residual_out]) {
            n->residual_out = -1;
            n->want_residual = false;
        }
        g->nodes.v[--kept] = n;
    }
    if (kept > 0) /* else there may be no list at all */
        memmove(g->nodes.v, g->nodes.v + kept, (g->nodes.n - kept) * sizeof(struct node *));
    g->nodes.n -= kept;
    free(read);
    return TL_OK;
}
