/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "resnet-cifar": the residual networks for CIFAR-10's pictures of section 4.2 of He et al., "Deep residual learning for image
 * recognition", 2015, with the names and the order of random draws of a widely used implementation in PyTorch (akamaster's).
 *
 *     x [n,3,h,w] -> conv1 3x3, 16 -> bn1 -> relu
 *                 -> layer1 … layer3, stages of blocks with 16, 32 and 64 channels; the second and the third halve the sides
 *                 -> mean over all positions -> linear
 *
 * A block computes relu(f(x) + x), where f is two 3x3 convolutions. Where f changes the shape, every second row and column of x is
 * taken, and the missing channels are zeros, half of them before and half behind (the paper's option A): shortcuts have no parameters.
 */
#include <stdio.h>
#include <string.h>

#include "models/common/convnet.h"

static tl_tensor *forward_block(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *y = tl_relu(tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    y = tl_forward_child(m, "bn2", tl_forward_child(m, "conv2", y));
    return tl_relu(tl_add(y, tl_forward_child(m, "shortcut", x)));
}

static tl_tensor *forward_option_a(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)m;
    (void)ctx;
    int64_t missing = x ? tl_size(x, 1) : 0; /* as many channels as there are */
    x = tl_slice(tl_slice(x, 2, 0, TL_END, 2), 3, 0, TL_END, 2);
    return tl_pad(x, 6, (int64_t[]){0, 0, 0, 0, missing / 2, missing - missing / 2}, 0);
}

static tl_module *build_block(int64_t in, int64_t out, int64_t stride)
{
    tl_module *m = tl_module_from("BasicBlock", forward_block, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(in, out, 3, .stride = {stride}, .padding = {1}, .no_bias = true));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(out));
    tl_module_add(m, "conv2", tl_nn_conv2d(out, out, 3, .padding = {1}, .no_bias = true));
    tl_module_add(m, "bn2", tl_nn_batch_norm2d(out));
    tl_module_add(m, "shortcut", in == out ? tl_nn_identity() : tl_module_from("OptionA", forward_option_a, NULL));
    return m;
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_relu(tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    x = tl_forward_child(m, "layer3", tl_forward_child(m, "layer2", tl_forward_child(m, "layer1", x)));
    return tl_forward_child(m, "linear", tl_flatten(tl_adaptive_avg_pool2d(x, 1, 1), 1, -1));
}

/* By He's rule (normal, fan_in). */
static tl_status init_one(const char *name, tl_module *m, void *ctx)
{
    (void)name;
    (void)ctx;
    bool weighted = strcmp(tl_module_name(m), "Conv2d") == 0 || strcmp(tl_module_name(m), "Linear") == 0;
    return weighted ? tl_init_kaiming_normal(tl_module_get(m, "weight"), 0, false) : TL_OK;
}

static tl_module *build(const struct tl_config *c, int blocks)
{
    int64_t width = tl_config_int(c, "width"), in = width;
    tl_module *m = tl_module_from("ResNet", forward, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(tl_config_int(c, "channels"), width, 3, .padding = {1}, .no_bias = true));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(width));
    for (int stage = 0; stage < 3; stage++) {
        char name[16];
        tl_module *layer = tl_sequential_new();
        for (int i = 0; i < blocks; i++) {
            tl_sequential_append(layer, build_block(in, width << stage, i == 0 && stage > 0 ? 2 : 1));
            in = width << stage;
        }
        snprintf(name, sizeof name, "layer%d", stage + 1);
        tl_module_add(m, name, layer);
    }
    tl_module_add(m, "linear", tl_nn_linear(in, tl_config_int(c, "classes")));
    if (m)
        tl_modules(m, init_one, NULL);
    return m;
}

static const struct tl_plugin_option options[] = {
    CONVNET_OPTIONS("10", "32"),
    {.name = "width", .help = "channels of the first stage", .kind = TL_OPTION_INT, .fallback = "16", .low = 1, .high = 4096},
    {0},
};

static const struct tl_picture_form pictures = {32, 32, TL_IMAGENET_SCALE};

static const char *const labels[] = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck", NULL};

#define AKAMASTER "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"

static const struct tl_model_weights resnet20_weights[] = {
    {.name = "CIFAR10", .url = AKAMASTER "resnet20-12fca82f.th", .note = "CIFAR-10: 91.73 % right on its test set",
     .sha256 = "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"},
    {0},
};
static const struct tl_model_weights resnet44_weights[] = {
    {.name = "CIFAR10", .url = AKAMASTER "resnet44-014dd654.th", .note = "CIFAR-10: 93.10 % right on its test set", .sha256 = "014dd654"},
    {0},
};

#define RESNET_CIFAR(layers, weights_)                                        \
    static tl_module *build_resnet##layers(const struct tl_config *c)         \
    {                                                                         \
        return build(c, (layers - 2) / 6);                                    \
    }                                                                         \
    static const struct tl_model resnet##layers = {                           \
        .struct_size = sizeof(struct tl_model),                               \
        .tasks = TL_CLASSIFY,                                                 \
        .name = "resnet" #layers,                                             \
        .summary = "residual network of " #layers " layers for small pictures", \
        .options = options,                                                   \
        .weights = weights_,                                                  \
        .data = "cifar10",                                                    \
        .input_shape = convnet_input_shape,                                   \
        .build = build_resnet##layers,                                        \
        .labels = labels,                                                     \
        .pictures = &pictures,                                                \
    }

RESNET_CIFAR(20, resnet20_weights);
RESNET_CIFAR(32, NULL);
RESNET_CIFAR(44, resnet44_weights);
RESNET_CIFAR(56, NULL);

TL_MODEL_PLUGIN("resnet-cifar", "0.1.0", "residual networks for small pictures: resnet20, resnet32, resnet44, resnet56", &resnet20, &resnet32,
                &resnet44, &resnet56);
