/* SPDX-License-Identifier: Apache-2.0
 *
 * tl_backward() and tl_grad().
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/autograd/engine.h"

static tl_status add_root(struct engine *e, tl_tensor *t, tl_tensor *gradient)
{
    bool fresh;
    if (!t || is_none(t) || !gradient)
        return tl_fail(TL_ERR_ARGUMENT, "backward: a tensor is NULL or TL_NONE, and no earlier call failed");
    if (view_is_stale(t))
        return stale_view("backward");
    if (!needs_grad(t))
        return tl_fail(TL_ERR_STATE, "backward: the tensor needs no gradient and has no grad_fn: nothing it was made from requires one");
    if (is_none(gradient)) {
        char text[160];
        if (t->numel != 1)
            return tl_fail(TL_ERR_SHAPE, "backward: of a tensor of shape %s a gradient of the same shape is needed; only single numbers have a default",
                           shape_text(text, sizeof text, t->ndim, t->shape));
        gradient = tl_ones_like(t);
        if (!gradient)
            return tl_error_code();
    } else if (gradient->ndim != t->ndim || memcmp(gradient->shape, t->shape, (size_t)t->ndim * sizeof *t->shape) != 0) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "backward: the gradient has shape %s, the tensor %s",
                       shape_text(text[0], sizeof text[0], gradient->ndim, gradient->shape),
                       shape_text(text[1], sizeof text[1], t->ndim, t->shape));
    }
    if (gradient->dtype != t->dtype && !(gradient = tl_cast(gradient, (tl_dtype)t->dtype)))
        return tl_error_code();
    tl_node *n = t->grad_fn;
    if (n)
        node_keep(n);
    else if (!(n = accumulator_of(t)))
        return tl_error_code();
    size_t k = task_add(e, n, &fresh);
    node_release(n);
    return k == SIZE_MAX ? tl_error_code() : add_gradient(&e->tasks[k].arrived[t->grad_fn ? t->output_nr : 0], gradient);
}

tl_status tl_backward(tl_tensor *t, tl_tensor *gradient, struct tl_backward_options o)
{
    struct engine e = {.to_leaves = true, .retain = o.retain_graph || o.create_graph, .create = o.create_graph};
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        s = add_root(&e, t, gradient);
        if (s == TL_OK)
            s = engine_sweep(&e);
        if (s == TL_OK)
            s = engine_commit(&e);
    }
    engine_finish(&e);
    tl_set_grad_enabled(was);
    return s;
}

tl_status tl_grad(tl_tensor *const *outputs, int n_outputs, tl_tensor *const *grad_outputs, tl_tensor *const *inputs, int n_inputs,
                  tl_tensor **out, struct tl_backward_options o)
{
    for (int i = 0; i < n_inputs; i++)
        out[i] = NULL;
    struct engine e = {.retain = o.retain_graph || o.create_graph, .create = o.create_graph, .n_captures = n_inputs};
    e.captures = calloc((size_t)n_inputs + 1, sizeof *e.captures);
    if (!e.captures)
        return tl_fail(TL_ERR_NOMEM, "grad: out of memory");
    bool was = tl_set_grad_enabled(o.create_graph);
    tl_status s = TL_OK;
    TL_SCOPE
    {
        for (int i = 0; i < n_inputs && s == TL_OK; i++) {
            if (!inputs[i] || is_none(inputs[i]) || !needs_grad(inputs[i])) {
                s = tl_fail(TL_ERR_STATE, "grad: input %d is missing or needs no gradient", i);
                break;
            }
            e.captures[i].nr = inputs[i]->grad_fn ? inputs[i]->output_nr : 0;
            e.captures[i].node = inputs[i]->grad_fn ? inputs[i]->grad_fn : accumulator_of(inputs[i]);
            if (inputs[i]->grad_fn)
                node_keep(e.captures[i].node);
            if (!e.captures[i].node)
                s = tl_error_code();
        }
        for (int i = 0; i < n_outputs && s == TL_OK; i++)
            s = add_root(&e, outputs[i], grad_outputs ? grad_outputs[i] : TL_NONE);
        if (s == TL_OK)
            s = engine_sweep(&e);
    }
    for (int i = 0; i < n_inputs; i++) {
        if (s == TL_OK) {
            out[i] = e.captures[i].gradient ? tl_scope_adopt(e.captures[i].gradient) : TL_NONE;
            s = out[i] ? TL_OK : tl_error_code();
        } else if (e.captures[i].gradient) {
            tensor_release(e.captures[i].gradient);
        }
        if (e.captures[i].node)
            node_release(e.captures[i].node);
    }
    for (int i = 0; i < n_inputs && s != TL_OK; i++)
        out[i] = NULL;
    free(e.captures);
    engine_finish(&e);
    tl_set_grad_enabled(was);
    return s;
}
