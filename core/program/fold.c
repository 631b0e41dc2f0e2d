/* SPDX-License-Identifier: Apache-2.0
 *
 * The pass "fold": a batch normalisation in evaluation mode that follows a convolution is a shift and a scale of each of its channels, which
 * the convolution's weight and bias can have taken in:
 *
 *     s = weight / sqrt(var + eps);  W' = W s (by output channel);  b' = (b - mean) s + bias
 *
 * These are nodes as well, and constant steps if nobody writes the parameters. Rounds once less, or in another order, than the two ops: not
 * done in strict mode.
 */
#include <stdlib.h>

#include "core/program/program.h"

enum { X, MEAN, VAR, WEIGHT, BIAS }; /* of batch_norm */

/* The only reader of each value, and how many there are. */
struct use {
    int reads;
    size_t reader;
};

static void count(struct use *uses, const struct operand *o, int n, size_t reader)
{
    for (int i = 0; i < n; i++)
        if (o[i].value >= 0) {
            uses[o[i].value].reads++;
            uses[o[i].value].reader = reader;
        }
}

static bool stays(const struct graph *g, const struct operand *o)
{
    if (o->value < 0)
        return true;
    const struct value *v = &g->values[o->value];
    return v->kind == VALUE_CAPTURED && v->writes == 0;
}

/* The normalisation that can be folded into node i; NULL: none. */
static struct node *normalisation_after(const struct graph *g, size_t i, const struct use *uses)
{
    const struct node *conv = g->nodes.v[i];
    if (!conv->entry || strcmp(conv->entry->op->name, "conv2d") != 0 || !(conv->fresh & 1) || conv->residual_out >= 0)
        return NULL;
    int y = conv->out[0].value;
    if (g->values[y].kind != VALUE_LOCAL || g->values[y].writes != 1 || uses[y].reads != 1 || !stays(g, &conv->in[1]) || !stays(g, &conv->in[2]))
        return NULL;
    struct node *n = g->nodes.v[uses[y].reader];
    if (!n->entry || strcmp(n->entry->op->name, "batch_norm") != 0 || n->residual_out >= 0 || n->in[X].value != y || !operand_same_region(&conv->out[0], &n->in[X]))
        return NULL;
    const struct tl_batch_norm_attrs *a = n->attrs;
    bool floats = conv->meta[0].dtype == TL_F32 || conv->meta[0].dtype == TL_F64;
    for (int k = MEAN; k <= BIAS; k++)
        if (!stays(g, &n->in[k]))
            return NULL;
    return !a->training && floats ? n : NULL;
}

/* The nodes of W' and b', recorded; their operands go into the convolution. */
static tl_status fold(struct graph *g, struct node *conv, const struct node *norm, struct node_list *to)
{
    const struct tl_batch_norm_attrs *a = norm->attrs;
    struct recorder r;
    tl_status s = TL_OK;
    bool was = tl_set_grad_enabled(false);
    TL_SCOPE
    {
        if ((s = recorder_open(&r, g, to)) != TL_OK)
            break;
        tl_tensor *w = operand_tensor(g, &conv->in[1]), *b = operand_tensor(g, &conv->in[2]), *mean = operand_tensor(g, &norm->in[MEAN]);
        tl_tensor *weight = operand_tensor(g, &norm->in[WEIGHT]), *bias = operand_tensor(g, &norm->in[BIAS]);
        tl_tensor *scale = tl_rsqrt(tl_add_s(operand_tensor(g, &norm->in[VAR]), a->eps));
        if (weight && !is_none(weight))
            scale = tl_mul(scale, weight);
        int64_t column[4] = {scale ? scale->shape[0] : 0, 1, 1, 1};
        tl_tensor *folded = tl_mul(w, tl_view(scale, 4, column));
        tl_tensor *shift = tl_mul(b && !is_none(b) ? tl_sub(b, mean) : tl_neg(mean), scale);
        if (bias && !is_none(bias))
            shift = tl_add(shift, bias);
        s = folded && shift ? recorder_operand(&r, folded, &conv->in[1]) : tl_error_code();
        if (s == TL_OK)
            s = recorder_operand(&r, shift, &conv->in[2]);
        recorder_close(&r);
    }
    tl_set_grad_enabled(was);
    return s;
}

tl_status pass_fold(struct graph *g)
{
    struct node_list to = {0};
    struct use *uses = calloc(g->n_values + 1, sizeof *uses);
    tl_status s = uses ? TL_OK : tl_fail(TL_ERR_NOMEM, "program: out of memory");
    for (size_t i = 0; i < g->nodes.n && s == TL_OK; i++)
        count(uses, g->nodes.v[i]->in, g->nodes.v[i]->n_in, i);
    for (size_t i = 0; i < g->nodes.n && s == TL_OK; i++) {
        struct node *conv = g->nodes.v[i], *norm = conv ? normalisation_after(g, i, uses) : NULL;
        if (norm)
            s = fold(g, conv, norm, &to);
        if (norm && s == TL_OK) {
            g->values[conv->out[0].value].writes--;
            conv->out[0] = norm->out[0];
            g->nodes.v[uses[norm->in[X].value].reader] = NULL;
            node_free(norm);
        }
        if (conv && s == TL_OK)
            s = node_append(&to, conv);
        if (s == TL_OK)
            g->nodes.v[i] = NULL;
    }
    free(uses);
    if (s != TL_OK) {
        for (size_t i = 0; i < to.n; i++)
            node_free(to.v[i]);
        free(to.v);
        return s;
    }
    free(g->nodes.v);
    g->nodes = to;
    return TL_OK;
}
