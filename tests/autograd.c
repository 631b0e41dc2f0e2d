/* SPDX-License-Identifier: Apache-2.0
 *
 * Autograd: what is recorded, what backward does, and what it refuses.
 */
#include <pthread.h>
#include <telar/telar.h>

#include "tap.h"

static tl_tensor *leaf(float a, float b)
{
    return tl_set_requires_grad(tl_tensor_f32(TL_SHAPE(2), a, b), true);
}

static float at(tl_tensor *t, int i)
{
    const float *p = tl_data(t);
    return p ? p[i] : NAN;
}

static void the_graph_can_be_walked(void)
{
    tl_tensor *x = leaf(1, 2), *y = tl_mul(tl_add(x, x), x);
    is_string(tl_node_name(tl_grad_fn(y)), "MulBackward0", "a node is named after its op");
    is_string(tl_node_name(tl_node_next(tl_grad_fn(y), 0)), "AddBackward0", "its first edge leads to the op before");
    is_string(tl_node_name(tl_node_next(tl_grad_fn(y), 1)), "AccumulateGrad", "its second to the leaf");
    ok(tl_grad_fn(x) == NULL && tl_is_leaf(x) && !tl_is_leaf(y), "a leaf has no grad_fn");
    is_string(tl_node_name(tl_grad_fn(tl_leaky_relu(x, 0.1))), "LeakyReluBackward0", "names are PyTorch's");
}

static void gradients_add_up(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_sum(tl_mul(x, x));
    ok(tl_backward(y, TL_NONE, (struct tl_backward_options){0}) == TL_OK, "backward of a number needs no gradient");
    is_float(at(tl_grad_of(x), 0), 4, 0, "d(x^2) = 2x");
    tl_backward(tl_sum(tl_mul(x, x)), TL_NONE, (struct tl_backward_options){0});
    is_float(at(tl_grad_of(x), 1), 12, 0, "a second backward adds to .grad");
    ok(tl_set_grad(x, TL_NONE) == TL_OK && tl_is_none(tl_grad_of(x)), "and .grad can be cleared");
}

static void both_gradients_of_a_sum_are_separate(void)
{
    tl_tensor *a = leaf(1, 2), *b = leaf(3, 4);
    tl_backward(tl_sum(tl_add(a, b)), TL_NONE, (struct tl_backward_options){0});
    TL_NO_GRAD
    {
        tl_zero_(tl_grad_of(a));
    }
    is_float(at(tl_grad_of(b), 0), 1, 0, "writing one leaf's gradient leaves the other's");
}

static void a_graph_is_used_once(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_sum(tl_mul(x, x));
    ok(tl_backward(y, TL_NONE, (struct tl_backward_options){.retain_graph = true}) == TL_OK, "retain_graph keeps it");
    ok(tl_backward(y, TL_NONE, (struct tl_backward_options){0}) == TL_OK, "for a second time");
    is_int(tl_backward(y, TL_NONE, (struct tl_backward_options){0}), TL_ERR_STATE, "but without, a third is refused");
    contains(tl_error_message(), "retain_graph", "and the message says what to do");
    tl_error_clear();
    is_float(at(tl_grad_of(x), 0), 8, 0, "a refused backward changes no gradient");
}

static void overwritten_values_are_noticed(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_exp(x), *z = tl_sum(tl_mul(y, y));
    TL_NO_GRAD
    {
        tl_add_(y, tl_scalar(1));
    }
    is_int(tl_backward(z, TL_NONE, (struct tl_backward_options){0}), TL_ERR_STATE, "a value that the gradient needs was overwritten");
    contains(tl_error_message(), "of mul (f32 [2]) is needed", "and is named");
    tl_error_clear();
    ok(tl_add_(x, tl_scalar(1)) == NULL && tl_error_code() == TL_ERR_STATE, "a leaf that needs a gradient is not written in place");
    contains(tl_error_message(), "TL_NO_GRAD", "unless in no_grad, as the message says");
    tl_error_clear();
}

static void in_place_is_recorded(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_mul(x, tl_scalar(3));
    tl_relu_(tl_add_(y, x));
    tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0});
    is_float(at(tl_grad_of(x), 0), 4, 0, "y = 3x; y += x; y = relu(y): dy/dx = 4");
}

static void second_derivatives(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_sum(tl_pow_s(x, 3)), *g, *h;
    ok(tl_grad(&y, 1, NULL, &x, 1, &g, (struct tl_backward_options){.create_graph = true}) == TL_OK, "tl_grad with create_graph");
    is_float(at(g, 0), 12, 1e-5, "d(x^3) = 3 x^2");
    tl_tensor *s = tl_sum(g);
    ok(tl_grad(&s, 1, NULL, &x, 1, &h, (struct tl_backward_options){0}) == TL_OK, "differentiates again");
    is_float(at(h, 1), 18, 1e-5, "d^2(x^3) = 6 x");
    ok(tl_is_none(tl_grad_of(x)), "and .grad stays untouched");
    tl_tensor *other = leaf(1, 1);
    y = tl_sum(tl_mul(x, x));
    is_int(tl_grad(&y, 1, NULL, &other, 1, &g, (struct tl_backward_options){.retain_graph = true}), TL_ERR_STATE, "an input without influence is refused");
    contains(tl_error_message(), ".allow_unused", "and the message says how to allow it");
    tl_error_clear();
    ok(tl_grad(&y, 1, NULL, &other, 1, &g, (struct tl_backward_options){.retain_graph = true, .allow_unused = true}) == TL_OK && tl_is_none(g),
       "then it gives TL_NONE");
    ok(tl_grad(&y, 1, NULL, &other, 1, &g, (struct tl_backward_options){.materialize_grads = true}) == TL_OK && at(g, 1) == 0, "or zeros");
}

static tl_tensor *twice(tl_tensor *g, void *ctx)
{
    ++*(int *)ctx;
    return tl_mul(g, tl_scalar(2));
}

static void hooks(void)
{
    int calls = 0;
    tl_tensor *x = leaf(2, 3), *y = tl_mul(x, x);
    tl_register_hook(y, twice, &calls);
    tl_retain_grad(y);
    tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0});
    is_int(calls, 1, "a hook is called once");
    is_float(at(tl_grad_of(x), 0), 8, 0, "and its gradient is used");
    is_float(at(tl_grad_of(y), 0), 2, 0, "a tensor that is no leaf retains its gradient if asked");
}

static void what_is_not_recorded(void)
{
    tl_tensor *x = leaf(2, 3), *y = NULL;
    TL_NO_GRAD
    {
        y = tl_mul(x, x);
    }
    ok(!tl_requires_grad(y) && tl_grad_enabled(), "no_grad records nothing, and ends");
    ok(!tl_requires_grad(tl_detach(tl_mul(x, x))), "nor has a detached tensor a history");
    is_int(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}), TL_ERR_STATE, "backward of a constant is refused");
    tl_error_clear();
    is_int(tl_backward(tl_mul(x, x), TL_NONE, (struct tl_backward_options){0}), TL_ERR_SHAPE, "and of several numbers without a gradient");
    tl_error_clear();
    ok(tl_set_requires_grad(tl_tensor_i64(TL_SHAPE(1), 1), true) == NULL, "integers have no gradient");
    tl_error_clear();
}

/* A chain as long as this would end the stack if anything recursed. */
static void deep_graphs(void)
{
    tl_tensor *x = leaf(1, 1);
    TL_SCOPE
    {
        tl_tensor *y = tl_keep(tl_add(x, x));
        for (int i = 0; i < 200000; i++)
            TL_SCOPE
            {
                tl_tensor *next = tl_keep(tl_neg(y));
                tl_release(y);
                y = next;
            }
        ok(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}) == TL_OK, "200,000 nodes in a row");
        tl_release(y);
    }
    is_float(at(tl_grad_of(x), 0), 2, 0, "with the right gradient");
    TL_SCOPE
    {
        tl_tensor *y = tl_keep(x);
        for (int i = 0; i < 200000; i++)
            TL_SCOPE
            {
                tl_tensor *next = tl_keep(tl_neg(y));
                tl_release(y);
                y = next;
            }
        tl_release(y);
    }
    pass("and are released without recursion");
}

/* The node of y's first history lives on in the graph, and y does not. */
static void retaining_survives_in_place_writes(void)
{
    tl_tensor *x = leaf(1, 2), *z = NULL;
    TL_SCOPE
    {
        tl_tensor *y = tl_mul(x, x);
        tl_retain_grad(y);
        tl_add_(y, tl_scalar(1));
        z = tl_scope_return(tl_sum(tl_mul_s(y, 2)));
    }
    ok(tl_backward(z, TL_NONE, (struct tl_backward_options){0}) == TL_OK, "a tensor that retained its gradient was written in place and is gone");
    is_float(at(tl_grad_of(x), 1), 8, 0, "the gradient passes through both its histories");
    tl_tensor *w = tl_mul(x, x);
    tl_retain_grad(w);
    tl_add_(w, tl_scalar(1));
    tl_backward(tl_sum(tl_mul_s(w, 3)), TL_NONE, (struct tl_backward_options){0});
    is_float(at(tl_grad_of(w), 0), 3, 0, "after an in-place write the retained gradient is that of the new value");
    tl_tensor *v = tl_mul(x, x);
    tl_retain_grad(v);
    tl_zero_(v);
    double before = at(tl_grad_of(x), 1);
    tl_backward(tl_sum(v), TL_NONE, (struct tl_backward_options){0});
    is_float(at(tl_grad_of(v), 0), 1, 0, "so it is after a fill");
    is_float(at(tl_grad_of(x), 1), before, 0, "which passes nothing on");
}

static void views_of_what_was_written(void)
{
    tl_tensor *x = leaf(1, 2), *b = tl_mul(x, tl_scalar(2)), *v = tl_view(b, TL_SHAPE(2, 1));
    tl_mul_(b, tl_scalar(3));
    is_float(at(v, 1), 12, 0, "a view sees what was written to its base");
    tl_backward(tl_sum(v), TL_NONE, (struct tl_backward_options){0});
    is_float(at(tl_grad_of(x), 0), 6, 0, "and its gradient passes through the write");
    tl_tensor *y = leaf(1, 2), *constant = tl_ones(TL_SHAPE(2), (struct tl_options){0}), *seen = tl_view(constant, TL_SHAPE(2, 1));
    tl_mul_(constant, y);
    tl_backward(tl_sum(tl_mul(seen, seen)), TL_NONE, (struct tl_backward_options){0});
    is_float(at(tl_grad_of(y), 1), 4, 0, "so does that of a view of a constant that became a result");
    tl_tensor *w = leaf(1, 2), *turned = tl_view(w, TL_SHAPE(2, 1));
    TL_NO_GRAD
    {
        tl_mul_(w, tl_scalar(2));
    }
    ok(tl_backward(tl_sum(tl_mul(turned, tl_scalar(5))), TL_NONE, (struct tl_backward_options){0}) == TL_OK &&
           at(tl_grad_of(w), 0) == 5,
       "a write in no_grad leaves views of a leaf as they are");
}

static void gradients_stop_where_they_are_asked_for(void)
{
    tl_tensor *x = leaf(1, 2), *h = tl_mul(x, x), *y = tl_sum(tl_mul(h, h)), *g;
    ok(tl_grad(&y, 1, NULL, &h, 1, &g, (struct tl_backward_options){0}) == TL_OK && at(g, 1) == 8, "the gradient of a result");
    ok(tl_backward(tl_sum(h), TL_NONE, (struct tl_backward_options){0}) == TL_OK, "does not use up the graph before it");
    is_float(at(tl_grad_of(x), 1), 4, 0, "which still gives gradients");
}

static void failures_change_no_gradient(void)
{
    tl_tensor *a = leaf(1, 2), *b = leaf(3, 4), *one = tl_ones(TL_SHAPE(1), (struct tl_options){0});
    tl_set_grad(a, tl_ones(TL_SHAPE(2), (struct tl_options){0}));
    tl_set_grad(b, tl_expand(one, 1, (int64_t[]){2}));
    ok(tl_backward(tl_sum(tl_mul(b, a)), TL_NONE, (struct tl_backward_options){0}) == TL_OK, "a gradient that cannot be written in place is replaced");
    is_float(at(tl_grad_of(a), 1), 5, 0, "others are added to");
    is_float(at(tl_contiguous(tl_grad_of(b)), 1), 3, 0, "and so is that one's value");
    is_float(tl_item(one), 1, 0, "what it was made from is as it was");
    tl_tensor *h = tl_set_requires_grad(tl_ones(TL_SHAPE(2), (struct tl_options){.dtype = TL_F16}), true), *before = NULL;
    for (int i = 0; i < 2; i++) {
        tl_backward(tl_sum(tl_mul(h, tl_scalar(3))), TL_NONE, (struct tl_backward_options){0});
        before = before ? before : tl_grad_of(h);
    }
    ok(tl_grad_of(h) == before, "a half-precision gradient grows in its place, too");
    is_float(tl_item(tl_sum(tl_grad_of(h))), 12, 0, "by as much");
}

static void numbers_of_another_type_have_gradients(void)
{
    tl_tensor *x = tl_set_requires_grad(tl_full(TL_SHAPE0, 2, (struct tl_options){.dtype = TL_F64}), true);
    tl_tensor *y = tl_mul(tl_ones(TL_SHAPE(3), (struct tl_options){0}), x);
    is_int(tl_dtype_of(y), TL_F32, "a number in f64 is the weaker one");
    ok(tl_requires_grad(y), "and still has a gradient");
    tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0});
    is_float(tl_item(tl_grad_of(x)), 3, 0, "of its own type and value");
}

static tl_tensor *turn(tl_tensor *gradient, void *ctx)
{
    (void)ctx;
    return tl_contiguous(tl_transpose(gradient, 0, 1));
}

static void hooks_keep_the_shape(void)
{
    tl_tensor *x = tl_set_requires_grad(tl_ones(TL_SHAPE(2, 3), (struct tl_options){0}), true), *y = tl_mul(x, x);
    tl_register_hook(y, turn, NULL);
    is_int(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}), TL_ERR_SHAPE, "a hook's gradient of another shape is refused");
    contains(tl_error_message(), "returned [3 x 2], but the gradient is [2 x 3]", "by name");
    tl_error_clear();
}

static void resizing_is_writing(void)
{
    tl_tensor *x = leaf(1, 2), *w = tl_empty(TL_SHAPE(2), (struct tl_options){0});
    TL_SCOPE
    {
        tl_tensor *y = tl_mul(x, w);
        tl_resize_(w, 1, (int64_t[]){100});
        is_int(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}), TL_ERR_STATE, "a factor that grew since is noticed");
        contains(tl_error_message(), "overwritten", "as one that was overwritten");
        tl_error_clear();
    }
}

static void *one_thread(void *p)
{
    tl_tensor *w = p;
    for (int i = 0; i < 200; i++)
        TL_SCOPE
        {
            tl_tensor *y = tl_sum(tl_mul(w, w)), *g;
            if (tl_grad(&y, 1, NULL, &w, 1, &g, (struct tl_backward_options){0}) != TL_OK || at(g, 1) != 6)
                return p;
        }
    return NULL;
}

static void threads_share_a_leaf(void)
{
    tl_tensor *w = leaf(2, 3);
    pthread_t t[4];
    int wrong = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, one_thread, w);
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(t[i], &r);
        wrong += r != NULL;
    }
    is_int(wrong, 0, "four threads differentiate through one leaf at once");
}

int main(void)
{
    the_graph_can_be_walked();
    gradients_add_up();
    both_gradients_of_a_sum_are_separate();
    a_graph_is_used_once();
    overwritten_values_are_noticed();
    in_place_is_recorded();
    second_derivatives();
    hooks();
    what_is_not_recorded();
    deep_graphs();
    retaining_survives_in_place_writes();
    views_of_what_was_written();
    gradients_stop_where_they_are_asked_for();
    failures_change_no_gradient();
    numbers_of_another_type_have_gradients();
    hooks_keep_the_shape();
    resizing_is_writing();
    threads_share_a_leaf();
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
