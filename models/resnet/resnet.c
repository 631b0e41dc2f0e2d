/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "resnet": residual networks (He et al., "Deep residual learning for image recognition", 2015), with torchvision's
 * names, order of random draws and place of the stride (in the 3x3 convolution of a bottleneck).
 *
 *     x [n,3,h,w] -> conv1 7x7, stride 2 -> bn1 -> relu -> max pool 3x3, stride 2 -> [n,64,h/4,w/4]
 *                 -> layer1 … layer4, stages of blocks; each but the first halves the sides and doubles the channels
 *                 -> mean over all positions -> fc
 *
 * A block computes relu(f(x) + x), where f is two 3x3 convolutions, or 1x1, 3x3 and 1x1 (a bottleneck, with four times the channels
 * outside). Where f changes the shape, x goes through a 1x1 convolution too (downsample).
 */
#include <stdio.h>
#include <string.h>

#include "models/common/convnet.h"

/* The context of a block with a downsample: the child's name. */
static char downsample[] = "downsample";

static tl_tensor *add_shortcut(tl_module *m, tl_tensor *y, tl_tensor *x, const char *shortcut)
{
    x = shortcut ? tl_forward_child(m, shortcut, x) : x;
    return tl_forward_child(m, "relu", tl_add(y, x));
}

static tl_tensor *forward_basic(tl_module *m, tl_tensor *x, void *shortcut)
{
    tl_tensor *y = tl_forward_child(m, "relu", tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    y = tl_forward_child(m, "bn2", tl_forward_child(m, "conv2", y));
    return add_shortcut(m, y, x, shortcut);
}

static tl_tensor *forward_bottleneck(tl_module *m, tl_tensor *x, void *shortcut)
{
    tl_tensor *y = tl_forward_child(m, "relu", tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    y = tl_forward_child(m, "relu", tl_forward_child(m, "bn2", tl_forward_child(m, "conv2", y)));
    y = tl_forward_child(m, "bn3", tl_forward_child(m, "conv3", y));
    return add_shortcut(m, y, x, shortcut);
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    static const char *const before[] = {"conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"};
    (void)ctx;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        x = tl_forward_child(m, before[i], x);
    return tl_forward_child(m, "fc", tl_flatten(x, 1, -1));
}

/* What the networks differ in. */
struct depth {
    int blocks[4];
    bool bottleneck;
};

static void add_conv(tl_module *m, int number, int64_t in, int64_t out, int64_t kernel, int64_t stride)
{
    char name[16];
    snprintf(name, sizeof name, "conv%d", number);
    tl_module_add(m, name, tl_nn_conv2d(in, out, kernel, .stride = {stride}, .padding = {kernel / 2}, .no_bias = true));
    snprintf(name, sizeof name, "bn%d", number);
    tl_module_add(m, name, tl_nn_batch_norm2d(out));
}

static tl_module *build_block(bool bottleneck, int64_t in, int64_t planes, int64_t stride)
{
    int64_t out = bottleneck ? 4 * planes : planes;
    tl_module *shortcut = NULL;
    bool changes = stride != 1 || in != out;
    if (changes) { /* its weights are drawn before those of the block */
        shortcut = tl_sequential_new();
        tl_sequential_append(shortcut, tl_nn_conv2d(in, out, 1, .stride = {stride}, .no_bias = true));
        tl_sequential_append(shortcut, tl_nn_batch_norm2d(out));
    }
    tl_module *m = bottleneck ? tl_module_from("Bottleneck", forward_bottleneck, changes ? downsample : NULL)
                              : tl_module_from("BasicBlock", forward_basic, changes ? downsample : NULL);
    if (bottleneck) {
        add_conv(m, 1, in, planes, 1, 1);
        add_conv(m, 2, planes, planes, 3, stride);
        add_conv(m, 3, planes, out, 1, 1);
    } else {
        add_conv(m, 1, in, planes, 3, stride);
        add_conv(m, 2, planes, planes, 3, 1);
    }
    tl_module_add(m, "relu", tl_nn_relu());
    if (changes)
        tl_module_add(m, downsample, shortcut);
    return m;
}

/* The last batch norm of each block starts with zeros, so that a block starts as the identity. */
static tl_status zero_residual(const char *name, tl_module *m, void *ctx)
{
    (void)name;
    (void)ctx;
    const char *kind = tl_module_name(m), *last = strcmp(kind, "Bottleneck") == 0 ? "bn3" : strcmp(kind, "BasicBlock") == 0 ? "bn2" : NULL;
    return last ? tl_init_constant(tl_module_get(tl_module_child(m, last), "weight"), 0) : TL_OK;
}

static tl_module *build(const struct tl_config *c, struct depth d)
{
    int64_t width = tl_config_int(c, "width"), in = width;
    tl_module *m = tl_module_from("ResNet", forward, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(tl_config_int(c, "channels"), width, 7, .stride = {2}, .padding = {3}, .no_bias = true));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(width));
    tl_module_add(m, "relu", tl_nn_relu());
    tl_module_add(m, "maxpool", tl_nn_max_pool2d(3, .stride = {2}, .padding = {1}));
    for (int stage = 0; stage < 4; stage++) {
        char name[16];
        int64_t planes = width << stage;
        tl_module *layer = tl_sequential_new();
        for (int i = 0; i < d.blocks[stage]; i++) {
            tl_sequential_append(layer, build_block(d.bottleneck, in, planes, i == 0 && stage > 0 ? 2 : 1));
            in = d.bottleneck ? 4 * planes : planes;
        }
        snprintf(name, sizeof name, "layer%d", stage + 1);
        tl_module_add(m, name, layer);
    }
    tl_module_add(m, "avgpool", tl_nn_adaptive_avg_pool2d(1, 1));
    tl_module_add(m, "fc", tl_nn_linear(in, tl_config_int(c, "classes")));
    m = convnet_init(m, 0);
    if (m && tl_config_bool(c, "zero-init-residual"))
        tl_modules(m, zero_residual, NULL);
    return m;
}

static const struct tl_plugin_option options[] = {
    CONVNET_OPTIONS("1000", "224"),
    {.name = "width", .help = "channels of the first stage", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 4096},
    {.name = "zero-init-residual", .help = "start with blocks that change nothing", .kind = TL_OPTION_BOOL, .fallback = "no"},
    {0},
};

#define RESNET(name_, variable, summary_, ...)                                             \
    static tl_module *build_##variable(const struct tl_config *c)                          \
    {                                                                                      \
        return build(c, (struct depth)__VA_ARGS__);                                        \
    }                                                                                      \
    static const struct tl_model variable = {                                              \
        .struct_size = sizeof(struct tl_model),                                            \
        .tasks = TL_CLASSIFY,                                                              \
        .name = name_,                                                                     \
        .summary = summary_,                                                               \
        .options = options,                                                                \
        .weights = variable##_weights,                                                     \
        .input_shape = convnet_input_shape,                                                \
        .build = build_##variable,                                                         \
        .labels = imagenet_labels,                                                         \
        .pictures = &imagenet_224,                                                         \
    }

static const struct tl_model_weights resnet18_weights[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "resnet18", "f37072fd", "ImageNet, 1000 classes: 69.758 % right at the first guess, 89.078 % within five"),
    {0},
};
static const struct tl_model_weights resnet34_weights[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "resnet34", "b627a593", "ImageNet, 1000 classes: 73.314 % right at the first guess, 91.420 % within five"),
    {0},
};
static const struct tl_model_weights resnet50_weights[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "resnet50", "0676ba61", "ImageNet, 1000 classes: 76.130 % right at the first guess, 92.862 % within five"),
    TORCHVISION_WEIGHTS("IMAGENET1K_V2", "resnet50", "11ad3fa6",
                        "the same by a newer recipe, for pictures resized to 232: 80.858 % right at the first guess, 95.434 % within five", .pictures = &imagenet_232),
    {0},
};

RESNET("resnet18", resnet18, "residual network of 18 layers", {{2, 2, 2, 2}, false});
RESNET("resnet34", resnet34, "residual network of 34 layers", {{3, 4, 6, 3}, false});
RESNET("resnet50", resnet50, "residual network of 50 layers, with bottlenecks", {{3, 4, 6, 3}, true});

TL_MODEL_PLUGIN("resnet", "0.1.0", "residual networks: resnet18, resnet34, resnet50", &resnet18, &resnet34, &resnet50);
