/* SPDX-License-Identifier: Apache-2.0
 *
 * Models for the program's tests: one that gives its input back, and some whose slots fail in a way of their own, so that it shows
 * which of them was called.
 */
#include <telar/model.h>

static int input_shape(const struct tl_model_config *c, int64_t shape[TL_MAX_DIMS])
{
    (void)c;
    shape[0] = 1, shape[1] = shape[2] = 8;
    return 3;
}

static tl_tensor *same_shape(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_reshape(tl_forward(tl_module_child(m, "layer"), tl_reshape(x, TL_SHAPE(-1, 64))), TL_SHAPE(-1, 1, 8, 8));
}

static tl_module *build(const struct tl_model_config *c)
{
    (void)c;
    tl_module *m = tl_module_from("Mirror", same_shape, NULL);
    tl_module_add(m, "layer", tl_nn_linear(64, 64));
    return m;
}

static tl_module *build_nothing(const struct tl_model_config *c)
{
    (void)c;
    return NULL;
}

static tl_tensor *preprocess(const struct tl_model_config *c, tl_tensor *input)
{
    (void)c;
    return tl_reshape(input, TL_SHAPE(-1, 1, 8, 8));
}

static tl_tensor *failing_preprocess(const struct tl_model_config *c, tl_tensor *input)
{
    (void)c, (void)input;
    tl_fail(TL_ERR_STATE, "the preprocess slot was called");
    return NULL;
}

static tl_tensor *step(tl_module *m, tl_tensor *const *batch, int n)
{
    (void)n;
    return tl_mse_loss(tl_forward(m, batch[0]), batch[0]);
}

static tl_tensor *failing_step(tl_module *m, tl_tensor *const *batch, int n)
{
    (void)m, (void)batch, (void)n;
    tl_fail(TL_ERR_STATE, "the step slot was called");
    return NULL;
}

#define MODEL(name, build, preprocess, step)                                                                      \
    {                                                                                                             \
        sizeof(struct tl_model), 0, name, "for tests", "reconstruct", NULL, NULL, "digits", input_shape, build, \
            preprocess, NULL, step                                                                                \
    }
static const struct tl_model mirror = MODEL("odd-mirror", build, preprocess, step),
                             empty = MODEL("odd-empty", build_nothing, preprocess, step),
                             stepping = MODEL("odd-step", build, preprocess, failing_step),
                             picky = MODEL("odd-preprocess", build, failing_preprocess, NULL);
static const struct tl_model *const models[] = {&mirror, &empty, &stepping, &picky, NULL};
static const struct tl_model_plugin table = {.struct_size = sizeof table, .models = models};

static tl_status open_plugin(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    (void)host, (void)err;
    *iface = &table;
    return TL_OK;
}

const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_MODEL_ABI,
    .kind = "model",
    .name = "odd",
    .version = "1.0",
    .summary = "models for tests",
    .open = open_plugin,
};
