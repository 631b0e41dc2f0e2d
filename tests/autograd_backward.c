/* SPDX-License-Identifier: Apache-2.0
 *
 * What backward and tl_grad do with graphs of every shape: used twice, in parts, deep, wide, half released; with leaves of every size and
 * dtype; what they accumulate into; and what they refuse.
 */
#include <pthread.h>
#include <telar/telar.h>

#include "tap.h"

static const struct tl_backward_options ONCE = {0}, AGAIN = {.retain_graph = true}, CREATE = {.create_graph = true};

static tl_tensor *leaf(float a, float b)
{
    return tl_set_requires_grad(tl_tensor_f32(TL_SHAPE(2), a, b), true);
}

static float at(tl_tensor *t, int i)
{
    tl_tensor *c = tl_contiguous(t);
    const float *p = c ? tl_data(c) : NULL;
    return p ? p[i] : NAN;
}

static tl_tensor *gradient(tl_tensor *y, tl_tensor *x)
{
    tl_tensor *sum = tl_sum(y), *g = NULL;
    return tl_grad(&sum, 1, NULL, &x, 1, &g, AGAIN) == TL_OK ? g : NULL;
}

static void refused(tl_status s, tl_status code, const char *words, const char *what)
{
    is_int(s, code, "%s is refused", what);
    contains(tl_error_message(), words, "%s: the message", what);
    tl_error_clear();
}

static void graphs_in_parts(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_mul(x, x), *z = tl_sum(tl_mul(y, y)), *dy = NULL, *dx = NULL;
    ok(tl_grad(&z, 1, NULL, &y, 1, &dy, ONCE) == TL_OK && at(dy, 0) == 8, "the gradient of something on the way");
    ok(tl_grad(&y, 1, &dy, &x, 1, &dx, ONCE) == TL_OK && at(dx, 0) == 32, "needs nothing before that, which can be used later");
    tl_tensor *both[] = {tl_sum(y), tl_sum(tl_exp(x))}, *in[] = {x, both[1], x}, *g[3];
    y = tl_mul(x, x);
    both[0] = tl_sum(y);
    ok(tl_grad(both, 2, NULL, in, 3, g, AGAIN) == TL_OK, "several outputs at once, an output as input, an input twice");
    is_float(at(g[0], 0), 4 + exp(2), 1e-5, "gradients of several outputs add up");
    ok(at(g[1], 0) == 1 && at(g[2], 0) == at(g[0], 0), "an output's own gradient is what arrives");
    tl_tensor *linear = tl_sum(tl_add_s(x, 1));
    ok(tl_backward(linear, TL_NONE, ONCE) == TL_OK && tl_backward(linear, TL_NONE, ONCE) == TL_OK, "a graph that saved nothing can be used again");
    is_float(at(tl_grad_of(x), 0), 2, 0, "and adds up");
}

static void vectors(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_mul(x, x), *v = tl_tensor_f32(TL_SHAPE(2), 10, 100);
    refused(tl_backward(y, tl_tensor_f32(TL_SHAPE(3), 1, 2, 3), AGAIN), TL_ERR_SHAPE, "shape [3], the output [2]", "a gradient of another shape");
    refused(tl_backward(y, TL_NONE, AGAIN), TL_ERR_SHAPE, "shape [2]", "a vector without a gradient");
    refused(tl_backward(y, tl_tensor_i64(TL_SHAPE(2), 1, 2), AGAIN), TL_ERR_DTYPE, "i64", "a gradient of integers");
    refused(tl_backward(tl_detach(y), v, AGAIN), TL_ERR_STATE, "nothing that it was made from requires one", "backward of a constant");
    refused(tl_backward(TL_NONE, v, AGAIN), TL_ERR_ARGUMENT, "output 0", "backward of nothing");
    tl_tensor *g[2], *in[] = {tl_detach(x), x};
    refused(tl_grad(&y, 1, &v, in, 2, g, AGAIN), TL_ERR_STATE, "input 0 needs no gradient", "the gradient of a constant");
    refused(tl_grad(&y, 0, &v, in, 2, g, AGAIN), TL_ERR_ARGUMENT, "0 outputs", "the gradient of no output");
    ok(g[0] == NULL && g[1] == NULL, "and no result is left over");
    ok(tl_backward(y, v, AGAIN) == TL_OK && at(tl_grad_of(x), 1) == 600, "a vector-Jacobian product");
    ok(tl_backward(y, tl_cast(v, TL_F64), ONCE) == TL_OK && at(tl_grad_of(x), 1) == 1200, "the vector is cast");
}

static void hessian_vector_products(void)
{
    tl_tensor *x = leaf(2, 3), *y = tl_sum(tl_pow_s(tl_mul(x, tl_sum(x)), 2)), *g = NULL, *h = NULL, *v = tl_tensor_f32(TL_SHAPE(2), 1, -1);
    tl_grad(&y, 1, NULL, &x, 1, &g, CREATE);
    ok(tl_grad(&g, 1, &v, &x, 1, &h, AGAIN) == TL_OK, "a Hessian times a vector");
    /* y = q s^2, q = a^2 + b^2 = 13, s = a + b = 5; y_aa = 2 s^2 + 8 a s + 2 q, y_ab = 4 s^2 + 2 q, y_bb = 2 s^2 + 8 b s + 2 q */
    is_float(at(h, 0), 156 - 126, 1e-3, "its first element: y_aa - y_ab");
    tl_backward(tl_sum(tl_mul(g, v)), TL_NONE, ONCE);
    is_float(at(tl_grad_of(x), 1), 126 - 196, 1e-3, "its second by backward: y_ab - y_bb");
}

static void what_is_accumulated_into(void)
{
    tl_tensor *a = leaf(1, 2), *b = leaf(3, 4);
    tl_backward(tl_sum(tl_add(a, b)), TL_NONE, CREATE);
    TL_NO_GRAD
    {
        tl_zero_(tl_grad_of(a));
    }
    is_float(at(tl_grad_of(b), 0), 1, 0, "with create_graph too, leaves do not share their gradients");
    tl_set_grad(a, tl_expand(tl_tensor_f32(TL_SHAPE(1), 5), TL_SHAPE(2)));
    tl_set_grad(b, TL_NONE);
    ok(tl_backward(tl_sum(tl_add(a, b)), TL_NONE, ONCE) == TL_OK && at(tl_grad_of(a), 1) == 6, "a .grad that cannot be written is replaced");
    tl_set_grad(a, TL_NONE);
    tl_backward(tl_sum(tl_mul(a, tl_mul(a, a))), TL_NONE, CREATE);
    tl_tensor *first = tl_keep(tl_grad_of(a));
    ok(tl_requires_grad(first) && at(first, 1) == 12, "create_graph gives gradients with a history");
    tl_set_grad(a, TL_NONE);
    tl_backward(tl_sum(first), TL_NONE, ONCE);
    is_float(at(tl_grad_of(a), 1), 12, 0, "6 x");
    tl_release(first);
    tl_tensor *before = tl_grad_of(a);
    tl_backward(tl_sum(a), TL_NONE, ONCE);
    ok(tl_grad_of(a) == before && at(before, 1) == 13, "without it .grad is added to in place");
}

static void leaves_of_every_kind(void)
{
    tl_tensor *number = tl_set_requires_grad(tl_tensor_f32(TL_SHAPE0, 3), true), *none = tl_zeros(TL_SHAPE(0, 4), (struct tl_options){.requires_grad = true});
    tl_backward(tl_mul(number, number), TL_NONE, ONCE);
    ok(tl_ndim(tl_grad_of(number)) == 0 && at(tl_grad_of(number), 0) == 6, "a 0-d leaf");
    ok(tl_backward(tl_sum(tl_mul_s(none, 2)), TL_NONE, ONCE) == TL_OK && tl_size(tl_grad_of(none), 1) == 4 && tl_numel(tl_grad_of(none)) == 0,
       "one without elements");
    tl_tensor *half = tl_set_requires_grad(tl_cast(tl_tensor_f32(TL_SHAPE(2), 1, 2), TL_F16), true), *x = leaf(3, 4);
    tl_backward(tl_sum(tl_mul(half, x)), TL_NONE, ONCE);
    ok(tl_dtype_of(tl_grad_of(half)) == TL_F16 && tl_dtype_of(tl_grad_of(x)) == TL_F32, "each gradient has its leaf's dtype");
    is_float(tl_item(tl_sum(tl_grad_of(half))), 7, 0, "and the right values");
    ok(tl_backward(number, TL_NONE, ONCE) == TL_OK && at(tl_grad_of(number), 0) == 7, "backward of a leaf itself");
    tl_tensor *seven = leaf(1, 1);
    is_float(at(gradient(tl_expand(tl_permute(tl_unsqueeze(seven, 0), 2, (int64_t[]){1, 0}), TL_SHAPE(2, 5)), seven), 0), 5, 0,
             "expanded and permuted, it adds up");
}

static void diamonds_and_fans(void)
{
    tl_tensor *x = leaf(1, 1), *y = x, *fan = tl_zeros_like(tl_detach(x));
    for (int i = 0; i < 40; i++)
        y = tl_add(y, y);
    is_float(at(gradient(y, x), 0), 1099511627776.0, 0, "40 diamonds in a row: 2^40 paths, each node once");
    for (int i = 0; i < 5000; i++)
        fan = tl_add(fan, tl_mul_s(x, i % 2 ? 1 : -1));
    is_float(at(gradient(fan, x), 0), 0, 0, "5000 uses of one leaf");
}

/* A million nodes, on a stack of 128 KiB: neither backward nor release may recurse. */
static void *deep(void *p)
{
    tl_tensor *x = p, *y = tl_keep(tl_add(x, x)), *middle = NULL;
    for (int i = 0; i < 1000000; i++)
        TL_SCOPE
        {
            tl_tensor *next = tl_keep(tl_neg(y));
            tl_release(y);
            y = next;
            if (i == 500000)
                middle = tl_keep(y);
        }
    TL_SCOPE
    {
        tl_backward(tl_sum(y), TL_NONE, ONCE);
    }
    tl_release(y);
    TL_SCOPE
    {
        /* The later half is gone; the earlier one saved nothing and works again. */
        tl_backward(tl_sum(middle), TL_NONE, ONCE);
    }
    tl_release(middle);
    return NULL;
}

static void deep_graphs(void)
{
    tl_tensor *x = leaf(1, 1);
    pthread_attr_t small;
    pthread_t t;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    pthread_create(&t, &small, deep, x);
    pthread_join(t, NULL);
    is_float(at(tl_grad_of(x), 0), 2 - 2, 0, "a million nodes, then half of them: on a small stack");
}

static void views_have_gradients(void)
{
    tl_tensor *x = tl_set_requires_grad(tl_reshape(tl_arange(0, 4, 1, (struct tl_options){.dtype = TL_F32}), TL_SHAPE(2, 2)), true);
    tl_tensor *g = gradient(tl_as_strided(x, 2, (int64_t[]){3, 2}, (int64_t[]){1, 1}, 0), x);
    ok(at(g, 0) == 1 && at(g, 1) == 2 && at(g, 2) == 2 && at(g, 3) == 1, "as_strided whose elements overlap adds up");
    g = gradient(tl_as_strided(tl_t(x), 1, (int64_t[]){2}, (int64_t[]){2}, 1), x);
    ok(at(g, 1) == 1 && at(g, 3) == 1 && at(g, 0) == 0, "of a transposed tensor it counts the storage's elements");
}

int main(void)
{
    graphs_in_parts();
    vectors();
    hessian_vector_products();
    what_is_accumulated_into();
    leaves_of_every_kind();
    diamonds_and_fans();
    deep_graphs();
    views_have_gradients();
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
