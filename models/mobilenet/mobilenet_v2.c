/* SPDX-License-Identifier: Apache-2.0
 *
 * mobilenet_v2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018, with torchvision's names and order of random
 * draws.
 *
 *     x [n,3,h,w] -> features: conv 3x3, stride 2, 32 -> seventeen inverted residuals, 16 … 320 channels -> conv 1x1, 1280
 *                 -> mean over all positions -> classifier: dropout -> linear
 *
 * An inverted residual widens its input by a 1x1 convolution, takes a depthwise 3x3 convolution of that, and narrows it again without an
 * activation; where the shape stays, the input is added.
 */
#include "models/mobilenet/mobilenet.h"

static tl_tensor *forward_residual(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_add(x, tl_forward_child(m, "conv", x));
}

static tl_tensor *forward_plain(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "conv", x);
}

static tl_module *unit(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups)
{
    tl_module *m = tl_sequential_new();
    append_conv(m, in, out, kernel, stride, groups);
    tl_sequential_append(m, tl_nn_relu6());
    return m;
}

static tl_module *build_block(int64_t in, int64_t out, int64_t stride, int64_t widen)
{
    tl_module *m = tl_module_from("InvertedResidual", stride == 1 && in == out ? forward_residual : forward_plain, NULL);
    tl_module *conv = tl_sequential_new();
    if (widen != 1)
        tl_sequential_append(conv, unit(in, widen * in, 1, 1, 1));
    tl_sequential_append(conv, unit(widen * in, widen * in, 3, stride, widen * in));
    append_conv(conv, widen * in, out, 1, 1, 1);
    tl_module_add(m, "conv", conv);
    return m;
}

/* The paper's channels times the width, as the nearest multiple of eight that is not more than a tenth below. */
static int64_t channels(double width, int64_t n)
{
    double wanted = (double)n * width;
    int64_t rounded = (int64_t)(wanted + 4) / 8 * 8;
    rounded = rounded < 8 ? 8 : rounded;
    return (double)rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_adaptive_avg_pool2d(tl_forward_child(m, "features", x), 1, 1);
    return tl_forward_child(m, "classifier", tl_flatten(x, 1, -1));
}

static tl_module *build(const struct tl_config *c)
{
    static const struct {
        int64_t widen, out;
        int n;
        int64_t stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    double width = tl_config_float(c, "width");
    int64_t in = channels(width, 32), last = channels(width > 1 ? width : 1, 1280);
    tl_module *m = tl_module_from("MobileNetV2", forward, NULL), *features = tl_sequential_new(), *classifier = tl_sequential_new();
    tl_sequential_append(features, unit(tl_config_int(c, "channels"), in, 3, 2, 1));
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
        for (int i = 0; i < stages[s].n; i++) {
            int64_t out = channels(width, stages[s].out);
            tl_sequential_append(features, build_block(in, out, i == 0 ? stages[s].stride : 1, stages[s].widen));
            in = out;
        }
    tl_sequential_append(features, unit(in, last, 1, 1, 1));
    tl_module_add(m, "features", features);
    tl_sequential_append(classifier, tl_nn_dropout(tl_config_float(c, "dropout")));
    tl_sequential_append(classifier, tl_nn_linear(last, tl_config_int(c, "classes")));
    tl_module_add(m, "classifier", classifier);
    return convnet_init(m, 0.01);
}

static const struct tl_plugin_option options[] = {
    MOBILENET_OPTIONS,
    {.name = "dropout", .help = "chance of dropping each feature before the last layer while training", .kind = TL_OPTION_FLOAT, .fallback = "0.2",
     .high = 0.95},
    {0},
};

static const struct tl_model_weights weights[] = {
    TORCHVISION_WEIGHTS("IMAGENET1K_V1", "mobilenet_v2", "b0353104", "ImageNet, 1000 classes: 71.878 % right at the first guess, 90.286 % within five"),
    TORCHVISION_WEIGHTS("IMAGENET1K_V2", "mobilenet_v2", "7ebf99e0",
                        "the same by a newer recipe, for pictures resized to 232: 72.154 % right at the first guess, 90.822 % within five", .pictures = &imagenet_232),
    {0},
};

const struct tl_model mobilenet_v2 = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "mobilenet_v2",
    .summary = "MobileNet, the second version: inverted residuals",
    .options = options,
    .weights = weights,
    .input_shape = convnet_input_shape,
    .build = build,
    .labels = imagenet_labels,
    .pictures = &imagenet_224,
};
