/* SPDX-License-Identifier: Apache-2.0
 *
 * Hooks and retained gradients: order, replacement, removal, errors; and that a pass which fails half-way leaves every gradient as it was.
 */
#include <telar/function.h>
#include <telar/nn.h>

#include "tap.h"

static const struct tl_backward_options ONCE = {0};

static tl_tensor *leaf(float a, float b)
{
    return tl_set_requires_grad(tl_tensor_f32(TL_SHAPE(2), a, b), true);
}

static float at(tl_tensor *t, int i)
{
    const float *p = tl_data(t);
    return p ? p[i] : NAN;
}

static tl_tensor *twice(tl_tensor *g, void *ctx)
{
    (void)ctx;
    return tl_mul_s(g, 2);
}

static tl_tensor *one_more(tl_tensor *g, void *ctx)
{
    (void)ctx;
    return tl_add_s(g, 1);
}

static tl_tensor *ten_times(tl_tensor *g, void *ctx)
{
    (void)ctx;
    return tl_mul_s(g, 10);
}

static void hooks_run_in_order(void)
{
    tl_tensor *x = leaf(1, 1), *y = tl_mul(x, x), *g = NULL;
    tl_register_hook(y, twice, NULL);
    tl_register_hook(y, one_more, NULL);
    tl_retain_grad(y);
    tl_register_hook(y, ten_times, NULL);
    tl_register_hook(x, twice, NULL);
    tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){.retain_graph = true});
    is_float(at(tl_grad_of(y), 0), 30, 0, "(1 * 2 + 1) * 10 is retained, after all hooks");
    is_float(at(tl_grad_of(x), 0), 120, 0, "and flows on, through the leaf's own hook");
    tl_tensor *sum = tl_sum(y);
    ok(tl_grad(&sum, 1, NULL, &x, 1, &g, ONCE) == TL_OK, "the same by tl_grad");
    is_float(at(g, 0), 120, 0, "which gives what hooks made");
    is_float(at(tl_grad_of(x), 0), 120, 0, "and leaves the leaf's gradient alone");
    is_float(at(tl_grad_of(y), 0), 60, 0, "but not a retained one, as PyTorch");
}

static tl_tensor *once(tl_tensor *g, void *ctx)
{
    struct {
        tl_tensor *t;
        int calls;
    } *c = ctx;
    c->calls++;
    tl_remove_hook(c->t, once, ctx);
    (void)g;
    return NULL;
}

static void hooks_are_removed(void)
{
    tl_tensor *x = leaf(1, 1);
    struct {
        tl_tensor *t;
        int calls;
    } c = {.t = x};
    tl_register_hook(x, twice, NULL);
    tl_register_hook(x, once, &c);
    tl_register_hook(x, ten_times, NULL);
    ok(tl_remove_hook(x, ten_times, NULL) == TL_OK, "a hook is removed");
    for (int i = 0; i < 2; i++)
        tl_backward(tl_sum(tl_mul_s(x, 1)), TL_NONE, ONCE);
    is_int(c.calls, 1, "one removes itself");
    is_float(at(tl_grad_of(x), 0), 4, 0, "the others stay");
    is_int(tl_remove_hook(x, ten_times, NULL), TL_ERR_NOT_FOUND, "what is not there cannot be removed");
    tl_error_clear();
    is_int(tl_register_hook(tl_ones_like(tl_detach(x)), twice, NULL), TL_ERR_STATE, "a constant has no hooks");
    contains(tl_error_message(), "needs no gradient", "and the message says why");
    tl_error_clear();
}

static tl_tensor *wrong_shape(tl_tensor *g, void *ctx)
{
    (void)g, (void)ctx;
    return tl_ones(TL_SHAPE(2, 1), (struct tl_options){0});
}

static tl_tensor *in_f64(tl_tensor *g, void *ctx)
{
    (void)ctx;
    return tl_cast(tl_mul_s(g, 3), TL_F64);
}

static tl_tensor *failing(tl_tensor *g, void *ctx)
{
    (void)g, (void)ctx;
    tl_fail(TL_ERR_ARGUMENT, "out of patience");
    return NULL;
}

/* a's gradient is ready before the pass fails at b's. */
static void check_failure(tl_grad_hook hook, const char *words, const char *what)
{
    tl_tensor *a = leaf(1, 2), *b = leaf(3, 4), *y = tl_mul(tl_mul_s(b, 1), tl_mul_s(b, 2)), *z = tl_mul_s(a, 2);
    tl_set_grad(a, tl_tensor_f32(TL_SHAPE(2), 5, 6));
    tl_register_hook(y, hook, NULL);
    ok(tl_backward(tl_sum(tl_add(y, z)), TL_NONE, ONCE) != TL_OK, "%s ends the pass", what);
    contains(tl_error_message(), words, "%s: the message says so", what);
    contains(tl_error_message(), "MulBackward0", "%s: and where", what);
    ok(at(tl_grad_of(a), 0) == 5 && tl_is_none(tl_grad_of(b)), "%s: no gradient is half-written", what);
    tl_error_clear();
}

static tl_status cube(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved, (void)data;
    out[0] = tl_mul(in[0], tl_mul(in[0], in[0]));
    return out[0] ? TL_OK : tl_error_code();
}

static tl_status no_gradient(struct tl_grad_ctx *g, const void *data)
{
    (void)g, (void)data;
    return TL_ERR_UNSUPPORTED;
}

static tl_status too_short(struct tl_grad_ctx *g, const void *data)
{
    (void)data;
    return tl_grad_set(g, 0, tl_ones(TL_SHAPE(3), (struct tl_options){0}));
}

static void failing_functions(void)
{
    static const struct tl_function silent = {.struct_size = sizeof silent, .name = "Silent", .n_in = 1, .n_out = 1, .forward = cube, .backward = no_gradient};
    static const struct tl_function badly = {.struct_size = sizeof badly, .name = "Badly", .n_in = 1, .n_out = 1, .forward = cube, .backward = too_short};
    tl_tensor *a = leaf(1, 2), *b = leaf(3, 4);
    ok(tl_backward(tl_sum(tl_add(tl_apply(&silent, a), tl_mul(b, b))), TL_NONE, ONCE) != TL_OK, "a backward that fails ends the pass");
    contains(tl_error_message(), "SilentBackward", "and is named, though it said nothing");
    ok(tl_is_none(tl_grad_of(b)), "no gradient is half-written");
    tl_error_clear();
    ok(tl_backward(tl_sum(tl_apply(&badly, a)), TL_NONE, ONCE) != TL_OK, "a gradient of the wrong shape too");
    contains(tl_error_message(), "input 0 has shape [2], the gradient [3]", "with both shapes");
    tl_error_clear();
}

static tl_status split_signs(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved, (void)data;
    out[0] = tl_abs(in[0]);
    out[1] = tl_sign(in[0]);
    return out[0] && out[1] ? TL_OK : tl_error_code();
}

static tl_status by_sign(struct tl_grad_ctx *g, const void *data)
{
    (void)data;
    return tl_grad_set(g, 0, tl_mul(tl_grad_arriving(g, 0), tl_grad_output(g, 1)));
}

static void outputs_without_gradient(void)
{
    static const struct tl_function magnitude = {.struct_size = sizeof magnitude, .name = "Magnitude", .n_in = 1, .n_out = 2, .saves_outputs = 2,
                                                 .forward = split_signs, .backward = by_sign, .nondifferentiable_out = 2};
    tl_tensor *x = leaf(-2, 3), *out[2];
    ok(tl_apply_n(&magnitude, NULL, 0, 1, &x, out) == TL_OK, "a function of two outputs");
    ok(tl_requires_grad(out[0]) && !tl_requires_grad(out[1]), "one of which has no gradient");
    tl_backward(tl_sum(tl_mul(out[0], out[1])), TL_NONE, ONCE);
    is_float(at(tl_grad_of(x), 0), 1, 0, "and is a constant to what follows: d(|x| s)/dx = s s");
    tl_apply_n(&magnitude, NULL, 0, 1, &x, out);
    TL_NO_GRAD
    {
        tl_zero_(out[1]);
    }
    ok(tl_backward(tl_sum(out[0]), TL_NONE, ONCE) != TL_OK, "what a function saved must not be overwritten");
    contains(tl_error_message(), "MagnitudeBackward: output 1", "and the message names both");
    tl_error_clear();
}

int main(void)
{
    hooks_run_in_order();
    hooks_are_removed();
    check_failure(wrong_shape, "returned [2 x 1], but the gradient is [2]", "a hook's tensor of another shape");
    check_failure(failing, "out of patience", "a hook that fails");
    tl_tensor *x = leaf(1, 1);
    tl_register_hook(x, in_f64, NULL);
    tl_backward(tl_sum(tl_mul_s(x, 1)), TL_NONE, ONCE);
    ok(tl_dtype_of(tl_grad_of(x)) == TL_F32 && at(tl_grad_of(x), 0) == 3, "a hook's tensor of another dtype is cast");
    failing_functions();
    outputs_without_gradient();
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
