/* SPDX-License-Identifier: Apache-2.0
 *
 * What gradient functions ask (<telar/op.h>): the operands of the forward call, what arrives, and where to put what they compute.
 */
#include <stdio.h>

#include "core/autograd/engine.h"

struct op_entry *grad_entry(struct tl_grad_ctx *g)
{
    return g->node->entry;
}

/* What was saved, unless it was overwritten since. */
static tl_status unchanged(const struct tl_grad_ctx *g, const char *what, int i, const struct saved *s)
{
    char text[160];
    uint64_t now = storage_version(s->tensor->storage);
    if (now == s->version)
        return TL_OK;
    return tl_fail(TL_ERR_STATE,
                   "%s %d of %s (%s %s) is needed for its gradient, but was overwritten since by an in-place operation: it is at version %llu, "
                   "expected was %llu; use the form without underscore there, or tl_clone() it before",
                   what, i, g->node->entry->op->name, tl_dtype_name((tl_dtype)s->tensor->dtype),
                   shape_text(text, sizeof text, s->tensor->ndim, s->tensor->shape), (unsigned long long)now, (unsigned long long)s->version);
}

/* A handle of saved values whose history is output nr of `made_by` (NULL: none), for the length of this call. */
static tl_tensor *face_of(tl_tensor *saved, tl_node *made_by, int nr)
{
    tl_tensor *face = tensor_alias(saved);
    if (!face || !scope_own(face))
        return NULL;
    return history_set(face, made_by, nr) == TL_OK ? face : NULL;
}

/* The same for values that are a region of a whole base, which is what the edge leads to. */
static tl_tensor *face_in_region(const tl_node *n, tl_tensor *saved, struct edge base)
{
    tl_node *view = region_view(n, saved, base);
    tl_tensor *face = view ? face_of(saved, view, 0) : NULL;
    if (view)
        node_release(view);
    return face;
}

tl_tensor *tl_grad_input(struct tl_grad_ctx *g, int i)
{
    tl_node *n = g->node;
    if (i < 0 || i >= n->n_in) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s has no input %d", n->entry->op->name, i);
        return NULL;
    }
    if (n->in_meta[i].ndim < 0)
        return TL_NONE;
    struct saved *s = &n->in[i];
    if (!s->tensor) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s does not save input %d (saves_inputs)", n->entry->op->name, i);
        return NULL;
    }
    if (unchanged(g, "input", i, s) != TL_OK)
        return NULL;
    tl_node *next = n->next[i].node;
    if (!g->engine->create && tensor_revive(s->tensor))
        return scope_own(s->tensor) ? s->tensor : NULL;
    if (!g->engine->create || !next)
        return face_of(s->tensor, NULL, 0);
    if (n->region && n->region->self == i)
        return face_in_region(n, s->tensor, n->next[i]);
    return next->variable == s->tensor ? s->tensor : face_of(s->tensor, next, n->next[i].nr);
}

tl_tensor *tl_grad_output(struct tl_grad_ctx *g, int i)
{
    tl_node *n = g->node;
    struct saved *s = i >= 0 && i < n->n_out ? &n->out[i] : NULL;
    if (!s || !s->tensor) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s does not save output %d (saves_outputs)", n->entry->op->name, i);
        return NULL;
    }
    if (unchanged(g, "output", i, s) != TL_OK)
        return NULL;
    if (!g->engine->create)
        return s->tensor;
    return n->region ? face_in_region(n, s->tensor, (struct edge){n, i}) : face_of(s->tensor, n, i);
}

tl_tensor *tl_grad_arriving(struct tl_grad_ctx *g, int i)
{
    if (i < 0 || i >= g->node->n_out) {
        tl_fail(TL_ERR_ARGUMENT, "grad: %s has no output %d", g->node->entry->op->name, i);
        return NULL;
    }
    if (g->arrived[i])
        return g->arrived[i];
    const struct tl_meta *m = &g->node->out_meta[i];
    device *d = NULL;
    for (int k = 0; k < g->node->n_out && !d; k++)
        d = g->arrived[k] ? g->arrived[k]->storage->device : NULL;
    return m->ndim < 0 ? TL_NONE : tl_zero_(tensor_new(d ? d : device_default(), m->dtype, m->ndim, m->shape, false));
}

const struct tl_meta *tl_grad_input_meta(struct tl_grad_ctx *g, int i)
{
    return i >= 0 && i < g->node->n_in ? &g->node->in_meta[i] : NULL;
}

bool tl_grad_wants(struct tl_grad_ctx *g, int i)
{
    if (i < 0 || i >= g->node->n_in || !g->node->next[i].node)
        return false;
    const struct task *t = task_find(g->engine, g->node->next[i].node);
    return t && t->wanted;
}

const void *tl_grad_attrs(struct tl_grad_ctx *g)
{
    return g->node->attrs;
}

int tl_grad_n_inputs(struct tl_grad_ctx *g)
{
    return g->node->n_in;
}

/* Undo broadcasting: sum what was stretched. A gradient that is one number for all is stretched itself. */
static tl_tensor *fit(tl_tensor *g, const struct tl_meta *m)
{
    if (g->ndim == m->ndim && memcmp(g->shape, m->shape, (size_t)m->ndim * sizeof *m->shape) == 0)
        return g;
    if (g->ndim < m->ndim)
        return tl_contiguous(tl_expand(g, m->ndim, m->shape));
    struct tl_reduce_attrs a = {.struct_size = sizeof a, .keepdim = true};
    int extra = g->ndim - m->ndim;
    for (int i = 0; i < g->ndim; i++) {
        int64_t want = i < extra ? 1 : m->shape[i - extra];
        if (want == 1 && (g->shape[i] != 1 || i < extra))
            a.dims.v[a.dims.n++] = i;
        else if (want != g->shape[i] && g->shape[i] == 1)
            return tl_contiguous(tl_expand(g, m->ndim, m->shape));
    }
    tl_tensor *sum = a.dims.n ? tl_sum_with(g, &a) : g;
    return extra ? tl_view(sum, m->ndim, m->shape) : sum;
}

tl_status tl_grad_set(struct tl_grad_ctx *g, int i, tl_tensor *gradient)
{
    tl_node *n = g->node;
    if (!gradient)
        return tl_error_code() != TL_OK ? tl_error_code()
                                        : tl_fail(TL_ERR_ARGUMENT, "grad of %s: the gradient of input %d is NULL", n->entry->op->name, i);
    if (i < 0 || i >= n->n_in)
        return tl_fail(TL_ERR_ARGUMENT, "grad: %s has no input %d", n->entry->op->name, i);
    if (is_none(gradient) || n->in_meta[i].ndim < 0)
        return TL_OK;
    const struct tl_meta *m = &n->in_meta[i];
    tl_tensor *fitted = fit(gradient, m);
    if (fitted && fitted->dtype != (uint8_t)m->dtype)
        fitted = tl_cast(fitted, m->dtype);
    /* The gradient of a tensor that lives elsewhere (to_device) goes back there. */
    const tl_node *next = n->next[i].node;
    if (fitted && next && next->device != fitted->storage->device)
        fitted = tl_to_device(fitted, next->device->name);
    if (!fitted)
        return tl_error_code();
    if (fitted->ndim != m->ndim || memcmp(fitted->shape, m->shape, (size_t)m->ndim * sizeof *m->shape) != 0) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "grad of %s: input %d has shape %s, the gradient %s", n->entry->op->name, i,
                       shape_text(text[0], sizeof text[0], m->ndim, m->shape),
                       shape_text(text[1], sizeof text[1], fitted->ndim, fitted->shape));
    }
    g->set[i] = fitted;
    return TL_OK;
}

tl_status tl_grad_call(struct tl_grad_ctx *g, const char *name, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    struct op_entry *e = op_entry_named(name);
    if (!e)
        return tl_fail(TL_ERR_NOT_FOUND, "grad of %s: there is no op \"%s\"", g->node->entry->op->name, name);
    struct residual r = g->node->residual;
    return dispatch(e, attrs, in, n_in, NULL, out, &r);
}
