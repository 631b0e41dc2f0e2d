/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes: what they take out and fold, that results stay right, also when weights change between runs, and that they can be switched off.
 */
#include <telar/nn.h>

#include "tests/program.h"

static tl_tensor *residual_block(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *h = tl_relu(tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    tl_tensor *y = tl_forward_child(m, "bn2", tl_forward_child(m, "conv2", h));
    tl_forward_child(m, "fc", tl_mean(h, .dims = TL_DIMS(2, 3))); /* nobody wants it */
    return tl_forward_child(m, "fc", tl_mean(tl_relu(tl_add(y, x)), .dims = TL_DIMS(2, 3)));
}

static tl_module *make_net(void)
{
    tl_module *m = tl_module_from("Block", residual_block, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(8, 8, 3, .padding = {1}, .no_bias = true));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(8));
    tl_module_add(m, "conv2", tl_nn_conv2d(8, 8, 3, .padding = {1}));
    tl_module_add(m, "bn2", tl_nn_batch_norm2d(8));
    tl_module_add(m, "fc", tl_nn_linear(8, 3));
    return m;
}

static tl_status forward(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    (void)n_in, (void)n_out;
    TL_NO_GRAD out[0] = tl_forward(ctx, in[0]);
    return tl_error_code();
}

/* Statistics that are not those of the beginning, so that folding them counts. */
static void shift(tl_module *m, const char *name, double by)
{
    TL_NO_GRAD tl_add_(tl_module_get(m, name), tl_scalar(by));
}

static tl_tensor *run(tl_program *p, tl_tensor *x)
{
    tl_tensor *out[1];
    return tl_program_run(p, &x, 1, out) == TL_OK ? out[0] : NULL;
}

static bool as_eager(tl_program *p, tl_module *m, tl_tensor *x, bool exactly)
{
    tl_tensor *want[1] = {NULL}, *got = run(p, x);
    forward(m, &x, 1, want, 1);
    return got && (exactly ? same_bits(want[0], got, "eager") : tl_allclose(got, want[0], 1e-4, 1e-5));
}

static size_t nodes_with(const char *passes, tl_module *m, tl_tensor *x, bool exactly, const char *backend)
{
    setenv("TELAR_PASSES", passes, 1);
    tl_program *p = tl_compile(forward, m, 1);
    ok(as_eager(p, m, x, exactly), "%s, TELAR_PASSES=\"%s\": results %s", backend, passes, exactly ? "are eager code's" : "are right");
    shift(m, "conv1.weight", 0.01);
    shift(m, "bn2.running_mean", -0.2);
    ok(as_eager(p, m, x, exactly), "%s, TELAR_PASSES=\"%s\": they follow the weights", backend, passes);
    size_t n = tl_program_info(p).nodes;
    tl_program_free(p);
    unsetenv("TELAR_PASSES");
    return n;
}

static void test_passes(const char *backend)
{
    tl_manual_seed(2);
    tl_module *m = make_net();
    tl_eval(m);
    shift(m, "bn1.running_mean", 0.3);
    shift(m, "bn1.running_var", 0.5);
    shift(m, "bn2.weight", -0.4);
    tl_tensor *x = tl_randn(TL_SHAPE(2, 8, 7, 7), (struct tl_options){0});
    size_t none = nodes_with("-all", m, x, true, backend), dead = nodes_with("-all,+dead", m, x, true, backend);
    size_t constants = nodes_with("-all,+constants,+reuse", m, x, true, backend), all = nodes_with("", m, x, false, backend);
    ok(dead < none, "%s: what nobody wants is taken out (%zu of %zu nodes are left)", backend, dead, none);
    is_int(constants, none, "%s: constants and memory need no other nodes", backend);
    ok(all != none, "%s: normalisations are folded", backend);
    nodes_with("-fold,-fuse", m, x, true, backend);

    tl_program *p = tl_compile(forward, m, 1);
    tl_set_math(TL_MATH_STRICT);
    ok(as_eager(p, m, x, true), "%s: strict arithmetic leaves out what rounds otherwise", backend);
    tl_set_math(TL_MATH_DEFAULT);
    ok(as_eager(p, m, x, false), "%s: the usual one does not", backend);
    struct tl_program_info info = tl_program_info(p);
    ok(info.constant_steps > 0 && info.constants > 0, "%s: %zu steps are done once, and give %zu bytes", backend, info.constant_steps, info.constants);
    tl_train(m);
    tl_program_set_variant(p, 1);
    ok(as_eager(p, m, x, false), "%s: in training mode, statistics of the batch", backend);
    tl_program_free(p);
    tl_module_free(m);
}

int main(void)
{
    unsetenv("TELAR_PASSES");
    on_each_backend(test_passes);
    tl_shutdown();
    return done_testing();
}
