/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "xception": Chollet, "Xception: deep learning with depthwise separable convolutions", 2016, with the names of the implementation in
 * PyTorch whose weights are in use (tstandley's and Cadene's).
 *
 *     x [n,3,h,w] -> conv1 3x3, stride 2, 32 -> bn1 -> relu -> conv2 3x3, 64 -> bn2 -> relu
 *                 -> block1 … block3: 128, 256, 728 channels, half the sides each -> block4 … block11: 728 -> block12: 1024, half the sides
 *                 -> conv3: separable, 1536 -> bn3 -> relu -> conv4: separable, 2048 -> bn4 -> relu -> mean over all positions -> fc
 *
 * A block computes f(x) + x, where f is two or three times relu, separable convolution (each channel for itself by a 3x3 kernel, then
 * 1x1) and batch norm. Where f changes the shape, x goes through a 1x1 convolution and batch norm too (skip, skipbn).
 */
#include <stdio.h>

#include "models/common/convnet.h"

static tl_tensor *forward_separable(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "pointwise", tl_forward_child(m, "conv1", x));
}

static tl_module *build_separable(int64_t in, int64_t out)
{
    tl_module *m = tl_module_from("SeparableConv2d", forward_separable, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(in, in, 3, .padding = {1}, .groups = in, .no_bias = true));
    tl_module_add(m, "pointwise", tl_nn_conv2d(in, out, 1, .no_bias = true));
    return m;
}

static tl_tensor *forward_block(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_add(tl_forward_child(m, "rep", x), x);
}

static tl_tensor *forward_block_with_skip(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_add(tl_forward_child(m, "rep", x), tl_forward_child(m, "skipbn", tl_forward_child(m, "skip", x)));
}

struct block {
    int64_t in, out;
    int convolutions;
    bool halves;     /* a max pool at its end, and a skip */
    bool relu_first; /* the first block's input comes from one */
    bool grow_last;  /* channels grow in the last convolution, not in the first */
};

static tl_module *build_block(struct block b)
{
    tl_module *m = tl_module_from("Block", b.halves ? forward_block_with_skip : forward_block, NULL), *rep = tl_sequential_new();
    if (b.halves) {
        tl_module_add(m, "skip", tl_nn_conv2d(b.in, b.out, 1, .stride = {2}, .no_bias = true));
        tl_module_add(m, "skipbn", tl_nn_batch_norm2d(b.out));
    }
    int64_t in = b.in;
    for (int i = 0; i < b.convolutions; i++) {
        int64_t out = !b.grow_last || i == b.convolutions - 1 ? b.out : b.in;
        if (i > 0 || b.relu_first)
            tl_sequential_append(rep, tl_nn_relu());
        tl_sequential_append(rep, build_separable(in, out));
        tl_sequential_append(rep, tl_nn_batch_norm2d(out));
        in = out;
    }
    if (b.halves)
        tl_sequential_append(rep, tl_nn_max_pool2d(3, .stride = {2}, .padding = {1}));
    tl_module_add(m, "rep", rep);
    return m;
}

enum { BLOCKS = 12 };

/* Child "<kind><number>". */
static tl_tensor *numbered(tl_module *m, const char *kind, int number, tl_tensor *x)
{
    char name[16];
    snprintf(name, sizeof name, "%s%d", kind, number);
    return tl_forward_child(m, name, x);
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    for (int i = 1; i <= 2; i++)
        x = tl_relu(numbered(m, "bn", i, numbered(m, "conv", i, x)));
    for (int i = 1; i <= BLOCKS; i++)
        x = numbered(m, "block", i, x);
    for (int i = 3; i <= 4; i++)
        x = tl_relu(numbered(m, "bn", i, numbered(m, "conv", i, x)));
    return tl_forward_child(m, "fc", tl_flatten(tl_adaptive_avg_pool2d(x, 1, 1), 1, -1));
}

static tl_module *build(const struct tl_config *c)
{
    tl_module *m = tl_module_from("Xception", forward, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(tl_config_int(c, "channels"), 32, 3, .stride = {2}, .no_bias = true));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(32));
    tl_module_add(m, "conv2", tl_nn_conv2d(32, 64, 3, .no_bias = true));
    tl_module_add(m, "bn2", tl_nn_batch_norm2d(64));
    for (int i = 1; i <= BLOCKS; i++) {
        char name[16];
        struct block b = {728, 728, 3, false, true, false};
        if (i <= 3)
            b = (struct block){i == 1 ? 64 : i == 2 ? 128 : 256, i == 1 ? 128 : i == 2 ? 256 : 728, 2, true, i > 1, false};
        else if (i == BLOCKS)
            b = (struct block){728, 1024, 2, true, true, true};
        snprintf(name, sizeof name, "block%d", i);
        tl_module_add(m, name, build_block(b));
    }
    tl_module_add(m, "conv3", build_separable(1024, 1536));
    tl_module_add(m, "bn3", tl_nn_batch_norm2d(1536));
    tl_module_add(m, "conv4", build_separable(1536, 2048));
    tl_module_add(m, "bn4", tl_nn_batch_norm2d(2048));
    tl_module_add(m, "fc", tl_nn_linear(2048, tl_config_int(c, "classes")));
    return m;
}

static const struct tl_plugin_option options[] = {CONVNET_OPTIONS("1000", "299"), {0}};

static const struct tl_picture_form pictures = {333, 299, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};

static const struct tl_model_weights weights[] = {
    {.name = "IMAGENET1K", .url = "http://data.lip6.fr/cadene/pretrainedmodels/xception-b0b7af25.pth", .sha256 = "b0b7af25",
     .note = "ImageNet, 1000 classes: 78.892 % right at the first guess, 94.292 % within five"},
    {0},
};

static const struct tl_model xception = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "xception",
    .summary = "Xception: residual blocks of separable convolutions",
    .options = options,
    .weights = weights,
    .input_shape = convnet_input_shape,
    .build = build,
    .labels = imagenet_labels,
    .pictures = &pictures,
};

TL_MODEL_PLUGIN("xception", "0.1.0", "Xception", &xception);
