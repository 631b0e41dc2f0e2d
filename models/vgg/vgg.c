/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "vgg": Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014, with
 * torchvision's names and order of random draws. Each network has a twin with batch norm.
 *
 *     x [n,3,h,w] -> features: 3x3 convolutions with ReLU; five times a max pool halves the sides -> [n,512,h/32,w/32]
 *                 -> avgpool: means over 7 x 7 windows, whatever the size -> flatten 25088
 *                 -> classifier: 4096 -> relu -> dropout -> 4096 -> relu -> dropout -> classes
 */
#include "models/common/convnet.h"

/* How many convolutions there are before each max pool. */
typedef int stages[5];

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_forward_child(m, "avgpool", tl_forward_child(m, "features", x));
    return tl_forward_child(m, "classifier", tl_flatten(x, 1, -1));
}

static tl_module *build_features(int64_t in, int64_t width, const stages convolutions, bool batch_norm)
{
    tl_module *m = tl_sequential_new();
    for (int stage = 0; stage < 5; stage++) {
        int64_t out = width << (stage < 3 ? stage : 3);
        for (int i = 0; i < convolutions[stage]; i++) {
            tl_sequential_append(m, tl_nn_conv2d(in, out, 3, .padding = {1}));
            if (batch_norm)
                tl_sequential_append(m, tl_nn_batch_norm2d(out));
            tl_sequential_append(m, tl_nn_relu());
            in = out;
        }
        tl_sequential_append(m, tl_nn_max_pool2d(2, .stride = {2}));
    }
    return m;
}

static tl_module *build_classifier(const struct tl_config *c, int64_t in)
{
    int64_t hidden = tl_config_int(c, "hidden");
    tl_module *m = tl_sequential_new();
    for (int i = 0; i < 2; i++) {
        tl_sequential_append(m, tl_nn_linear(in, hidden));
        tl_sequential_append(m, tl_nn_relu());
        tl_sequential_append(m, tl_nn_dropout(tl_config_float(c, "dropout")));
        in = hidden;
    }
    tl_sequential_append(m, tl_nn_linear(in, tl_config_int(c, "classes")));
    return m;
}

static tl_module *build(const struct tl_config *c, const stages convolutions, bool batch_norm)
{
    int64_t width = tl_config_int(c, "width");
    tl_module *m = tl_module_from("VGG", forward, NULL);
    tl_module_add(m, "features", build_features(tl_config_int(c, "channels"), width, convolutions, batch_norm));
    tl_module_add(m, "avgpool", tl_nn_adaptive_avg_pool2d(7, 7));
    tl_module_add(m, "classifier", build_classifier(c, 8 * width * 7 * 7));
    return convnet_init(m, 0.01);
}

static const struct tl_plugin_option options[] = {
    CONVNET_OPTIONS("1000", "224"),
    {.name = "width", .help = "channels of the first stage", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 1024},
    {.name = "hidden", .help = "size of the two hidden dense layers", .kind = TL_OPTION_INT, .fallback = "4096", .low = 1, .high = 65536},
    {.name = "dropout", .help = "chance of dropping each of their values while training", .kind = TL_OPTION_FLOAT, .fallback = "0.5",
     .high = 0.95},
    {0},
};

/* A network: layers with weights, convolutions before each max pool, with batch norm or not, digest and accuracies of its weights. */
#define VGG(variable, summary_, batch_norm, convolutions, digest, first, five)                                           \
    static const struct tl_model_weights variable##_weights[] = {                                                        \
        TORCHVISION_WEIGHTS("IMAGENET1K_V1", #variable, digest,                                                          \
                            "ImageNet, 1000 classes: " first " % right at the first guess, " five " % within five"),     \
        {0},                                                                                                             \
    };                                                                                                                   \
    static tl_module *build_##variable(const struct tl_config *c)                                                        \
    {                                                                                                                    \
        return build(c, convolutions, batch_norm);                                                                       \
    }                                                                                                                    \
    static const struct tl_model variable = {                                                                            \
        .struct_size = sizeof(struct tl_model),                                                                          \
        .tasks = TL_CLASSIFY,                                                                                            \
        .name = #variable,                                                                                               \
        .summary = summary_,                                                                                             \
        .options = options,                                                                                              \
        .weights = variable##_weights,                                                                                   \
        .input_shape = convnet_input_shape,                                                                              \
        .build = build_##variable,                                                                                       \
        .labels = imagenet_labels,                                                                                       \
        .pictures = &imagenet_224,                                                                                       \
    }

static const stages a = {1, 1, 2, 2, 2}, b = {2, 2, 2, 2, 2}, d = {2, 2, 3, 3, 3}, e = {2, 2, 4, 4, 4};

VGG(vgg11, "VGG of 11 layers", false, a, "8a719046", "69.020", "88.628");
VGG(vgg11_bn, "VGG of 11 layers, with batch norm", true, a, "6002323d", "70.370", "89.810");
VGG(vgg13, "VGG of 13 layers", false, b, "19584684", "69.928", "89.246");
VGG(vgg13_bn, "VGG of 13 layers, with batch norm", true, b, "abd245e5", "71.586", "90.374");
VGG(vgg16, "VGG of 16 layers", false, d, "397923af", "71.592", "90.382");
VGG(vgg16_bn, "VGG of 16 layers, with batch norm", true, d, "6c64b313", "73.360", "91.516");
VGG(vgg19, "VGG of 19 layers", false, e, "dcbb9e9d", "72.376", "90.876");
VGG(vgg19_bn, "VGG of 19 layers, with batch norm", true, e, "c79401a0", "74.218", "91.842");

TL_MODEL_PLUGIN("vgg", "0.1.0", "VGG: vgg11, vgg13, vgg16, vgg19, each also with _bn", &vgg11, &vgg11_bn, &vgg13, &vgg13_bn, &vgg16, &vgg16_bn,
                &vgg19, &vgg19_bn);
