/* SPDX-License-Identifier: Apache-2.0
 *
 * Models for the program's tests: one that gives its input back, and some whose slots fail in a way of their own, so that it shows
 * which of them was called.
 */
#include <telar/model.h>

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    (void)c;
    shape[0] = 1, shape[1] = shape[2] = 8;
    return 3;
}

static tl_tensor *same_shape(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_reshape(tl_forward_child(m, "layer", tl_reshape(x, TL_SHAPE(-1, 64))), TL_SHAPE(-1, 1, 8, 8));
}

static tl_module *build(const struct tl_config *c)
{
    (void)c;
    tl_module *m = tl_module_from("Mirror", same_shape, NULL);
    tl_module_add(m, "layer", tl_nn_linear(64, 64));
    return m;
}

static tl_module *build_nothing(const struct tl_config *c)
{
    (void)c;
    return NULL;
}

static tl_tensor *preprocess(const struct tl_config *c, tl_tensor *input)
{
    (void)c;
    return tl_reshape(input, TL_SHAPE(-1, 1, 8, 8));
}

static tl_tensor *failing_preprocess(const struct tl_config *c, tl_tensor *input)
{
    (void)c, (void)input;
    tl_fail(TL_ERR_STATE, "the preprocess slot was called");
    return NULL;
}

static tl_tensor *step(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c, (void)n;
    return tl_mse_loss(tl_forward(m, batch[0]), batch[0]);
}

static tl_tensor *failing_step(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c, (void)m, (void)batch, (void)n;
    tl_fail(TL_ERR_STATE, "the step slot was called");
    return NULL;
}

/* A classifier whose step asks for a layer by its name. */
static tl_tensor *forward_classes(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "last", tl_forward_child(m, "first", tl_flatten(x, 1, -1)));
}

static tl_module *build_classes(const struct tl_config *c)
{
    (void)c;
    tl_module *m = tl_module_from("Classes", forward_classes, NULL);
    tl_module_add(m, "first", tl_nn_linear(64, 8));
    tl_module_add(m, "last", tl_nn_linear(8, 10));
    return m;
}

static tl_tensor *step_by_name(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c;
    return tl_module_child(m, "first") ? tl_cross_entropy(tl_forward(m, batch[0]), batch[n - 1]) : NULL;
}

static tl_tensor *failing_update(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n, tl_update *u)
{
    (void)c, (void)m, (void)batch, (void)n, (void)u;
    tl_fail(TL_ERR_STATE, "the update slot was called");
    return NULL;
}

static tl_tensor *failing_forward(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c, (void)m, (void)batch;
    tl_fail(TL_ERR_STATE, "the forward slot was called with %d tensors", n);
    return NULL;
}

#define MODEL(variable, name_, build_, preprocess_, step_)                                                                              \
    static const struct tl_model variable = {.struct_size = sizeof(struct tl_model), .tasks = TL_RECONSTRUCT, .name = name_, .data = "digits", \
                                             .input_shape = input_shape, .build = build_, .preprocess = preprocess_, .step = step_}
MODEL(mirror, "odd-mirror", build, preprocess, step);
MODEL(empty, "odd-empty", build_nothing, preprocess, step);
MODEL(stepping, "odd-step", build, preprocess, failing_step);
MODEL(picky, "odd-preprocess", build, failing_preprocess, NULL);
static const struct tl_model looking = {.struct_size = sizeof(struct tl_model), .tasks = TL_RECONSTRUCT, .name = "odd-forward", .data = "digits",
                                        .input_shape = input_shape, .build = build, .forward = failing_forward};
#define CLASSIFIER(variable, name_, ...)                                                                                                      \
    static const struct tl_model variable = {.struct_size = sizeof(struct tl_model), .tasks = TL_CLASSIFY, .name = name_, .data = "digits",   \
                                             .input_shape = input_shape, .build = build_classes, __VA_ARGS__}
CLASSIFIER(named, "odd-named", .step = step_by_name);
CLASSIFIER(updating, "odd-update", .update = failing_update);

TL_MODEL_PLUGIN("odd", "1.0", "models for tests", &mirror, &empty, &stepping, &picky, &looking, &named, &updating);
