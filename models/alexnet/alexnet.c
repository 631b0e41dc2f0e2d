/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "alexnet": Krizhevsky's network in the form of "One weird trick for parallelizing convolutional neural networks", 2014, with
 * torchvision's names and order of random draws.
 *
 *     x [n,3,h,w] -> features: conv 11x11, stride 4, 64 -> relu -> pool -> conv 5x5, 192 -> relu -> pool
 *                              -> conv 3x3, 384 -> relu -> conv 3x3, 256 -> relu -> conv 3x3, 256 -> relu -> pool
 *                 -> avgpool: means over 6 x 6 windows, whatever the size -> flatten 9216
 *                 -> classifier: dropout -> 4096 -> relu -> dropout -> 4096 -> relu -> classes
 *
 * Pools are maxima over 3x3 windows with a stride of 2.
 */
#include "models/common/convnet.h"

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_forward_child(m, "avgpool", tl_forward_child(m, "features", x));
    return tl_forward_child(m, "classifier", tl_flatten(x, 1, -1));
}

static tl_module *build_features(int64_t channels)
{
    static const struct {
        int64_t out, kernel, stride, padding;
        bool pool;
    } layers[] = {{64, 11, 4, 2, true}, {192, 5, 1, 2, true}, {384, 3, 1, 1, false}, {256, 3, 1, 1, false}, {256, 3, 1, 1, true}};
    tl_module *m = tl_sequential_new();
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        tl_sequential_append(m, tl_nn_conv2d(channels, layers[i].out, layers[i].kernel, .stride = {layers[i].stride}, .padding = {layers[i].padding}));
        tl_sequential_append(m, tl_nn_relu());
        if (layers[i].pool)
            tl_sequential_append(m, tl_nn_max_pool2d(3, .stride = {2}));
        channels = layers[i].out;
    }
    return m;
}

static tl_module *build_classifier(const struct tl_config *c)
{
    int64_t hidden = tl_config_int(c, "hidden"), in = 256 * 6 * 6;
    tl_module *m = tl_sequential_new();
    for (int i = 0; i < 2; i++) {
        tl_sequential_append(m, tl_nn_dropout(tl_config_float(c, "dropout")));
        tl_sequential_append(m, tl_nn_linear(in, hidden));
        tl_sequential_append(m, tl_nn_relu());
        in = hidden;
    }
    tl_sequential_append(m, tl_nn_linear(in, tl_config_int(c, "classes")));
    return m;
}

static tl_module *build(const struct tl_config *c)
{
    tl_module *m = tl_module_from("AlexNet", forward, NULL);
    tl_module_add(m, "features", build_features(tl_config_int(c, "channels")));
    tl_module_add(m, "avgpool", tl_nn_adaptive_avg_pool2d(6, 6));
    tl_module_add(m, "classifier", build_classifier(c));
    return m;
}

static const struct tl_plugin_option options[] = {
    CONVNET_OPTIONS("1000", "224"),
    {.name = "hidden", .help = "size of the two hidden dense layers", .kind = TL_OPTION_INT, .fallback = "4096", .low = 1, .high = 65536},
    {.name = "dropout", .help = "chance of dropping each input of theirs while training", .kind = TL_OPTION_FLOAT, .fallback = "0.5",
     .high = 0.95},
    {0},
};

static const struct tl_model_weights weights[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "alexnet-owt", "7be5be79", "ImageNet, 1000 classes: 56.522 % right at the first guess, 79.066 % within five"),
    {0},
};

static const struct tl_model alexnet = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "alexnet",
    .summary = "AlexNet: five convolutions, three dense layers",
    .options = options,
    .weights = weights,
    .input_shape = convnet_input_shape,
    .build = build,
    .labels = imagenet_labels,
    .pictures = &imagenet_224,
};

TL_MODEL_PLUGIN("alexnet", "0.1.0", "AlexNet", &alexnet);
