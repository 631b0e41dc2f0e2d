/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes in place: what is refused and with which words, what happens to views, hooks and retained gradients of what is written, and
 * that a value which a gradient needs is never silently replaced.
 */
#include <telar/telar.h>

#include "tap.h"

static const struct tl_backward_options ONCE = {0};

static tl_tensor *leaf(float a, float b, float c)
{
    return tl_set_requires_grad(tl_tensor_f32(TL_SHAPE(3), a, b, c), true);
}

static tl_tensor *first(tl_tensor *t)
{
    return tl_select(t, 0, 0);
}

static float at(tl_tensor *t, int i)
{
    const float *p = tl_data(tl_contiguous(t));
    return p ? p[i] : NAN;
}

static tl_tensor *gradient(tl_tensor *y, tl_tensor *x)
{
    tl_tensor *sum = tl_sum(y), *g = NULL;
    return tl_grad(&sum, 1, NULL, &x, 1, &g, ONCE) == TL_OK ? g : NULL;
}

static void refused(bool failed, const char *words, const char *what)
{
    ok(failed && tl_error_code() == TL_ERR_STATE, "%s is refused", what);
    contains(tl_error_message(), words, "%s: and the message says what to do", what);
    tl_error_clear();
}

static void leaves_are_not_written(void)
{
    tl_tensor *x = leaf(1, 2, 3), *quiet = NULL, *quiet_result = NULL, *y = tl_mul_s(x, 2), *plain = tl_tensor_f32(TL_SHAPE(3), 1, 2, 3);
    refused(!tl_add_(x, tl_scalar(1)), "TL_NO_GRAD", "a write to a leaf");
    refused(!tl_add_(first(x), tl_scalar(1)), "view of a leaf", "a write to a view of a leaf");
    refused(!tl_copy_(first(x), tl_scalar(1)), "view of a leaf", "a copy into a view of a leaf");
    refused(!tl_zero_(first(x)), "view of a leaf", "zeroing a view of a leaf");
    TL_NO_GRAD
    {
        quiet = first(x);
        quiet_result = first(y);
        ok(tl_add_(quiet, tl_scalar(1)) != NULL && at(x, 0) == 2, "under no_grad a leaf may be written through a view");
    }
    refused(!tl_add_(quiet, tl_scalar(1)), "made under TL_NO_GRAD", "a recorded write to a view of a leaf that was made unrecorded");
    refused(!tl_add_(quiet_result, tl_scalar(1)), "made under TL_NO_GRAD", "and to one of a result");
    TL_NO_GRAD
    {
        quiet = first(plain);
    }
    ok(tl_add_(quiet, tl_scalar(1)) != NULL, "one of a constant may be written with a constant");
    refused(!tl_add_(quiet, first(x)), "made under TL_NO_GRAD", "but not with what has a history");
    tl_tensor *before = first(plain);
    tl_set_requires_grad(plain, true);
    refused(!tl_add_(before, tl_scalar(1)), "view of a leaf", "a write to a view of what became a leaf since");
    refused(!tl_add_(tl_expand(tl_mul_s(x, 1), TL_SHAPE(2, 3)), tl_scalar(1)), "tl_clone()", "a write to an expanded tensor");
}

static void stale_values_are_named(void)
{
    tl_tensor *x = leaf(1, 2, 3), *y = tl_exp(x), *g = NULL;
    tl_add_(first(y), tl_scalar(1));
    tl_tensor *sum = tl_sum(y);
    refused(tl_grad(&sum, 1, NULL, &x, 1, &g, ONCE) != TL_OK, "output 0 of exp (f32 [3])", "backward after a write through a view");
    y = tl_mul_s(x, 2);
    tl_tensor *z = tl_sum(tl_mul(first(y), first(y)));
    tl_add_(tl_select(y, 0, 2), tl_scalar(1));
    refused(tl_grad(&z, 1, NULL, &x, 1, &g, ONCE) != TL_OK, "is at version 1, expected was 0", "also after one through another view");
    y = tl_mul_s(x, 2);
    z = tl_sum(tl_mul(y, y));
    tl_fill_(tl_detach(y), 0);
    refused(tl_grad(&z, 1, NULL, &x, 1, &g, ONCE) != TL_OK, "tl_clone()", "and after one to a detached handle");
    ok(tl_is_none(tl_grad_of(x)) && g == NULL, "no gradient is left half-written");
}

static void operands_of_the_write_are_kept(void)
{
    tl_tensor *x = leaf(1, 2, 3), *w = leaf(4, 5, 6), *y = tl_mul_s(x, 2);
    tl_mul_(y, w);
    tl_backward(tl_sum(y), TL_NONE, ONCE);
    ok(at(tl_grad_of(w), 1) == 4 && at(tl_grad_of(x), 1) == 10, "y *= w: both gradients, though y's old value is gone");
    y = tl_mul_s(x, 2);
    tl_mul_(first(y), first(y));
    is_float(at(gradient(y, x), 0), 8, 0, "y[0] *= y[0]");
    y = tl_mul_s(x, 2);
    tl_mul_(y, y);
    is_float(at(gradient(y, x), 2), 24, 0, "y *= y");
    y = tl_clamp_(tl_mul_s(x, 2), 3, 5);
    ok(at(y, 0) == 3 && at(gradient(y, x), 0) == 0, "a clamped element has no gradient");
    is_float(at(gradient(tl_clamp_(tl_mul_s(x, 2), 3, 5), x), 1), 2, 0, "one within the bounds has");
}

static tl_tensor *note(tl_tensor *g, void *ctx)
{
    *(float *)ctx = at(g, 0);
    return NULL;
}

static void hooks_and_retained_gradients(void)
{
    float seen = 0;
    tl_tensor *x = leaf(1, 2, 3), *y = tl_mul_s(x, 3);
    tl_register_hook(y, note, &seen);
    tl_retain_grad(y);
    tl_mul_(y, tl_scalar(2));
    tl_backward(tl_sum(y), TL_NONE, ONCE);
    is_float(seen, 2, 0, "a hook stays with the value that it was registered for");
    is_float(at(tl_grad_of(y), 0), 1, 0, "a retained gradient is that of the newest value");
    TL_SCOPE
    {
        tl_tensor *z = tl_keep(tl_mul_s(x, 3));
        tl_retain_grad(z);
        tl_tensor *before = tl_sum(z);
        tl_mul_(z, tl_scalar(2));
        tl_release(z);
        ok(before != NULL, "and a written tensor leaves nothing behind in its first node");
    }
}

static void views_follow_their_base(void)
{
    tl_tensor *x = leaf(1, 2, 3), *y = tl_mul_s(x, 2), *v = first(y), *u = tl_narrow(y, 0, 1, 2);
    tl_node *made_by = tl_grad_fn(u);
    TL_NO_GRAD
    {
        tl_add_(v, tl_scalar(1));
    }
    ok(tl_grad_fn(u) == made_by, "an unrecorded write leaves histories alone");
    tl_add_(v, tl_scalar(1));
    is_string(tl_node_name(tl_grad_fn(y)), "CopySlices", "after a recorded one the base was made by CopySlices");
    is_string(tl_node_name(tl_grad_fn(v)), "AsStridedBackward0", "the written view by as_strided");
    is_string(tl_node_name(tl_grad_fn(u)), "AsStridedBackward0", "and every other");
    ok(tl_node_next(tl_grad_fn(u), 0) == tl_grad_fn(y), "of the base");
    tl_tensor *c = tl_zeros(TL_SHAPE(3), (struct tl_options){0}), *before = first(c), *quiet = NULL;
    TL_NO_GRAD
    {
        quiet = first(c);
    }
    ok(!tl_requires_grad(before) && tl_is_leaf(before), "a view of a constant is a constant");
    tl_copy_(c, x);
    ok(tl_requires_grad(before) && !tl_is_leaf(before) && !tl_is_leaf(c), "until the base gets a history");
    is_float(at(gradient(tl_mul_s(before, 5), x), 0), 5, 0, "which gradients then flow to");
    refused(!tl_mul_s(quiet, 2), "make the view again", "using a view that was made unrecorded, after a recorded write to its base");
}

static void bases_of_other_kinds(void)
{
    tl_tensor *w = leaf(1, 2, 3), *a = tl_tensor_f32(TL_SHAPE(3, 2), 1, 2, 3, 4, 5, 6), *weights = tl_tensor_f32(TL_SHAPE(2, 3), 1, 2, 3, 4, 5, 6);
    tl_tensor *base = tl_detach(tl_t(a));
    tl_copy_(tl_select(base, 0, 1), w);
    is_float(at(gradient(tl_mul(base, weights), w), 1), 5, 0, "a base that is not contiguous");
    is_float(at(a, 1), 1, 0, "whose own source sees the values, but not the history");
    ok(!tl_requires_grad(a), "which is not its");
    base = tl_detach(tl_narrow(a, 0, 1, 2));
    tl_mul_(tl_as_strided(base, 1, (int64_t[]){2}, (int64_t[]){4}, 1), tl_narrow(w, 0, 0, 2));
    tl_tensor *g = gradient(base, w);
    is_float(at(g, 1), 3, 0, "a view that reaches beyond its base: only what lies in it counts");
    is_float(at(g, 0), 0, 0, "and the rest does not");
    tl_tensor *half = tl_cast(tl_zeros(TL_SHAPE(2, 3), (struct tl_options){0}), TL_F16);
    tl_copy_(tl_select(half, 0, 1), w);
    tl_mul_(tl_select(half, 0, 1), tl_scalar(2));
    g = gradient(half, w);
    ok(g && tl_dtype_of(g) == TL_F32 && at(g, 2) == 2, "a base of another dtype: the gradient has the leaf's");
    tl_tensor *y = tl_mul_s(w, 2);
    ok(tl_mul_(tl_narrow(y, 0, 1, 0), tl_narrow(w, 0, 0, 0)) && at(gradient(y, w), 1) == 2, "writing nothing changes no gradient");
    tl_tensor *plain = tl_zeros(TL_SHAPE(3), (struct tl_options){0}), *view = tl_narrow(plain, 0, 0, 2);
    tl_set_data(plain, tl_tensor_f32(TL_SHAPE(1), 7));
    ok(tl_mul_(view, tl_narrow(w, 0, 0, 2)) && tl_requires_grad(view) && !tl_requires_grad(plain), "a view whose base stands for other data is its own");
}

static void leaving_the_graph_in_place(void)
{
    tl_tensor *x = leaf(1, 2, 3), *y = tl_mul_s(x, 2), *v = first(y);
    refused(!tl_detach_(v), "view", "detaching a view in place");
    ok(tl_detach_(y) == y && !tl_requires_grad(y) && tl_is_leaf(y), "a detached result is a constant");
    ok(tl_detach_(tl_detach(x)) != NULL && tl_requires_grad(x), "a detached handle leaves its source alone");
    refused(!tl_set_requires_grad(tl_mul_s(x, 2), false), "tl_detach()", "switching off a result's gradient");
    ok(tl_set_requires_grad(tl_mul_s(x, 2), true) != NULL, "asking for it changes nothing");
}

static void fills_stay_in_the_graph(void)
{
    tl_tensor *x = leaf(1, 2, 3), *y = tl_mul_s(x, 2);
    tl_zero_(y);
    is_string(tl_node_name(tl_grad_fn(y)), "ZeroBackward0", "zero_ is a node");
    is_float(at(gradient(y, x), 0), 0, 0, "with a gradient of zeros");
    y = tl_copy_(tl_mul_s(x, 2), tl_tensor_f32(TL_SHAPE(3), 7, 8, 9));
    ok(tl_requires_grad(y) && at(gradient(y, x), 0) == 0, "so is the copy of a constant");
}

int main(void)
{
    leaves_are_not_written();
    stale_values_are_named();
    operands_of_the_write_are_kept();
    hooks_and_retained_gradients();
    views_follow_their_base();
    bases_of_other_kinds();
    leaving_the_graph_in_place();
    fills_stay_in_the_graph();
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
