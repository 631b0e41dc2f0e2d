/* SPDX-License-Identifier: Apache-2.0
 *
 * Differentiable functions of one's own: in the style of <telar/function.h> (saved inputs, outputs and intermediate results,
 * numbers beside the tensors, several outputs, plain C over the data), and as an op with a gradient.
 */
#include <telar/nn.h>

#include "golden.h"

#define NO_OPTIONS ((struct tl_backward_options){0})
#define CHECK ((struct tl_gradcheck_options){0})

static tl_status made(const tl_tensor *t)
{
    return t ? TL_OK : tl_error_code();
}

/* ---- y = x^3, from the input --------------------------------------------------------------------------------------------- */

static tl_status cube_forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved;
    (void)data;
    return made(out[0] = tl_mul(in[0], tl_mul(in[0], in[0])));
}

static tl_status cube_backward(struct tl_grad_ctx *g, const void *data)
{
    (void)data;
    tl_tensor *x = tl_grad_input(g, 0);
    return tl_grad_set(g, 0, tl_mul(tl_grad_arriving(g, 0), tl_mul_s(tl_mul(x, x), 3)));
}

static const struct tl_function cube = {.struct_size = sizeof cube,
                                        .name = "Cube",
                                        .n_in = 1,
                                        .n_out = 1,
                                        .saves_inputs = 1,
                                        .forward = cube_forward,
                                        .backward = cube_backward};

/* ---- y = e^x, from the output -------------------------------------------------------------------------------------------- */

static tl_status exp_forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved;
    (void)data;
    return made(out[0] = tl_exp(in[0]));
}

static tl_status exp_backward(struct tl_grad_ctx *g, const void *data)
{
    (void)data;
    return tl_grad_set(g, 0, tl_mul(tl_grad_arriving(g, 0), tl_grad_output(g, 0)));
}

static const struct tl_function my_exp = {.struct_size = sizeof my_exp,
                                          .name = "MyExp",
                                          .n_in = 1,
                                          .n_out = 1,
                                          .saves_outputs = 1,
                                          .forward = exp_forward,
                                          .backward = exp_backward};

/* ---- Two inputs, two outputs, a saved mask, numbers beside them: (scale relu(a) + b, a b) ------------------------------------
 */

struct numbers {
    double scale;
};

static tl_status pair_forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    const struct numbers *n = data;
    saved[0] = tl_cast(tl_gt(in[0], tl_scalar(0)), tl_dtype_of(in[0]));
    out[0] = tl_add(tl_mul_s(tl_mul(in[0], saved[0]), n->scale), in[1]);
    return made(out[1] = tl_mul(in[0], in[1]));
}

static tl_status pair_backward(struct tl_grad_ctx *g, const void *data)
{
    const struct numbers *n = data;
    tl_tensor *first = tl_grad_arriving(g, 0), *second = tl_grad_arriving(g, 1);
    tl_tensor *da = tl_add(tl_mul_s(tl_mul(first, tl_function_saved(g, 0)), n->scale), tl_mul(second, tl_grad_input(g, 1)));
    if (tl_grad_set(g, 0, da) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, 1) ? tl_grad_set(g, 1, tl_add(first, tl_mul(second, tl_grad_input(g, 0)))) : TL_OK;
}

static const struct tl_function pair = {.struct_size = sizeof pair,
                                        .name = "Pair",
                                        .n_in = 2,
                                        .n_out = 2,
                                        .n_saved = 1,
                                        .saves_inputs = 3,
                                        .forward = pair_forward,
                                        .backward = pair_backward};

/* ---- Plain C: y = x / 2, a wrong gradient on request, and functions that fail -----------------------------------------------
 */

static tl_status half_forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved;
    (void)data;
    out[0] = tl_clone(in[0]);
    double *v = out[0] && tl_dtype_of(out[0]) == TL_F64 ? tl_data_mut(out[0]) : NULL;
    if (!v)
        return tl_fail(TL_ERR_DTYPE, "half takes f64");
    for (int64_t i = 0; i < tl_numel(out[0]); i++)
        v[i] /= 2;
    return TL_OK;
}

static tl_status half_backward(struct tl_grad_ctx *g, const void *data)
{
    return tl_grad_set(g, 0, tl_mul_s(tl_grad_arriving(g, 0), data ? ((const struct numbers *)data)->scale : 0.5));
}

static tl_status failing_backward(struct tl_grad_ctx *g, const void *data)
{
    (void)g;
    (void)data;
    return TL_ERR_UNSUPPORTED;
}

static int recorded;

static tl_status identity_forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved;
    (void)data;
    recorded += tl_grad_enabled();
    out[0] = in[0];
    return TL_OK;
}

static const struct tl_function half = {
    .struct_size = sizeof half, .name = "Half", .n_in = 1, .n_out = 1, .forward = half_forward, .backward = half_backward};
static const struct tl_function same_name = {
    .struct_size = sizeof half, .name = "Half", .n_in = 1, .n_out = 1, .forward = identity_forward, .backward = failing_backward};
static const struct tl_function no_gradient = {
    .struct_size = sizeof half, .name = "Plain", .n_in = 1, .n_out = 1, .forward = identity_forward};

/* ---- Tests -------------------------------------------------------------------------------------------------------------------
 */

static tl_tensor *leaf(int64_t n)
{
    return tl_set_requires_grad(tl_randn(TL_SHAPE(n), (struct tl_options){.dtype = TL_F64}), true);
}

static tl_tensor *call_cube(tl_tensor *const *in, void *ctx)
{
    (void)ctx;
    return tl_apply(&cube, in[0]);
}

static tl_tensor *call_exp(tl_tensor *const *in, void *ctx)
{
    (void)ctx;
    return tl_apply(&my_exp, in[0]);
}

static tl_tensor *call_pair(tl_tensor *const *in, void *ctx)
{
    tl_tensor *out[2];
    if (tl_apply_n(&pair, ctx, sizeof(struct numbers), 2, in, out) != TL_OK)
        return NULL;
    return tl_add(tl_square(out[0]), tl_mul_s(out[1], 3));
}

static tl_tensor *call_half(tl_tensor *const *in, void *ctx)
{
    struct numbers *n = ctx;
    return n ? tl_apply_data(&half, n, in[0]) : tl_apply(&half, in[0]);
}

static void test_gradients(void)
{
    struct numbers scale = {2.5}, wrong = {0.4};
    tl_tensor *in[2] = {leaf(5), leaf(5)};
    ok(tl_gradcheck(call_cube, NULL, in, 1, CHECK) == TL_OK, "gradient from a saved input %s", tl_error_message());
    ok(tl_gradcheck(call_exp, NULL, in, 1, CHECK) == TL_OK, "from a saved output %s", tl_error_message());
    ok(tl_gradcheck(call_pair, &scale, in, 2, CHECK) == TL_OK, "two inputs, two outputs, saved results, numbers %s",
       tl_error_message());
    tl_error_clear();
    ok(tl_gradcheck(call_half, NULL, in, 1, CHECK) == TL_OK, "plain C %s", tl_error_message());
    tl_error_clear();
    ok(tl_gradcheck(call_half, &wrong, in, 1, CHECK) == TL_ERR_CHECK, "a wrong backward is caught");
    tl_error_clear();
    is_string(tl_node_name(tl_grad_fn(tl_apply(&cube, in[0]))), "CubeBackward", "the graph shows its name");
}

static void test_second_order(void)
{
    const struct tl_function *const f[2] = {&cube, &my_exp};
    for (int i = 0; i < 2; i++) {
        tl_tensor *x = tl_set_requires_grad(tl_full(TL_SHAPE(1), 1.5, (struct tl_options){.dtype = TL_F64}), true), *d[1], *dd[1];
        tl_tensor *y = tl_apply(f[i], x);
        tl_status status = tl_grad(&y, 1, NULL, &x, 1, d, (struct tl_backward_options){.create_graph = true});
        if (status == TL_OK)
            status = tl_grad(d, 1, NULL, &x, 1, dd, NO_OPTIONS);
        is_float(status == TL_OK ? tl_item(dd[0]) : NAN, i ? exp(1.5) : 9, 1e-12, "%s: second derivative %s", f[i]->name,
                 tl_error_message());
        tl_error_clear();
    }
}

static void test_edges(void)
{
    tl_tensor *x = leaf(3);
    tl_tensor *y = tl_apply(&same_name, x);
    ok(y && y != x && tl_equal(x, y) && !tl_shares_storage(x, y), "a function that hands its input on: %s", tl_error_message());
    ok(tl_is_leaf(x), "and the input keeps its place");
    is_int(recorded, 0, "nothing is recorded inside forward");
    ok(tl_backward(tl_sum(y), TL_NONE, NO_OPTIONS) == TL_ERR_UNSUPPORTED, "a failing backward fails the pass");
    contains(tl_error_message(), "its backward failed", "and is named");
    ok(tl_is_none(tl_grad_of(x)), "no gradient is left half-written");
    tl_error_clear();
    ok(tl_backward(tl_sum(tl_apply(&no_gradient, x)), TL_NONE, NO_OPTIONS) == TL_ERR_UNSUPPORTED, "without a backward the pass is refused");
    contains(tl_error_message(), "Plain has no backward", "and the function is named");
    tl_error_clear();
    TL_NO_GRAD ok(!tl_requires_grad(tl_apply(&cube, x)), "nothing is recorded in TL_NO_GRAD");
    tl_error_clear();
    ok(!tl_apply(&half, tl_ones(TL_SHAPE(2), (struct tl_options){0})), "a failing forward fails");
    is_string(tl_error_message(), "half takes f64", "with its own words");
    tl_error_clear();
    ok(!tl_apply(&pair, x), "too few inputs");
    contains(tl_error_message(), "takes 2 tensors, not 1", "are counted");
    tl_error_clear();
    const struct tl_function bad = {
        .struct_size = sizeof bad, .name = "Bad", .n_in = 9, .n_saved = 8, .n_out = 8, .forward = identity_forward};
    ok(tl_apply_n(&bad, NULL, 0, 0, NULL, NULL) != TL_OK, "too many tensors are refused");
    tl_error_clear();
    char large[129] = "";
    ok(!tl_apply_1(&cube, large, sizeof large, 1, &x), "too much data is refused");
    tl_error_clear();
}

/* ---- The same as an op: f(x) = x / (1 + |x|), f' = 1 / (1 + |x|)^2 -----------------------------------------------------------
 */

static tl_status softsign_infer(const struct tl_meta *in, int n, void *attrs, struct tl_meta *out)
{
    (void)n;
    (void)attrs;
    if (!tl_dtype_is_float(in[0].dtype))
        return tl_fail(TL_ERR_DTYPE, "softsign: takes a floating tensor, not %s", tl_dtype_name(in[0].dtype));
    out[0] = in[0];
    return TL_OK;
}

static tl_status softsign_decompose(const void *attrs, tl_tensor *const *in, int n, tl_tensor **out)
{
    (void)attrs;
    (void)n;
    return made(out[0] = tl_div(in[0], tl_add_s(tl_abs(in[0]), 1)));
}

static tl_status softsign_grad(struct tl_grad_ctx *g)
{
    return tl_grad_set(g, 0, tl_div(tl_grad_arriving(g, 0), tl_square(tl_add_s(tl_abs(tl_grad_input(g, 0)), 1))));
}

static const tl_op softsign = {
    .struct_size = sizeof softsign,
    .name = "test_softsign",
    .formula = "x / (1 + |x|)",
    .flags = TL_OP_COMPOSITE,
    .n_in = 1,
    .n_out = 1,
    .infer = softsign_infer,
    .grad = softsign_grad,
    .saves_inputs = 1,
    .decompose = softsign_decompose,
};

static tl_tensor *call_softsign(tl_tensor *const *in, void *ctx)
{
    (void)ctx;
    return tl_op_call1(&softsign, NULL, in, 1);
}

static void test_op(void)
{
    ok(tl_op_register(&softsign) == TL_OK && tl_op_find("test_softsign") == &softsign, "an op of one's own is registered");
    tl_tensor *in[1] = {leaf(6)};
    ok(tl_gradcheck(call_softsign, NULL, in, 1, CHECK) == TL_OK, "its gradient is right %s", tl_error_message());
    tl_error_clear();
    tl_tensor *whole[1] = {tl_zeros(TL_SHAPE(1), (struct tl_options){.dtype = TL_I64})};
    ok(!call_softsign(whole, NULL), "its own check refuses integers");
    contains(tl_error_message(), "softsign: takes a floating tensor, not i64", "with its words");
    tl_error_clear();
    ok(tl_op_register(&softsign) != TL_OK, "a name can be taken once");
    tl_error_clear();
}

int main(void)
{
    tl_manual_seed(1);
    TL_SCOPE test_gradients();
    TL_SCOPE test_second_order();
    TL_SCOPE test_edges();
    TL_SCOPE test_op();
    return done_testing();
}
