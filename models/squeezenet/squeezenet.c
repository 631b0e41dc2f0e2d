/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "squeezenet": Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016, with torchvision's names and
 * order of random draws. A fire module squeezes its input to few channels by a 1x1 convolution, and expands these by 1x1 and by 3x3
 * convolutions, whose outputs lie one after the other:
 *
 *     x -> squeeze 1x1 -> relu -> s;  s -> expand1x1 -> relu, and s -> expand3x3 -> relu;  both together
 *
 * There is no dense layer: the classifier is a 1x1 convolution, averaged over all positions.
 */
#include "models/common/convnet.h"

#include <string.h>

static tl_tensor *forward_fire(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *s = tl_forward_child(m, "squeeze_activation", tl_forward_child(m, "squeeze", x));
    tl_tensor *y[2] = {tl_forward_child(m, "expand1x1_activation", tl_forward_child(m, "expand1x1", s)),
                       tl_forward_child(m, "expand3x3_activation", tl_forward_child(m, "expand3x3", s))};
    return tl_cat(2, y, 1);
}

static tl_module *build_fire(int64_t in, int64_t squeezed, int64_t expanded)
{
    tl_module *m = tl_module_from("Fire", forward_fire, NULL);
    tl_module_add(m, "squeeze", tl_nn_conv2d(in, squeezed, 1));
    tl_module_add(m, "squeeze_activation", tl_nn_relu());
    tl_module_add(m, "expand1x1", tl_nn_conv2d(squeezed, expanded, 1));
    tl_module_add(m, "expand1x1_activation", tl_nn_relu());
    tl_module_add(m, "expand3x3", tl_nn_conv2d(squeezed, expanded, 3, .padding = {1}));
    tl_module_add(m, "expand3x3_activation", tl_nn_relu());
    return m;
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_flatten(tl_forward_child(m, "classifier", tl_forward_child(m, "features", x)), 1, -1);
}

/* What the versions differ in: the first convolution, and after which of the fire modules there are max pools. */
struct version {
    int64_t channels, kernel;
    bool pool_after[8];
};

static tl_module *build_features(int64_t in, struct version v)
{
    static const int64_t squeezed[8] = {16, 16, 32, 32, 48, 48, 64, 64};
    tl_module *m = tl_sequential_new();
    tl_sequential_append(m, tl_nn_conv2d(in, v.channels, v.kernel, .stride = {2}));
    tl_sequential_append(m, tl_nn_relu());
    tl_sequential_append(m, tl_nn_max_pool2d(3, .stride = {2}, .ceil_mode = true));
    in = v.channels;
    for (int i = 0; i < 8; i++) {
        tl_sequential_append(m, build_fire(in, squeezed[i], 4 * squeezed[i]));
        if (v.pool_after[i])
            tl_sequential_append(m, tl_nn_max_pool2d(3, .stride = {2}, .ceil_mode = true));
        in = 8 * squeezed[i];
    }
    return m;
}

/* Convolutions anew by He's rule (uniform, fan_in), the last from a normal distribution; biases 0. */
static tl_status init_one(const char *name, tl_module *m, void *ctx)
{
    (void)ctx;
    if (strcmp(tl_module_name(m), "Conv2d") != 0)
        return TL_OK;
    tl_tensor *weight = tl_module_get(m, "weight");
    tl_status s = strcmp(name, "classifier.1") == 0 ? tl_init_normal(weight, 0, 0.01) : tl_init_kaiming_uniform(weight, 0, false);
    return s == TL_OK ? tl_init_constant(tl_module_get(m, "bias"), 0) : s;
}

static tl_module *build(const struct tl_config *c, struct version v)
{
    tl_module *m = tl_module_from("SqueezeNet", forward, NULL), *classifier = tl_sequential_new();
    tl_module_add(m, "features", build_features(tl_config_int(c, "channels"), v));
    tl_sequential_append(classifier, tl_nn_dropout(tl_config_float(c, "dropout")));
    tl_sequential_append(classifier, tl_nn_conv2d(512, tl_config_int(c, "classes"), 1));
    tl_sequential_append(classifier, tl_nn_relu());
    tl_sequential_append(classifier, tl_nn_adaptive_avg_pool2d(1, 1));
    tl_module_add(m, "classifier", classifier);
    if (m)
        tl_modules(m, init_one, NULL);
    return m;
}

static tl_module *build_1_0(const struct tl_config *c)
{
    return build(c, (struct version){96, 7, {[2] = true, [6] = true}});
}

static tl_module *build_1_1(const struct tl_config *c)
{
    return build(c, (struct version){64, 3, {[1] = true, [3] = true}});
}

static const struct tl_plugin_option options[] = {
    CONVNET_OPTIONS("1000", "224"),
    {.name = "dropout", .help = "chance of dropping each feature before the last convolution while training", .kind = TL_OPTION_FLOAT,
     .fallback = "0.5", .high = 0.95},
    {0},
};

static const struct tl_model_weights weights_1_0[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "squeezenet1_0", "b66bff10", "ImageNet, 1000 classes: 58.092 % right at the first guess, 80.420 % within five"),
    {0},
};
static const struct tl_model_weights weights_1_1[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "squeezenet1_1", "b8a52dc0", "ImageNet, 1000 classes: 58.178 % right at the first guess, 80.624 % within five"),
    {0},
};

#define SQUEEZENET(version, summary_)                 \
    {                                                 \
        .struct_size = sizeof(struct tl_model),       \
        .tasks = TL_CLASSIFY,                         \
        .name = "squeezenet" #version,                \
        .summary = summary_,                          \
        .options = options,                           \
        .weights = weights_##version,                 \
        .input_shape = convnet_input_shape,           \
        .build = build_##version,                     \
        .labels = imagenet_labels,                    \
        .pictures = &imagenet_224,                    \
    }
static const struct tl_model squeezenet1_0 = SQUEEZENET(1_0, "SqueezeNet, the first version");
static const struct tl_model squeezenet1_1 = SQUEEZENET(1_1, "SqueezeNet with less than half the work of the first version");

TL_MODEL_PLUGIN("squeezenet", "0.1.0", "SqueezeNet: squeezenet1_0, squeezenet1_1", &squeezenet1_0, &squeezenet1_1);
