/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass "fuse": a convolution, a matrix product or a pointwise op, and the pointwise ops that follow, become one group. Lowering gives it to a kernel that
 * takes such an epilogue, as much of it as the kernel takes, and goes node by node where none does.
 */
#include <stdlib.h>

#include "core/program/program.h"

enum { MOST_LINKS = 6 };

static bool begins(const struct node *n)
{
    static const char *const names[] = {"conv2d", "addmm", "mm", "matmul"};
    if (!n->entry || !(n->fresh & 1) || n->residual_out >= 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(n->entry->op->name, names[i]) == 0)
            return true;
    return (n->entry->op->flags & TL_OP_POINTWISE) && n->entry->pointwise;
}

/* Nobody writes it, or nobody does after the one who makes it: nodes that read it may move. */
static bool settled(const struct graph *g, const struct operand *o)
{
    return o->value < 0 || g->values[o->value].writes <= (g->values[o->value].kind == VALUE_LOCAL || g->values[o->value].kind == VALUE_OUTPUT ||
                                                          g->values[o->value].kind == VALUE_KEPT);
}

/* Is n a pointwise op of o's value, once, and otherwise of what lies still, that gives a tensor of the same shape and type? */
static bool continues(const struct graph *g, const struct node *n, const struct operand *o)
{
    if (!n->entry || !(n->entry->op->flags & TL_OP_POINTWISE) || !n->entry->pointwise || !(n->fresh & 1) || n->n_in > 2 || n->n_out != 1)
        return false;
    int times = 0;
    for (int i = 0; i < n->n_in; i++) {
        times += n->in[i].value == o->value && n->in[i].dtype == o->dtype && operand_same_region(&n->in[i], o);
        if (n->in[i].value != o->value && (!settled(g, &n->in[i]) || n->in[i].dtype != o->dtype))
            return false;
    }
    const struct operand *y = &n->out[0];
    return times == 1 && y->dtype == o->dtype && y->ndim == o->ndim && memcmp(y->shape, o->shape, (size_t)o->ndim * sizeof *o->shape) == 0;
}

struct readers {
    int n;
    size_t last;
};

/* The links after node i, in parts[1…]; their places in at[]. Returns how many parts there are. */
static int follow(const struct graph *g, size_t i, const struct readers *readers, size_t *at)
{
    int n = 1;
    at[0] = i;
    for (int k = 0; k < g->nodes.v[i]->n_in; k++)
        if (!settled(g, &g->nodes.v[i]->in[k]))
            return 1;
    while (n <= MOST_LINKS) {
        const struct operand *o = &g->nodes.v[at[n - 1]]->out[0];
        const struct value *v = &g->values[o->value];
        if (v->kind != VALUE_LOCAL || v->writes != 1 || readers[o->value].n != 1)
            break;
        size_t next = readers[o->value].last;
        if (next <= at[n - 1] || !g->nodes.v[next] || !continues(g, g->nodes.v[next], o))
            break;
        at[n++] = next;
    }
    return n;
}

static struct node *group_of(struct graph *g, const size_t *at, int n)
{
    const struct node *first = g->nodes.v[at[0]], *last = g->nodes.v[at[n - 1]];
    struct node *group = node_make(0, 0, NULL, 0);
    struct node **parts = group ? malloc((size_t)n * sizeof(struct node *)) : NULL;
    if (!parts) {
        node_free(group);
        tl_fail(TL_ERR_NOMEM, "program: out of memory for a group of nodes");
        return NULL;
    }
    group->entry = first->entry;
    group->meta[0] = last->meta[0];
    group->parts = parts;
    group->n_parts = n;
    for (int k = 0; k < n; k++) {
        parts[k] = g->nodes.v[at[k]];
        g->nodes.v[at[k]] = NULL;
    }
    return group;
}

struct node *group_call(const struct node *group, int n_parts)
{
    const struct node *first = group->parts[0], *last = group->parts[n_parts - 1];
    int n_in = first->n_in, k = first->n_in;
    for (int i = 1; i < n_parts; i++)
        n_in += group->parts[i]->n_in - 1;
    struct node *n = node_make(n_in, 1, first->attrs, first->attrs_size);
    if (!n || !(n->epilogue = calloc((size_t)n_parts, sizeof *n->epilogue))) {
        node_free(n);
        tl_fail(TL_ERR_NOMEM, "program: out of memory for a group of nodes");
        return NULL;
    }
    n->entry = first->entry;
    n->fresh = 1;
    n->meta[0] = last->meta[0];
    n->out[0] = last->out[0];
    n->n_epilogue = n_parts - 1;
    memcpy(n->in, first->in, (size_t)first->n_in * sizeof *n->in);
    for (int i = 1; i < n_parts; i++) {
        const struct node *link = group->parts[i];
        struct tl_epilogue *e = &n->epilogue[i - 1];
        *e = (struct tl_epilogue){.op = link->entry->kernel_name, .attrs = link->attrs, .other = -1};
        for (int j = 0; j < link->n_in; j++) {
            if (link->in[j].value == group->parts[i - 1]->out[0].value) {
                e->value = j;
            } else {
                e->other = k;
                n->in[k++] = link->in[j];
            }
        }
    }
    return n;
}

tl_status pass_fuse(struct graph *g)
{
    struct readers *readers = calloc(g->n_values + 1, sizeof *readers);
    if (!readers)
        return tl_fail(TL_ERR_NOMEM, "program: out of memory");
    for (size_t i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < g->nodes.v[i]->n_in; k++)
            if (g->nodes.v[i]->in[k].value >= 0) {
                readers[g->nodes.v[i]->in[k].value].n++;
                readers[g->nodes.v[i]->in[k].value].last = i;
            }
    tl_status s = TL_OK;
    for (size_t i = 0; i < g->nodes.n && s == TL_OK; i++) {
        size_t at[MOST_LINKS + 1];
        if (!g->nodes.v[i] || !begins(g->nodes.v[i]))
            continue;
        int n = follow(g, i, readers, at);
        if (n == 1)
            continue;
        struct node *group = group_of(g, at, n);
        if (group)
            g->nodes.v[at[n - 1]] = group; /* where everything that it reads is there */
        else
            s = tl_error_code();
    }
    size_t kept = 0;
    for (size_t i = 0; i < g->nodes.n; i++)
        if (g->nodes.v[i])
            g->nodes.v[kept++] = g->nodes.v[i];
    g->nodes.n = kept;
    free(readers);
    return s;
}
