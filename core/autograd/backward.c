/* SPDX-License-Identifier: Apache-2.0
 *
 * tl_backward() and tl_grad().
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/autograd/engine.h"

static tl_status check_root(const char *who, int i, tl_tensor *t, tl_tensor *gradient)
{
    char text[2][160];
    if (!t || is_none(t) || !gradient)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %s %d is NULL or TL_NONE, and no earlier call failed", who,
                       !t || is_none(t) ? "output" : "the gradient of output", i);
    if (!needs_grad(t))
        return tl_fail(TL_ERR_STATE, "%s: output %d needs no gradient and has no grad_fn: nothing that it was made from requires one "
                                     "(tl_set_requires_grad()), or nothing was recorded (TL_NO_GRAD)",
                       who, i);
    if (is_none(gradient))
        return t->numel == 1 ? TL_OK
                             : tl_fail(TL_ERR_SHAPE, "%s: output %d has shape %s, so a gradient of that shape has to be given; only a single number "
                                                     "has a default, 1",
                                       who, i, shape_text(text[0], sizeof text[0], t->ndim, t->shape));
    if (gradient->ndim != t->ndim || memcmp(gradient->shape, t->shape, (size_t)t->ndim * sizeof *t->shape) != 0)
        return tl_fail(TL_ERR_SHAPE, "%s: the gradient of output %d has shape %s, the output %s", who, i,
                       shape_text(text[0], sizeof text[0], gradient->ndim, gradient->shape), shape_text(text[1], sizeof text[1], t->ndim, t->shape));
    if (!tl_dtype_is_float((tl_dtype)gradient->dtype))
        return tl_fail(TL_ERR_DTYPE, "%s: the gradient of output %d is %s; a floating one is expected", who, i,
                       tl_dtype_name((tl_dtype)gradient->dtype));
    if (gradient->storage->device != t->storage->device)
        return tl_fail(TL_ERR_DEVICE, "%s: the gradient of output %d is on %s, the output on %s; move it with tl_to_device()", who, i,
                       gradient->storage->device->name, t->storage->device->name);
    return TL_OK;
}

/* The node whose output t is; a new reference. NULL and an error. */
static tl_node *node_of(tl_tensor *t)
{
    tl_node *n = history_of(t);
    if (n)
        node_keep(n);
    return n ? n : (t->flags & T_REQUIRES_GRAD) ? accumulator_of(t) : NULL;
}

static tl_status add_root(struct engine *e, const char *who, int i, tl_tensor *t, tl_tensor *gradient)
{
    bool fresh;
    tl_status s = check_root(who, i, t, gradient);
    if (s != TL_OK)
        return s;
    if (is_none(gradient))
        gradient = tl_ones_like(t);
    else if (gradient->dtype != t->dtype)
        gradient = tl_cast(gradient, (tl_dtype)t->dtype);
    tl_node *n = gradient ? node_of(t) : NULL;
    if (!n)
        return tl_error_code();
    size_t k = task_add(e, n, &fresh);
    int nr = n->variable ? 0 : t->output_nr;
    node_release(n);
    return k == SIZE_MAX ? tl_error_code() : add_gradient(&e->tasks[k].arrived[nr], gradient);
}

tl_status tl_backward(tl_tensor *t, tl_tensor *gradient, struct tl_backward_options o)
{
    struct engine e = {.to_leaves = true, .retain = o.retain_graph || o.create_graph, .create = o.create_graph};
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        s = add_root(&e, "backward", 0, t, gradient);
        if (s == TL_OK)
            s = engine_sweep(&e);
        if (s == TL_OK)
            s = engine_commit(&e);
    }
    engine_finish(&e);
    tl_set_grad_enabled(was);
    return s;
}

static tl_status add_capture(struct engine *e, int i, tl_tensor *input)
{
    if (!input || is_none(input))
        return tl_fail(TL_ERR_ARGUMENT, "grad: input %d is NULL or TL_NONE, and no earlier call failed", i);
    if (!needs_grad(input))
        return tl_fail(TL_ERR_STATE, "grad: input %d needs no gradient; call tl_set_requires_grad() on it before the outputs are computed", i);
    tl_node *n = node_of(input);
    if (!n)
        return tl_error_code();
    e->captures[i] = (struct capture){.node = n, .nr = n->variable ? 0 : input->output_nr};
    return TL_OK;
}

/* What arrived at input i, as a tensor that its receiver may write: not as a view that the engine made on the way. */
static tl_status take_capture(struct engine *e, int i, tl_tensor *input, struct tl_backward_options o, tl_tensor **out)
{
    tl_tensor *g = e->captures[i].gradient;
    if (!g && o.materialize_grads)
        return (*out = tl_zeros_like(input)) ? TL_OK : tl_error_code();
    if (!g && !o.allow_unused)
        return tl_fail(TL_ERR_STATE, "grad: no output depends on input %d; pass .allow_unused = true to get TL_NONE for it, or .materialize_grads = "
                                     "true for zeros",
                       i);
    if (!g) {
        *out = TL_NONE;
        return TL_OK;
    }
    e->captures[i].gradient = NULL;
    if (g->flags & T_QUIET_VIEW) {
        tl_tensor *face = tensor_alias(g);
        tensor_release(g);
        if (!(g = face))
            return tl_error_code();
    }
    if (!scope_own(g))
        return tl_error_code();
    *out = g;
    return TL_OK;
}

tl_status tl_grad(tl_tensor *const *outputs, int n_outputs, tl_tensor *const *grad_outputs, tl_tensor *const *inputs, int n_inputs,
                  tl_tensor **out, struct tl_backward_options o)
{
    if (n_outputs < 1 || n_inputs < 1 || !outputs || !inputs || !out)
        return tl_fail(TL_ERR_ARGUMENT, "grad: %d outputs and %d inputs; there must be one of each, and no list may be NULL", n_outputs, n_inputs);
    for (int i = 0; i < n_inputs; i++)
        out[i] = NULL;
    struct engine e = {.retain = o.retain_graph || o.create_graph, .create = o.create_graph, .n_captures = n_inputs};
    e.captures = calloc((size_t)n_inputs, sizeof *e.captures);
    if (!e.captures)
        return tl_fail(TL_ERR_NOMEM, "grad: out of memory for %d inputs", n_inputs);
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        for (int i = 0; i < n_inputs && s == TL_OK; i++)
            s = add_capture(&e, i, inputs[i]);
        for (int i = 0; i < n_outputs && s == TL_OK; i++)
            s = add_root(&e, "grad", i, outputs[i], grad_outputs ? grad_outputs[i] : TL_NONE);
        if (s == TL_OK)
            s = engine_sweep(&e);
        if (s == TL_OK)
            s = engine_commit(&e); /* tensors that retain their gradients */
    }
    for (int i = 0; i < n_inputs && s == TL_OK; i++)
        s = take_capture(&e, i, inputs[i], o, &out[i]);
    for (int i = 0; i < n_inputs; i++) {
        if (s != TL_OK)
            out[i] = NULL;
        if (e.captures[i].gradient)
            tensor_release(e.captures[i].gradient);
        if (e.captures[i].node)
            node_release(e.captures[i].node);
    }
    free(e.captures);
    engine_finish(&e);
    tl_set_grad_enabled(was);
    return s;
}
